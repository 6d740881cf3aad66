//! `osler rubric` as a program, and over real HealthBench rows where they are at hand.

#[path = "support/program.rs"]
mod program;

use std::path::{Path, PathBuf};

use osler::rubric::authoring::problems::{Severity, examine};
use osler::rubric::authoring::{RubricRow, lines};
use program::{osler, refused, stdout};
use serde_json::Value;

/// What is tested here.
const COMMAND: &str = "rubric";

fn json(arguments: &[&str]) -> Value {
    let printed = stdout(&[arguments, &["--json"]].concat());
    assert_eq!(printed.lines().count(), 1, "{printed}");
    serde_json::from_str(&printed).unwrap()
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().unwrap().to_owned()
}

#[test]
fn rubrics_are_made_checked_and_compared() {
    let dir = tempfile::tempdir().unwrap();
    let out = path(dir.path(), "run");
    let generate = ["generate", "--count", "12", "--seed", "3", "--variants", "1", "--out", &out];
    let made = json(&generate);
    let rubrics = made["summary"]["rubrics"].as_u64().unwrap();
    assert!(rubrics > 12, "{made}");
    let file = path(dir.path(), "run/rubrics.jsonl");
    let rows: Vec<RubricRow> = lines::read(Path::new(&file)).unwrap();
    assert_eq!(rows.len() as u64, rubrics);
    // Begun twice it is refused; gone on with it is done.
    assert!(refused(&generate).contains("--resume"));
    assert_eq!(json(&[&generate[..], &["--resume"]].concat()), made);
    let other = ["generate", "--count", "13", "--seed", "3", "--out", &out, "--resume"];
    assert!(refused(&other).contains("other cases, settings"));

    assert!(stdout(&["check", &file]).contains("0 errors"));
    let same = json(&["agree", &file, &file, "--resamples", "100"]);
    assert_eq!(same["agreement"]["all"]["f1"], 1.0);
    assert_eq!(same["agreement"]["prompts"].as_u64(), Some(rubrics));
    assert_eq!(same["agreement"]["points"]["mean_difference"], 0.0);
    // A set without its dearest dimension is less of it.
    let mut fewer = rows;
    for row in &mut fewer {
        row.rubrics.retain(|item| item.tag("dimension") != Some("ethics_safety"));
    }
    let part = path(dir.path(), "part.jsonl");
    lines::write_atomically(Path::new(&part), &lines::text(&fewer).unwrap()).unwrap();
    let less = json(&["agree", &file, &part, "--resamples", "100"]);
    assert_eq!(less["agreement"]["groups"]["ethics_safety"]["recall"]["mean"], 0.0);
    assert_eq!(less["agreement"]["all"]["precision"]["mean"], 1.0);
    assert!(stdout(&["agree", &file, &part, "--resamples", "100"]).contains("ethics_safety"));
}

#[test]
fn only_the_kinds_that_are_wanted_are_made_and_wrong_ones_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let out = path(dir.path(), "run");
    let made = json(&["generate", "--scenarios", "triage", "--count", "4", "--out", &out]);
    let kinds: Vec<&String> = made["summary"]["scenarios"].as_object().unwrap().keys().collect();
    assert_eq!(kinds, ["triage"]);
    let refused = |more: &[&str]| refused(&[&["generate", "--out", &out], more].concat());
    assert!(refused(&["--scenarios", "surgery"]).contains("legal are consultation, question"));
    assert!(refused(&["--count", "0"]).contains("from 1 to"));
    assert!(refused(&["--knowledge", &path(dir.path(), "none.md"), "--resume"]).contains("none.md"));
}

#[test]
fn a_bad_file_fails_with_every_problem() {
    let dir = tempfile::tempdir().unwrap();
    let file = path(dir.path(), "bad.jsonl");
    let row = |points: &str| {
        format!(
            "{{\"prompt_id\": \"a\", \"prompt\": [{{\"role\": \"user\", \"content\": \"Hi\"}}], \"rubrics\": [{{\"criterion\": \"Greets\", \
             \"points\": {points}, \"tags\": [\"axis:accuracy\"]}}], \"example_tags\": [\"theme:hedging\"]}}\n"
        )
    };
    std::fs::write(&file, format!("{}{}nothing\n", row("0"), row("12"))).unwrap();
    let output = osler(&["check", &file]);
    assert_eq!(output.status.code(), Some(1));
    let shown = String::from_utf8(output.stdout).unwrap();
    for part in [
        "line 1, criterion 1: error: points are 0",
        "line 2: error: prompt_id",
        "line 2, criterion 1",
        "line 3: error",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    // Compound is a warning, and an error only where that is asked for.
    std::fs::write(&file, row("3").replace("Greets", "Greets and asks why")).unwrap();
    stdout(&["check", &file]);
    assert!(refused(&["check", &file, "--strict"]).contains("1 warnings"));
    assert!(refused(&["agree", &file, &path(dir.path(), "none")]).contains("none"));
}

/// Real rows in the official format: a file of them, unpacked.
#[test]
fn real_healthbench_rows_are_read_whole_and_have_no_error() {
    let Some(file) = std::env::var_os("OSLER_HEALTHBENCH_JSONL").map(PathBuf::from) else {
        eprintln!("skipped: OSLER_HEALTHBENCH_JSONL names no file of HealthBench");
        return;
    };
    let rows: Vec<RubricRow> = lines::read(&file).unwrap();
    let (raw, _) = lines::lines(&file).unwrap();
    assert!(!rows.is_empty());
    for (row, (line, text)) in rows.iter().zip(&raw) {
        let before: Value = serde_json::from_slice(text).unwrap();
        // The rows themselves are not printed.
        assert!(serde_json::to_value(row).unwrap() == before, "line {line} changed");
    }
    let examined = examine(&file).unwrap();
    assert_eq!(examined.count(Severity::Error), 0);
    let file = file.to_str().unwrap();
    assert_eq!(json(&["agree", file, file, "--resamples", "10"])["agreement"]["grouping"], "axis");
}
