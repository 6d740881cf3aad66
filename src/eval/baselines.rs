//! What other doctors achieve on the same patients: baselines that training has to beat, and, for scale, scripted
//! doctors who know the case.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::data::case::Case;
use crate::rubric::{Generator, Judge};
use crate::sim::doctor::{Baseline, Doctor, DoctorQuality, ScriptedDoctor, Tier};

use super::batch::BatchError;
use super::evaluation::{Evaluated, EvaluationError, evaluate};
use super::heldout::HeldOut;

/// Why doctors could not be measured.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum MeasureError {
    /// A message had no place.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The consultations did not fit the cases.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
}

/// A doctor to compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Yardstick {
    /// Looks for marks without being a doctor; a trained one has to beat it.
    Baseline(Baseline),
    /// Knows the case and slips as often as its tier does; shows what the scale means.
    Scripted(Tier),
    /// Knows the case and never slips.
    ScriptedBest,
}

impl Yardstick {
    /// All of them, baselines first.
    pub fn all() -> Vec<Self> {
        let scripted = [Tier::Poor, Tier::Routine, Tier::Middling, Tier::Good].map(Self::Scripted);
        Baseline::ALL.map(Self::Baseline).into_iter().chain(scripted).chain([Self::ScriptedBest]).collect()
    }

    /// Its name in reports and summaries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline(baseline) => baseline.name(),
            Self::Scripted(Tier::Poor) => "scripted_poor",
            Self::Scripted(Tier::Routine) => "scripted_routine",
            Self::Scripted(Tier::Middling) => "scripted_middling",
            Self::Scripted(Tier::Good) => "scripted_good",
            Self::ScriptedBest => "scripted_best",
        }
    }

    /// Whether it knows nothing of the case, so that training has to beat it.
    pub fn is_baseline(self) -> bool {
        matches!(self, Self::Baseline(_))
    }

    /// A doctor of this kind for `case`.
    pub fn doctor(self, case: &Case, turn_limit: usize, seed: u64) -> Box<dyn Doctor> {
        let scripted = |quality| Box::new(ScriptedDoctor::new(case, quality, turn_limit, seed));
        match self {
            Self::Baseline(baseline) => Box::new(baseline.doctor(turn_limit)),
            Self::Scripted(tier) => scripted(DoctorQuality::of(tier)),
            Self::ScriptedBest => scripted(DoctorQuality::best()),
        }
    }
}

/// What the doctors that `doctor` makes achieve on `held_out`.
pub fn measure(
    name: &str,
    held_out: &HeldOut,
    generator: &Generator<'_>,
    judge: &dyn Judge,
    doctor: impl FnMut(&Case, u64) -> Box<dyn Doctor>,
) -> Result<Evaluated, MeasureError> {
    Ok(evaluate(name, held_out, held_out.play(doctor)?, generator, judge)?)
}

/// What each of `yardsticks` achieves on `held_out`, in their order.
pub fn baselines(
    yardsticks: &[Yardstick],
    held_out: &HeldOut,
    generator: &Generator<'_>,
    judge: &dyn Judge,
) -> Result<Vec<(Yardstick, Evaluated)>, MeasureError> {
    let turns = held_out.limits().turns;
    let measured = |&yardstick: &Yardstick| {
        let doctor = |case: &Case, seed| yardstick.doctor(case, turns, seed);
        Ok((yardstick, measure(yardstick.name(), held_out, generator, judge, doctor)?))
    };
    yardsticks.iter().map(measured).collect()
}
