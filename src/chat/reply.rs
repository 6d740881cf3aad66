//! What a chat model answered.

use serde::{Deserialize, Serialize};

use crate::chat::message::Message;

/// An answer. Whatever is no answer is a [`ChatError`](crate::chat::ChatError), never an empty one of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// What was said, as an assistant's message.
    pub message: Message,
    /// Why it ended.
    pub finish: Finish,
    /// Tokens it took, where they were counted.
    pub usage: Option<Usage>,
}

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model was done.
    Stop,
    /// The limit of tokens was reached: the end is missing.
    Length,
    /// The listener stopped it: the end is missing.
    Stopped,
}

/// Tokens that a reply took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the conversation that was sent.
    pub prompt_tokens: u64,
    /// Tokens of the reply, thinking included.
    pub completion_tokens: u64,
    /// Of the conversation's tokens, those that the model had read before and did not read again; 0 where nobody says.
    #[serde(default, skip_serializing_if = "is_none")]
    pub cached_tokens: u64,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Usage {
    /// Both together.
    pub fn total(self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.prompt_tokens = self.prompt_tokens.saturating_add(other.prompt_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(other.completion_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
    }
}

/// What reading conversations took a model of this process.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reading {
    /// Tokens that were read; those that it had read before are not among them.
    pub tokens: u64,
    /// Seconds that this took. A step that writes too is shared out by its tokens.
    pub seconds: f64,
}

impl Reading {
    /// Tokens read a second; `None` where nothing was read.
    pub fn tokens_per_second(self) -> Option<f64> {
        (self.tokens > 0 && self.seconds > 0.0).then(|| self.tokens as f64 / self.seconds)
    }

    /// What came since it was `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_sub(earlier.tokens),
            seconds: (self.seconds - earlier.seconds).max(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_what_was_read() {
        let (earlier, now) = (Reading { tokens: 100, seconds: 1.0 }, Reading { tokens: 400, seconds: 2.5 });
        assert_eq!(now.since(earlier).tokens_per_second(), Some(200.0));
        assert_eq!(now.since(now).tokens_per_second(), None);
    }
}
