//! The steps of supervised training.

use super::error::PipelineError;
use super::prepare::lessons;
use super::run::{Flow, Run, add};
use super::seeds::{Draws, seed_of};
use super::watch::Part;
use crate::data::conversation::{DialogueTokens, Packed, Packing, pack};
use crate::kernels::KernelBackend;
use crate::train::config::{Sft, Stage};
use crate::train::run::{Phase, StepClock, StepMetrics};
use crate::train::sft;

impl<B: KernelBackend> Run<'_, B> {
    /// Does what is left of a supervised stage.
    pub(super) fn supervised(&mut self, stage: &Sft) -> Result<Flow, PipelineError> {
        let place = self.place.stage;
        let course = self.course(place, stage)?;
        let rates = Stage::Sft(stage.clone()).learning_rate().over(course.steps)?;
        let positions = self.prepared.model.max_position_embeddings;
        let micro = stage.update.micro_batch_tokens.unwrap_or(positions);
        let mut epoch: Option<(u64, Packing)> = None;
        loop {
            let mut clock = StepClock::start();
            let (number, at) = course.at(self.place.stage_step);
            if epoch.as_ref().is_none_or(|(held, _)| *held != number) {
                epoch = Some((number, course.epoch(number)));
            }
            let Some(batch) = epoch.as_ref().and_then(|(_, packing)| packing.batches.get(at)) else {
                // `at` is below the epoch's batches.
                return Ok(Flow::Done);
            };
            let lr = rates.rate(self.place.stage_step);
            let metrics = self.supervised_step(batch, micro, lr, &mut clock);
            if let Some(flow) = self.step_done(metrics, &clock, course.steps, None)? {
                return Ok(flow);
            }
        }
    }

    fn supervised_step(
        &mut self,
        batch: &Packed,
        micro: usize,
        lr: f64,
        clock: &mut StepClock,
    ) -> StepMetrics {
        let optimizer = &mut self.optimizer;
        let report = self.policy.update(|decoder| sft::step(decoder, optimizer, batch, micro, lr));
        add(clock, Phase::ForwardBackward, report.forward_backward);
        add(clock, Phase::Optimizer, report.optimizer);
        StepMetrics {
            loss: report.loss,
            grad_norm: report.grad_norm,
            learning_rate: lr,
            tokens: report.learned as u64,
            ..StepMetrics::default()
        }
    }

    /// Holds the consultations and writes them as ids.
    fn course(&mut self, place: usize, stage: &Sft) -> Result<Course, PipelineError> {
        let prepared = self.prepared;
        self.watch.part(Part::Lessons, 0, stage.consultations);
        let consultations = lessons(&prepared.config, &prepared.patients, place, stage)?;
        let dialogues = consultations.iter().map(|it| DialogueTokens::new(&prepared.format, it));
        let mut dialogues = dialogues.collect::<Result<Vec<_>, _>>()?;
        self.watch.part(Part::Lessons, stage.consultations, stage.consultations);
        let found = dialogues.len();
        let most = stage.max_tokens.unwrap_or(prepared.model.max_position_embeddings).min(stage.batch_tokens);
        // The last token of a dialogue is only predicted, never read.
        dialogues.retain(|dialogue| dialogue.len() <= most + 1);
        let too_long = found - dialogues.len();
        if too_long > 0 {
            self.watch.note(&format!(
                "{too_long} of {found} consultations are longer than {most} tokens: left out"
            ));
        }
        let seed = seed_of(prepared.config.seed, Draws::Order(place));
        let mut course =
            Course { dialogues, batch_tokens: stage.batch_tokens, seed, ends: Vec::new(), steps: 0 };
        if course.epoch(0).batches.is_empty() {
            return Err(PipelineError::NoLessons { stage: place, found, too_long });
        }
        course.plan(stage.epochs, stage.steps);
        Ok(course)
    }
}

/// What a supervised stage learns from, epoch after epoch.
struct Course {
    dialogues: Vec<DialogueTokens>,
    batch_tokens: usize,
    seed: u64,
    /// Steps that are done when each epoch ends.
    ends: Vec<u64>,
    steps: u64,
}

impl Course {
    /// The batches of an epoch.
    fn epoch(&self, number: u64) -> Packing {
        pack(&self.dialogues, self.batch_tokens, self.seed, number)
    }

    /// Works out how many steps there are: `epochs` passes, or `steps` of as many passes as they take.
    fn plan(&mut self, epochs: Option<u64>, steps: Option<u64>) {
        let mut done = 0;
        for number in 0.. {
            let enough = match steps {
                Some(steps) => done >= steps,
                None => number >= epochs.unwrap_or(1),
            };
            if enough {
                break;
            }
            done += self.epoch(number).batches.len() as u64;
            self.ends.push(done);
        }
        self.steps = steps.unwrap_or(done);
    }

    /// The epoch of step `step`, from 0, and its place in it.
    fn at(&self, step: u64) -> (u64, usize) {
        let epoch = self.ends.partition_point(|&end| end <= step);
        let begun = epoch.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        (epoch as u64, (step - begun) as usize)
    }
}
