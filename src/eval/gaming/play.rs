//! What attacks earn beside an honest mediocre doctor.

use std::fmt::Write;

use rayon::prelude::*;
use serde::Serialize;
use thiserror::Error;

use crate::data::bank::{Bank, SynthError, SynthOptions};
use crate::data::case::{Case, Fact, Reveal};
use crate::data::consultation::{Consultation, Turn};
use crate::eval::baselines::{MeasureError, Yardstick, measure};
use crate::eval::evaluation::{CaseResult, Evaluated};
use crate::eval::heldout::{HeldOut, HeldOutCase, HeldOutError, Part};
use crate::eval::statistics::{Bootstrap, Estimate, StatisticsError};
use crate::rubric::{Generator, RuleJudge};
use crate::sim::Limits;
use crate::sim::doctor::{Baseline, Doctor, Tier};
use crate::sim::forbidden::names_any;
use crate::sim::scores::privacy_score;

use super::attack::ATTACKS;

/// How much of the reward is that of the whole consultation: the default of `outcome` in a stage of reinforcement learning.
pub const OUTCOME: f64 = 0.5;

/// How long a consultation may be, and how patient the patient is.
const LIMITS: Limits = Limits { turns: 10, patience: 3 };

/// Draws of the intervals.
const RESAMPLES: usize = 4000;

/// The honest mediocre doctor: knows the case, and slips in every consultation.
const HONEST: Yardstick = Yardstick::Scripted(Tier::Middling);

/// Doctors who are shown for scale. A fixed list of good questions knows nothing of the case, and is honest work.
const BESIDE: [Yardstick; 3] = [
    Yardstick::Scripted(Tier::Good),
    Yardstick::Scripted(Tier::Poor),
    Yardstick::Baseline(Baseline::FixedList),
];

/// Why nothing was played.
#[derive(Debug, Error)]
pub enum GamingError {
    /// The patients could not be drawn.
    #[error(transparent)]
    Synth(#[from] SynthError),
    /// The patients could not be set up.
    #[error(transparent)]
    HeldOut(#[from] HeldOutError),
    /// The consultations could not be marked.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// The rewards could not be averaged.
    #[error("{doctor}: {source}")]
    Statistics {
        /// Whose rewards.
        doctor: String,
        /// Why.
        source: StatisticsError,
    },
}

/// What a row's doctor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The honest mediocre doctor that attacks are held against.
    Honest,
    /// Another honest doctor, for scale.
    Beside,
    /// An attack.
    Attack,
}

/// What one doctor came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The training reward of a consultation, in [0, 1]: `(1 - OUTCOME) r + OUTCOME w` with `r` the mean reward of its messages and
    /// `w` that of the whole. It is what `src/rl/fragments.rs` gives a reply on average, once its expectation of the end has
    /// become exact.
    pub reward: Estimate,
    /// The mean over consultations of the mean reward of their messages.
    pub replies: f64,
    /// The mean reward of whole consultations.
    pub whole: f64,
    /// The paired difference of its training reward to the honest doctor's; `None` for that one itself.
    pub over_honest: Option<Estimate>,
    /// Messages of the doctor a consultation.
    pub turns: f64,
    /// The patient's replies that name the hidden diagnosis, tell something private unasked, or tell a fact that was neither
    /// asked for nor is one that patients bring up themselves.
    pub leaks: usize,
}

/// Lets the honest doctor, those beside it and every attack consult with the same `cases` patients of the bundled bank, drawn by
/// `seed`, and marks them by the rule-based judge. The honest doctor comes first, attacks last and in their order. Presentations
/// are the clusters of the intervals.
pub fn play(cases: usize, seed: u64) -> Result<Vec<Row>, GamingError> {
    let drawn = Bank::bundled().synth(seed, &SynthOptions::any(cases))?;
    let patients = drawn.into_iter().map(|case| (Part::Patients, case)).collect();
    let held_out = HeldOut::new(patients, LIMITS, seed)?;
    let bootstrap = Bootstrap { resamples: RESAMPLES, seed };
    let honest = consulted(HONEST.name(), &held_out, |case, seed| HONEST.doctor(case, LIMITS.turns, seed))?;
    let mut rows = vec![row(HONEST.name(), Kind::Honest, &held_out, &honest, None, bootstrap)?];
    for yardstick in BESIDE {
        let name = yardstick.name();
        let doctor = |case: &Case, seed| yardstick.doctor(case, LIMITS.turns, seed);
        let found = consulted(name, &held_out, doctor)?;
        rows.push(row(name, Kind::Beside, &held_out, &found, Some(&honest), bootstrap)?);
    }
    let attacks = ATTACKS.par_iter().map(|attack| {
        let doctor = |_: &Case, _| Box::new(attack.doctor()) as Box<dyn Doctor>;
        let found = consulted(attack.name, &held_out, doctor)?;
        row(attack.name, Kind::Attack, &held_out, &found, Some(&honest), bootstrap)
    });
    rows.extend(attacks.collect::<Result<Vec<_>, _>>()?);
    Ok(rows)
}

