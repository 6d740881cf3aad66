//! The stages of a run, in order, with a checkpoint wherever it can be taken up again.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use super::base::{BASE, check_base, policy};
use super::error::PipelineError;
use super::fingerprint::Fingerprint;
use super::finish;
use super::prepare::Prepared;
use super::start::Start;
use super::state::{self, NoNumber};
use super::watch::Watch;
use crate::engine::OpenError;
use crate::engine::backend::{OnBackend, on_device};
use crate::engine::error::RequestError;
use crate::kernels::KernelBackend;
use crate::model::decoder::Decoder;
use crate::rl::{Fragments, Policy};
use crate::train::checkpoint::{Checkpoint, Progress};
use crate::train::config::{RunConfig, Stage};
use crate::train::run::{Phase, RunDirectory, StepClock, StepMetrics, Summary, Timing};
use crate::train::{AdamW, AdamWOptions};

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// It is finished.
    Finished(Box<Summary>),
    /// It was stopped and can be taken up again.
    Stopped(Stopped),
}

/// Where a run was stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// Its folder.
    pub run_dir: PathBuf,
    /// Steps that are saved.
    pub step: u64,
    /// Whether `limits.seconds` stopped it, and not the watcher.
    pub out_of_time: bool,
}

/// Trains `prepared`. A run that goes on is left as it is where it does not fit what was prepared. `date` is printed in
/// the report.
///
/// # Panics
/// If `prepared` is of later stages than the run has before it.
pub fn train(
    prepared: &Prepared,
    start: Start,
    date: &str,
    watch: &mut dyn Watch,
) -> Result<Ended, PipelineError> {
    let sitting = Sitting { prepared, start, date, watch };
    on_device(prepared.config.device, sitting).map_err(OpenError::from)?
}

struct Sitting<'a> {
    prepared: &'a Prepared,
    start: Start,
    date: &'a str,
    watch: &'a mut dyn Watch,
}

impl OnBackend for Sitting<'_> {
    type Output = Result<Ended, PipelineError>;

    fn on<B: KernelBackend>(self, device: B::Device) -> Self::Output {
        let Self { prepared, start, date, watch } = self;
        go::<B>(prepared, device, start, date, watch)
    }
}

/// Where a run stands between two steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The stage, from 0; as many as there are when all are done.
    pub stage: usize,
    /// Steps of it that are done.
    pub stage_step: u64,
    /// Steps of the run that are done.
    pub step: u64,
}

/// Whether a stage came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// It did.
    Done,
    /// The run is to stop; everything is saved.
    Stop,
}

/// A run under way.
pub(super) struct Run<'a, B: KernelBackend> {
    pub prepared: &'a Prepared,
    pub policy: Policy<B>,
    /// The model that the stage started with, where its loss holds the policy to it.
    pub reference: Option<Decoder<B>>,
    pub optimizer: AdamW<B>,
    pub dir: RunDirectory,
    pub place: Place,
    pub watch: &'a mut dyn Watch,
    /// The checksum of the consultations from before reinforcement learning, once they are written.
    pub before: Option<String>,
    /// Servers of which it was told that they hold no replies to schemas.
    pub without_schemas: BTreeSet<String>,
    /// The checksum of the frozen weights, where only adapters are trained.
    base: Option<String>,
    /// Steps that were done before this sitting.
    first_step: u64,
    /// Work before this sitting, in milliseconds.
    elapsed_ms: u64,
    started: Instant,
    out_of_time: bool,
}

