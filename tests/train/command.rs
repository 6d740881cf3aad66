//! The command itself: what it prints, where it refuses, how it is interrupted.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use osler::train::run::{Summary, read_metrics};
use serde_json::Value;
use tempfile::TempDir;

use super::{CONFIG, SFT_STEPS, same, whole};

/// A folder with `tiny.toml`, in which the program runs.
pub struct Files {
    dir: TempDir,
}

impl Files {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("tiny.toml"), CONFIG).unwrap();
        Self { dir }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn osler(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_osler"));
        command.arg("train").args(arguments).current_dir(self.dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        let output = self.osler(arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains("panicked"), "{arguments:?}: {errors}");
        output
    }

    /// A run that must fail with 1 and say all of `wanted`.
    pub fn refused(&self, arguments: &[&str], wanted: &[&str]) {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {errors}");
        assert!(output.stdout.is_empty());
        for wanted in wanted {
            assert!(errors.contains(wanted), "{arguments:?}: `{wanted}` is not in: {errors}");
        }
    }
}

/// Reads what a run says until a line that begins with `until`.
fn wait_for(child: &mut Child, until: &str) -> BufReader<std::process::ChildStderr> {
    let mut reader = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with(until) {
        line.clear();
        assert_ne!(reader.read_line(&mut line).unwrap(), 0, "the run ended before `{until}`");
    }
    reader
}

