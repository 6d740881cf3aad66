//! What the gate did, counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::PhiClass;

/// What the gate did, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhiAccount {
    /// Structured fields that were removed.
    pub removed: BTreeMap<PhiClass, u64>,
    /// Structured fields that were cut or pooled.
    pub generalised: BTreeMap<PhiClass, u64>,
    /// Dates that were shifted.
    pub dates_shifted: u64,
    /// Suspicious places of free text in records that were refused.
    pub refused: BTreeMap<PhiClass, u64>,
    /// Suspicious places that were replaced.
    pub redacted: BTreeMap<PhiClass, u64>,
    /// Suspicious places that the user let pass.
    pub allowed: BTreeMap<PhiClass, u64>,
}

impl PhiAccount {
    /// Adds what was done to another record.
    pub fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.removed, &other.removed),
            (&mut self.generalised, &other.generalised),
            (&mut self.refused, &other.refused),
            (&mut self.redacted, &other.redacted),
            (&mut self.allowed, &other.allowed),
        ];
        for (to, from) in pairs {
            from.iter().for_each(|(class, count)| *to.entry(*class).or_default() += count);
        }
        self.dates_shifted += other.dates_shifted;
    }
}
