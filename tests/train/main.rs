//! Whole runs of `osler train`, small enough for a test: the same seed gives the same run, an interrupted run ends as if it
//! had not been, and what is wrong is said before anything is lost.

mod command;
mod evolving;
// Servers on loopback, of which other tests use more.
mod bf16;
#[allow(dead_code)]
#[path = "../chat_server/farm.rs"]
mod farm;
mod judged;
mod lora;
mod played;
mod resumed;
#[allow(dead_code)]
#[path = "../chat_server/scripted.rs"]
mod scripted;
mod stalled;

use std::fs;
use std::path::Path;

use osler::engine::ModelBundle;
use osler::pipeline::{Ended, Part, Start, Watch, prepare, train};
use osler::train::checkpoint::Checkpoint;
use osler::train::config::RunConfig;
use osler::train::run::{
    ResumeFrom, Resumed, RunDirectory, RunOptions, StepMetrics, Summary, first_difference, read_metrics,
    read_summary,
};
use serde_json::Value;

const SFT_STEPS: u64 = 5;
const RL_STEPS: u64 = 4;
const CONFIG: &str = r#"
name = "tiny"
seed = 5

[model.shape]
hidden_size = 32
layers = 2
heads = 4
kv_heads = 2
intermediate_size = 48
max_positions = 512

[tokenizer]
vocab_size = 600

[data]
train = 40
heldout_patients = 3
heldout_presentations = 3
turn_limit = 5

[[stage]]
kind = "sft"
consultations = 40
steps = 5
batch_tokens = 1024
lr = 1e-2

[[stage]]
kind = "rl"
steps = 4
cases = 3
group_size = 4
max_new_tokens = 24
fragments = 2
updates = 2
lr = 1e-3

[checkpoint]
every = 1

[evaluation]
consultations = 3
resamples = 100
"#;

/// Counts steps, and stops the run after some of them, or in a measurement between two.
#[derive(Default)]
struct Stopper {
    steps: u64,
    stop_after: Option<u64>,
    stop_between: bool,
    parts: Vec<Part>,
}

impl Watch for Stopper {
    fn part(&mut self, part: Part, _: u64, _: u64) {
        if self.parts.last() != Some(&part) {
            self.parts.push(part);
        }
    }

    fn step(&mut self, metrics: &StepMetrics, _: u64, _: u64) {
        self.steps = metrics.step;
    }

    fn note(&mut self, _: &str) {}

    fn should_stop(&mut self) -> bool {
        let between = self.stop_between && self.parts.last() == Some(&Part::HeldOut("between"));
        between || self.stop_after.is_some_and(|after| self.steps >= after)
    }
}

fn config(overrides: &[&str]) -> RunConfig {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    RunConfig::parse(CONFIG, Path::new("tiny.toml"), &overrides).unwrap()
}

/// One sitting in `dir`: begins the run or goes on with it.
fn sit(dir: &Path, config: &RunConfig, stop_after: Option<u64>) -> (Ended, Stopper) {
    watched(dir, config, Stopper { stop_after, ..Stopper::default() })
}

/// [`sit`], watched by `watch`.
fn watched(dir: &Path, config: &RunConfig, mut watch: Stopper) -> (Ended, Stopper) {
    let start = if dir.join("config.toml").exists() {
        let resumed = Resumed::hold(dir, ResumeFrom::Newest, RunOptions::default()).unwrap();
        assert_eq!(resumed.config(), config.resolved());
        Start::Again(resumed)
    } else {
        Start::New(RunDirectory::create_in(dir, &config.resolved(), RunOptions::default()).unwrap())
    };
    let prepared = prepare(config.clone(), &mut watch).unwrap();
    (train(&prepared, start, "today", &mut watch).unwrap(), watch)
}

/// A whole run without interruption.
fn whole(dir: &Path) -> Summary {
    match sit(dir, &config(&[]), None).0 {
        Ended::Finished(summary) => *summary,
        Ended::Stopped(stopped) => panic!("stopped: {stopped:?}"),
    }
}

/// That two runs came to the same: metrics and rollouts line by line, weights bit by bit, results.
fn same(left: &Path, right: &Path) {
    let path = |dir: &Path, name: &str| dir.join(name);
    let metrics = first_difference(&path(left, "metrics.jsonl"), &path(right, "metrics.jsonl")).unwrap();
    assert_eq!(metrics, None);
    for name in [
        "rollouts.jsonl",
        "heldout-before.json",
        "heldout-after.json",
        "model/model.safetensors",
        "model/tokenizer.json",
    ] {
        let read = |dir: &Path| fs::read(path(dir, name)).unwrap();
        assert!(read(left) == read(right), "{name} differs");
    }
    let results = |dir: &Path| -> Value {
        let mut summary: Value =
            serde_json::from_slice(&fs::read(path(dir, "summary.json")).unwrap()).unwrap();
        for field in ["run_dir", "seconds", "peak_rss_bytes", "export"] {
            assert!(summary.as_object_mut().unwrap().remove(field).is_some(), "{field}");
        }
        summary
    };
    assert_eq!(results(left), results(right));
}

