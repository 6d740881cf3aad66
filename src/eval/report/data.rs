//! What a report is made of.

use std::collections::BTreeMap;

use serde::Serialize;

use super::detectors::DetectorRow;
use crate::data::case::{Case, Sex};
use crate::data::consultation::Consultation;
use crate::eval::baselines::Yardstick;
use crate::eval::compare::{CompareError, Comparison, overall};
use crate::eval::evaluation::{Evaluated, Evaluation};
use crate::eval::heldout::{HeldOut, Part};
use crate::eval::statistics::{Bootstrap, Estimate};
use crate::rubric::ConsultationMarks;

/// Everything a report shows. What is missing is said to be missing.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ReportData {
    /// What was run.
    pub run: RunFacts,
    /// Before and after; `None` where the run did not get so far.
    pub comparison: Option<Comparison>,
    /// All doctors measured on the held-out patients.
    pub doctors: Vec<DoctorRow>,
    /// What was measured at each step of training.
    pub curves: Vec<Series>,
    /// Consultations before and after.
    pub samples: Vec<Sample>,
    /// What detectors of noise found; empty where none was on.
    pub detectors: Vec<DetectorRow>,
    /// How rubrics changed; `None` where they did not.
    pub rubric: Option<RubricHistory>,
    /// Where the time went.
    pub time: Vec<TimeShare>,
    /// The resolved configuration, as it could be run again.
    pub configuration: String,
}

/// What was run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RunFacts {
    /// The run's name.
    pub name: String,
    /// When, as it should be printed. A report takes no clock of its own, so that it can be made again bit for bit.
    pub date: String,
    /// The seed.
    pub seed: u64,
    /// The device in words.
    pub device: String,
    /// More facts, each a name and its value: model, parameters, steps, version.
    pub facts: Vec<(String, String)>,
    /// What a reader has to know before believing the numbers, e.g. that the run was interrupted.
    pub notes: Vec<String>,
}

/// What a doctor is in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DoctorKind {
    /// The model as training found it.
    Before,
    /// The model as training left it.
    After,
    /// A trick that training has to beat.
    Baseline,
    /// A script that knows the case, for scale.
    Reference,
}

/// One doctor on the held-out patients.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DoctorRow {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: DoctorKind,
    /// The mean reward of whole consultations; `None` where none was judged.
    pub reward: Option<Estimate>,
    /// What the trained doctor earns more, paired; `None` for itself and where nothing can be compared.
    pub lead: Option<Estimate>,
    /// The mean reward of single messages.
    pub reply_reward: Option<f64>,
    /// Messages a consultation.
    pub turns: f64,
    /// Consultations by how they ended.
    pub endings: BTreeMap<String, usize>,
}

/// A quantity over the steps of training.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// What it is, e.g. `reward`.
    pub name: String,
    /// Its unit, and whatever else belongs beside the name; may be empty.
    pub unit: String,
    /// Step and value. Values that are no numbers leave a gap.
    pub points: Vec<[f64; 2]>,
}

impl Series {
    /// A series without a unit.
    pub fn new(name: impl Into<String>, points: Vec<[f64; 2]>) -> Self {
        Self { name: name.into(), unit: String::new(), points }
    }

    /// The same with a unit.
    pub fn in_unit(self, unit: impl Into<String>) -> Self {
        Self { unit: unit.into(), ..self }
    }
}

/// How the rubrics of a run changed with what they marked.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RubricHistory {
    /// Criteria that were ever put on trial, each once.
    pub tried: usize,
    /// Counts of criteria over the steps.
    pub counts: Vec<Series>,
    /// Those that changed last, the newest first.
    pub newest: Vec<ChangedCriterion>,
}

/// A criterion, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangedCriterion {
    /// What it says.
    pub text: String,
    /// What it earns or, below 0, costs.
    pub points: i8,
    /// What became of it last, e.g. `admitted`.
    pub state: String,
    /// The step of that.
    pub step: u64,
    /// Mean of `p (1 - p)` over groups, where the share `p` of replies does what it says; `None` before any was judged.
    pub spread: Option<f64>,
    /// Who found it, in which reply.
    pub found: String,
}

/// A part of the time a run took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimeShare {
    /// What was done.
    pub name: String,
    /// How long.
    pub seconds: f64,
}

