use std::fs;
use std::path::PathBuf;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::rubric::criterion::{Judgement, Verdict};

/// An invented row in HealthBench's shape.
fn row(id: &str) -> serde_json::Value {
    json!({
        "prompt_id": id,
        "prompt": [{"role": "user", "content": "My knee hurts."}],
        "rubrics": [
            {"criterion": "Asks since when.", "points": 7, "tags": ["axis:context_awareness", "level:example"]},
            {"criterion": "Advises rest.", "points": 3, "tags": ["axis:completeness", "level:example"]},
            {"criterion": "Is rude.", "points": -5, "tags": ["axis:communication_quality", "level:example"]},
        ],
        "example_tags": ["theme:context_seeking"],
        "ideal_completions_data": {"ideal_completion": "Rest it.", "ideal_completions_group": "Group 1",
            "ideal_completions_ref_completions": null},
        "canary": "x",
    })
}

fn file(dir: &TempDir, name: &str, lines: &[String]) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, lines.join("\n")).unwrap();
    path
}

fn two_rows(dir: &TempDir) -> Vec<Row> {
    read_rows(&file(dir, "rows.jsonl", &[row("a").to_string(), row("b").to_string()])).unwrap()
}

#[test]
fn rows_are_read_and_criteria_are_shown_as_the_reference_shows_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut odd = row("c");
    odd["rubrics"][0]["points"] = json!(7.0);
    let rows = read_rows(&file(&dir, "rows.jsonl", &[row("a").to_string(), String::new(), odd.to_string()]))
        .unwrap();
    assert_eq!(rows[0].rubrics[2].item().text, "[-5] Is rude.");
    assert!(rows[0].rubrics[0].item().good && !rows[0].rubrics[2].item().good);
    // Python prints a float so too.
    assert_eq!(rows[1].rubrics[0].item().text, "[7.0] Asks since when.");
    assert_ne!(rows[0].rubrics[0].id(), rows[0].rubrics[1].id());
}

#[test]
fn every_bad_line_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut points = row("p");
    points["rubrics"][1]["points"] = json!(11);
    let mut bad_only = row("n");
    bad_only["rubrics"] = json!([{"criterion": "Is rude.", "points": -5, "tags": ["t", "t"]}]);
    let mut ends = row("e");
    ends["prompt"] = json!([{"role": "assistant", "content": "Hi"}]);
    let mut untyped = row("u");
    untyped["rubrics"][0]["points"] = json!("7");
    let lines = [
        row("a").to_string(),
        "{".to_owned(),
        points.to_string(),
        bad_only.to_string(),
        ends.to_string(),
        untyped.to_string(),
    ];
    let error = read_rows(&file(&dir, "rows.jsonl", &lines)).unwrap_err();
    let LinesError::Lines { problems, .. } = &error else { panic!("{error}") };
    let lines: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [2, 3, 4, 4, 5, 6]);
    let text = error.to_string();
    for part in [
        "rubrics[1].points: is 11, legal is -10 to 10 and not 0",
        "none has points above 0",
        "`t` is there twice",
        "ends with the assistant",
        "rubrics[0].points",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let twice =
        read_rows(&file(&dir, "twice.jsonl", &[row("a").to_string(), row("a").to_string()])).unwrap_err();
    assert!(twice.to_string().contains("line 2: prompt_id: `a` is in line 1 too"), "{twice}");
    let lines = [row("a").to_string(), row("a").to_string(), "{\"prompt_id\": ".to_owned()];
    let both = read_rows(&file(&dir, "both.jsonl", &lines)).unwrap_err().to_string();
    assert!(
        both.contains("2 bad lines") && both.contains("line 2: prompt_id: `a` is in line 1 too"),
        "{both}"
    );
    // The line of the file, and none of the JSON's own.
    assert!(both.contains("line 3: ") && both.contains(" at column ") && !both.contains("at line"), "{both}");
    assert!(matches!(read_rows(&file(&dir, "none.jsonl", &[])), Err(LinesError::Empty { .. })));
    assert!(matches!(read_rows(&dir.path().join("nowhere")), Err(LinesError::Read { .. })));
}

