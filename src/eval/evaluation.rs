//! What a doctor achieved on the held-out consultations.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::data::consultation::{Consultation, Ending};
use crate::rubric::{Axis, ConsultationMarks, Generator, Judge, marks};

use super::heldout::{HeldOut, HeldOutCase, Part};

/// Why consultations could not be evaluated.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum EvaluationError {
    /// Not one consultation a case.
    #[error("{found} consultations for {wanted} held-out cases, there must be one for each, in their order")]
    Count {
        /// Consultations given.
        found: usize,
        /// Held-out cases.
        wanted: usize,
    },
    /// A consultation is about another case.
    #[error("consultation {index} is about case `{found}`, in its place belongs `{wanted}`")]
    Case {
        /// Its place, from 0.
        index: usize,
        /// The case it is about.
        found: String,
        /// The case it should be about.
        wanted: String,
    },
}

/// What one consultation came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseResult {
    /// The case.
    pub case_id: String,
    /// Its presentation; consultations of one presentation are not independent.
    pub presentation: String,
    /// Its specialty.
    pub specialty: String,
    /// In what way the patient is new.
    pub part: Part,
    /// The reward of the whole consultation; `None` where nothing was judged.
    pub reward: Option<f64>,
    /// The mean reward of its messages; `None` where none was judged.
    pub reply_reward: Option<f64>,
    /// The reward of the whole consultation on each axis that something was judged on.
    pub axes: BTreeMap<Axis, f64>,
    /// Messages of the doctor.
    pub turns: usize,
    /// Why it ended; `None` where it was cut off.
    pub ending: Option<Ending>,
}

/// What a doctor achieved. Means are over consultations that were judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Who the doctor was, e.g. `before`.
    pub name: String,
    /// The seed the held-out patients were set up with.
    pub seed: u64,
    /// The mean reward of whole consultations; `None` where none was judged.
    pub reward: Option<f64>,
    /// The mean over consultations of the mean reward of their messages.
    pub reply_reward: Option<f64>,
    /// The mean reward on each axis.
    pub axes: BTreeMap<Axis, f64>,
    /// The mean reward by how the patients are new.
    pub parts: BTreeMap<Part, f64>,
    /// The mean reward by specialty.
    pub specialties: BTreeMap<String, f64>,
    /// Messages of the doctor a consultation.
    pub turns: f64,
    /// Consultations by how they ended, under the ending's name in files, or `cut_off`.
    pub endings: BTreeMap<String, usize>,
    /// Consultations nobody could judge; they are in no mean.
    pub not_judged: usize,
    /// Each consultation, in the order of the held-out cases.
    pub cases: Vec<CaseResult>,
}

impl Evaluation {
    /// The result of the case called `id`.
    pub fn case(&self, id: &str) -> Option<&CaseResult> {
        self.cases.iter().find(|case| case.case_id == id)
    }

    fn new(name: &str, seed: u64, cases: Vec<CaseResult>) -> Self {
        let axes =
            mean_by(cases.iter().flat_map(|case| case.axes.iter().map(|(&axis, &value)| (axis, value))));
        let rewards = || cases.iter().filter_map(|case| Some((case, case.reward?)));
        let mut endings: BTreeMap<String, usize> = BTreeMap::new();
        for case in &cases {
            *endings.entry(ending_name(case.ending).to_owned()).or_default() += 1;
        }
        Self {
            name: name.to_owned(),
            seed,
            reward: mean(rewards().map(|it| it.1)),
            reply_reward: mean(cases.iter().filter_map(|case| case.reply_reward)),
            axes,
            parts: mean_by(rewards().map(|(case, reward)| (case.part, reward))),
            specialties: mean_by(rewards().map(|(case, reward)| (case.specialty.clone(), reward))),
            turns: mean(cases.iter().map(|case| case.turns as f64)).unwrap_or(0.0),
            endings,
            not_judged: cases.iter().filter(|case| case.reward.is_none()).count(),
            cases,
        }
    }
}

/// Marked consultations and what they come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// The numbers.
    pub evaluation: Evaluation,
    /// What was said, in the order of the held-out cases.
    pub consultations: Vec<Consultation>,
    /// The marks of each.
    pub marks: Vec<ConsultationMarks>,
}

/// Marks `consultations`, one for each case of `held_out` and in their order, as the doctor `name`'s.
pub fn evaluate(
    name: &str,
    held_out: &HeldOut,
    consultations: Vec<Consultation>,
    generator: &Generator<'_>,
    judge: &dyn Judge,
) -> Result<Evaluated, EvaluationError> {
    let (found, wanted) = (consultations.len(), held_out.cases().len());
    if found != wanted {
        return Err(EvaluationError::Count { found, wanted });
    }
    for (index, (held, consultation)) in held_out.cases().iter().zip(&consultations).enumerate() {
        if held.case.id != consultation.case_id {
            let (found, wanted) = (consultation.case_id.clone(), held.case.id.clone());
            return Err(EvaluationError::Case { index, found, wanted });
        }
    }
    // Each is marked alone, and collected in order: threads change nothing but the time.
    let marks: Vec<ConsultationMarks> = held_out
        .cases()
        .par_iter()
        .zip(&consultations)
        .map(|(held, consultation)| marks(&held.case, &held.mode.seen(consultation), generator, judge))
        .collect();
    let results = held_out.cases().iter().zip(&consultations).zip(&marks);
    let results = results.map(|((held, consultation), marks)| result(held, consultation, marks)).collect();
    let evaluation = Evaluation::new(name, held_out.seed(), results);
    Ok(Evaluated { evaluation, consultations, marks })
}

fn result(held: &HeldOutCase, consultation: &Consultation, marks: &ConsultationMarks) -> CaseResult {
    let axes = marks.whole.reward.iter().flat_map(|reward| &reward.axes);
    CaseResult {
        case_id: held.case.id.clone(),
        presentation: held.case.presentation.clone(),
        specialty: held.case.stratum.specialty.to_string(),
        part: held.part,
        reward: marks.whole.value(),
        reply_reward: marks.mean_reply(),
        axes: axes.filter_map(|(&axis, part)| Some((axis, part.value()?))).collect(),
        turns: consultation.turns.len(),
        ending: consultation.ending,
    }
}

/// An ending's name in files.
pub fn ending_name(ending: Option<Ending>) -> &'static str {
    match ending {
        Some(Ending::Concluded) => "concluded",
        Some(Ending::Goodbye) => "goodbye",
        Some(Ending::Emergency) => "emergency",
        Some(Ending::TurnLimit) => "turn_limit",
        Some(Ending::GaveUp) => "gave_up",
        None => "cut_off",
    }
}

/// An axis' name in files.
pub fn axis_name(axis: Axis) -> &'static str {
    match axis {
        Axis::Inquiry => "inquiry",
        Axis::Diagnosis => "diagnosis",
        Axis::Treatment => "treatment",
        Axis::Communication => "communication",
        Axis::Safety => "safety",
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (total, count) = values.fold((0.0, 0usize), |(total, count), value| (total + value, count + 1));
    (count > 0).then(|| total / count as f64)
}

fn mean_by<K: Ord>(values: impl Iterator<Item = (K, f64)>) -> BTreeMap<K, f64> {
    let mut groups: BTreeMap<K, Vec<f64>> = BTreeMap::new();
    for (key, value) in values {
        groups.entry(key).or_default().push(value);
    }
    groups.into_iter().filter_map(|(key, values)| Some((key, mean(values.into_iter())?))).collect()
}