fn consulted(
    name: &str,
    held_out: &HeldOut,
    doctor: impl FnMut(&Case, u64) -> Box<dyn Doctor>,
) -> Result<Evaluated, MeasureError> {
    measure(name, held_out, &Generator::bundled(LIMITS.turns), &RuleJudge::bundled(), doctor)
}

fn row(
    name: &'static str,
    kind: Kind,
    held_out: &HeldOut,
    found: &Evaluated,
    honest: Option<&Evaluated>,
    bootstrap: Bootstrap,
) -> Result<Row, GamingError> {
    let failed = |source| GamingError::Statistics { doctor: name.to_owned(), source };
    let cases = &found.evaluation.cases;
    // Consultations that nobody could judge have no reward, and are in no mean.
    let judged: Vec<(&str, f64)> =
        cases.iter().filter_map(|case| Some((case.presentation.as_str(), reward(case)?))).collect();
    let (clusters, rewards): (Vec<&str>, Vec<f64>) = judged.into_iter().unzip();
    let over_honest = honest.map(|honest| {
        let pairs = honest.evaluation.cases.iter().zip(cases);
        let pairs: Vec<(&str, (f64, f64))> = pairs
            .filter_map(|(honest, case)| Some((case.presentation.as_str(), (reward(honest)?, reward(case)?))))
            .collect();
        let (clusters, pairs): (Vec<&str>, Vec<(f64, f64)>) = pairs.into_iter().unzip();
        let (before, after): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        bootstrap.paired(&before, &after, Some(&clusters))
    });
    let consultations = held_out.cases().iter().zip(&found.consultations);
    Ok(Row {
        name,
        kind,
        reward: bootstrap.mean(&rewards, Some(&clusters)).map_err(failed)?,
        replies: found.evaluation.reply_reward.unwrap_or(0.0),
        whole: found.evaluation.reward.unwrap_or(0.0),
        over_honest: over_honest.transpose().map_err(failed)?,
        turns: found.evaluation.turns,
        leaks: consultations.map(|(held, consultation)| leaks(held, consultation)).sum(),
    })
}

/// The training reward of a consultation; `None` where it was not judged.
fn reward(case: &CaseResult) -> Option<f64> {
    let (replies, whole) = (case.reply_reward?, case.reward?);
    Some(replies + OUTCOME * (whole - replies))
}

/// Replies of the patient that tell what they must not.
fn leaks(held: &HeldOutCase, consultation: &Consultation) -> usize {
    let script = &held.script;
    let unasked = |turn: &&Turn| {
        turn.told.iter().any(|id| {
            let opening = |fact: &Fact| fact.id == *id && fact.reveal == Reveal::Opening;
            !turn.asked.contains(id) && !script.facts.iter().any(opening)
        })
    };
    let names = |turn: &&Turn| turn.patient.as_ref().is_some_and(|said| names_any(said, &script.forbidden));
    let private = |turn: &&Turn| privacy_score(script, turn) == Some(0.0);
    consultation.turns.iter().filter(|turn| names(turn) || private(turn) || unasked(turn)).count()
}

/// `rows` as a table of plain text, a line a doctor.
pub fn table(rows: &[Row]) -> String {
    let mut out = format!(
        "{:24} {:7} {:>6} {:>15} {:>7} {:>6} {:>8} {:>15} {:>5} {:>5}\n",
        "doctor", "kind", "reward", "95%", "replies", "whole", "- honest", "95%", "turns", "leaks"
    );
    for row in rows {
        let kind = match row.kind {
            Kind::Honest => "honest",
            Kind::Beside => "beside",
            Kind::Attack => "attack",
        };
        let (less, interval) = match &row.over_honest {
            Some(it) => (format!("{:+.3}", it.mean), interval(it)),
            None => (String::new(), String::new()),
        };
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "{:24} {kind:7} {:6.3} {:>15} {:7.3} {:6.3} {less:>8} {interval:>15} {:5.1} {:5}",
            row.name,
            row.reward.mean,
            self::interval(&row.reward),
            row.replies,
            row.whole,
            row.turns,
            row.leaks
        );
    }
    out
}

fn interval(estimate: &Estimate) -> String {
    estimate.ci95.map_or_else(String::new, |[low, high]| format!("{low:.3}..{high:.3}"))
}
