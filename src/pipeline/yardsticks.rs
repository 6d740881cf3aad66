//! What other doctors achieve with the patients that the policy met.

use std::sync::atomic::AtomicBool;

use super::error::PipelineError;
use super::finish::Measured;
use super::run::Run;
use crate::data::case::Case;
use crate::eval::{AnswerError, MeasureError, Yardstick, evaluate, measure};
use crate::kernels::KernelBackend;
use crate::rubric::{Generator, RuleJudge};

/// What `yardstick` achieves: with patients as whoever played them for the policy plays them. `None` where the run is to stop.
pub(super) fn achieved<B: KernelBackend>(
    run: &mut Run<'_, B>,
    yardstick: Yardstick,
) -> Result<Option<Measured>, PipelineError> {
    let (prepared, step) = (run.prepared, run.place.step);
    let (held_out, limits) = (&prepared.patients.held_out, prepared.patients.limits);
    let (generator, judge) = (Generator::bundled(limits.turns), RuleJudge::bundled());
    let doctor = |case: &Case, seed| yardstick.doctor(case, limits.turns, seed);
    let Some(playing) = &prepared.casting.playing else {
        return Ok(Some(measure(yardstick.name(), held_out, &generator, &judge, doctor)?));
    };
    let halt = AtomicBool::new(false);
    let company = playing.held_out_company(limits, &halt);
    match held_out.play_with(&company, doctor, &mut || !run.should_stop()) {
        Ok(consultations) => {
            Ok(Some(evaluate(yardstick.name(), held_out, consultations, &generator, &judge)?))
        }
        Err(AnswerError::Company(error)) => PipelineError::of_held_out(step, error).map_or(Ok(None), Err),
        Err(AnswerError::Batch(error)) => Err(MeasureError::from(error).into()),
    }
}
