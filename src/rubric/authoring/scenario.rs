//! Kinds of prompts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A kind of prompt (Baichuan-M2 report, section 2.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scenario {
    /// Somebody brings a complaint, and has told some of it.
    Consultation,
    /// A medical question that stands on its own.
    Question,
    /// A note is to be written from material.
    NoteWriting,
    /// Results are to be explained.
    ReportInterpretation,
    /// How soon somebody has to be seen, and where.
    Triage,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Consultation, Self::Question, Self::NoteWriting, Self::ReportInterpretation, Self::Triage];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Consultation => "consultation",
            Self::Question => "question",
            Self::NoteWriting => "note_writing",
            Self::ReportInterpretation => "report_interpretation",
            Self::Triage => "triage",
        }
    }

    /// The nearest of HealthBench's seven themes, so that its readers can group by it.
    pub fn theme(self) -> &'static str {
        match self {
            Self::Consultation => "context_seeking",
            Self::Question => "complex_responses",
            Self::NoteWriting | Self::ReportInterpretation => "health_data_tasks",
            Self::Triage => "emergency_referrals",
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|it| it.name() == text).ok_or_else(|| {
            let legal = Self::ALL.map(Self::name).join(", ");
            format!("`{text}` is no scenario, legal are {legal}")
        })
    }
}
