//! What the lines of a step hold.

use serde::{Deserialize, Serialize};

use super::assessment::LeftOut;
use super::weights::Weighted;

/// One line of a step: what was made for one item, or why nothing was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Made<T> {
    /// What was made.
    Made(T),
    /// The case or passage does not give it.
    NotPossible,
    /// A model's replies were not as asked.
    Failed(String),
}

impl<T> Made<T> {
    /// What was made, if anything.
    pub fn made(&self) -> Option<&T> {
        match self {
            Self::Made(made) => Some(made),
            Self::NotPossible | Self::Failed(_) => None,
        }
    }
}

/// Where a prompt ended up among those that say the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Duplicate {
    /// The prompt.
    pub id: String,
    /// The first prompt of its cluster, which is itself unless it is a duplicate.
    pub leader: String,
    /// How like the leader it is.
    pub similarity: f64,
    /// True where the leader is of another set.
    pub of_others: bool,
    /// Whether it goes on.
    pub kept: bool,
}

/// Whether a prompt is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The prompt.
    pub id: String,
    /// Why it is left out; absent where it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOut>,
}

/// Points, and how many criteria were lost to a sign that did not fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Points {
    /// Criteria with their points.
    pub criteria: Vec<Weighted>,
    /// Criteria whose points had the wrong sign.
    pub dropped: usize,
}
