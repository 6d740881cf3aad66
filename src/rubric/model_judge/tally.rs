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

    /// Counts an item.
    pub(super) fn item(&mut self, votes: Votes, judged: bool) {
        self.items += 1;
        self.judged += u64::from(judged);
        self.compared += u64::from(votes.compared());
        self.disagreed += u64::from(votes.disagree());
    }
}