#[test]
fn a_killed_run_goes_on_and_ends_as_if_it_had_not_been() {
    let files = Files::new();
    whole(&files.at("whole"));
    let mut saved = 0;
    for until in ["rl 1/4", "rl 3/4"] {
        let arguments: &[&str] =
            if saved == 0 { &["tiny.toml", "--out", "run"] } else { &["--resume", "run"] };
        let mut child = files.osler(arguments).spawn().unwrap();
        let reader = wait_for(&mut child, until);
        child.kill().unwrap();
        child.wait().unwrap();
        drop(reader);
        let newest = osler::train::checkpoint::list(&files.at("run/checkpoints")).unwrap().pop().unwrap().0;
        // The step that was being told of may not be saved; the one before is.
        assert!(newest >= SFT_STEPS + until[3..4].parse::<u64>().unwrap() - 1, "{newest} after {until}");
        saved = newest;
    }
    let output = files.run(&["--resume", "run", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    same(&files.at("whole"), &files.at("run"));
    let summary: Summary = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary.run_dir, "run");
    // A finished run tells its result again.
    assert_eq!(files.run(&["--resume", "run", "--json"]).stdout, output.stdout);
}

#[cfg(unix)]
#[test]
fn ctrl_c_finishes_the_step_saves_and_says_how_to_go_on() {
    let files = Files::new();
    let mut child = files.osler(&["tiny.toml"]).spawn().unwrap();
    let reader = wait_for(&mut child, "rl 1/4");
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let rest: Vec<String> = reader.lines().map(Result::unwrap).collect();
    let rest = rest.join("\n");
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    assert!(rest.contains("osler train --resume runs/tiny/001"), "{rest}");
    // Without a folder the newest run is meant; with a configuration, its own.
    let output = files.run(&["--resume", "tiny.toml", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: Summary = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary.run_dir, "runs/tiny/001");
    whole(&files.at("whole"));
    same(&files.at("whole"), &files.at("runs/tiny/001"));
}

#[test]
fn a_dry_run_prints_the_plan_and_leaves_nothing() {
    let files = Files::new();
    let output = files.run(&["tiny.toml", "--dry-run", "--json"]);
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(plan["stages"][1]["optimizer_steps"], 8);
    assert!(!files.at("runs").exists());
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    for name in ["quickstart", "smollm2-135m", "qwen2.5-7b-lora", "baichuan-m2-32b"] {
        let path = repository.join(format!("{name}.toml"));
        let output = files.run(&[path.to_str().unwrap(), "--dry-run"]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {errors}");
        let plan = String::from_utf8(output.stdout).unwrap();
        assert!(plan.contains("peak memory"), "{plan}");
        // What is not built is named, and refuses a real run.
        if name.contains("baichuan") {
            assert!(plan.contains("not built yet"), "{plan}");
            files.refused(&[path.to_str().unwrap()], &["the run cannot be started", "not built yet"]);
        }
    }
    let path = repository.join("qwen2.5-7b-lora.toml");
    let output = files.run(&[path.to_str().unwrap(), "--device", "cpu", "--dry-run"]);
    let plan = String::from_utf8(output.stdout).unwrap();
    assert!(plan.contains("parameters of adapters") && !plan.contains("not built yet"), "{plan}");
    assert!(!files.at("runs").exists());
}

#[test]
fn what_cannot_be_run_is_said_before_a_folder_is_made() {
    let files = Files::new();
    files.refused(&["none.toml"], &["none.toml could not be read"]);
    files.refused(
        &["tiny.toml", "--set", "stage.rl.stepz=3", "--set", "seed=x", "--set", "stage.sft.lr=-1"],
        &["3 reason", "stage.rl.stepz", "seed", "stage.sft.lr"],
    );
    files.refused(&["tiny.toml", "--set", "limits.memory=1MB"], &["limits.memory allows"]);
    // A model that cannot be had once left a folder with nothing in it.
    for role in ["patient", "gate", "check", "judge"] {
        let role = format!("roles.{role}=a");
        files.refused(&["tiny.toml", "--set", "models.a.path=m", "--set", &role], &["[models.a]: "]);
        let server = ["--set", "models.a.server=https://a.example.org", "--set", "models.a.model=m"];
        let key = ["--set", "models.a.key_env=OSLER_NO_SUCH_KEY", "--set", &role];
        files.refused(&[&["tiny.toml"], &server[..], &key].concat(), &["OSLER_NO_SUCH_KEY"]);
    }
    let output = files.run(&["tiny.toml", "--set", "limits.memory=1MB", "--dry-run"]);
    assert_eq!(output.status.code(), Some(1), "what the file itself forbids fails a dry run, too");
    assert!(String::from_utf8_lossy(&output.stdout).contains("over limits.memory"));
    fs::write(files.at("empty.jsonl"), "").unwrap();
    files.refused(&["tiny.toml", "--set", "data.cases=[\"empty.jsonl\"]"], &["empty.jsonl"]);
    files.refused(&["tiny.toml", "--set", "data.cases=[\"none.jsonl\"]"], &["none.jsonl"]);
    fs::write(files.at("bad.jsonl"), "{\"id\": 3}\n{not json\n").unwrap();
    files.refused(&["tiny.toml", "--set", "data.cases=[\"bad.jsonl\"]"], &["bad.jsonl:1"]);
    files.refused(&["--resume"], &["nothing to resume"]);
    files.refused(&["--resume", "tiny.toml"], &["nothing to resume"]);
    files.refused(&["--resume", "nowhere"], &["nowhere holds no run"]);
    assert!(!files.at("runs").exists());
    fs::create_dir(files.at("full")).unwrap();
    fs::write(files.at("full/mine.txt"), "mine").unwrap();
    files.refused(&["tiny.toml", "--out", "full"], &["full is not empty"]);
    assert_eq!(fs::read_to_string(files.at("full/mine.txt")).unwrap(), "mine");
    // Before anything is made.
    let output = files.run(&["tiny.toml", "--out", "full"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("patients") && !errors.contains("vocabulary"), "{errors}");
    let real = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/smollm2-135m.toml");
    let place = "https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct";
    files.refused(
        &[real, "--out", "new"],
        &["`model.path` is models/SmolLM2-135M-Instruct", place, "tokenizer.json"],
    );
    assert!(!files.at("new").exists());
    // A file where a folder should be.
    files.refused(&["tiny.toml", "--out", "full/mine.txt/run"], &["full/mine.txt"]);
}

/// Plain operations take the same steps as the kernels, but for rounding.
#[test]
fn the_reference_kernels_take_the_same_steps() {
    let files = Files::new();
    let steps = [
        "tiny.toml",
        "--set",
        "stage.sft.steps=3",
        "--set",
        "stage.rl.steps=1",
        "--set",
        "stage.rl.updates=1",
    ];
    let losses = |out: &str, kernels: &str| {
        let output = files.run(&[&steps[..], &["--kernels", kernels, "--out", out]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let steps = read_metrics(&files.at(out).join("metrics.jsonl")).unwrap();
        steps.iter().map(|step| (step.loss, step.grad_norm)).collect::<Vec<_>>()
    };
    let (own, plain) = (losses("own", "fused"), losses("plain", "reference"));
    assert_eq!(own.len(), 4);
    for (own, plain) in own.iter().zip(&plain) {
        assert!((own.0 - plain.0).abs() <= 1e-4, "{own:?} {plain:?}");
        assert!((own.1 - plain.1).abs() <= 1e-3 * own.1.max(1.0), "{own:?} {plain:?}");
    }
    // They are not the same bits, so it is not the same kernels that ran.
    assert_ne!(own, plain);
}
