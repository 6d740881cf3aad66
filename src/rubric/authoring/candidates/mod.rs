//! Candidate criteria: a broad set for each dimension, of which the best are chosen later.

pub mod of_case;
pub mod of_persona;
pub mod of_reference;
pub mod shown;
pub mod written;

use serde::{Deserialize, Serialize};

use super::dimension::{Dimension, ScenarioGuide};
use super::prompt::DraftPrompt;
use crate::data::case::FactId;

/// Where a criterion came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Origin {
    /// Holds for every prompt of its kind.
    General,
    /// A fact of the case.
    Fact {
        /// Which.
        fact: FactId,
    },
    /// A fact that calls for urgency.
    RedFlag {
        /// Which.
        fact: FactId,
    },
    /// The diagnosis.
    Diagnosis,
    /// Something else to be considered.
    Differential {
        /// The condition.
        condition: String,
    },
    /// A step of the plan.
    Plan {
        /// Its place, from 0.
        step: usize,
    },
    /// Whether the patient has to be sent to an emergency department.
    Urgency,
    /// A point of the answer that a passage gives.
    Passage {
        /// Its place, from 0.
        point: usize,
    },
    /// What the patient as a person needs.
    Persona,
    /// Something the prompt explicitly asks of the answer.
    Instruction,
    /// A model wrote it.
    Model {
        /// What the model is called.
        model: String,
        /// Why, in its words.
        why: String,
    },
}

/// A criterion that may be chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// What it looks at.
    pub dimension: Dimension,
    /// In words.
    pub text: String,
    /// From 1 to 10.
    pub importance: u8,
    /// True where it describes a mistake.
    pub undesirable: bool,
    /// Where it came from.
    pub origin: Origin,
}

impl Candidate {
    fn good(dimension: Dimension, importance: u8, origin: Origin, text: impl Into<String>) -> Self {
        Self { dimension, text: text.into(), importance, undesirable: false, origin }
    }

    fn bad(dimension: Dimension, importance: u8, origin: Origin, text: impl Into<String>) -> Self {
        Self { undesirable: true, ..Self::good(dimension, importance, origin, text) }
    }
}

/// The candidates that rules make, in the dimensions of `guide`.
pub fn by_rules(prompt: &DraftPrompt, guide: &ScenarioGuide) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    if let Some(case) = prompt.case.as_deref() {
        of_case::candidates(prompt, case, &mut candidates);
    }
    if let Some(persona) = &prompt.persona {
        of_persona::candidates(persona, &mut candidates);
    }
    if let Some(reference) = &prompt.reference {
        of_reference::candidates(reference, &mut candidates);
    }
    candidates.retain(|candidate| guide.dimension(candidate.dimension).is_some());
    candidates
}
