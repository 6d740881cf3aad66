//! One of an interviewer's messages with what it is after.

use serde::{Deserialize, Serialize};

use crate::data::import::concept::Concepts;

use super::label::about;

/// What a message is after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// An answer that the record has.
    Ask,
    /// The story.
    Open,
    /// Nothing that could be answered as it stands.
    Vague,
    /// Many things at once.
    Several,
    /// Nothing of the consultation.
    OffTopic,
    /// What was asked before.
    Repeat,
    /// All that the patient knows, or the record itself.
    Demand,
    /// The diagnosis.
    Diagnosis,
    /// Consent to something wrong.
    Leading,
    /// Other behaviour than a patient's.
    Injection,
    /// Tells what it may be, and asks what the patient thinks.
    Verdict,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The words.
    pub text: String,
    /// What they are after.
    pub aim: Aim,
    /// The place of the atomic fact that answers it, among the record's.
    pub wants: Option<usize>,
    /// Whether it is kind.
    pub warm: bool,
    /// Whether it arranges something that costs: an examination is free, a test is not.
    pub costly: bool,
    /// The one thing it asks about, where it is one.
    pub about: Option<String>,
    /// Whether it asks if that is there.
    pub asks_whether: bool,
}

impl Probe {
    /// A message with nothing particular about it.
    pub fn new(text: impl Into<String>, aim: Aim, concepts: &Concepts) -> Self {
        let text = text.into();
        let (about, asks_whether) = about(&text, concepts);
        Self { text, aim, wants: None, warm: false, costly: false, about, asks_whether }
    }

    /// The same, answered by atomic fact `at`.
    pub fn wanting(self, at: usize) -> Self {
        Self { wants: Some(at), ..self }
    }
}