/// One patient's consultation before and after.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// The case.
    pub case_id: String,
    /// Who came with what, in a few words.
    pub patient: String,
    /// What the doctor had to find out.
    pub diagnosis: String,
    /// In what way the patient is new.
    pub part: Part,
    /// Why this consultation is shown.
    pub reason: String,
    /// Before.
    pub before: SampleSide,
    /// After.
    pub after: SampleSide,
}

/// A consultation with its marks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SampleSide {
    /// What was said.
    pub consultation: Consultation,
    /// What it earned.
    pub marks: ConsultationMarks,
}

impl ReportData {
    /// A report of a run that was not evaluated.
    pub fn new(run: RunFacts) -> Self {
        Self { run, ..Self::default() }
    }

    /// Takes in the evaluations before and after and those of other doctors on the same patients.
    pub fn compare<'a>(
        &mut self,
        before: &Evaluation,
        after: &Evaluation,
        others: impl IntoIterator<Item = (Yardstick, &'a Evaluation)>,
        bootstrap: Bootstrap,
    ) -> Result<(), CompareError> {
        let comparison = Comparison::new(before, after, bootstrap)?;
        let mut doctors = vec![
            doctor(
                DoctorKind::Before,
                before,
                Some(comparison.overall.before),
                Some(comparison.overall.gain),
            ),
            doctor(DoctorKind::After, after, Some(comparison.overall.after), None),
        ];
        for (yardstick, evaluation) in others {
            let kind = if yardstick.is_baseline() { DoctorKind::Baseline } else { DoctorKind::Reference };
            let row = match overall(evaluation, after, bootstrap) {
                Ok(row) => doctor(kind, evaluation, Some(row.before), Some(row.gain)),
                Err(CompareError::NothingJudged { .. }) => doctor(kind, evaluation, None, None),
                Err(error) => return Err(error),
            };
            doctors.push(row);
        }
        self.comparison = Some(comparison);
        self.doctors = doctors;
        Ok(())
    }
}

fn doctor(
    kind: DoctorKind,
    evaluation: &Evaluation,
    reward: Option<Estimate>,
    lead: Option<Estimate>,
) -> DoctorRow {
    DoctorRow {
        name: evaluation.name.clone(),
        kind,
        reward,
        lead,
        reply_reward: evaluation.reply_reward,
        turns: evaluation.turns,
        endings: evaluation.endings.clone(),
    }
}

/// `count` patients to show, before and after: at even distances from the greatest gain to the greatest loss, so that what
/// is shown is no selection of successes. Two show both ends, one shows the middle. Patients not judged in both are not
/// shown.
pub fn samples(held_out: &HeldOut, before: &Evaluated, after: &Evaluated, count: usize) -> Vec<Sample> {
    let sides = before.evaluation.cases.iter().zip(&after.evaluation.cases).enumerate();
    let mut gains: Vec<(usize, f64)> = sides
        .filter_map(|(at, (before, after))| {
            (before.case_id == after.case_id).then_some((at, after.reward? - before.reward?))
        })
        .collect();
    gains.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
    let total = gains.len();
    let count = count.min(total);
    let rank = |at: usize| if count == 1 { total / 2 } else { at * (total - 1) / (count - 1) };
    let side = |of: &Evaluated, at: usize| {
        Some(SampleSide { consultation: of.consultations.get(at)?.clone(), marks: of.marks.get(at)?.clone() })
    };
    (0..count)
        .filter_map(|shown| {
            let rank = rank(shown);
            let &(at, gain) = gains.get(rank)?;
            let held = held_out.cases().get(at)?;
            Some(Sample {
                case_id: held.case.id.clone(),
                patient: patient(&held.case),
                diagnosis: held.case.truth.diagnosis.clone(),
                part: held.part,
                reason: format!("{}, rank {} of {total} by gain", change(gain), rank + 1),
                before: side(before, at)?,
                after: side(after, at)?,
            })
        })
        .collect()
}

fn change(gain: f64) -> String {
    if gain < 0.0 { format!("loses {:.3}", -gain) } else { format!("gains {gain:.3}") }
}

fn patient(case: &Case) -> String {
    let sex = match case.stratum.sex {
        Sex::Female => "female",
        Sex::Male => "male",
        Sex::Other => "sex not recorded",
    };
    let words = |name: &str| name.replace(['-', '_'], " ");
    let (age, presentation) = (case.stratum.age, words(&case.presentation));
    format!("{}: {presentation}; {sex}, aged {age}", words(&case.stratum.specialty.to_string()))
}
