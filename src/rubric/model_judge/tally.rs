//! What judging took.

use serde::Serialize;

use crate::chat::Usage;

use super::votes::Votes;

/// Counts of a judge's work so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    /// Items that had a verdict to get.
    pub items: u64,
    /// Of these, the ones that were judged.
    pub judged: u64,
    /// Items that were judged more than once.
    pub compared: u64,
    /// Of these, the ones on which the votes differ.
    pub disagreed: u64,
    /// Requests to the model, repeats included.
    pub requests: u64,
    /// Requests that were not made, since another one asked the same.
    pub saved: u64,
    /// Requests that were not made, since their reply was kept on disk. Neither they nor their tokens are in the other counts.
    pub kept: u64,
    /// Requests that brought no answer.
    pub failed: u64,
    /// Answers whose tokens were counted.
    pub counted: u64,
    /// Tokens of these answers.
    pub usage: Usage,
}

impl Tally {
    /// Of the tokens of all conversations sent, the share that the model had read before; `None` where nothing was counted.
    pub fn cached_ratio(&self) -> Option<f64> {
        let Usage { prompt_tokens, cached_tokens, .. } = self.usage;
        (prompt_tokens > 0).then(|| cached_tokens as f64 / prompt_tokens as f64)
    }

    /// Of the items judged more than once, the share on which the votes differ; `None` where there are none.
    pub fn disagreement(&self) -> Option<f64> {
        (self.compared > 0).then(|| self.disagreed as f64 / self.compared as f64)
    }

    /// What came since it was `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        let less = |now: u64, then: u64| now.saturating_sub(then);
        Self {
            items: less(self.items, earlier.items),
            judged: less(self.judged, earlier.judged),
            compared: less(self.compared, earlier.compared),
            disagreed: less(self.disagreed, earlier.disagreed),
            requests: less(self.requests, earlier.requests),
            saved: less(self.saved, earlier.saved),
            kept: less(self.kept, earlier.kept),
            failed: less(self.failed, earlier.failed),
            counted: less(self.counted, earlier.counted),
            usage: Usage {
                prompt_tokens: less(self.usage.prompt_tokens, earlier.usage.prompt_tokens),
                completion_tokens: less(self.usage.completion_tokens, earlier.usage.completion_tokens),
                cached_tokens: less(self.usage.cached_tokens, earlier.usage.cached_tokens),
            },
        }
    }

    /// Counts an item.
    pub(super) fn item(&mut self, votes: Votes, judged: bool) {
        self.items += 1;
        self.judged += u64::from(judged);
        self.compared += u64::from(votes.compared());
        self.disagreed += u64::from(votes.disagree());
    }
}
