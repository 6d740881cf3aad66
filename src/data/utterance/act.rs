//! What one part of a doctor's message does.

use std::ops::Range;

use crate::data::case::{Aspect, Topic};

/// What a doctor's sentence does, as far as it was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Intent {
    /// Hello, an introduction.
    Greeting,
    /// `What brings you in?`, `Tell me more`, `Anything else?`
    OpenQuestion,
    /// Asks who the patient is: name, day of birth, address. Cases know none of it.
    Identity,
    /// Asks for a concept, a topic, or an aspect of either (`aspect`): symptom, onset, severity, history, medication,
    /// allergy, family, social.
    Question(Topic),
    /// Performs or announces a physical examination.
    Examination,
    /// Orders a test.
    Test,
    /// States what the patient has; `hedged` where it is one of several or only likely.
    Diagnosis {
        /// `could be`, `perhaps`, `one possibility`.
        hedged: bool,
    },
    /// Explains a finding, a disease or a reason.
    Explanation,
    /// Gives or prescribes a drug.
    Prescription,
    /// Refers to another service; `urgent` where at once.
    Referral {
        /// `now`, `right away`, `ambulance`, `emergency`.
        urgent: bool,
    },
    /// Any other advice: rest, fluids, what to watch for, when to return.
    Advice,
    /// Says that feelings were noticed: `I'm sorry to hear that`, `that must be worrying`.
    Empathy,
    /// Ends the consultation.
    Goodbye,
    /// None of these.
    Unclear,
}

/// One act: an intent with what it is about and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// What is done.
    pub intent: Intent,
    /// The concept it is about, as the lexicon names it; `None` for a whole topic (`any allergies?`) or none.
    pub concept: Option<String>,
    /// Which aspect a question asks for; `Presence` where none is named.
    pub aspect: Aspect,
    /// True where the sentence denies it: `this is not a heart attack`, `do not take ibuprofen`.
    pub negated: bool,
    /// Bytes of the message it was read from.
    pub span: Range<usize>,
}
