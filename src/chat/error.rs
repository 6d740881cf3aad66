//! Why there is no answer.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::chat::client::error::ServerError;
use crate::chat::servers::NoServer;

/// Why a chat model gave no answer.
#[derive(Debug, Error)]
pub enum ChatError {
    /// The listener stopped it before it had said anything.
    #[error("stopped before anything was said")]
    Stopped,
    /// The conversation leaves no room for an answer.
    #[error("the conversation has {tokens} tokens, the context is {context}: shorten it or start over")]
    ContextFull {
        /// Tokens of the conversation.
        tokens: usize,
        /// The most tokens, answer included.
        context: usize,
    },
    /// A model of this process failed.
    #[error(transparent)]
    Model(Box<dyn Error + Send + Sync>),
    /// A server gave no answer.
    #[error(transparent)]
    Server(#[from] Box<ServerError>),
    /// None of several servers gave an answer.
    #[error(transparent)]
    NoServer(#[from] Box<NoServer>),
    /// The reply is there, and could not be kept.
    #[error("the cache {path} cannot be written: {source}")]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// All replies were other than was asked for.
    #[error("asked {asked} times, the model's reply is not what was asked for: {problem}; it said: {said}")]
    NotAsAsked {
        /// How often it was asked.
        asked: usize,
        /// What is wrong with the last reply.
        problem: String,
        /// The beginning of the last reply.
        said: String,
    },
}

impl ChatError {
    /// A failure of a model of this process.
    pub fn model(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Model(Box::new(error))
    }
}

/// The beginning of a text, in one line, for a message.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 200;
    let mut shown: String =
        text.trim().chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if shown.is_empty() {
        return "(nothing)".to_owned();
    }
    if text.trim().chars().nth(LONGEST).is_some() {
        shown.push_str(" ..");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_and_one_line() {
        assert_eq!(excerpt("  a\nb\u{1b}c  "), "a b c");
        assert_eq!(excerpt(" \n"), "(nothing)");
        assert_eq!(excerpt(&"é".repeat(200)), "é".repeat(200));
        assert_eq!(excerpt(&"é".repeat(201)), format!("{} ..", "é".repeat(200)));
    }
}
