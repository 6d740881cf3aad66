//! What the doctor has to find out, and where a case came from.

use serde::{Deserialize, Serialize};

use super::FactId;

/// What the doctor has to find out. Hidden: it reaches the rubric, never the patient's replies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Truth {
    /// The diagnosis, as the lexicon names it.
    pub diagnosis: String,
    /// Other conditions that a careful doctor considers, as the lexicon names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differentials: Vec<String>,
    /// Facts that call for urgency when they come to light.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub red_flags: Vec<FactId>,
    /// Whether the patient has to be sent to an emergency department; absent where the source of the case does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency: Option<bool>,
    /// What should be done, most important first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<PlanStep>,
}

impl Truth {
    /// Whether the patient is known to need an emergency department.
    pub fn is_emergency(&self) -> bool {
        self.emergency == Some(true)
    }

    /// Whether the patient is known to need no emergency department, so that sending one there is a mistake. Of many imported cases neither
    /// is known.
    pub fn is_no_emergency(&self) -> bool {
        self.emergency == Some(false)
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanStep {
    /// What kind of step it is.
    pub kind: StepKind,
    /// The drug, test, procedure or service, as the lexicon names it.
    pub concept: String,
    /// The step in words: `aspirin 300 mg now`.
    pub text: String,
}

/// Kinds of plan steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// A drug is given or prescribed.
    Drug,
    /// A test or examination is arranged.
    Investigation,
    /// An operation or other procedure.
    Procedure,
    /// Another service takes over.
    Referral,
    /// What the patient should do, avoid or watch for.
    Advice,
}

/// Where a case came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Origin {
    /// Drawn from the bundled bank.
    Synthetic {
        /// The seed it was drawn with.
        seed: u64,
    },
    /// Imported from a file.
    Imported {
        /// `fhir`, `osce`, `mediq` or `jsonl`.
        format: String,
        /// The file's name, without its folders.
        file: String,
        /// 1-based line or entry.
        record: u64,
        /// Places the PHI gate called suspicious that the user let pass.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        overridden: Vec<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urgency_is_known_where_it_is_said_and_written_only_there() {
        let read = |text: &str| serde_json::from_str::<Truth>(text).unwrap();
        for (emergency, known) in [("true", true), ("false", false)] {
            let text = format!("{{\"diagnosis\":\"asthma\",\"emergency\":{emergency}}}");
            let truth = read(&text);
            assert_eq!(truth.emergency, Some(known));
            assert_eq!((truth.is_emergency(), truth.is_no_emergency()), (known, !known));
            assert_eq!(serde_json::to_string(&truth).unwrap(), text);
        }
        let unknown = read("{\"diagnosis\":\"asthma\"}");
        assert!(!unknown.is_emergency() && !unknown.is_no_emergency());
        assert_eq!(serde_json::to_string(&unknown).unwrap(), "{\"diagnosis\":\"asthma\"}");
    }
}