#[test]
fn completions_find_their_rows_in_any_order_and_several_a_row() {
    let dir = tempfile::tempdir().unwrap();
    let rows = two_rows(&dir);
    let lines = [
        json!({"prompt_id": "b", "completion": "Rest."}).to_string(),
        json!({"id": "a", "text": "Since when?"}).to_string(),
        json!({"prompt_id": "b", "completion": "Rest.", "prompt": [{"role": "system", "content": "Be kind."},
            {"role": "user", "content": "My knee hurts."}]})
        .to_string(),
    ];
    let found = samples(&rows, &file(&dir, "mine.jsonl", &lines)).unwrap();
    let places: Vec<(usize, usize)> = found.iter().map(|it| (it.row, it.number)).collect();
    assert_eq!(places, [(1, 0), (0, 0), (1, 1)]);
    // printf 'bRest.' | sha256sum
    assert_eq!(found[0].completion_id, "7839a85d1786001da61fe8da6331eb8a2fefd2175a48a21411b5e1916fda4a59");
    assert_eq!(found[0].exhibit(&rows[1]).text(), "user: My knee hurts.\n\nassistant: Rest.");
    assert!(found[2].exhibit(&rows[1]).text().starts_with("system: Be kind.\n\nuser: "));
    let bad =
        [json!({"prompt_id": "z", "completion": "x"}).to_string(), json!({"prompt_id": "a"}).to_string()];
    let error = samples(&rows, &file(&dir, "bad.jsonl", &bad)).unwrap_err().to_string();
    assert!(error.contains("2 bad lines") && error.contains("line 1: prompt_id: `z` is no row's"), "{error}");
    assert!(error.contains("line 2") && error.contains("completion"), "{error}");
    let stranger = samples(&rows, &file(&dir, "stranger.jsonl", &bad[..1])).unwrap_err().to_string();
    assert!(stranger.contains("1 bad line\n") && stranger.contains("`z` is no row's"), "{stranger}");
    let own = own_samples(&rows, Ideals::Written);
    assert_eq!(own.iter().map(|it| it.text.as_str()).collect::<Vec<_>>(), ["Rest it.", "Rest it."]);
    assert!(own_samples(&rows, Ideals::References).is_empty());
}

fn grades(rows: &[Row], sample: &Sample, verdicts: [Verdict; 3]) -> Vec<Grade> {
    let keys = GradeKey::all(&rows[sample.row], sample).into_iter().zip(verdicts);
    keys.map(|(key, verdict)| Grade::by_rules(key, Judgement { verdict, ..Judgement::not_met("x") }, "j"))
        .collect()
}

use Verdict::{Met, NotJudged, NotMet};

#[test]
fn a_stopped_run_goes_on_and_asks_again_for_what_was_not_judged() {
    let dir = tempfile::tempdir().unwrap();
    let rows = two_rows(&dir);
    let own = own_samples(&rows, Ideals::Written);
    let path = dir.path().join("grades.jsonl");
    Ledger::open(&path, "j").unwrap().add(grades(&rows, &own[0], [Met, NotJudged, NotMet])).unwrap();
    // Half a line is what a killed run leaves.
    let mut text = fs::read_to_string(&path).unwrap();
    let whole = text.len();
    text.push_str("{\"prompt_id\":\"a\",");
    fs::write(&path, &text).unwrap();
    let mut ledger = Ledger::open(&path, "j").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), whole as u64);
    let keys = GradeKey::all(&rows[0], &own[0]);
    assert_eq!(keys.iter().map(|key| ledger.is_judged(key)).collect::<Vec<_>>(), [true, false, true]);
    // A second try; the file then has both, and the later one counts.
    ledger.add(grades(&rows, &own[0], [Met, Met, NotMet]).drain(1..2).collect()).unwrap();
    drop(ledger);
    let ledger = Ledger::open(&path, "j").unwrap();
    assert_eq!(ledger.get(&keys[1]).map(|grade| grade.verdict), Some(Met));
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 4);
    let finished = String::from_utf8(ledger.finished(keys.iter()).unwrap()).unwrap();
    assert_eq!(finished.lines().count(), 3);
    for text in ["knee", "Asks", "Rest", "rude"] {
        assert!(!finished.contains(text), "{finished}");
    }
    let other = Ledger::open(&path, "k").unwrap_err().to_string();
    assert!(other.contains("line 1") && other.contains("by judge j"), "{other}");
    fs::write(&path, "{}\n").unwrap();
    assert!(matches!(Ledger::open(&path, "j"), Err(LedgerError::Line { line: 1, .. })));
}

