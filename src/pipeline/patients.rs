//! The patients of a run: whom it trains on, and whom it is measured with.

use std::collections::BTreeSet;

use super::error::PipelineError;
use super::seeds::{Draws, seed_of};
use crate::data::bank::{Bank, Split, divide};
use crate::data::case::{Case, Reveal};
use crate::data::import::{ImportOptions, import};
use crate::data::lexicon::Lexicon;
use crate::eval::{HeldOut, Part};
use crate::sim::Limits;
use crate::train::config::RunConfig;

/// Whom a run meets.
#[derive(Debug, Clone)]
pub struct Patients {
    /// Those it trains on.
    pub train: Vec<Case>,
    /// Those it is measured with.
    pub held_out: HeldOut,
    /// When patients end consultations.
    pub limits: Limits,
    /// What a reader of the results should know of where they come from.
    pub notes: Vec<String>,
}

impl Patients {
    /// Draws them from the bundled bank, or reads them through the PHI gate from the files of `config`.
    pub fn of(config: &RunConfig) -> Result<Self, PipelineError> {
        let limits = Limits { turns: config.data.turn_limit, patience: config.data.patience };
        let mut notes = Vec::new();
        let split = if config.data.cases.is_empty() {
            Bank::bundled().split(config.seed, &config.data.split())?
        } else {
            imported(config, &mut notes)?
        };
        let most = config.evaluation.consultations;
        let of_part = |part, cases: Vec<Case>| cases.into_iter().take(most).map(move |case| (part, case));
        let held_out = of_part(Part::Patients, split.heldout_patients)
            .chain(of_part(Part::Presentations, split.heldout_presentations))
            .collect();
        let held_out = HeldOut::new(held_out, limits, seed_of(config.seed, Draws::HeldOut))?;
        Ok(Self { train: split.train, held_out, limits, notes })
    }
}

/// The cases of the configured files, divided. The key of the date shift is 0, as in `osler cases import` without one:
/// it may not stand in a configuration, and the run has to come again from what does.
fn imported(config: &RunConfig, notes: &mut Vec<String>) -> Result<Split, PipelineError> {
    let options = ImportOptions { phi: config.phi.policy(0), ..ImportOptions::default() };
    let mut read = import(&config.data.cases, None, Lexicon::bundled(), &options)?;
    let told = |case: &Case| case.facts.iter().any(|fact| fact.reveal != Reveal::Never);
    let all = read.cases.len();
    read.cases.retain(told);
    if read.cases.len() < all {
        notes.push(format!(
            "{} of {all} cases have nothing to tell and were left out",
            all - read.cases.len()
        ));
    }
    let let_through: u64 = read.account.phi.allowed.values().sum();
    if let_through > 0 {
        notes.push(format!(
            "phi.free_text = \"allow\": {let_through} places that may identify a person passed the gate"
        ));
    }
    let mut ids = BTreeSet::new();
    if let Some(case) = read.cases.iter().find(|case| !ids.insert(case.id.as_str())) {
        return Err(PipelineError::DuplicateCase { id: case.id.clone() });
    }
    let found = read.cases.len();
    let split = divide(read.cases, seed_of(config.seed, Draws::Split), &config.data.split())
        .ok_or(PipelineError::TooFewCases { found })?;
    let (patients, presentations) = (split.heldout_patients.len(), split.heldout_presentations.len());
    notes.push(format!(
        "{} imported cases to train on, {patients} held out of presentations trained on, {presentations} of others",
        split.train.len()
    ));
    Ok(split)
}
