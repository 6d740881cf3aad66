//! One thing that can be found out about a patient.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Names a fact within its case, e.g. `chest-pain.onset`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FactId(pub String);

impl FactId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing that can be found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// Unique within the case.
    pub id: FactId,
    /// Which part of the consultation asks for it.
    pub topic: Topic,
    /// What it is about, as the lexicon names it, e.g. `chest pain`, `penicillin`, `electrocardiogram`.
    pub concept: String,
    /// What of the concept it tells.
    pub aspect: Aspect,
    /// Whether the concept is there.
    pub finding: Finding,
    /// The chart's wording, in the third person: `crushing central chest pain since this morning`.
    pub text: String,
    /// The patient's own words for it, in the first person; `None` for what the patient cannot know
    /// (examination and test findings).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// When it may be told.
    pub reveal: Reveal,
    /// How much finding it out matters for this case.
    pub importance: Importance,
    /// True where it tells more about the person than the clinical question needs (for the privacy score).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
}

/// Which part of the consultation a fact belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Symptoms of the present illness, present or denied.
    Symptom,
    /// Past illnesses, operations, admissions.
    History,
    /// Drugs taken.
    Medication,
    /// Allergies and intolerances.
    Allergy,
    /// Illnesses of relatives.
    Family,
    /// Tobacco, alcohol, drugs, work, living situation, travel, contacts, exercise.
    Social,
    /// What the patient fears, believes or wants.
    Concern,
    /// Findings of a physical examination.
    Examination,
    /// Results of a test.
    Test,
}

/// What of a concept a fact tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// Whether it is there at all.
    Presence,
    /// When it began, and how.
    Onset,
    /// How it has gone since; how long and how often it comes.
    Course,
    /// What it is like.
    Character,
    /// How bad it is.
    Severity,
    /// Where it is.
    Location,
    /// Where it spreads.
    Radiation,
    /// What makes it worse.
    Aggravating,
    /// What makes it better.
    Relieving,
    /// Any other detail: the dose of a drug, the reaction of an allergy, a result.
    Detail,
}

impl Aspect {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::Onset => "onset",
            Self::Course => "course",
            Self::Character => "character",
            Self::Severity => "severity",
            Self::Location => "location",
            Self::Radiation => "radiation",
            Self::Aggravating => "aggravating",
            Self::Relieving => "relieving",
            Self::Detail => "detail",
        }
    }
}

/// Whether a concept was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// It is there.
    Present,
    /// It is not there: a relevant negative.
    Absent,
    /// The patient does not know.
    Unknown,
}

/// When a fact may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reveal {
    /// The patient brings it up unasked.
    Opening,
    /// When the doctor asks for it.
    OnQuestion,
    /// When the doctor asks for it and has been kind before, or asks twice.
    OnTrust,
    /// When the doctor performs the examination.
    OnExamination,
    /// When the doctor orders the test.
    OnTest,
    /// Not at all.
    Never,
}

/// How much finding a fact out matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Importance {
    /// True, and of no weight.
    Routine,
    /// A careful doctor asks for it.
    Useful,
    /// The diagnosis or the patient's safety hangs on it.
    Essential,
}
