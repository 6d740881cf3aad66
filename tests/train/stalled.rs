//! Runs whose patients a model on a server plays that stops answering.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use osler::pipeline::{Ended, Part, PipelineError, Start, Watch, prepare, train};
use osler::train::checkpoint::list;
use osler::train::run::{RunDirectory, RunOptions, StepMetrics};

use super::farm::Farm;
use super::played::{SFT_STEPS, acted, finished, played, same_turns};
use super::sit;

/// Longest time that the server stalls: far longer than any of these runs waits.
const LONGEST: Duration = Duration::from_secs(120);

/// Whether the server stalls.
#[derive(Default)]
struct Stall {
    on: Mutex<bool>,
    changed: Condvar,
    /// Whether a request was answered because it had waited for [`LONGEST`].
    ran_out: AtomicBool,
}

impl Stall {
    fn set(&self, on: bool) {
        *self.on.lock().unwrap() = on;
        self.changed.notify_all();
    }

    fn is_set(&self) -> bool {
        *self.on.lock().unwrap()
    }

    /// Returns once the server stalls no more, or has for [`LONGEST`].
    fn pass(&self) {
        let on = self.on.lock().unwrap();
        let (on, waited) = self.changed.wait_timeout_while(on, LONGEST, |on| *on).unwrap();
        drop(on);
        self.ran_out.fetch_or(waited.timed_out(), Ordering::SeqCst);
    }

    /// Ends it.
    ///
    /// # Panics
    ///
    /// Where the run may have ended because it was answered.
    fn end(&self) {
        self.set(false);
        assert!(!self.ran_out.load(Ordering::SeqCst), "the run waited until the server answered");
    }
}

/// A server that plays patients, and what makes it stall.
fn stalling() -> (Farm, Arc<Stall>) {
    let stall = Arc::<Stall>::default();
    let stalls = Arc::clone(&stall);
    let farm = Farm::playing(move |schema, _| {
        stalls.pass();
        acted(schema)
    });
    (farm, stall)
}

/// Lets the server hang from a step on, and remembers what it is told.
struct Hangs {
    stall: Arc<Stall>,
    from: u64,
    notes: Vec<String>,
}

impl Hangs {
    fn from(from: u64, stall: &Arc<Stall>) -> Self {
        Self { stall: Arc::clone(stall), from, notes: Vec::new() }
    }
}

impl Watch for Hangs {
    fn part(&mut self, _: Part, _: u64, _: u64) {}

    fn step(&mut self, metrics: &StepMetrics, _: u64, _: u64) {
        self.stall.set(metrics.step >= self.from);
    }

    fn note(&mut self, note: &str) {
        self.notes.push(note.to_owned());
    }

    fn should_stop(&mut self) -> bool {
        false
    }
}

#[test]
fn a_run_whose_patients_take_too_long_ends_saved_and_goes_on_to_the_same_end() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (farm, stall) = stalling();
    let short = ["checkpoint.every=100", "stage.rl.outcome=0.0", "roles.options.judge_wait_seconds=5"];
    let config = played(&farm.urls[0], &["patient"], &short);
    finished(sit(&at("whole"), &config, None).0);
    let mut watch = Hangs::from(SFT_STEPS + 1, &stall);
    let directory = RunDirectory::create_in(&at("run"), &config.resolved(), RunOptions::default()).unwrap();
    let prepared = prepare(config.clone(), &mut watch).unwrap();
    let error = train(&prepared, Start::New(directory), "today", &mut watch).unwrap_err();
    stall.end();
    assert!(matches!(&error, PipelineError::NoAnswer { step, .. } if *step == SFT_STEPS + 2), "{error}");
    for wanted in ["within 5s", "patient (`actor`)", "judge_wait_seconds", "--resume"] {
        assert!(error.to_string().contains(wanted), "`{wanted}` is not in: {error}");
    }
    let newest = list(&at("run/checkpoints")).unwrap().pop().unwrap().0;
    assert_eq!(newest, SFT_STEPS + 1, "the step before is saved though none was due");
    finished(sit(&at("run"), &config, None).0);
    same_turns(&at("whole"), &at("run"));
}

#[test]
fn a_run_that_learns_nothing_says_so_and_ends_saved() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let (farm, stall) = stalling();
    // Nobody is asked for a chosen reply: without rewards none is the best.
    let config = played(
        &farm.urls[0],
        &["patient", "gate"],
        &[
            "checkpoint.every=100",
            "stage.rl.steps=12",
            "stage.rl.carry_on=best",
            "stage.rl.outcome=0.5",
            "roles.options.judge_wait_seconds=1",
        ],
    );
    // Only after the held-out consultations before reinforcement, which need answers.
    let mut watch = Hangs::from(SFT_STEPS + 1, &stall);
    let directory = RunDirectory::create_in(&run, &config.resolved(), RunOptions::default()).unwrap();
    let prepared = prepare(config.clone(), &mut watch).unwrap();
    let error = train(&prepared, Start::New(directory), "today", &mut watch).unwrap_err();
    stall.end();
    let &PipelineError::NothingLearned { step, steps: 3, .. } = &error else { panic!("{error}") };
    for wanted in ["patient (`actor`)", "judge_wait_seconds", "3 steps in a row", "--resume"] {
        assert!(error.to_string().contains(wanted), "`{wanted}` is not in: {error}");
    }
    let told: Vec<&String> = watch.notes.iter().filter(|note| note.contains("learned nothing")).collect();
    for number in [step - 2, step - 1] {
        let wanted = format!("step {number} learned nothing");
        assert!(
            told.iter().any(|note| note.contains(&wanted) && note.contains("patient (`actor`)")),
            "{told:?}"
        );
    }
    let newest = list(&run.join("checkpoints")).unwrap().pop().unwrap().0;
    assert_eq!(newest, step - 1, "the steps before are saved though none was due");
    finished(sit(&run, &config, None).0);
}

/// Lets the server hang after a step, and asks for an end once replies are waited for.
struct Impatient {
    stall: Arc<Stall>,
    waits: bool,
}

impl Watch for Impatient {
    fn part(&mut self, _: Part, _: u64, _: u64) {}

    fn step(&mut self, metrics: &StepMetrics, _: u64, _: u64) {
        self.stall.set(metrics.step == SFT_STEPS + 1);
        self.waits = false;
    }

    fn judged(&mut self, _: u64, _: u64) {
        self.waits = true;
    }

    fn note(&mut self, _: &str) {}

    fn should_stop(&mut self) -> bool {
        self.waits && self.stall.is_set()
    }
}

#[test]
fn a_run_that_is_stopped_waits_for_no_patient() {
    for outcome in ["0.5", "0.0"] {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let (farm, stall) = stalling();
        let outcome = format!("stage.rl.outcome={outcome}");
        let config = played(&farm.urls[0], &["patient"], &["checkpoint.every=100", &outcome]);
        finished(sit(&at("whole"), &config, None).0);
        let mut watch = Impatient { stall: Arc::clone(&stall), waits: false };
        let directory =
            RunDirectory::create_in(&at("run"), &config.resolved(), RunOptions::default()).unwrap();
        let prepared = prepare(config.clone(), &mut watch).unwrap();
        let ended = train(&prepared, Start::New(directory), "today", &mut watch).unwrap();
        let Ended::Stopped(stopped) = ended else { panic!("it was not stopped") };
        assert_eq!(stopped.step, SFT_STEPS + 1);
        stall.end();
        finished(sit(&at("run"), &config, None).0);
        same_turns(&at("whole"), &at("run"));
    }
}
