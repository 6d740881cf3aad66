//! Runs that go on after something happened to their files: all is refused that would not be the same run.

use std::fs;
use std::path::{Path, PathBuf};

use osler::data::bank::{Bank, SynthOptions};
use osler::pipeline::{Ended, PipelineError, Start, prepare, train};
use osler::train::checkpoint::list;
use osler::train::config::RunConfig;
use osler::train::run::{ResumeFrom, Resumed, RunDirectory, RunOptions, Summary, read_metrics};

use super::command::Files;
use super::{CONFIG, RL_STEPS, SFT_STEPS, Stopper, config, same, sit, watched, whole};

#[test]
fn a_damaged_run_is_refused_with_the_file_named_and_nothing_is_changed() {
    let files = Files::new();
    let (ended, _) = sit(&files.at("run"), &config(&[]), Some(SFT_STEPS + 2));
    assert!(matches!(ended, Ended::Stopped(_)));
    let newest = files.at("run/checkpoints/step-000007");
    let damage = |path: PathBuf, change: &dyn Fn(&mut Vec<u8>), wanted: &[&str]| {
        let sound = fs::read(&path).unwrap();
        let mut bytes = sound.clone();
        change(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        files.refused(&["--resume", "run"], wanted);
        assert_eq!(fs::read(&path).unwrap(), bytes, "a refused file is left as it is");
        fs::write(&path, sound).unwrap();
    };
    let flip = |bytes: &mut Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    };
    // The advice names the checkpoint before.
    damage(newest.join("state.safetensors"), &flip, &["state.safetensors", "step-000006"]);
    damage(newest.join("state.json"), &flip, &["state.json"]);
    damage(files.at("run/config.toml"), &|bytes| bytes.extend(b"# changed\n"), &["config.toml", "checksum"]);
    damage(files.at("run/metrics.jsonl"), &|bytes| bytes.truncate(10), &["metrics.jsonl", "too short"]);
    damage(files.at("run/metrics.jsonl"), &flip, &["metrics.jsonl", "changed", "earlier checkpoint"]);
    damage(files.at("run/rollouts.jsonl"), &flip, &["rollouts.jsonl", "changed"]);
    damage(files.at("run/heldout-before.json"), &|bytes| bytes.truncate(10), &["heldout-before.json"]);
    // Still JSON of the right shape.
    let other_words = |bytes: &mut Vec<u8>| {
        let at = bytes.windows(10).position(|part| part == b"\"doctor\":\"").unwrap();
        bytes[at + 10] = b'X';
    };
    damage(files.at("run/heldout-before.json"), &other_words, &["heldout-before.json", "checksum"]);
    files.refused(&["--resume", "run/checkpoints/step-000007/state.json"], &["state.json", "run's folder"]);
    files.refused(&["tiny.toml", "--out", "run"], &["holds a run already"]);
    fs::write(files.at("tiny.toml"), CONFIG.replace("seed = 5", "seed = 6")).unwrap();
    files.refused(&["tiny.toml", "--resume", "run"], &["is not the configuration"]);
    // Undamaged it still goes on.
    let output = files.run(&["--resume", "run"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    whole(&files.at("whole"));
    same(&files.at("whole"), &files.at("run"));
    // Nor is a finished one told to be another configuration's.
    files.refused(&["tiny.toml", "--resume", "run"], &["is not the configuration"]);
}

/// Cases of the bank as a file.
fn write_cases(path: &Path, seed: u64) {
    let cases = Bank::bundled().synth(seed, &SynthOptions::any(60)).unwrap();
    let lines = cases.iter().map(|case| serde_json::to_string(case).unwrap() + "\n");
    fs::write(path, lines.collect::<String>()).unwrap();
}

/// A run once went on with whatever patients its files held by then.
#[test]
fn a_run_goes_on_with_the_patients_it_began_with_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("cases.jsonl"), dir.path().join("run"));
    write_cases(&file, 1);
    let sound = fs::read(&file).unwrap();
    let config = config(&[&format!("data.cases=[{:?}]", file.to_str().unwrap())]);
    let (ended, _) = sit(&out, &config, Some(2));
    assert!(matches!(ended, Ended::Stopped(_)));
    let on = |config: &RunConfig, from: ResumeFrom| {
        let resumed = Resumed::hold(&out, from, RunOptions::default()).unwrap();
        let prepared = prepare(config.clone(), &mut Stopper::default()).unwrap();
        let mut watch = Stopper { stop_after: Some(3), ..Stopper::default() };
        train(&prepared, Start::Again(resumed), "today", &mut watch)
    };
    write_cases(&file, 2);
    // Two steps are saved and logged; what is refused must not undo the second.
    let logs = || ["metrics.jsonl", "rollouts.jsonl"].map(|name| fs::read(out.join(name)).unwrap());
    let (saved, logged) = (list(&out.join("checkpoints")).unwrap(), logs());
    assert_eq!(saved.len(), 2);
    let back = on(&config, ResumeFrom::Step(1));
    assert!(matches!(back, Err(PipelineError::State { .. })), "{back:?}");
    let refused = on(&config, ResumeFrom::Newest);
    assert_eq!((list(&out.join("checkpoints")).unwrap(), logs()), (saved, logged));
    assert!(matches!(refused, Err(PipelineError::State { .. })), "{refused:?}");
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("step-000002") && message.contains("data.cases"), "{message}");
    fs::write(&file, sound).unwrap();
    assert!(matches!(on(&config, ResumeFrom::Step(1)), Ok(Ended::Stopped(_))));
}

