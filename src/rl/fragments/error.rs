//! What can go wrong in a round.

use std::time::Duration;

use thiserror::Error;

use crate::data::conversation::ConversationError;
use crate::engine::error::RequestError;
use crate::rl::advantage::AdvantageError;
use crate::rl::trace::{GroupError, TraceError};
use crate::sim::played::{CompanyError, PlayedError};

/// What went wrong while replies were sampled and marked.
#[derive(Debug, Error)]
pub enum FragmentError {
    /// The engine refused a prompt.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A message could not be written as ids.
    #[error(transparent)]
    Conversation(#[from] ConversationError),
    /// A reply could not be recorded.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// Replies could not be put together.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// Rewards that are no numbers.
    #[error(transparent)]
    Advantage(#[from] AdvantageError),
    /// No reply can be judged while others are sampled, or no patient be asked.
    #[error("no thread can be started to judge or answer replies: {0}")]
    Threads(std::io::Error),
    /// A patient that models play gave no reply.
    #[error(transparent)]
    Patient(#[from] PlayedError),
    /// The judge said nothing of anything, so that nobody knows what any reply earned.
    #[error("the judge gave no verdict on any of a round's {criteria} criteria: {why}")]
    NoVerdict {
        /// What it was asked about.
        criteria: usize,
        /// What came of the first, or that time was up.
        why: String,
    },
    /// Patients took too long over the replies that consultations go on with.
    #[error("not all of {patients} patients that were to go on answered within {patience:?}")]
    NoAnswer {
        /// How many were asked.
        patients: usize,
        /// The longest wait.
        patience: Duration,
    },
    /// The caller waits for models no more.
    #[error("the wait for verdicts and patients was interrupted")]
    Interrupted,
}

impl From<CompanyError> for FragmentError {
    fn from(error: CompanyError) -> Self {
        match error {
            CompanyError::Interrupted => Self::Interrupted,
            CompanyError::Silent { patients, patience } => Self::NoAnswer { patients, patience },
            CompanyError::Threads(error) => Self::Threads(error),
            CompanyError::Patient(error) => Self::Patient(error),
        }
    }
}