#[test]
fn a_run_comes_again_and_goes_on_bit_for_bit_wherever_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let summary = whole(&at("whole"));
    whole(&at("again"));
    same(&at("whole"), &at("again"));

    // What it leaves.
    let steps = read_metrics(&at("whole").join("metrics.jsonl")).unwrap();
    assert_eq!(steps.len() as u64, SFT_STEPS + RL_STEPS);
    assert!(steps[SFT_STEPS as usize - 1].loss < steps[0].loss);
    for step in &steps[SFT_STEPS as usize..] {
        let rl = step.rl.as_ref().unwrap();
        assert_eq!((rl.gap.max, rl.gap.kl), (0.0, 0.0), "what is sampled is what is trained");
        assert_eq!((rl.groups, rl.reward.count), (6, 24));
    }
    let rollouts = fs::read_to_string(at("whole").join("rollouts.jsonl")).unwrap();
    assert_eq!(rollouts.lines().count() as u64, RL_STEPS * 6);
    for line in rollouts.lines() {
        let rollout: Value = serde_json::from_str(line).unwrap();
        assert_eq!(rollout["replies"].as_array().unwrap().len(), 4);
    }
    let page = fs::read_to_string(at("whole").join("report.html")).unwrap();
    assert!(page.contains("fixed list") && !page.contains("<script"));
    assert_eq!(summary.baselines.len(), 5);
    let read: Summary = serde_json::from_slice(&fs::read(at("whole").join("summary.json")).unwrap()).unwrap();
    assert_eq!(read, summary);
    assert!((summary.gain.mean - (summary.after.reward - summary.before.reward)).abs() < 1e-9);

    // The exported model is the last checkpoint, and opens with its tokenizer and template.
    let bundle = ModelBundle::open(&at("whole").join("model")).unwrap();
    assert!(bundle.tokenizer().is_ok() && bundle.chat_template().unwrap().is_some());
    let last = Checkpoint::load(&at("whole").join("checkpoints/step-000009")).unwrap();
    let stored = last.tensor("model.norm.weight").unwrap();
    let exported = bundle.files.tensor("model.norm.weight").unwrap();
    assert_eq!(bytemuck::cast_slice::<f32, u8>(&stored.values()), exported.data);

    // Stopped in the middle of the first stage, at its end, right after the first step of the second, late, and twice.
    for (name, stops) in [
        ("early", vec![2]),
        ("between", vec![SFT_STEPS]),
        ("rl", vec![SFT_STEPS + 1]),
        ("often", vec![1, 4, SFT_STEPS + 2, SFT_STEPS + 3]),
    ] {
        for &stop in &stops {
            let (ended, watch) = sit(&at(name), &config(&[]), Some(stop));
            let Ended::Stopped(stopped) = ended else { panic!("{name} was not stopped at {stop}") };
            assert_eq!((stopped.step, watch.steps, stopped.out_of_time), (stop, stop, false));
        }
        let (ended, watch) = sit(&at(name), &config(&[]), None);
        assert!(matches!(ended, Ended::Finished(_)));
        // What was measured before is not measured again once it is written.
        let measured = watch.parts.contains(&Part::HeldOut("before"));
        assert_eq!(measured, stops.last().is_some_and(|&stop| stop <= SFT_STEPS), "{name}");
        same(&at("whole"), &at(name));
    }

    // Back to a checkpoint of before the end, and stopped again: it is no longer finished, and goes on to the same end.
    let back = ResumeFrom::Step(SFT_STEPS + RL_STEPS - 1);
    let start = Start::Again(Resumed::hold(&at("again"), back, RunOptions::default()).unwrap());
    let prepared = prepare(config(&[]), &mut Stopper::default()).unwrap();
    let mut stopper = Stopper { stop_after: Some(0), ..Stopper::default() };
    let ended = train(&prepared, start, "today", &mut stopper).unwrap();
    assert!(matches!(ended, Ended::Stopped(_)));
    assert_eq!(read_summary(&at("again")).unwrap(), None);
    sit(&at("again"), &config(&[]), None);
    same(&at("whole"), &at("again"));
}

