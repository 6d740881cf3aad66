//! `--mode`

use clap::ValueEnum;
use serde::Serialize;

/// Who takes the initiative.
#[derive(ValueEnum, Serialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Initiative {
    /// The patient does what its persona does on its own
    #[value(alias = "proactive")]
    Interactive,
    /// The patient answers and takes no initiative
    Passive,
    /// Passive, and the doctor finds a message and a patient's question after the opening
    Interrupted,
    /// Passive three times in four, else interrupted
    Drawn,
}

impl From<Initiative> for crate::sim::Initiative {
    fn from(initiative: Initiative) -> Self {
        match initiative {
            Initiative::Interactive => Self::Interactive,
            Initiative::Passive => Self::Passive,
            Initiative::Interrupted => Self::Interrupted,
            Initiative::Drawn => Self::Drawn,
        }
    }
}
