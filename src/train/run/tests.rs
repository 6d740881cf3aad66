//! Folders that cannot be begun or resumed, and those that can.

use std::fs;
use std::path::Path;

use super::toy::{CONFIG, Toy, reference, same_as};
use super::*;
use crate::train::checkpoint::{CheckpointError, Durability};

/// A finished run of five steps with checkpoints after 4 and 5.
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
    let error = Resumed::hold(first.dir(), ResumeFrom::Newest, plain()).unwrap_err();
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
        let message = Resumed::hold(&path, ResumeFrom::Newest, plain()).unwrap_err().to_string();
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
    let error = Resumed::hold(run.path(), ResumeFrom::Newest, plain()).unwrap_err();
    assert!(matches!(&error, RunError::Checkpoint(CheckpointError::Damaged { .. })), "{error}");
    assert!(error.to_string().contains("step-000004"), "{error}");
    assert_eq!(logs(), before, "nothing is cut before all is checked");
    let resumed = Resumed::hold(run.path(), ResumeFrom::Step(4), plain()).unwrap();
    assert!(newest.exists() && logs() == before, "nothing is cut or removed before it is taken up");
    let mut toy = Toy::restore(resumed.checkpoint().unwrap());
    let mut run_again = resumed.take_up().unwrap();
    assert!(!newest.exists());
    assert_eq!(toy.step, 4);
    toy.advance(&mut run_again).unwrap();
    toy.save(&mut run_again).unwrap();
    same_as(&reference, run.path(), "gone back to step 4");
    drop(run_again);
    let error = Resumed::hold(run.path(), ResumeFrom::Step(3), plain()).unwrap_err();
    assert!(
        error.to_string().contains("no such folder") && error.to_string().contains("step-000005"),
        "{error}"
    );
}

#[test]
fn a_run_is_found_by_its_folder_its_name_or_a_checkpoint() {
    let base = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        RunDirectory::create(base.path(), "quick", CONFIG, plain()).unwrap();
    }
    let (name, first) = (base.path().join("quick"), base.path().join("quick/001"));
    assert_eq!(locate(&name), (name.join("002"), ResumeFrom::Newest));
    assert_eq!(locate(&first), (first.clone(), ResumeFrom::Newest));
    let checkpoint = first.join("checkpoints/step-000012");
    assert_eq!(locate(&checkpoint), (first.clone(), ResumeFrom::Step(12)));
    let elsewhere = first.join("step-000012");
    assert_eq!(locate(&elsewhere), (elsewhere.clone(), ResumeFrom::Newest));
    assert_eq!(locate(base.path()), (base.path().to_owned(), ResumeFrom::Newest));
}

#[test]
fn another_configuration_is_refused() {
    let run = finished();
    fs::write(run.path().join("config.toml"), "seed = 4\n").unwrap();
    let message = Resumed::hold(run.path(), ResumeFrom::Newest, plain()).unwrap_err().to_string();
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
        let error = Resumed::hold(run.path(), ResumeFrom::Newest, plain()).unwrap_err();
        assert!(matches!(&error, RunError::Log { file, .. } if *file == path), "{error}");
        let message = error.to_string();
        assert!(message.contains("too short") && message.contains("step-000004"), "{message}");
        assert_eq!(fs::read(run.path().join("rollouts.jsonl")).unwrap(), other);
        // What an earlier checkpoint covers is still there.
        Resumed::hold(run.path(), ResumeFrom::Step(4), plain()).unwrap().take_up().unwrap();
        fs::remove_file(&path).unwrap();
        let message = Resumed::hold(run.path(), ResumeFrom::Newest, plain()).unwrap_err().to_string();
        assert!(message.contains("no earlier checkpoint covers"), "{message}");
    }
}

#[test]
fn a_folder_where_the_newest_checkpoint_is_named_is_refused() {
    let run = finished();
    let latest = run.path().join("checkpoints/latest");
    fs::remove_file(&latest).unwrap();
    fs::create_dir(&latest).unwrap();
    let message = Resumed::hold(run.path(), ResumeFrom::Newest, plain()).unwrap_err().to_string();
    assert!(message.contains("latest is a folder"), "{message}");
    fs::remove_dir(&latest).unwrap();
    Resumed::hold(run.path(), ResumeFrom::Newest, plain()).unwrap();
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
        patient: None,
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

/// A log that is made with its first line goes on like the others; `push` adds a line to the one called `name`.
fn made_with_its_first_line(name: &str, push: impl Fn(&mut RunDirectory, &str)) {
    let dir = tempfile::tempdir().unwrap();
    let mut run = RunDirectory::create_in(dir.path(), CONFIG, plain()).unwrap();
    let mut toy = Toy::new();
    toy.advance(&mut run).unwrap();
    toy.save(&mut run).unwrap();
    let log = dir.path().join(name);
    assert!(!log.exists(), "nothing to say");
    push(&mut run, "two");
    toy.advance(&mut run).unwrap();
    toy.save(&mut run).unwrap();
    push(&mut run, "three");
    toy.advance(&mut run).unwrap();
    let read = || fs::read_to_string(&log).unwrap();
    assert_eq!(read(), "\"two\"\n\"three\"\n");
    drop(run);
    fs::write(&log, "\"TWO\"\n").unwrap();
    let error = Resumed::hold(dir.path(), ResumeFrom::Newest, plain()).unwrap_err();
    assert!(matches!(&error, RunError::Log { file, .. } if *file == log), "{error}");
    fs::write(&log, "\"two\"\n\"thr").unwrap();
    // What no checkpoint covers is cut off, so that nothing comes twice.
    let mut run = Resumed::hold(dir.path(), ResumeFrom::Newest, plain()).unwrap().take_up().unwrap();
    push(&mut run, "three");
    toy.advance(&mut run).unwrap();
    assert_eq!(read(), "\"two\"\n\"three\"\n");
    drop(run);
    Resumed::hold(dir.path(), ResumeFrom::Step(1), plain()).unwrap().take_up().unwrap();
    assert_eq!(read(), "");
}

#[test]
fn logs_of_patients_and_rubrics_are_made_with_their_first_lines_and_go_on_like_the_others() {
    made_with_its_first_line("patients.jsonl", |run, text| run.patient(&text).unwrap());
    made_with_its_first_line("rubric.jsonl", |run, text| run.rubric_change(&text).unwrap());
}
