//! What the lines of a step hold: what was made of one item, or why nothing.

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
    NotPossible(NotPossible),
    /// A model's replies were not as asked.
    Failed(String),
}

impl<T> Made<T> {
    /// What is written where there is nothing to make it of.
    pub fn nothing() -> Self {
        Self::NotPossible(NotPossible::NothingGiven)
    }

    /// What was made, if anything.
    pub fn made(&self) -> Option<&T> {
        match self {
            Self::Made(made) => Some(made),
            Self::NotPossible(_) | Self::Failed(_) => None,
        }
    }
}

impl<T> From<Option<T>> for Made<T> {
    fn from(made: Option<T>) -> Self {
        made.map_or_else(Self::nothing, Self::Made)
    }
}

/// Why something cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotPossible {
    /// What the case has as its truth is no condition.
    NoCondition,
    /// It asks how urgent the case is, which its source does not tell.
    UnknownUrgency,
    /// The case or passage holds nothing to make it of.
    NothingGiven,
}

impl NotPossible {
    /// For a terminal.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::NoCondition => "what the case has as its diagnosis is no condition",
            Self::UnknownUrgency => "the case does not tell how urgent it is",
            Self::NothingGiven => "the case or passage gives nothing for it",
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
