//! What attacks earn beside an honest mediocre doctor.

use std::fmt::Write;

use rayon::prelude::*;
use serde::Serialize;
use thiserror::Error;

use crate::data::bank::{Bank, SynthError, SynthOptions};
use crate::data::case::{Case, Fact, Reveal};
use crate::data::consultation::{Consultation, Turn};
use crate::eval::baselines::{MeasureError, Yardstick, measure};
use crate::eval::evaluation::{Evaluated, Evaluation};
use crate::eval::heldout::{HeldOut, HeldOutCase, HeldOutError, Part};
use crate::eval::statistics::{Bootstrap, Estimate, StatisticsError};
use crate::rubric::authoring::dynamic::{Flaw, FlawJudge, Needs, needed};
use crate::rubric::{
    ConsultationMarks, Criterion, Generator, Judge, Judgement, Marks, Reward, Rubric, RuleJudge, Scope,
};
use crate::sim::Limits;
use crate::sim::doctor::{Baseline, Doctor, Tier};
use crate::sim::forbidden::names_any;
use crate::sim::scores::privacy_score;

use super::attack::ATTACKS;

/// By what consultations are rewarded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Terms {
    /// Their name in tables.
    pub name: &'static str,
    /// How much of the reward is that of the whole consultation: `outcome` in a stage of reinforcement learning, in [0, 1].
    pub outcome: f64,
    /// Whether messages are marked by what the patient's persona needs ([`Needs`]) and by every [`Flaw`] that rules know, too: the most that
    /// rubrics which change come to by rules.
    pub changing: bool,
}

/// The terms of each round: the defaults of a stage, and the outcome of the quickstart with rubrics that change.
pub const TERMS: [Terms; 2] = [
    Terms { name: "fixed rubrics", outcome: 0.5, changing: false },
    Terms { name: "rubrics that change", outcome: 0.2, changing: true },
];

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
    /// The training reward of a consultation, in [0, 1]: `(1 - o) r + o w` with `o` the outcome of the terms, `r` the mean reward of its
    /// messages and `w` that of the whole. It is what `src/rl/fragments.rs` gives a reply on average, once its expectation of the end has
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

/// What all doctors came to under the same terms.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Round {
    /// The terms.
    pub terms: Terms,
    /// The honest doctor first, attacks last and in their order.
    pub rows: Vec<Row>,
}

/// Lets the honest doctor, those beside it and every attack consult with the same `cases` patients of the bundled bank, drawn by
/// `seed`, and marks them by the rule-based judge: a round for each of [`TERMS`], of the same consultations. Presentations are the
/// clusters of the intervals.
pub fn play(cases: usize, seed: u64) -> Result<Vec<Round>, GamingError> {
    let drawn = Bank::bundled().synth(seed, &SynthOptions::any(cases))?;
    let patients = drawn.into_iter().map(|case| (Part::Patients, case)).collect();
    let held_out = HeldOut::new(patients, LIMITS, seed)?;
    let bootstrap = Bootstrap { resamples: RESAMPLES, seed };
    let scripted = |yardstick: Yardstick, kind| {
        let doctor = |case: &Case, seed| yardstick.doctor(case, LIMITS.turns, seed);
        Played::new(yardstick.name(), kind, &held_out, doctor)
    };
    let honest = scripted(HONEST, Kind::Honest)?;
    let mut others =
        BESIDE.map(|it| scripted(it, Kind::Beside)).into_iter().collect::<Result<Vec<_>, _>>()?;
    let attacks = ATTACKS.par_iter().map(|attack| {
        let doctor = |_: &Case, _| Box::new(attack.doctor()) as Box<dyn Doctor>;
        Played::new(attack.name, Kind::Attack, &held_out, doctor)
    });
    others.extend(attacks.collect::<Result<Vec<_>, _>>()?);
    let round = |terms: Terms| -> Result<Round, GamingError> {
        let mut rows = vec![honest.row(terms, None, bootstrap)?];
        for played in &others {
            rows.push(played.row(terms, Some(&honest), bootstrap)?);
        }
        Ok(Round { terms, rows })
    };
    TERMS.into_iter().map(round).collect()
}

/// The consultations of one doctor, marked by all terms.
struct Played {
    name: &'static str,
    kind: Kind,
    evaluation: Evaluation,
    /// For each case the mean reward of its messages where rubrics change.
    changing: Vec<Option<f64>>,
    leaks: usize,
}

