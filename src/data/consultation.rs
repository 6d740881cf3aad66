//! What was said between a doctor and a patient.

use serde::{Deserialize, Serialize};

use crate::chat::Message;
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

/// What is found said after the opening that nobody in the consultation has said: it is read, and answered, and marked as neither side's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// What a doctor is found to have said.
    pub doctor: String,
    /// What the patient is found to have said to it.
    pub patient: String,
}

/// A consultation, finished or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consultation {
    /// The case it is about.
    pub case_id: String,
    /// The patient's first words.
    pub opening: String,
    /// What only the doctor, and whoever marks it, finds said after them ([`Mode::seen`](crate::sim::Mode::seen)). Nothing in a consultation that a patient
    /// is asked to go on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
    /// Exchanges so far.
    pub turns: Vec<Turn>,
    /// Set when it is over.
    pub ending: Option<Ending>,
}

/// What a doctor's model is told before the patient's first words. Short, since every token of it is paid for in each
/// turn of each rollout.
pub const DOCTOR_PROMPT: &str = "You are a doctor in a consultation. Ask short, clear questions, then say what you think it is and what to do.";

impl Consultation {
    /// The consultation as a doctor's model reads it: `system` where there is one, the patient as user, the doctor as
    /// assistant. It ends with the patient unless the doctor's last message ended it.
    pub fn messages(&self, system: Option<&str>) -> Vec<Message> {
        let mut messages = Vec::with_capacity(4 + 2 * self.turns.len());
        messages.extend(system.map(Message::system));
        messages.push(Message::user(self.opening.as_str()));
        if let Some(found) = &self.found {
            messages
                .extend([Message::assistant(found.doctor.as_str()), Message::user(found.patient.as_str())]);
        }
        for turn in &self.turns {
            messages.push(Message::assistant(turn.doctor.as_str()));
            messages.extend(turn.patient.as_deref().map(Message::user));
        }
        messages
    }

    /// All that the patient has said, a line a message.
    pub fn patients_words(&self) -> String {
        let answers = self.turns.iter().filter_map(|turn| turn.patient.as_deref());
        std::iter::once(self.opening.as_str()).chain(answers).collect::<Vec<_>>().join("\n")
    }
}