/// The reference is the model at the stage's start, in every sitting: a run that kept another one would differ.
#[test]
fn a_run_held_to_its_start_goes_on_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let held = config(&["stage.rl.kl=0.1"]);
    sit(&at("whole"), &held, None);
    let steps = read_metrics(&at("whole").join("metrics.jsonl")).unwrap();
    let divergences: Vec<_> = steps.iter().filter_map(|step| step.rl.as_ref()?.kl).collect();
    assert_eq!(divergences.len() as u64, RL_STEPS);
    assert!(divergences.iter().all(|kl| kl.mean > 0.0 && kl.min > -1e-6), "{divergences:?}");
    sit(&at("start"), &config(&["stage.rl.kl=0.1", "stage.rl.updates=1"]), Some(SFT_STEPS + 1));
    let steps = read_metrics(&at("start").join("metrics.jsonl")).unwrap();
    let kl = steps.last().unwrap().rl.as_ref().unwrap().kl.unwrap();
    assert_eq!((kl.min, kl.max), (0.0, 0.0), "before its first update the policy is the reference");

    for stops in [vec![SFT_STEPS], vec![SFT_STEPS + 1], vec![SFT_STEPS + 2, SFT_STEPS + 3]] {
        let name = format!("stopped at {stops:?}");
        for stop in stops {
            assert!(matches!(sit(&at(&name), &held, Some(stop)).0, Ended::Stopped(_)));
        }
        assert!(matches!(sit(&at(&name), &held, None).0, Ended::Finished(_)));
        same(&at("whole"), &at(&name));
    }

    // A checkpoint within the stage holds the weights from before it; that of the end has no use for them.
    sit(&at("kept"), &held, Some(SFT_STEPS));
    let load = |step: u64| Checkpoint::load(&at("kept").join(format!("checkpoints/step-{step:06}"))).unwrap();
    let start = load(SFT_STEPS);
    assert!(start.tensors().all(|tensor| !tensor.name.starts_with("reference.")));
    let start: Vec<(String, Vec<f32>)> =
        start.tensors().map(|it| (it.name.to_owned(), it.values().into_owned())).collect();
    sit(&at("kept"), &held, Some(SFT_STEPS + 2));
    let within = load(SFT_STEPS + 2);
    let weights = start.iter().filter(|(name, _)| !name.starts_with("adamw."));
    for (name, values) in weights {
        let kept = within.tensor(&format!("reference.{name}")).unwrap().values().into_owned();
        assert!(kept == *values, "{name}");
        assert!(within.tensor(name).unwrap().values().into_owned() != *values, "{name} was trained");
    }
    sit(&at("kept"), &held, None);
    assert!(load(SFT_STEPS + RL_STEPS).tensors().all(|tensor| !tensor.name.starts_with("reference.")));

    // It holds the policy: at its last update, it is nearer to its start than without, whatever form the term has.
    for form in ["full", "k3"] {
        let far = |kl: &str| {
            let out = at(&format!("{form} {kl}"));
            let form = format!("stage.rl.kl_form={form}");
            sit(&out, &config(&[&format!("stage.rl.kl={kl}"), &form]), None);
            let steps = read_metrics(&out.join("metrics.jsonl")).unwrap();
            steps.last().unwrap().rl.as_ref().unwrap().kl.unwrap().mean
        };
        let (loose, tight) = (far("1e-9"), far("3"));
        assert!(tight < loose, "{form}: {tight} and {loose}");
    }
}

#[test]
fn other_seeds_are_other_runs() {
    let dir = tempfile::tempdir().unwrap();
    let short = ["stage.rl.steps=1", "stage.rl.updates=1", "stage.rl.fragments=1", "stage.sft.steps=1"];
    let losses: Vec<f64> = (1..3)
        .map(|seed| {
            let seed = format!("seed={seed}");
            let config = config(&[&short[..], &[&seed]].concat());
            let out = dir.path().join(&seed);
            sit(&out, &config, None);
            read_metrics(&out.join("metrics.jsonl")).unwrap()[0].loss
        })
        .collect();
    assert_ne!(losses[0], losses[1]);
}

#[test]
fn a_run_without_reinforcement_is_measured_around_its_supervised_stage() {
    let dir = tempfile::tempdir().unwrap();
    let text = CONFIG.split("[[stage]]\nkind = \"rl\"").collect::<Vec<_>>();
    let rest = text[1].split("[checkpoint]").nth(1).unwrap();
    let text = format!("{}[checkpoint]{rest}", text[0]);
    let config =
        RunConfig::parse(&text, Path::new("sft.toml"), &["evaluation.temperature=0.7".into()]).unwrap();
    let out = dir.path().join("run");
    let (ended, _) = sit(&out, &config, None);
    assert!(matches!(ended, Ended::Finished(_)));
    let before: Value = serde_json::from_slice(&fs::read(out.join("heldout-before.json")).unwrap()).unwrap();
    assert_eq!(before["step"], 0);
}
