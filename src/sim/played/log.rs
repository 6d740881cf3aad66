//! What happened in a turn, for whoever wants to know why a patient said what it said.

use std::fmt;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::data::consultation::Ending;
use crate::sim::played::claims::Claim;
use crate::sim::played::error::UnitName;
use crate::sim::played::gate::Verdict;
use crate::sim::played::noise::Noise;

/// Who did a unit's work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The rules.
    Rules,
    /// The model of this name.
    Model(String),
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rules => "rules",
            Self::Model(name) => name,
        })
    }
}

/// One turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnLog {
    /// The case that is played.
    pub case_id: String,
    /// Number of the turn, from 0.
    pub turn: usize,
    /// What the doctor said.
    pub doctor: String,
    /// What the gate found.
    pub gate: GateLog,
    /// Every draft and what became of it, in order. The last one that stands is the reply.
    pub drafts: Vec<DraftLog>,
    /// How often the voice was asked for other words.
    pub regenerations: usize,
    /// Whether no draft stood, so that the rule-based patient's reply was given.
    pub safe_reply: bool,
    /// Units that failed and whose work the rules did instead.
    pub failures: Vec<Failure>,
    /// What the patient said; `None` where the consultation is over.
    pub patient: Option<String>,
    /// Why it is over.
    pub ending: Option<Ending>,
}

/// What the gate found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateLog {
    /// Who looked.
    pub by: By,
    /// What a model said.
    pub verdict: Option<Verdict>,
    /// Whether that was set aside, because it spoke of repetition before there can have been any.
    pub overruled: bool,
}

/// One draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftLog {
    /// Who wrote it.
    pub voice: By,
    /// Who labelled its claims.
    pub check: By,
    /// What was written. It may name the diagnosis.
    pub draft: String,
    /// What of it is no patient's speech. Such a draft is not read any further.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub noise: Vec<Noise>,
    /// Its claims, with labels and what was done. Empty where rules wrote and checked: they know where each statement is from.
    pub claims: Vec<Claim>,
    /// How many claims were not kept as they were.
    pub corrected: usize,
    /// What was left of it.
    pub left: String,
    /// Whether that could be said.
    pub stands: bool,
}

/// A unit whose model failed, with leave to go on by rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The unit.
    pub unit: UnitName,
    /// Its model.
    pub model: String,
    /// What happened.
    pub why: String,
}

impl TurnLog {
    pub(super) fn new(case_id: &str, turn: usize, doctor: &str) -> Self {
        Self {
            case_id: case_id.to_owned(),
            turn,
            doctor: doctor.to_owned(),
            gate: GateLog { by: By::Rules, verdict: None, overruled: false },
            drafts: Vec::new(),
            regenerations: 0,
            safe_reply: false,
            failures: Vec::new(),
            patient: None,
            ending: None,
        }
    }

    /// Writes it as one line of JSON.
    ///
    /// # Errors
    ///
    /// Whatever `to` gives.
    pub fn write_line(&self, to: &mut dyn Write) -> io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        to.write_all(&line)
    }
}
