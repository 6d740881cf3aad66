//! What the gate does with what it finds.

use serde::{Deserialize, Serialize};

/// What happens to a record whose free text looks as if it identified somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FreeText {
    /// The record is refused with every place named.
    #[default]
    Refuse,
    /// What was found is replaced by its class in brackets: `[date]`.
    Redact,
    /// It passes; every place is recorded in the case's origin.
    Allow,
}

/// How the gate works. Identifiers in structured fields are removed or generalised whatever it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhiPolicy {
    /// What happens to suspicious free text.
    pub free_text: FreeText,
    /// Key of the per-patient date shift. Who knows it and a patient's number can undo the shift, so it is kept as a
    /// password is; dates, shifted or not, never reach a case.
    pub seed: u64,
}
