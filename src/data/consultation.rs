//! What was said between a doctor and a patient.

use serde::{Deserialize, Serialize};

use crate::data::case::FactId;

/// One exchange after the opening: the doctor's message and what it led to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// What the doctor said.
    pub doctor: String,
    /// What the patient said; `None` where the doctor's message ended the consultation.
    pub patient: Option<String>,
    /// Facts the patient told in this reply.
    pub told: Vec<FactId>,
    /// Facts the doctor's message asked for, whether or not they were told before.
    pub asked: Vec<FactId>,
    /// False where the patient said that they did not understand.
    pub understood: bool,
}

/// Why a consultation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The doctor named a diagnosis and what to do.
    Concluded,
    /// The doctor said goodbye.
    Goodbye,
    /// The doctor sent the patient to an emergency department.
    Emergency,
    /// The longest allowed number of turns was reached.
    TurnLimit,
    /// The doctor repeated the same or said nothing that could be understood, several times in a row.
    GaveUp,
}

/// A consultation, finished or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consultation {
    /// The case it is about.
    pub case_id: String,
    /// The patient's first words.
    pub opening: String,
    /// Exchanges so far.
    pub turns: Vec<Turn>,
    /// Set when it is over.
    pub ending: Option<Ending>,
}