/// Weights that are no numbers were once saved as checkpoints, and the error named neither the step nor what to do.
#[test]
fn training_that_diverges_says_where_and_what_to_do() {
    for (stage, lr, last) in [("sft", "1e30", 1), ("rl", "1e30", SFT_STEPS + 1), ("sft", "1e300", 0)] {
        let dir = tempfile::tempdir().unwrap();
        let config = config(&["stage.rl.updates=1", &format!("stage.{stage}.lr={lr}")]);
        let run = RunDirectory::create_in(dir.path(), &config.resolved(), RunOptions::default()).unwrap();
        let prepared = prepare(config, &mut Stopper::default()).unwrap();
        let ended = train(&prepared, Start::New(run), "today", &mut Stopper::default());
        assert!(matches!(ended, Err(PipelineError::Diverged { .. })), "{stage} {lr}: {ended:?}");
        let message = ended.unwrap_err().to_string();
        assert!(message.starts_with(&format!("step {}: the ", last + 1)), "{stage} {lr}: {message}");
        assert!(message.contains(&format!("stage.{stage}.lr)")), "{message}");
        let saved = list(&dir.path().join("checkpoints")).unwrap();
        assert_eq!(saved.last().map_or(0, |(step, _)| *step), last, "{stage} {lr}");
    }
}

#[test]
fn missing_checkpoints_are_told_from_a_run_that_had_none_yet() {
    let files = Files::new();
    let (ended, _) = sit(&files.at("run"), &config(&[]), Some(3));
    assert!(matches!(ended, Ended::Stopped(_)));
    let metrics = fs::read(files.at("run/metrics.jsonl")).unwrap();
    let (checkpoints, aside) = (files.at("run/checkpoints"), files.at("aside"));
    let newest = checkpoints.join("step-000003");
    let (tensors, older) =
        (newest.join("state.safetensors"), checkpoints.join("step-000002/state.safetensors"));
    let sound = [fs::read(&tensors).unwrap(), fs::read(&older).unwrap()];

    // The one before is not named where it is damaged, too.
    fs::write(&tensors, b"short").unwrap();
    fs::write(&older, b"short").unwrap();
    files.refused(
        &["--resume", "run"],
        &["step-000003/state.safetensors is damaged", "No earlier checkpoint is sound"],
    );
    fs::write(&older, &sound[1]).unwrap();
    files.refused(&["--resume", "run"], &["step-000002"]);
    fs::write(&tensors, &sound[0]).unwrap();

    // An empty folder of a checkpoint's name.
    fs::create_dir(checkpoints.join("step-000004")).unwrap();
    files.refused(&["--resume", "run"], &["step-000004/CHECKSUMS is damaged: it is missing", "step-000003"]);
    fs::remove_dir(checkpoints.join("step-000004")).unwrap();

    // All of them gone, with and without their folder.
    fs::rename(&checkpoints, &aside).unwrap();
    files.refused(&["--resume", "run"], &["its folder checkpoints is missing"]);
    fs::create_dir(&checkpoints).unwrap();
    fs::copy(aside.join("latest"), checkpoints.join("latest")).unwrap();
    files.refused(&["--resume", "run"], &["names step-000003"]);
    fs::remove_dir_all(&checkpoints).unwrap();
    fs::rename(&aside, &checkpoints).unwrap();
    assert_eq!(fs::read(files.at("run/metrics.jsonl")).unwrap(), metrics, "nothing was cut");
    sit(&files.at("run"), &config(&[]), None);
    whole(&files.at("whole"));
    same(&files.at("whole"), &files.at("run"));

    // A model or a report that was deleted is made again from the last checkpoint.
    for (name, gone) in [("model", "model"), ("model/model.safetensors", "model"), ("report.html", "report")]
    {
        let path = files.at("run").join(name);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap()
        } else {
            fs::remove_file(&path).unwrap()
        }
        let output = files.run(&["--resume", "run"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.contains(&format!("its {gone} is gone")), "{said}");
        assert!(path.exists(), "{name}");
        same(&files.at("whole"), &files.at("run"));
    }

    // A finished run that was moved says where it is.
    fs::rename(files.at("run"), files.at("moved")).unwrap();
    let output = files.run(&["--resume", "moved", "--json"]);
    let summary: Summary = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((summary.run_dir.as_str(), summary.export.as_str()), ("moved", "moved/model"));
    fs::rename(files.at("moved"), files.at("run")).unwrap();
    files.refused(
        &["--resume", "run", "--out", "other"],
        &["--resume run", "--out other", "Leave --out away"],
    );
    assert_eq!(read_metrics(&files.at("run/metrics.jsonl")).unwrap().len(), 9);
}

