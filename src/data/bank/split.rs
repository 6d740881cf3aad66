//! Patients to train on, and two kinds of patients to be tested on.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Bank;
use super::dice::Dice;
use super::error::SynthError;
use super::synth::{Synth, SynthOptions};
use crate::data::case::Case;

/// How many patients go where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SplitOptions {
    /// Patients to train on.
    pub train: usize,
    /// Patients never seen, of presentations that are trained on.
    pub heldout_patients: usize,
    /// Patients of presentations that are never trained on.
    pub heldout_presentations: usize,
    /// Share of each specialty's presentations that is held out, at least one.
    pub holdout: f64,
}

impl Default for SplitOptions {
    fn default() -> Self {
        Self { train: 2000, heldout_patients: 100, heldout_presentations: 100, holdout: 0.2 }
    }
}

/// Cases to train on and to be tested on. No patient is in two parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// Patients to train on.
    pub train: Vec<Case>,
    /// Other patients of the presentations in `train`.
    pub heldout_patients: Vec<Case>,
    /// Patients of presentations that are not in `train`.
    pub heldout_presentations: Vec<Case>,
}

impl Bank {
    /// Splits the bank's presentations and draws patients from each part; the same seed gives the same split.
    ///
    /// In every specialty `holdout` of the presentations, at least one, is never trained on. A part holds every
    /// specialty when it has at least as many patients as there are specialties.
    pub fn split(&self, seed: u64, options: &SplitOptions) -> Result<Split, SynthError> {
        if !(options.holdout > 0.0 && options.holdout < 1.0) {
            return Err(SynthError::Holdout(options.holdout.to_string()));
        }
        if options.train == 0 {
            return Err(SynthError::Zero { field: "train" });
        }
        let (seen, unseen) = self.hold_out(seed, options.holdout)?;
        let only = |presentations| SynthOptions { presentations, ..SynthOptions::default() };
        let mut source = Synth::new(self, seed, &only(seen))?;
        let train = source.take(options.train)?;
        // A small training set may leave presentations out; those are not "seen".
        source.restart(&train.iter().map(|case| case.presentation.clone()).collect());
        let heldout_patients = source.take(options.heldout_patients)?;
        let heldout_presentations =
            Synth::new(self, seed, &only(unseen))?.take(options.heldout_presentations)?;
        Ok(Split { train, heldout_patients, heldout_presentations })
    }

    /// Presentations to train on and presentations to hold out.
    fn hold_out(&self, seed: u64, share: f64) -> Result<(Vec<String>, Vec<String>), SynthError> {
        let mut by_specialty: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for it in self.presentations() {
            by_specialty.entry(&it.specialty.0).or_default().insert(&it.id);
        }
        let mut dice = Dice::new(seed, u64::MAX - 1);
        let (mut seen, mut unseen) = (Vec::new(), Vec::new());
        for (specialty, ids) in by_specialty {
            if ids.len() < 2 {
                return Err(SynthError::OnePresentation { specialty: specialty.to_owned() });
            }
            let held = ((ids.len() as f64 * share).round() as usize).clamp(1, ids.len() - 1);
            let mut ids: Vec<_> = ids.into_iter().map(str::to_owned).collect();
            dice.shuffle(&mut ids);
            let kept = ids.split_off(held);
            unseen.extend(ids);
            seen.extend(kept);
        }
        Ok((seen, unseen))
    }
}
