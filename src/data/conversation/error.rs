//! Why a conversation could not be written as ids.

use std::fmt;

use thiserror::Error;

use crate::data::{TemplateError, TokenizerError};

/// Whose words come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The patient's.
    Patient,
    /// The doctor's.
    Reply,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Patient => "the patient's words",
            Self::Reply => "the doctor's reply",
        })
    }
}

/// Why a conversation could not be written as ids.
#[derive(Debug, Error)]
pub enum ConversationError {
    /// The chat template failed.
    #[error("the chat template: {0}")]
    Template(#[from] TemplateError),
    /// The tokenizer failed.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The template writes something that cannot be put together message by message.
    #[error("the chat template cannot be used turn by turn: {what} is {found:?}, legal is {legal}")]
    Shape {
        /// Which part of a rendered conversation.
        what: &'static str,
        /// What the template writes there.
        found: String,
        /// What it would have to write.
        legal: String,
    },
    /// The words of the conversation came in the wrong order.
    #[error(
        "{given} were given, but {expected} come next: patient and doctor take turns, the patient begins"
    )]
    Order {
        /// Whose words were given or asked for.
        given: Expected,
        /// Whose come next.
        expected: Expected,
    },
    /// A text that the tokenizer can only read as a special token.
    #[error("the message holds {token:?}, which this vocabulary has only as a special token")]
    OnlySpecial {
        /// The token.
        token: String,
    },
}