impl Played {
    fn new(
        name: &'static str,
        kind: Kind,
        held_out: &HeldOut,
        doctor: impl FnMut(&Case, u64) -> Box<dyn Doctor>,
    ) -> Result<Self, MeasureError> {
        let generator = Generator::bundled(LIMITS.turns);
        let Evaluated { evaluation, consultations, marks } =
            measure(name, held_out, &generator, &RuleJudge::bundled(), doctor)?;
        let all = held_out.cases().par_iter().zip(&consultations).zip(&marks);
        let changing =
            all.map(|((held, said), marks)| mean_where_rubrics_change(held, said, marks)).collect();
        let leaks = held_out.cases().iter().zip(&consultations).map(|(held, said)| leaks(held, said)).sum();
        Ok(Self { name, kind, evaluation, changing, leaks })
    }

    /// For each case the mean reward of its messages, and the reward of the whole; `None` where either was not judged.
    fn rewards(&self, terms: Terms) -> impl Iterator<Item = Option<(f64, f64)>> {
        self.evaluation.cases.iter().zip(&self.changing).map(move |(case, changing)| {
            let replies = if terms.changing { *changing } else { case.reply_reward };
            replies.zip(case.reward)
        })
    }

    fn row(&self, terms: Terms, honest: Option<&Self>, bootstrap: Bootstrap) -> Result<Row, GamingError> {
        let failed = |source| GamingError::Statistics { doctor: self.name.to_owned(), source };
        let training = |(replies, whole): (f64, f64)| replies + terms.outcome * (whole - replies);
        let presentations = || self.evaluation.cases.iter().map(|case| case.presentation.as_str());
        // Consultations that nobody could judge have no reward, and are in no mean.
        let judged = presentations().zip(self.rewards(terms));
        let (clusters, both): (Vec<&str>, Vec<(f64, f64)>) =
            judged.filter_map(|(cluster, both)| Some((cluster, both?))).unzip();
        let rewards: Vec<f64> = both.iter().copied().map(training).collect();
        let over_honest = honest.map(|honest| {
            let pairs = presentations().zip(honest.rewards(terms).zip(self.rewards(terms)));
            let (clusters, pairs): (Vec<&str>, Vec<(f64, f64)>) = pairs
                .filter_map(|(cluster, (honest, own))| Some((cluster, (training(honest?), training(own?)))))
                .unzip();
            let (before, after): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            bootstrap.paired(&before, &after, Some(&clusters))
        });
        let mean = |of: fn(&(f64, f64)) -> f64| both.iter().map(of).sum::<f64>() / both.len().max(1) as f64;
        Ok(Row {
            name: self.name,
            kind: self.kind,
            reward: bootstrap.mean(&rewards, Some(&clusters)).map_err(failed)?,
            replies: mean(|both| both.0),
            whole: mean(|both| both.1),
            over_honest: over_honest.transpose().map_err(failed)?,
            turns: self.evaluation.turns,
            leaks: self.leaks,
        })
    }
}

/// The mean reward of a consultation's messages where rubrics change: beside the items of `marks`, what the persona needs and every flaw
/// that the rubric does not name already; `None` where nothing was judged.
pub(super) fn mean_where_rubrics_change(
    held: &HeldOutCase,
    consultation: &Consultation,
    marks: &ConsultationMarks,
) -> Option<f64> {
    let needs = Needs::from(&held.script.persona);
    let added: Vec<Rubric> = marks.turns.iter().map(|marks| added(marks, needs)).collect();
    let judged = FlawJudge::bundled().judge_messages(&held.case, consultation, &added);
    let of_turns = marks.turns.iter().zip(added).zip(judged);
    let values = of_turns.filter_map(|((marks, added), judged)| {
        let there = marks.items.iter().map(|it| (it.criterion.clone(), it.judgement.clone()));
        let (criteria, judgements): (Vec<Criterion>, Vec<Judgement>) =
            there.chain(added.criteria.into_iter().zip(judged)).unzip();
        Reward::of(&criteria, &judgements).ok().map(|reward| reward.value)
    });
    let (total, count) = values.fold((0.0, 0usize), |(total, count), value| (total + value, count + 1));
    (count > 0).then(|| total / count as f64)
}

/// What rubrics that change hold beside the items of `marks`.
fn added(marks: &Marks, needs: Needs) -> Rubric {
    let criteria = marks.items.iter().map(|it| it.criterion.clone()).collect();
    let rubric = Rubric { scope: Scope::Reply, criteria };
    let named =
        |flaw: &Criterion| flaw.check.is_some() && rubric.criteria.iter().any(|it| it.check == flaw.check);
    let flaws = Flaw::ALL.map(Flaw::criterion).into_iter().filter(|flaw| !named(flaw));
    let criteria = needed(&rubric, needs).into_iter().chain(flaws).collect();
    Rubric { scope: Scope::Reply, criteria }
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