/// With a limit that was over before its first step, a run once stopped in the same place in every sitting.
#[test]
fn a_run_with_little_time_comes_to_its_end_sitting_by_sitting() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let config = config(&["limits.seconds=1"]);
    let mut steps = 0;
    // A step a sitting at least, and one sitting for what follows the last step.
    for sitting in 0.. {
        assert!(sitting <= SFT_STEPS + RL_STEPS, "no end after {sitting} sittings, at step {steps}");
        match sit(&out, &config, None).0 {
            Ended::Finished(_) => break,
            Ended::Stopped(stopped) => {
                assert!(
                    stopped.out_of_time && (stopped.step > steps || stopped.step == SFT_STEPS + RL_STEPS)
                );
                steps = stopped.step;
            }
        }
    }
    whole(&dir.path().join("whole"));
    same(&dir.path().join("whole"), &out);
}

/// What `evaluation.every` asks for was once never measured where a run ended right after the step.
#[test]
fn a_measurement_between_steps_is_made_up_for() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&["evaluation.every=1"]);
    let measured = |name: &str| -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(dir.path().join(name))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("heldout-"))
            .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
            .collect();
        files.sort();
        files
    };
    sit(&dir.path().join("whole"), &config, None);
    for stop in [SFT_STEPS + 1, SFT_STEPS + 3] {
        sit(&dir.path().join("stopped"), &config, Some(stop));
    }
    sit(&dir.path().join("stopped"), &config, None);
    assert_eq!(measured("whole").len(), 5, "before, after, and after each step but the last");
    assert!(measured("whole") == measured("stopped"));
    same(&dir.path().join("whole"), &dir.path().join("stopped"));
}

/// A sitting that was stopped in a measurement which an earlier one owed once went on with the next step.
#[test]
fn a_measurement_that_is_stopped_again_and_again_is_made_in_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    // Step 6 is measured and no checkpoint is due there.
    let config = config(&["evaluation.every=1", "checkpoint.every=4"]);
    sit(&at("whole"), &config, None);
    for _ in 0..3 {
        let watch = Stopper { stop_between: true, ..Stopper::default() };
        let Ended::Stopped(stopped) = watched(&at("stopped"), &config, watch).0 else {
            panic!("not stopped")
        };
        assert_eq!(stopped.step, SFT_STEPS + 1);
    }
    // One that was spoilt is made again, too.
    sit(&at("stopped"), &config, Some(SFT_STEPS + 2));
    fs::write(at("stopped/heldout-000007.json"), "x").unwrap();
    sit(&at("stopped"), &config, None);
    for step in SFT_STEPS + 1..SFT_STEPS + RL_STEPS {
        let read = |run: &str| fs::read(at(run).join(format!("heldout-{step:06}.json"))).unwrap();
        assert!(read("whole") == read("stopped"), "step {step}");
    }
    same(&at("whole"), &at("stopped"));
}

/// Where reinforcement is only to begin again, nothing but the file itself says what was measured before it.
#[test]
fn consultations_from_before_that_were_edited_are_held_again() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    whole(&at("whole"));
    sit(&at("run"), &config(&[]), Some(SFT_STEPS + 1));
    fs::remove_dir_all(at(&format!("run/checkpoints/step-{:06}", SFT_STEPS + 1))).unwrap();
    let file = at("run/heldout-before.json");
    let text = fs::read_to_string(&file).unwrap();
    let at_word = text.find("\"doctor\":\"").unwrap() + 10;
    fs::write(&file, format!("{}Q{}", &text[..at_word], &text[at_word..])).unwrap();
    whole(&at("run"));
    same(&at("whole"), &at("run"));
}

#[test]
fn a_finished_run_says_what_is_in_the_way_and_makes_what_is_missing() {
    let files = Files::new();
    whole(&files.at("run"));
    let model = files.at("run/model");
    fs::remove_file(model.join("tokenizer.json")).unwrap();
    assert!(files.run(&["--resume", "run"]).status.success());
    assert!(model.join("tokenizer.json").is_file());
    let summary = fs::read(files.at("run/summary.json")).unwrap();
    fs::remove_file(model.join("config.json")).unwrap();
    files.refused(&["--resume", "run"], &["model", "in the way"]);
    assert_eq!(fs::read(files.at("run/summary.json")).unwrap(), summary, "it is still finished");
    fs::remove_dir_all(&model).unwrap();
    assert!(files.run(&["--resume", "run"]).status.success());
    assert!(model.join("config.json").is_file());
}
