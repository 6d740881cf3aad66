//! What rubrics look at: dimensions, and which of them each kind of prompt has.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::scenario::Scenario;
use crate::rubric::criterion::Axis;

/// One side of an answer (Baichuan-M2 report, sections 2.2.2 and 3.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// What is concluded.
    DiagnosticAccuracy,
    /// What is asked, or recorded.
    InquiryLogic,
    /// What is done.
    TreatmentRationality,
    /// How it is said.
    CommunicationEmpathy,
    /// What must not go wrong.
    EthicsSafety,
    /// What claims rest on.
    EvidenceSupport,
    /// How it is laid out.
    ClarityStructure,
    /// Whether it is what was asked for.
    InstructionAdherence,
}

impl Dimension {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::DiagnosticAccuracy,
        Self::InquiryLogic,
        Self::TreatmentRationality,
        Self::CommunicationEmpathy,
        Self::EthicsSafety,
        Self::EvidenceSupport,
        Self::ClarityStructure,
        Self::InstructionAdherence,
    ];

    /// Its name in files and tags.
    pub fn name(self) -> &'static str {
        match self {
            Self::DiagnosticAccuracy => "diagnostic_accuracy",
            Self::InquiryLogic => "inquiry_logic",
            Self::TreatmentRationality => "treatment_rationality",
            Self::CommunicationEmpathy => "communication_empathy",
            Self::EthicsSafety => "ethics_safety",
            Self::EvidenceSupport => "evidence_support",
            Self::ClarityStructure => "clarity_structure",
            Self::InstructionAdherence => "instruction_adherence",
        }
    }

    /// The dimension called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// The nearest of HealthBench's five axes.
    pub fn healthbench_axis(self) -> &'static str {
        match self {
            Self::DiagnosticAccuracy | Self::TreatmentRationality | Self::EvidenceSupport => "accuracy",
            Self::InquiryLogic => "context_awareness",
            Self::EthicsSafety => "completeness",
            Self::CommunicationEmpathy | Self::ClarityStructure => "communication_quality",
            Self::InstructionAdherence => "instruction_following",
        }
    }

    /// The axis that rewards are reported by.
    pub fn axis(self) -> Axis {
        match self {
            Self::DiagnosticAccuracy | Self::EvidenceSupport => Axis::Diagnosis,
            Self::InquiryLogic => Axis::Inquiry,
            Self::TreatmentRationality => Axis::Treatment,
            Self::CommunicationEmpathy | Self::ClarityStructure | Self::InstructionAdherence => {
                Axis::Communication
            }
            Self::EthicsSafety => Axis::Safety,
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A dimension in one kind of prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DimensionGuide {
    /// Which.
    pub name: Dimension,
    /// Most criteria.
    pub most: usize,
    /// Points are importance (1 to 10) times this, in (0, 1].
    pub weight: f64,
    /// What it is about, for whoever writes criteria.
    pub asks: String,
}

/// The dimensions of one kind of prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioGuide {
    /// Which kind.
    pub name: Scenario,
    /// Most criteria in all.
    pub most: usize,
    /// Its dimensions.
    #[serde(rename = "dimension")]
    pub dimensions: Vec<DimensionGuide>,
}

impl ScenarioGuide {
    /// What is said of a dimension, where this kind of prompt has it.
    pub fn dimension(&self, name: Dimension) -> Option<&DimensionGuide> {
        self.dimensions.iter().find(|it| it.name == name)
    }
}

/// The dimensions of all kinds of prompts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dimensions(Vec<ScenarioGuide>);

/// What is wrong with a file of dimensions.
#[derive(Debug, Error, PartialEq)]
pub enum DimensionsError {
    /// Not TOML of the documented shape.
    #[error("dimensions: {0}")]
    Shape(String),
    /// A kind of prompt that is not there, or twice.
    #[error("dimensions: scenario `{name}` is there {found} times, legal is once")]
    Count {
        /// The kind.
        name: Scenario,
        /// How often it is there.
        found: usize,
    },
    /// A value that cannot be.
    #[error("dimensions: scenario `{scenario}`, {field} is {found}, legal is {legal}")]
    Value {
        /// The kind of prompt.
        scenario: Scenario,
        /// Which value.
        field: String,
        /// What it is.
        found: String,
        /// What it may be.
        legal: &'static str,
    },
}

impl Dimensions {
    /// Reads `[[scenario]]`s with their `[[scenario.dimension]]`s. Each kind of prompt must be there once.
    pub fn parse(text: &str) -> Result<Self, DimensionsError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            scenario: Vec<ScenarioGuide>,
        }
        let File { scenario: guides } =
            toml::from_str(text).map_err(|error| DimensionsError::Shape(error.to_string()))?;
        for name in Scenario::ALL {
            let found = guides.iter().filter(|guide| guide.name == name).count();
            if found != 1 {
                return Err(DimensionsError::Count { name, found });
            }
        }
        for guide in &guides {
            let wrong = |field: String, found: String, legal| {
                Err(DimensionsError::Value { scenario: guide.name, field, found, legal })
            };
            if guide.most == 0 || guide.dimensions.is_empty() {
                return wrong("most".into(), guide.most.to_string(), "1 or more, with one dimension or more");
            }
            let mut seen = BTreeSet::new();
            for it in &guide.dimensions {
                if !seen.insert(it.name) {
                    return wrong("dimension".into(), format!("`{}` twice", it.name), "each once");
                }
                if it.most == 0 {
                    return wrong(format!("most of {}", it.name), "0".into(), "1 or more");
                }
                if !(it.weight > 0.0 && it.weight <= 1.0) {
                    return wrong(
                        format!("weight of {}", it.name),
                        it.weight.to_string(),
                        "above 0, at most 1",
                    );
                }
            }
        }
        Ok(Self(guides))
    }

    /// The dimensions of a kind of prompt.
    ///
    /// # Panics
    /// Never: no value of this type lacks a kind.
    pub fn of(&self, scenario: Scenario) -> &ScenarioGuide {
        let found = self.0.iter().find(|guide| guide.name == scenario);
        found.unwrap_or_else(|| unreachable!("`parse` asks for every scenario"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUNDLED: &str = include_str!("../../../data/prompts/rubric/dimensions.toml");

    #[test]
    fn the_bundled_file_is_whole_and_every_kind_has_what_variants_need() {
        let dimensions = Dimensions::parse(BUNDLED).unwrap();
        for scenario in Scenario::ALL {
            let guide = dimensions.of(scenario);
            assert!(guide.dimension(Dimension::InstructionAdherence).is_some(), "{scenario}");
            assert!(guide.dimension(Dimension::EthicsSafety).is_some(), "{scenario}");
        }
    }

    #[test]
    fn what_is_missing_twice_or_out_of_range_is_named() {
        let error = |text: &str| Dimensions::parse(text).unwrap_err().to_string();
        assert!(error("scenario = []").contains("`consultation` is there 0 times"));
        assert!(error(&format!("{BUNDLED}\n{BUNDLED}")).contains("there 2 times"));
        assert!(
            error(&BUNDLED.replacen("weight = 1.0", "weight = 1.5", 1)).contains("1.5, legal is above 0")
        );
        assert!(error(&BUNDLED.replacen("most = 16", "most = 0", 1)).contains("most is 0"));
        assert!(error(&BUNDLED.replacen("asks", "about", 1)).starts_with("dimensions: "));
    }
}
