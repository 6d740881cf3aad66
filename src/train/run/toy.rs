//! For tests: a run of a few numbers in place of a model, which anything can happen to.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;
use crate::files::Disk;
use crate::files::faulty::FaultyDisk;
use crate::train::checkpoint::{Checkpoint, Durability, Progress, RngState, latest};

pub const CONFIG: &str = "seed = 3\n";
pub const STEPS: u64 = 5;

/// What a run of these tests trains: numbers that depend on every draw and every step before.
pub struct Toy {
    pub weights: Vec<f32>,
    pub moment: Vec<f32>,
    pub rng: ChaCha8Rng,
    pub step: u64,
}

impl Toy {
    pub fn new() -> Self {
        Self { weights: vec![0.5; 6], moment: vec![0.0; 6], rng: ChaCha8Rng::seed_from_u64(3), step: 0 }
    }

    pub fn restore(checkpoint: &Checkpoint) -> Self {
        let values = |name: &str| checkpoint.tensor(name).unwrap().values().into_owned();
        let progress = &checkpoint.state().progress;
        let rng = progress.rngs["train"].restore();
        Self { weights: values("weights"), moment: values("moment"), rng, step: progress.step }
    }

    pub fn advance(&mut self, run: &mut RunDirectory) -> Result<(), RunError> {
        self.step += 1;
        for sample in 0..2 {
            run.rollout(
                &serde_json::json!({"step": self.step, "sample": sample, "draw": self.rng.next_u32()}),
            )?;
        }
        for (weight, moment) in self.weights.iter_mut().zip(&mut self.moment) {
            let gradient = (self.rng.next_u32() as f32).ln() * *weight;
            *moment = 0.9 * *moment + 0.1 * gradient;
            *weight -= 0.01 * *moment;
        }
        let mut metrics = StepMetrics { stage: "toy".into(), step: self.step, ..StepMetrics::default() };
        metrics.loss = self.weights.iter().copied().map(f64::from).sum();
        // Time differs from sitting to sitting.
        metrics.timing = StepClock::start().finish(1);
        run.step(&metrics)
    }

    pub fn save(&self, run: &mut RunDirectory) -> Result<(), RunError> {
        let rngs = [("train".to_owned(), RngState::of(&self.rng))].into();
        let progress = Progress { step: self.step, rngs, ..Progress::default() };
        let tensors = [("weights", &self.weights), ("moment", &self.moment)];
        let tensors = tensors.map(|(name, values)| (name.to_owned(), vec![2, 3], values.as_slice()));
        run.save(progress, &tensors).map(drop)
    }
}

/// How far a sitting came.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Came {
    /// The last step that was saved, as far as the process knew.
    pub saved: u64,
    /// Where it began.
    pub from: u64,
}

pub fn options(disk: Arc<dyn Disk>, durability: Durability) -> RunOptions {
    let keep_checkpoints = NonZeroUsize::new(2).unwrap();
    RunOptions { keep_checkpoints, durability, disk }
}

/// One sitting: begins or resumes the run in `dir` and trains to the end, saving every `every` steps.
pub fn sit(dir: &Path, every: u64, options: RunOptions, came: &mut Came) -> Result<(), RunError> {
    sit_from(ResumeFrom::Newest, dir, every, options, came)
}

/// As [`sit`], from a checkpoint.
pub fn sit_from(
    from: ResumeFrom,
    dir: &Path,
    every: u64,
    options: RunOptions,
    came: &mut Came,
) -> Result<(), RunError> {
    let (mut run, mut toy) = if dir.join("config.toml").exists() {
        let resumed = Resumed::hold(dir, from, options)?;
        assert_eq!(resumed.config(), CONFIG);
        let toy = resumed.checkpoint().map_or_else(Toy::new, Toy::restore);
        (resumed.take_up()?, toy)
    } else {
        (RunDirectory::create_in(dir, CONFIG, options)?, Toy::new())
    };
    *came = Came { saved: toy.step, from: toy.step };
    while toy.step < STEPS {
        toy.advance(&mut run)?;
        if toy.step % every == 0 || toy.step == STEPS {
            toy.save(&mut run)?;
            came.saved = toy.step;
        }
    }
    // The same step once more, as a Ctrl-C after the last step saves.
    toy.save(&mut run)?;
    run.write_file("report.html", b"the end")
}

/// What must be the same at the end, whatever happened on the way.
pub fn outcome(dir: &Path) -> (Vec<u8>, Vec<u8>, String) {
    let checkpoint = latest(&dir.join("checkpoints")).unwrap().unwrap();
    assert!(checkpoint.ends_with("step-000005"));
    let tensors = fs::read(checkpoint.join("state.safetensors")).unwrap();
    let rollouts = fs::read(dir.join("rollouts.jsonl")).unwrap();
    (tensors, rollouts, fs::read_to_string(dir.join("report.html")).unwrap())
}

pub struct Reference {
    pub dir: tempfile::TempDir,
    pub operations: u64,
}

/// A run that was not interrupted.
pub fn reference(every: u64, durability: Durability) -> Reference {
    let (dir, disk) = (tempfile::tempdir().unwrap(), FaultyDisk::default());
    sit(dir.path(), every, options(Arc::new(disk.clone()), durability), &mut Came::default()).unwrap();
    assert_eq!(read_metrics(&dir.path().join("metrics.jsonl")).unwrap().len() as u64, STEPS);
    Reference { dir, operations: disk.operations() }
}

pub fn same_as(reference: &Reference, dir: &Path, what: &str) {
    assert!(outcome(reference.dir.path()) == outcome(dir), "{what}");
    let metrics = |dir: &Path| dir.join("metrics.jsonl");
    let difference = first_difference(&metrics(reference.dir.path()), &metrics(dir)).unwrap();
    assert_eq!(difference, None, "{what}");
}

/// Whether the log in `dir` is what the reference's log was at some moment, but for a torn end.
pub fn is_prefix(reference: &Reference, dir: &Path) -> bool {
    let steps = |dir: &Path| -> Vec<(u64, u64)> {
        let path = dir.join("metrics.jsonl");
        // A run may have ended before it had a log.
        let steps = if path.exists() { read_metrics(&path).unwrap() } else { Vec::new() };
        steps.into_iter().map(|step| (step.step, step.loss.to_bits())).collect()
    };
    steps(reference.dir.path()).starts_with(&steps(dir))
}
