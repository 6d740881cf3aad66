//! Runs that are interrupted anywhere and resumed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;
use crate::train::checkpoint::faulty::FaultyDisk;
use crate::train::checkpoint::{CheckpointError, Disk, Durability, Progress, RngState, latest};

const CONFIG: &str = "seed = 3\n";
const STEPS: u64 = 5;

/// What a run of these tests trains: numbers that depend on every draw and every step before.
struct Toy {
    weights: Vec<f32>,
    moment: Vec<f32>,
    rng: ChaCha8Rng,
    step: u64,
}

impl Toy {
    fn new() -> Self {
        Self { weights: vec![0.5; 6], moment: vec![0.0; 6], rng: ChaCha8Rng::seed_from_u64(3), step: 0 }
    }

    fn restore(checkpoint: &crate::train::checkpoint::Checkpoint) -> Self {
        let values = |name: &str| checkpoint.tensor(name).unwrap().values().into_owned();
        let progress = &checkpoint.state().progress;
        let rng = progress.rngs["train"].restore();
        Self { weights: values("weights"), moment: values("moment"), rng, step: progress.step }
    }

    fn advance(&mut self, run: &mut RunDirectory) -> Result<(), RunError> {
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

    fn save(&self, run: &mut RunDirectory) -> Result<(), RunError> {
        let rngs = [("train".to_owned(), RngState::of(&self.rng))].into();
        let progress = Progress { step: self.step, rngs, ..Progress::default() };
        let tensors = [("weights", &self.weights), ("moment", &self.moment)];
        let tensors = tensors.map(|(name, values)| (name.to_owned(), vec![2, 3], values.as_slice()));
        run.save(progress, &tensors).map(drop)
    }
}

/// How far a sitting came.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Came {
    /// The last step that was saved, as far as the process knew.
    saved: u64,
    /// Where it began.
    from: u64,
}

fn options(disk: Arc<dyn Disk>, durability: Durability) -> RunOptions {
    let keep_checkpoints = NonZeroUsize::new(2).unwrap();
    RunOptions { keep_checkpoints, durability, disk }
}

