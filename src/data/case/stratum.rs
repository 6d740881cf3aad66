//! What cases are stratified by, already in the generality that may leave a hospital.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What cases are stratified by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stratum {
    /// The medical specialty.
    pub specialty: Specialty,
    /// Age in whole years, pooled from 90 on.
    pub age: Age,
    /// Sex as recorded.
    pub sex: Sex,
    /// How ill the patient is.
    pub severity: Severity,
    /// How common the presentation is.
    pub prevalence: Prevalence,
    /// Other conditions the patient has, as the lexicon names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub comorbidities: Vec<String>,
}

/// A specialty by its snake_case name, e.g. `cardiology`, `general_practice`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Specialty(pub String);

impl fmt::Display for Specialty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whole years; everyone from 90 on is 90 (HIPAA Safe Harbor, 45 CFR 164.514(b)(2)(i)(C)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "u32")]
pub struct Age(u32);

impl Age {
    /// From this age on all ages are one.
    pub const POOLED_FROM: u32 = 90;

    /// An age in years, pooled.
    pub fn new(years: u32) -> Self {
        Self(years.min(Self::POOLED_FROM))
    }

    /// Years, at most 90.
    pub fn years(self) -> u32 {
        self.0
    }

    /// The band it falls in.
    pub fn band(self) -> AgeBand {
        match self.0 {
            0..13 => AgeBand::Child,
            13..18 => AgeBand::Adolescent,
            18..40 => AgeBand::Young,
            40..65 => AgeBand::Middle,
            _ => AgeBand::Older,
        }
    }
}

impl From<u32> for Age {
    fn from(years: u32) -> Self {
        Self::new(years)
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == Self::POOLED_FROM { f.write_str("90 or older") } else { self.0.fmt(f) }
    }
}

/// Ages that are drawn and reported together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgeBand {
    /// Under 13.
    Child,
    /// 13 to 17.
    Adolescent,
    /// 18 to 39.
    Young,
    /// 40 to 64.
    Middle,
    /// 65 and over.
    Older,
}

/// Sex as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sex {
    /// Female.
    Female,
    /// Male.
    Male,
    /// Other, or not recorded.
    Other,
}

/// How ill the patient is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Can wait.
    Mild,
    /// Needs care soon.
    Moderate,
    /// Needs care now.
    Severe,
}

/// How common a presentation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prevalence {
    /// Seen every day in general practice.
    Common,
    /// Seen every few months.
    Occasional,
    /// Seen a few times in a career.
    Rare,
}