#[test]
fn an_edited_completion_or_criterion_is_another_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows = two_rows(&dir);
    let own = own_samples(&rows, Ideals::Written);
    let before = GradeKey::all(&rows[0], &own[0]);
    rows[0].rubrics[1].criterion.push('!');
    let after = GradeKey::all(&rows[0], &own[0]);
    assert_eq!((before[0] == after[0], before[1] == after[1]), (true, false));
    let edited = Sample { completion_id: "y".into(), ..own[0].clone() };
    assert_ne!(GradeKey::all(&rows[0], &edited)[0], after[0]);
}

#[test]
fn scores_are_over_what_was_judged_and_coverage_says_how_much_that_is() {
    let dir = tempfile::tempdir().unwrap();
    let rows = two_rows(&dir);
    let own = own_samples(&rows, Ideals::Written);
    let mut ledger = Ledger::open(&dir.path().join("grades.jsonl"), "j").unwrap();
    // 7 + 3 - 5 of 10; 0 - 5 of 7, where 3 points are open.
    ledger.add(grades(&rows, &own[0], [Met, Met, Met])).unwrap();
    ledger.add(grades(&rows, &own[1], [NotMet, NotJudged, Met])).unwrap();
    let summary = Summary::of(&rows, &own, &ledger, 0);
    assert_eq!(
        (summary.completions, summary.criteria, summary.judged, summary.whole, summary.met),
        (2, 6, 5, 1, 4)
    );
    assert!((summary.coverage - 5.0 / 6.0).abs() < 1e-12);
    // The mean of 0.5 and -5/7 is below 0; with the open item, -0.5 or -0.2.
    assert_eq!(summary.score.map(|it| (it.mean, it.count)), Some((0.0, 2)));
    let [low, high] = summary.bounds.unwrap();
    assert!(low == 0.0 && (high - 0.15).abs() < 1e-12, "{low} {high}");
    let tag = |name: &str| summary.tags.get(name).map(|it| (it.mean, it.count));
    assert_eq!(tag("theme:context_seeking"), Some((0.0, 2)));
    assert_eq!(tag("axis:context_awareness"), Some((0.5, 2)));
    // Only one of them was judged by this axis; none has points above 0 on that.
    assert_eq!((tag("axis:completeness"), tag("axis:communication_quality")), (Some((1.0, 1)), None));
    assert!(summary.worst_at_k.is_empty());
}

#[test]
fn several_completions_of_each_row_have_a_worst_at_k() {
    let dir = tempfile::tempdir().unwrap();
    let rows = two_rows(&dir);
    let lines = ["a", "a", "b", "b"].map(|id| json!({"id": id, "text": "Rest."}).to_string());
    let found = samples(&rows, &file(&dir, "mine.jsonl", &lines)).unwrap();
    let mut ledger = Ledger::open(&dir.path().join("grades.jsonl"), "j").unwrap();
    let verdicts = [[Met, Met, NotMet], [NotMet, Met, NotMet], [Met, NotMet, NotMet], [Met, Met, Met]];
    for (sample, verdicts) in found.iter().zip(verdicts) {
        ledger.add(grades(&rows, sample, verdicts)).unwrap();
    }
    // 1.0 and 0.3; 0.7 and 0.5.
    let worst = Summary::of(&rows, &found, &ledger, 0).worst_at_k;
    assert!(
        (worst[0] - 0.625).abs() < 1e-12 && (worst[1] - 0.4).abs() < 1e-12 && worst.len() == 2,
        "{worst:?}"
    );
}