/// One sitting: begins or resumes the run in `dir` and trains to the end, saving every `every` steps.
fn sit(dir: &Path, every: u64, options: RunOptions, came: &mut Came) -> Result<(), RunError> {
    let (mut run, mut toy) = if dir.join("config.toml").exists() {
        let resumed = RunDirectory::resume(dir, ResumeFrom::Newest, options)?;
        assert_eq!(resumed.config, CONFIG);
        let toy = resumed.checkpoint.as_ref().map_or_else(Toy::new, Toy::restore);
        (resumed.run, toy)
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
    run.write_file("report.html", b"the end")
}

/// What must be the same at the end, whatever happened on the way.
fn outcome(dir: &Path) -> (Vec<u8>, Vec<u8>, String) {
    let checkpoint = latest(&dir.join("checkpoints")).unwrap().unwrap();
    assert!(checkpoint.ends_with("step-000005"));
    let tensors = fs::read(checkpoint.join("state.safetensors")).unwrap();
    let rollouts = fs::read(dir.join("rollouts.jsonl")).unwrap();
    (tensors, rollouts, fs::read_to_string(dir.join("report.html")).unwrap())
}

struct Reference {
    dir: tempfile::TempDir,
    operations: u64,
    written: u64,
}

/// A run that was not interrupted.
fn reference(every: u64, durability: Durability) -> Reference {
    let (dir, disk) = (tempfile::tempdir().unwrap(), FaultyDisk::default());
    sit(dir.path(), every, options(Arc::new(disk.clone()), durability), &mut Came::default()).unwrap();
    assert_eq!(read_metrics(&dir.path().join("metrics.jsonl")).unwrap().len() as u64, STEPS);
    Reference { dir, operations: disk.operations(), written: disk.written() }
}

fn same_as(reference: &Reference, dir: &Path, what: &str) {
    assert!(outcome(reference.dir.path()) == outcome(dir), "{what}");
    let metrics = |dir: &Path| dir.join("metrics.jsonl");
    let difference = first_difference(&metrics(reference.dir.path()), &metrics(dir)).unwrap();
    assert_eq!(difference, None, "{what}");
}

/// Whether the log in `dir` is what the reference's log was at some moment, but for a torn end.
fn is_prefix(reference: &Reference, dir: &Path) -> bool {
    let steps = |dir: &Path| -> Vec<(u64, u64)> {
        let path = dir.join("metrics.jsonl");
        // A run may have ended before it had a log.
        let steps = if path.exists() { read_metrics(&path).unwrap() } else { Vec::new() };
        steps.into_iter().map(|step| (step.step, step.loss.to_bits())).collect()
    };
    steps(reference.dir.path()).starts_with(&steps(dir))
}

#[test]
fn a_run_that_ends_at_any_operation_goes_on_as_if_it_had_not() {
    for (every, power_cut) in [(1, false), (2, false), (2, true)] {
        let durability = if power_cut { Durability::PowerCut } else { Durability::Process };
        let reference = reference(every, durability);
        assert!(reference.operations > 50);
        for at in 0..reference.operations {
            let (dir, disk) = (tempfile::tempdir().unwrap(), FaultyDisk::dying_at(at));
            let mut came = Came::default();
            sit(dir.path(), every, options(Arc::new(disk.clone()), durability), &mut came).unwrap_err();
            assert!(disk.is_dead());
            if power_cut {
                disk.cut_power();
            }
            assert!(is_prefix(&reference, dir.path()), "ended at {at}");
            let mut again = Came::default();
            let sound = options(Arc::new(FaultyDisk::default()), durability);
            sit(dir.path(), every, sound, &mut again).unwrap();
            assert!(again.from >= came.saved, "ended at {at}: {again:?} after {came:?}");
            same_as(&reference, dir.path(), &format!("ended at {at}, saving every {every}"));
        }
    }
}

#[test]
fn a_disk_that_fills_anywhere_stops_the_run_and_loses_nothing_saved() {
    let reference = reference(2, Durability::PowerCut);
    // A prime, so that the places move through every kind of file.
    for room in (0..reference.written).step_by(23) {
        let (dir, disk) = (tempfile::tempdir().unwrap(), FaultyDisk::with_room(room));
        let on_disk = options(Arc::new(disk.clone()), Durability::PowerCut);
        let mut came = Came::default();
        let message = sit(dir.path(), 2, on_disk.clone(), &mut came).unwrap_err().to_string();
        assert!(message.contains("disk is full") && message.contains("could not be written"), "{message}");
        assert!(is_prefix(&reference, dir.path()), "full after {room}");
        disk.make_room();
        let mut again = Came::default();
        sit(dir.path(), 2, on_disk, &mut again).unwrap();
        assert!(again.from >= came.saved, "full after {room}: {again:?} after {came:?}");
        same_as(&reference, dir.path(), &format!("full after {room}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn a_run_that_ends_again_and_again_still_comes_to_the_same_end(
        ends in prop::collection::vec(0u64..60, 1..6),
        every in 1u64..4,
        power_cut: bool,
    ) {
        let durability = if power_cut { Durability::PowerCut } else { Durability::Process };
        let reference = reference(every, durability);
        let dir = tempfile::tempdir().unwrap();
        let mut saved = 0;
        for at in ends {
            let (disk, mut came) = (FaultyDisk::dying_at(at), Came::default());
            if sit(dir.path(), every, options(Arc::new(disk.clone()), durability), &mut came).is_ok() {
                break;
            }
            if power_cut {
                disk.cut_power();
            }
            saved = saved.max(came.saved);
            prop_assert!(is_prefix(&reference, dir.path()));
        }
        let mut came = Came::default();
        sit(dir.path(), every, options(Arc::new(FaultyDisk::default()), durability), &mut came).unwrap();
        prop_assert!(came.from >= saved);
        same_as(&reference, dir.path(), "ended again and again");
    }

    #[test]
    fn a_log_with_any_end_goes_on_from_what_the_checkpoint_covers(
        tails in prop::array::uniform2(prop::collection::vec(any::<u8>(), 0..40)),
    ) {
        let reference = reference(2, Durability::Process);
        let dir = tempfile::tempdir().unwrap();
        let plain = || options(Arc::new(FaultyDisk::default()), Durability::Process);
        {
            let mut run = RunDirectory::create_in(dir.path(), CONFIG, plain()).unwrap();
            let mut toy = Toy::new();
            (0..2).for_each(|_| toy.advance(&mut run).unwrap());
            toy.save(&mut run).unwrap();
        }
        for (name, tail) in ["metrics.jsonl", "rollouts.jsonl"].into_iter().zip(tails) {
            let path = dir.path().join(name);
            fs::write(&path, [fs::read(&path).unwrap(), tail].concat()).unwrap();
        }
        sit(dir.path(), 2, plain(), &mut Came::default()).unwrap();
        same_as(&reference, dir.path(), "logs with other ends");
    }
}

#[test]
#[ignore = "a part of another test, which runs it in a process of its own"]
fn train_until_killed() {
    let Some(dir) = child::folder() else { return };
    let options = RunOptions { durability: Durability::Process, ..RunOptions::default() };
    let resumed = RunDirectory::resume(&dir, ResumeFrom::Newest, options).unwrap();
    let mut toy = resumed.checkpoint.as_ref().map_or_else(Toy::new, Toy::restore);
    let mut run = resumed.run;
    // Ends by itself should nobody kill it.
    while toy.step < 100_000 {
        toy.advance(&mut run).unwrap();
        toy.save(&mut run).unwrap();
        println!("\nsaved {}", toy.step);
    }
}

#[test]
fn a_process_killed_in_the_middle_loses_no_saved_step() {
    let dir = tempfile::tempdir().unwrap();
    drop(RunDirectory::create_in(dir.path(), CONFIG, RunOptions::default()).unwrap());
    let mut saved = 0;
    for lines in [1, 40, 3, 17] {
        let mut child = child::command(module_path!(), "train_until_killed", dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let steps =
            output.filter_map(|line| line.unwrap().strip_prefix("saved ").map(|n| n.parse::<u64>().unwrap()));
        let steps: Vec<u64> = steps.take(lines).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(steps.len(), lines);
        // It went on where the one before was killed, or after steps that one saved without being heard.
        assert!(steps[0] > saved, "{steps:?} after {saved}");
        saved = steps[lines - 1];
    }
    let resumed = RunDirectory::resume(dir.path(), ResumeFrom::Newest, RunOptions::default()).unwrap();
    let (run, toy) = (resumed.run, Toy::restore(&resumed.checkpoint.unwrap()));
    assert!(toy.step >= saved);
    // The same as a run that nobody killed.
    let whole = tempfile::tempdir().unwrap();
    let options = RunOptions { durability: Durability::Process, ..RunOptions::default() };
    let mut other = RunDirectory::create_in(whole.path(), CONFIG, options).unwrap();
    let mut expected = Toy::new();
    while expected.step < toy.step {
        expected.advance(&mut other).unwrap();
    }
    assert_eq!((toy.weights, toy.moment), (expected.weights, expected.moment));
    assert_eq!(first_difference(&run.metrics_path(), &other.metrics_path()).unwrap(), None);
    assert_eq!(fs::read(run.rollouts_path()).unwrap(), fs::read(other.rollouts_path()).unwrap());
}

/// A finished run of [`STEPS`] steps with checkpoints after 4 and 5.
fn finished() -> tempfile::TempDir {
    reference(2, Durability::Process).dir
}

fn plain() -> RunOptions {
    RunOptions { durability: Durability::Process, ..RunOptions::default() }
}

#[test]
fn attempts_have_folders_of_their_own() {
    let base = tempfile::tempdir().unwrap();
    let first = RunDirectory::create(base.path(), "quick", CONFIG, plain()).unwrap();
    let second = RunDirectory::create(base.path(), "quick", CONFIG, plain()).unwrap();
    assert_eq!(
        (first.dir(), second.dir()),
        (&*base.path().join("quick/001"), &*base.path().join("quick/002"))
    );
    assert_eq!(last_attempt(base.path(), "quick").unwrap().as_deref(), Some(second.dir()));
    assert!(first.is_locked());
    let error = RunDirectory::resume(first.dir(), ResumeFrom::Newest, plain()).unwrap_err();
    assert!(matches!(error, RunError::Locked { .. }), "{error}");
    let error = RunDirectory::create_in(first.dir(), CONFIG, plain()).unwrap_err();
    assert!(matches!(error, RunError::Locked { .. }), "{error}");
}

#[test]
fn a_new_run_takes_no_folder_that_is_in_use() {
    let run = finished();
    let message = RunDirectory::create_in(run.path(), CONFIG, plain()).unwrap_err().to_string();
    assert!(message.contains("holds a run already") && message.contains("--resume"), "{message}");
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("thesis.tex"), "").unwrap();
    let message = RunDirectory::create_in(other.path(), CONFIG, plain()).unwrap_err().to_string();
    assert!(message.contains("is not empty") && message.contains("--out"), "{message}");
    let file = other.path().join("thesis.tex");
    let message = RunDirectory::create_in(&file, CONFIG, plain()).unwrap_err().to_string();
    assert!(message.contains("in the way"), "{message}");
}

#[test]
fn a_folder_without_a_run_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    for (path, what) in
        [(dir.path().to_owned(), "no config.toml"), (dir.path().join("none"), "no such folder")]
    {
        let message = RunDirectory::resume(&path, ResumeFrom::Newest, plain()).unwrap_err().to_string();
        assert!(message.contains(what), "{message}");
    }
    assert!(fs::read_dir(dir.path()).unwrap().next().is_none());
}

#[test]
fn a_run_goes_back_to_an_earlier_checkpoint_when_told() {
    let reference = reference(2, Durability::Process);
    let run = finished();
    let newest = run.path().join("checkpoints/step-000005/state.safetensors");
    let mut bytes = fs::read(&newest).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&newest, bytes).unwrap();
    let logs = || fs::read(run.path().join("metrics.jsonl")).unwrap();
    let before = logs();
    let error = RunDirectory::resume(run.path(), ResumeFrom::Newest, plain()).unwrap_err();
    assert!(matches!(&error, RunError::Checkpoint(CheckpointError::Damaged { .. })), "{error}");
    assert!(error.to_string().contains("step-000004"), "{error}");
    assert_eq!(logs(), before, "nothing is cut before all is checked");
    let resumed = RunDirectory::resume(run.path(), ResumeFrom::Step(4), plain()).unwrap();
    assert!(!newest.exists());
    let (mut run_again, mut toy) = (resumed.run, Toy::restore(&resumed.checkpoint.unwrap()));
    assert_eq!(toy.step, 4);
    toy.advance(&mut run_again).unwrap();
    toy.save(&mut run_again).unwrap();
    same_as(&reference, run.path(), "gone back to step 4");
    drop(run_again);
    let error = RunDirectory::resume(run.path(), ResumeFrom::Step(3), plain()).unwrap_err();
    assert!(
        error.to_string().contains("no such folder") && error.to_string().contains("step-000005"),
        "{error}"
    );
}

#[test]
fn another_configuration_is_refused() {
    let run = finished();
    fs::write(run.path().join("config.toml"), "seed = 4\n").unwrap();
    let message = RunDirectory::resume(run.path(), ResumeFrom::Newest, plain()).unwrap_err().to_string();
    for part in
        ["config.toml has the checksum crc32:", "step-000005 was made under crc32:", "start a new run"]
    {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_log_that_lost_lines_is_refused_before_anything_is_changed() {
    for name in ["metrics.jsonl", "rollouts.jsonl"] {
        let run = finished();
        let path = run.path().join(name);
        let text = fs::read(&path).unwrap();
        fs::write(&path, &text[..text.len() - 1]).unwrap();
        let other = fs::read(run.path().join("rollouts.jsonl")).unwrap();
        let error = RunDirectory::resume(run.path(), ResumeFrom::Newest, plain()).unwrap_err();
        assert!(matches!(&error, RunError::Log { file, .. } if *file == path), "{error}");
        assert!(error.to_string().contains("too short"), "{error}");
        assert_eq!(fs::read(run.path().join("rollouts.jsonl")).unwrap(), other);
        // What an earlier checkpoint covers is still there.
        RunDirectory::resume(run.path(), ResumeFrom::Step(4), plain()).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(RunDirectory::resume(run.path(), ResumeFrom::Newest, plain()).is_err());
    }
}

#[test]
fn a_summary_is_written_whole() {
    let base = tempfile::tempdir().unwrap();
    let run = RunDirectory::create(base.path(), "a", CONFIG, plain()).unwrap();
    let outcome = Outcome { reward: 0.5 };
    let summary = Summary {
        run_dir: run.dir().display().to_string(),
        seed: 1,
        before: outcome,
        after: outcome,
        gain: Gain { mean: 0.0, ci95: [-0.1, 0.1] },
        baselines: [("empty".to_owned(), 0.0)].into(),
        seconds: 1.0,
        peak_rss_bytes: peak_rss_bytes(),
        export: run.dir().join("model").display().to_string(),
    };
    run.write_summary(&summary).unwrap();
    let read: Summary = serde_json::from_slice(&fs::read(run.dir().join("summary.json")).unwrap()).unwrap();
    assert_eq!(read, summary);
}

#[cfg(unix)]
#[test]
fn a_folder_that_takes_no_writes_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(dir.path().join("probe"), "").is_ok() {
        // The superuser writes anyway, but not here.
        let processes = Path::new("/proc/osler-test");
        if !cfg!(target_os = "linux") {
            eprintln!("skipped: this user may write everywhere");
            return;
        }
        let message = RunDirectory::create_in(processes, CONFIG, plain()).unwrap_err().to_string();
        assert!(message.contains("/proc/osler-test could not be created"), "{message}");
        return;
    }
    let message = RunDirectory::create(dir.path(), "a", CONFIG, plain()).unwrap_err().to_string();
    for part in ["/a could not be created", "You may not write there", "--out"] {
        assert!(message.contains(part), "{message}");
    }
}
