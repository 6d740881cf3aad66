//! Why a patient that models play gave no reply.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::chat::ChatError;
use crate::sim::played::prompts::PromptError;

/// One of the three units that a message passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitName {
    /// Says whether the message ends the consultation.
    Gate,
    /// Drafts the reply.
    Voice,
    /// Labels the draft's claims.
    Check,
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gate => "gate",
            Self::Voice => "voice",
            Self::Check => "check",
        })
    }
}

/// Why there is no reply. A consultation is never ended, and no words are made up, in place of one.
#[derive(Debug, Error)]
pub enum PlayedError {
    /// A unit's model gave no answer.
    #[error("the patient's {unit}, model `{model}`: {source}")]
    Unit {
        /// The unit.
        unit: UnitName,
        /// Its model.
        model: String,
        /// What happened.
        source: ChatError,
    },
    /// A prompt could not be made.
    #[error(transparent)]
    Prompt(#[from] PromptError),
}
