//! Who the patient is as a person: how they speak and what they do with a question.

use serde::{Deserialize, Serialize};

/// A patient's persona (Baichuan-M2 report, section 2.1.1; axes after MBTI).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Persona {
    /// Extravert: asks about treatment unprompted; introvert: waits to be told.
    pub extravert: bool,
    /// Intuitive: speaks of the whole; sensing: of single observations.
    pub intuitive: bool,
    /// Feeling: what the doctor's manner is like changes what is told; thinking: it does not.
    pub feeling: bool,
    /// Judging: answers in order and wants a plan; perceiving: wanders a little.
    pub judging: bool,
    /// Low income resists costly options.
    pub income: Level,
    /// High education asks for reasons.
    pub education: Level,
    /// Sentences a reply.
    pub verbosity: Level,
    /// How much of dates, doses and names is remembered.
    pub recall: Level,
}

/// Three steps of anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Little.
    Low,
    /// As most people.
    Medium,
    /// Much.
    High,
}
