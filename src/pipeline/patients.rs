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
use crate::sim::played::Interruption;
use crate::train::config::{RunConfig, Stage};

/// Whom a run meets.
#[derive(Debug, Clone)]
pub struct Patients {
    /// Those it trains on.
    pub train: Vec<Case>,
    /// Those it is measured with.
    pub held_out: HeldOut,
    /// What their doctors may find said, where a mode has it so.
    pub interruptions: Vec<Interruption>,
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
        let interruptions = interruptions(config)?;
        let held_out = held_out.in_mode_among(config.evaluation.mode, &interruptions);
        notes.extend(initiatives(config));
        Ok(Self { train: split.train, held_out, interruptions, limits, notes })
    }
}

/// What interrupts consultations of `config`: the user's own, where a mode has any of it.
///
/// # Errors
///
/// A folder of prompts that cannot be used.
pub(super) fn interruptions(config: &RunConfig) -> Result<Vec<Interruption>, PipelineError> {
    let trained = config.stage.iter().any(|stage| matches!(stage, Stage::Rl(rl) if rl.mode.interrupts()));
    if trained || config.evaluation.mode.interrupts() {
        Ok(config.roles.options().patient_prompts()?.interruptions().to_vec())
    } else {
        Ok(Interruption::bundled().to_vec())
    }
}

/// Where patients do without the initiative of their personas.
fn initiatives(config: &RunConfig) -> Vec<String> {
    let stages = config.stage.iter().filter_map(|stage| match stage {
        Stage::Rl(rl) => rl.mode.in_words(),
        _ => None,
    });
    let trained = stages.map(|words| format!("In reinforcement {words}."));
    let measured = config.evaluation.mode.in_words();
    let measured =
        measured.map(|words| format!("In held-out consultations {words}, with all doctors alike."));
    let mut notes: Vec<String> = trained.chain(measured).collect();
    notes.dedup();
    notes
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Mode;
    use crate::train::config::least;

    const FEW: &str = r#"
[data]
train = 20
heldout_patients = 20
heldout_presentations = 20
[evaluation]
consultations = 20
"#;

    fn patients(overrides: &[&str]) -> Patients {
        Patients::of(&least::run(FEW, overrides)).unwrap()
    }

    #[test]
    fn modes_are_drawn_beside_all_else_and_are_told_of() {
        let plain = patients(&[]);
        assert_eq!(plain.notes, Vec::<String>::new());
        assert!(plain.held_out.cases().iter().all(|it| it.mode == Mode::Proactive));
        let drawn = patients(&["evaluation.mode=drawn"]);
        let passive = drawn.held_out.cases().iter().filter(|it| it.mode == Mode::Passive).count();
        assert!((20..40).contains(&passive), "{passive} of 40, 30 are expected");
        assert_eq!(drawn.notes.len(), 1);
        assert!(
            drawn.notes[0].starts_with("In held-out consultations patients take no"),
            "{:?}",
            drawn.notes
        );
        for (plain, drawn) in plain.held_out.cases().iter().zip(drawn.held_out.cases()) {
            assert_eq!((&plain.case, plain.doctor_seed), (&drawn.case, drawn.doctor_seed));
            assert_eq!(plain.script.clone().in_mode(&drawn.mode), drawn.script);
        }
        assert_eq!(drawn.interruptions, Interruption::bundled());
        let again = patients(&["evaluation.mode=drawn", "stage.rl.mode=passive"]);
        assert_eq!(again.held_out, drawn.held_out);
        assert!(again.notes[0].starts_with("In reinforcement patients answer"), "{:?}", again.notes);
    }

    #[test]
    fn the_users_own_file_interrupts() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("patient")).unwrap();
        let one = |place: &str| {
            format!(
                "[[interruption]]\nplace = \"{place}\"\ndoctor = \"One moment.\"\npatient = \"Is it bad?\"\n"
            )
        };
        let file = folder.path().join("patient/interruptions.toml");
        std::fs::write(&file, format!("{}{}", one("end_of_turn"), one("mid_turn"))).unwrap();
        let prompts = format!("roles.options.prompts={}", folder.path().display());
        let (bundled, own) = (
            patients(&["evaluation.mode=interrupted"]),
            patients(&["evaluation.mode=interrupted", prompts.as_str()]),
        );
        assert_eq!(own.interruptions.len(), 2);
        for (bundled, own) in bundled.held_out.cases().iter().zip(own.held_out.cases()) {
            let (Mode::Interrupted(bundled), Mode::Interrupted(own)) = (&bundled.mode, &own.mode) else {
                panic!("{:?} {:?}", bundled.mode, own.mode)
            };
            assert_eq!((own.patient.as_str(), own.place), ("Is it bad?", bundled.place));
        }
        // Where a stage only is interrupted, and where nothing is: then nobody reads the file.
        assert_eq!(patients(&["stage.rl.mode=drawn", prompts.as_str()]).interruptions, own.interruptions);
        std::fs::write(&file, one("mid_turn")).unwrap();
        assert_eq!(patients(&[prompts.as_str()]).interruptions, Interruption::bundled());
        let config = least::run(FEW, &["stage.rl.mode=drawn", prompts.as_str()]);
        let error = Patients::of(&config).unwrap_err().to_string();
        assert!(error.contains("interruptions.toml") && error.contains("end_of_turn"), "{error}");
    }
}
