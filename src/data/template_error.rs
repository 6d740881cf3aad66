//! What can go wrong with a chat template, and where in it.

use std::time::Duration;

use thiserror::Error;

/// Why a chat template was refused or could not be rendered. Lines count from 1 in the template's own text.
#[derive(Debug, Error)]
pub enum TemplateError {
    /// The template is larger than any chat template has reason to be.
    #[error("chat template is {found} bytes long, at most {legal} are accepted")]
    TooLarge {
        /// Its length in bytes.
        found: usize,
        /// The most accepted.
        legal: usize,
    },
    /// One tag, or the number of branches, is beyond what the template compiler can walk without exhausting the stack.
    #[error("chat template line {line}: {what} is {found}, at most {legal} is accepted")]
    TooComplex {
        /// The line where the bound was passed.
        line: usize,
        /// What was counted.
        what: &'static str,
        /// The count.
        found: usize,
        /// The most accepted.
        legal: usize,
    },
    /// The template is not valid Jinja, or uses a part of it that is not supported.
    #[error("chat template line {line}: {message}")]
    Syntax {
        /// The line.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// The template refused the conversation itself, by `raise_exception`.
    #[error("the chat template refuses this conversation (its line {line}): {message}")]
    Raised {
        /// The line of the call.
        line: usize,
        /// The template's own words.
        message: String,
    },
    /// An operation failed while the template ran: an unknown method, text added to nothing, and the like.
    #[error("chat template line {line}: {message}")]
    Render {
        /// The line.
        line: usize,
        /// What failed.
        message: String,
    },
    /// The template did more work, or built more data, than a conversation of this size can need.
    #[error(
        "chat template line {line}: stopped after {fuel} units of work, the limit for a conversation of this size"
    )]
    OutOfFuel {
        /// The line where it was stopped.
        line: usize,
        /// The limit.
        fuel: u64,
    },
    /// The rendered text passed the limit.
    #[error("the chat template wrote more than {legal} bytes, the limit for a conversation of this size")]
    OutputTooLarge {
        /// The limit.
        legal: usize,
    },
    /// Rendering did not end in time.
    #[error("waited {waited:?} for the chat template to be {what}; it is not safe to use")]
    Deadline {
        /// What was waited for: `compiled` or `rendered`.
        what: &'static str,
        /// For how long.
        waited: Duration,
    },
    /// The thread that works on the template could not be started, or ended without an answer.
    #[error("the thread that works on the chat template failed: {message}")]
    Worker {
        /// Why.
        message: String,
    },
    /// There is nothing to render.
    #[error("a chat template needs at least one message, this conversation has none")]
    NoMessages,
    /// A message or variable could not be turned into JSON.
    #[error("{what} cannot be shown to a chat template: {message}")]
    Input {
        /// Which input.
        what: &'static str,
        /// Why.
        message: String,
    },
}