fn go<B: KernelBackend>(
    prepared: &Prepared,
    device: B::Device,
    start: Start,
    date: &str,
    watch: &mut dyn Watch,
) -> Result<Ended, PipelineError> {
    let started = Instant::now();
    let config = &prepared.config;
    // All that may refuse to go on comes before the run is taken up, which removes what lies beyond its checkpoint.
    let progress = start.checkpoint().map(|checkpoint| checkpoint.state().progress.clone());
    let progress = progress.unwrap_or_default();
    let place = Place { stage: progress.stage, stage_step: progress.stage_step, step: progress.step };
    assert!(prepared.casting.first <= place.stage, "prepared for later stages than the run stands at");
    if let Some(checkpoint) = start.checkpoint() {
        check(prepared, checkpoint)?;
    }
    let first_rl = config.stage.iter().position(|stage| matches!(stage, Stage::Rl(_))).unwrap_or(0);
    let begun = place.stage > first_rl || place.stage_step > 0;
    let written = progress.extra.get(BEFORE).and_then(serde_json::Value::as_str);
    let read = if place.stage >= first_rl {
        finish::read_before(prepared, start.dir(), (!begun).then_some(place.step), written)?
    } else {
        None
    };
    let (mut before, checksum) = read.unzip();
    finish::check_model(start.dir())?;
    let (mut policy, base) = policy::<B>(prepared, device, watch)?;
    if let (Some(checkpoint), Some(base)) = (start.checkpoint(), &base) {
        check_base(config, checkpoint, base)?;
    }
    let options = options(config, place.stage);
    // One that has not begun has its start in the policy itself.
    let keeps = place.stage_step > 0 && config.stage.get(place.stage).is_some_and(Stage::keeps_reference);
    let (optimizer, reference) = match start.checkpoint() {
        Some(checkpoint) => state::restore(checkpoint, &mut policy, options, keeps)?,
        None => (AdamW::new(options), None),
    };
    policy.resume_at(place.step);
    let dir = start.take_up()?;

    let mut run = Run {
        prepared,
        policy,
        reference,
        optimizer,
        dir,
        place,
        watch,
        before: checksum,
        without_schemas: BTreeSet::new(),
        base,
        first_step: place.step,
        elapsed_ms: progress.elapsed_ms,
        started,
        out_of_time: false,
    };
    let mut pool = progress.extra.get(POOL).cloned();
    while let Some(stage) = config.stage.get(run.place.stage) {
        if before.is_none() && run.place.stage >= first_rl {
            before = run.measure_before()?;
            if before.is_none() {
                return run.stopped();
            }
        }
        let flow = match stage {
            Stage::Sft(stage) => run.supervised(stage)?,
            Stage::Rl(stage) => run.reinforced(stage, pool.take())?,
            // The plan has refused these.
            Stage::MidTraining(_) | Stage::RuleRl(_) | Stage::RubricRl(_) => {
                return Err(PipelineError::NotBuilt { kind: stage.kind() });
            }
        };
        if flow == Flow::Stop {
            return run.stopped();
        }
    }
    let before = match before {
        Some(before) => before,
        None => match run.measure_before()? {
            Some(before) => before,
            None => return run.stopped(),
        },
    };
    match finish::finish(&mut run, &before, date)? {
        Some(summary) => Ok(Ended::Finished(Box::new(summary))),
        None => run.stopped(),
    }
}

/// Where the pool of consultations is kept in a checkpoint.
pub(super) const POOL: &str = "pool";
/// Where the checksum of the consultations from before reinforcement learning is kept.
const BEFORE: &str = "before";
/// Where the fingerprint of what the run was prepared from is kept.
const PREPARED: &str = "prepared";

/// That a checkpoint is of this configuration, and was made from what was prepared.
fn check(prepared: &Prepared, checkpoint: &Checkpoint) -> Result<(), PipelineError> {
    let (config, progress) = (&prepared.config, &checkpoint.state().progress);
    let refuse = |what: String| PipelineError::State { checkpoint: checkpoint.path().to_owned(), what };
    if progress.seed != config.seed {
        return Err(refuse(format!("its seed is {}, the run's is {}", progress.seed, config.seed)));
    }
    if progress.stage > config.stage.len() {
        let (found, stages) = (progress.stage, config.stage.len());
        return Err(refuse(format!("it is in stage {found}, the run has {stages}")));
    }
    let saved = progress.extra.get(PREPARED).cloned().unwrap_or_default();
    let saved = serde_json::from_value::<Fingerprint>(saved)
        .map_err(|error| refuse(format!("`{PREPARED}` in its state.json: {error}")))?;
    match prepared.fingerprint.changed_since(&saved) {
        Some(changed) => Err(refuse(format!("{changed}. Put them back as they were, or begin a new run"))),
        None => Ok(()),
    }
}

/// AdamW of a stage; of the last one past the end.
fn options(config: &RunConfig, stage: usize) -> AdamWOptions {
    let optimizer = &config.optimizer;
    let stage = config.stage.get(stage).or(config.stage.last());
    AdamWOptions {
        betas: (optimizer.beta1, optimizer.beta2),
        eps: optimizer.eps,
        weight_decay: stage.map_or(optimizer.weight_decay, |stage| config.weight_decay(stage)),
        clip: stage.map(|stage| stage.update().grad_clip),
    }
}

impl<B: KernelBackend> Run<'_, B> {
    /// Seconds of work so far, all sittings together.
    pub fn seconds(&self) -> f64 {
        self.elapsed_ms as f64 / 1000.0 + self.started.elapsed().as_secs_f64()
    }

    /// Whether the run should stop now.
    pub fn should_stop(&mut self) -> bool {
        let limit = self.prepared.config.limits.seconds;
        // Not before a step is done, nor in a sitting that has none left to do: a limit that is short beside what comes
        // before and after the steps must not keep a run from its end, however often it is taken up.
        let moved = self.place.step > self.first_step;
        self.out_of_time |=
            moved && limit.is_some_and(|limit| self.started.elapsed().as_secs_f64() >= limit as f64);
        self.out_of_time || self.watch.should_stop()
    }

    fn stopped(&self) -> Result<Ended, PipelineError> {
        Ok(Ended::Stopped(Stopped {
            run_dir: self.dir.dir().to_owned(),
            step: self.place.step,
            out_of_time: self.out_of_time,
        }))
    }

    /// Writes a step down and, when it is time, a checkpoint; `total` is the stage's steps. Says whether the stage goes
    /// on, is done, or the run stops.
    pub fn step_done(
        &mut self,
        mut metrics: StepMetrics,
        clock: &StepClock,
        total: u64,
        pool: Option<&Fragments<'_>>,
    ) -> Result<Option<Flow>, PipelineError> {
        let kind = self.prepared.config.stage[self.place.stage].kind();
        for (what, found) in [("loss", metrics.loss), ("gradient's norm", metrics.grad_norm)] {
            if !found.is_finite() {
                return Err(self.diverged(what.to_owned(), found));
            }
        }
        self.place.step += 1;
        self.place.stage_step += 1;
        metrics.stage = kind.to_owned();
        metrics.step = self.place.step;
        metrics.stage_step = self.place.stage_step;
        metrics.timing = Timing { verdicts: metrics.timing.verdicts, ..clock.finish(metrics.tokens) };
        self.dir.step(&metrics)?;
        self.watch.step(&metrics, self.place.stage_step, total);
        self.tell_of_schemas();
        let (last, stop) = (self.place.stage_step >= total, self.should_stop());
        if last {
            self.place.stage += 1;
            self.place.stage_step = 0;
            self.optimizer.restart(options(&self.prepared.config, self.place.stage));
            self.reference = None;
        }
        if last || stop || self.place.step.is_multiple_of(self.prepared.config.checkpoint.every) {
            self.save(pool.filter(|_| !last), last || stop)?;
        }
        Ok(match (last, stop) {
            (_, true) => Some(Flow::Stop),
            (true, false) => Some(Flow::Done),
            (false, false) => None,
        })
    }

    /// That the weights came to numbers that are none, at the step after those that are done.
    pub fn diverged(&self, what: String, found: f64) -> PipelineError {
        let stages = &self.prepared.config.stage;
        // Where a stage has just ended, it is the one that trained the weights.
        let trained = if self.place.stage_step == 0 { 1 } else { 0 };
        let place = self.place.stage.saturating_sub(trained).min(stages.len().saturating_sub(1));
        let stage = stages.get(place).map_or("sft", Stage::kind);
        PipelineError::Diverged { step: self.place.step + 1, stage, what, found }
    }

    /// What a refused reply means: where weights that were trained gave no number, training has diverged.
    pub fn refused(&self, error: &RequestError) -> Option<PipelineError> {
        match error {
            RequestError::NoNumber { found, .. } if self.place.step > 0 => {
                Some(self.diverged("log-probability of a sampled token".to_owned(), f64::from(*found)))
            }
            _ => None,
        }
    }

    /// Saves what a measurement that was not finished was of, where no checkpoint of it is there yet.
    pub fn save_unmeasured(&mut self, pool: &Fragments<'_>) -> Result<(), PipelineError> {
        let saved = self.place.step.is_multiple_of(self.prepared.config.checkpoint.every);
        if saved { Ok(()) } else { self.save(Some(pool), true) }
    }

    /// Saves a checkpoint; the `last` before the run stops or does something else is flushed to the disk.
    fn save(&mut self, pool: Option<&Fragments<'_>>, last: bool) -> Result<(), PipelineError> {
        let mut progress = Progress {
            stage: self.place.stage,
            stage_step: self.place.stage_step,
            step: self.place.step,
            optimizer_step: self.optimizer.steps(),
            seed: self.prepared.config.seed,
            elapsed_ms: (self.seconds() * 1000.0) as u64,
            ..Progress::default()
        };
        // Strings and whole numbers only, which always have a JSON form.
        let json = |value: serde_json::Result<serde_json::Value>| value.unwrap_or_default();
        progress.extra.insert(PREPARED.to_owned(), json(serde_json::to_value(&self.prepared.fingerprint)));
        for (name, checksum) in [(BEFORE, &self.before), (BASE, &self.base)] {
            if let Some(checksum) = checksum {
                progress.extra.insert(name.to_owned(), checksum.as_str().into());
            }
        }
        if let Some(pool) = pool {
            progress.extra.insert(POOL.to_owned(), json(serde_json::to_value(pool.state())));
        }
        match state::save(
            &mut self.dir,
            last,
            &mut self.policy,
            self.reference.as_mut(),
            &self.optimizer,
            progress,
        )? {
            None => Ok(()),
            Some(NoNumber { tensor, found }) => {
                // The step that is not saved is the last one taken.
                self.place.step = self.place.step.saturating_sub(1);
                Err(self.diverged(format!("tensor `{tensor}`"), f64::from(found)))
            }
        }
    }
}

/// Adds seconds measured elsewhere to a clock.
pub(super) fn add(clock: &mut StepClock, phase: Phase, seconds: f64) {
    // Not negative, and no run takes so long that it would not fit.
    clock.add(phase, std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default());
}
