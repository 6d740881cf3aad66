//! `osler rubric grade` by served models: several conversations at a time, what failed, what was kept.

use std::fs;
use std::path::PathBuf;
use std::process::Output;
use std::thread;

use serde_json::{Value, json};

use crate::commands::{run, text};
use crate::farm::{Arrival, Farm};
use crate::saying;
use crate::scripted::answer;

/// Invented rows in HealthBench's shape, with a physician's completion each.
struct Files {
    dir: tempfile::TempDir,
}

impl Files {
    fn new(rows: usize, criteria: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let item = |at: usize| json!({"criterion": format!("Says {at}."), "points": 5, "tags": []});
        let items: Vec<Value> = (0..criteria).map(item).collect();
        let row = |at: usize| {
            json!({"prompt_id": format!("row-{at}"), "prompt": [{"role": "user", "content": format!("Pain {at}.")}],
                "rubrics": items, "example_tags": [],
                "ideal_completions_data": {"ideal_completion": "Rest it.", "ideal_completions_group": "Group 1"}})
        };
        let text: String = (0..rows).map(|at| format!("{}\n", row(at))).collect();
        fs::write(dir.path().join("rows.jsonl"), text).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Grades the physicians' completions by the farm's servers.
    fn grade(&self, farm: &Farm, out: &str, more: &[&str]) -> Output {
        let (rows, out) = (self.path("rows.jsonl"), self.path(out));
        let mut arguments = vec!["rubric", "grade", rows.to_str().unwrap(), "--out", out.to_str().unwrap()];
        if !more.contains(&"--completions") {
            arguments.extend(["--ideal", "written"]);
        }
        for url in &farm.urls {
            arguments.extend(["--server", url]);
        }
        arguments.extend(["--server-model", "tiny"]);
        run(&[&arguments[..], more].concat(), "")
    }

    fn lines(&self, out: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(out)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn met() -> Vec<u8> {
    saying(&json!({"explanation": "It is so.", "evidence": "", "acceptable": true}).to_string())
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)))
}

#[test]
fn conversations_are_judged_at_a_time_and_written_in_the_order_of_the_rows() {
    let files = Files::new(6, 1);
    let (farm, arrivals) = Farm::held(1);
    let output = thread::scope(|scope| {
        let graded = scope.spawn(|| files.grade(&farm, "out.jsonl", &["--json"]));
        // All four are there before any is answered, and no fifth.
        let mut held: Vec<Arrival> = (0..4).map(|_| arrivals.next()).collect();
        assert!(arrivals.none());
        while let Some(last) = held.pop() {
            last.say(&met());
        }
        for _ in 0..2 {
            arrivals.next().say(&met());
        }
        graded.join().unwrap()
    });
    let report = report(&output);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!((&report["summary"]["judged"], &report["work"]["requests"]), (&json!(6), &json!(6)));
    let ids: Vec<String> =
        files.lines("out.jsonl").iter().map(|line| line["prompt_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, (0..6).map(|at| format!("row-{at}")).collect::<Vec<_>>());
}

#[test]
fn the_criteria_of_a_conversation_follow_its_first() {
    let files = Files::new(1, 5);
    let (farm, arrivals) = Farm::held(1);
    let output = thread::scope(|scope| {
        let graded = scope.spawn(|| files.grade(&farm, "out.jsonl", &["--json"]));
        let first = arrivals.next();
        assert!(arrivals.none());
        first.say(&met());
        // All the others, before any is answered.
        let held: Vec<Arrival> = (0..4).map(|_| arrivals.next()).collect();
        held.into_iter().for_each(|it| it.say(&met()));
        graded.join().unwrap()
    });
    assert_eq!(report(&output)["summary"]["judged"], 5);
}

#[test]
fn where_every_request_fails_the_status_says_so_and_nothing_counts_as_not_met() {
    let files = Files::new(2, 2);
    let refuses = Farm::answering(1, |_, _| answer("401 Unauthorized", "", "{\"error\": \"no key\"}"));
    let output = files.grade(&refuses, "out.jsonl", &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let errors = text(&output.stderr);
    assert!(errors.contains("error: no criterion could be judged, 4 of 4 requests failed: "), "{errors}");
    assert!(errors.contains("status 401: no key"), "{errors}");
    let summary = &report(&output)["summary"];
    assert_eq!((&summary["judged"], &summary["score"]), (&json!(0), &Value::Null));
    let lines = files.lines("out.jsonl");
    assert_eq!(lines.len(), 4);
    assert!(lines.iter().all(|line| line["verdict"] == "not_judged"), "{lines:?}");
    // The same command goes on, and one that fails for a part only is no failure of all.
    let half = Farm::answering(1, |_, said| match said.contains("Says 0.") {
        true => met(),
        false => answer("400 Bad Request", "", "{\"error\": \"too long\"}"),
    });
    let output = files.grade(&half, "out.jsonl", &["--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(report(&output)["summary"]["judged"], 2);
}

#[test]
fn replies_from_the_cache_are_in_no_figure() {
    let files = Files::new(2, 2);
    let farm = Farm::answering(1, |_, _| met());
    let cache = files.path("cache");
    let cached = ["--server-cache", cache.to_str().unwrap()];
    let first = report(&files.grade(&farm, "a.jsonl", &[&cached[..], &["--json"]].concat()));
    assert_eq!((&first["work"]["requests"], &first["work"]["kept"]), (&json!(4), &json!(0)));
    assert!(first["time"]["prompt_tokens"].as_u64().unwrap() > 0);
    assert_eq!(farm.went().len(), 4);
    let again = report(&files.grade(&farm, "b.jsonl", &[&cached[..], &["--json"]].concat()));
    assert!(farm.went().is_empty());
    let work = &again["work"];
    assert_eq!((&work["requests"], &work["kept"], &work["counted"]), (&json!(0), &json!(4), &json!(0)));
    assert_eq!((&again["time"]["prompt_tokens"], &again["cached_ratio"]), (&json!(0), &Value::Null));
    assert_eq!(again["summary"], first["summary"]);
    let words = files.grade(&farm, "c.jsonl", &cached);
    let words = text(&words.stdout);
    assert!(words.contains("0 requests, 0 saved, 0 failed; 4 answered from the cache\n"), "{words}");
    assert!(!words.contains("were read before"), "{words}");
}

#[test]
fn several_votes_are_drawn_at_a_temperature_unless_the_user_says_otherwise() {
    let files = Files::new(1, 1);
    let farm = Farm::answering(1, |_, _| met());
    let graded = report(&files.grade(&farm, "a.jsonl", &["--votes", "3", "--json"]));
    let settings = &graded["judge"]["settings"];
    assert_eq!((&settings["votes"], &settings["temperature"]), (&json!(3), &json!(0.5)));
    assert_eq!(graded["work"]["requests"], 3);
    let cold = files.grade(&farm, "b.jsonl", &["--votes", "3", "--temperature", "0"]);
    assert_eq!(cold.status.code(), Some(1));
    assert!(text(&cold.stderr).contains("temperature is 0, legal is above 0"), "{}", text(&cold.stderr));
}

#[test]
fn an_empty_completion_is_judged_and_told() {
    let files = Files::new(1, 1);
    let mine = files.path("mine.jsonl");
    fs::write(&mine, format!("{}\n", json!({"prompt_id": "row-0", "completion": " "}))).unwrap();
    let farm = Farm::answering(1, |_, _| met());
    let completions = ["--completions", mine.to_str().unwrap()];
    let output = files.grade(&farm, "a.jsonl", &completions);
    assert!(text(&output.stderr).contains("note: 1 completion says nothing"), "{}", text(&output.stderr));
    let words = text(&output.stdout);
    let wanted = "1 completion, 1 criterion: 1 judged (100.0%), 1 met; 1 completion judged whole\n1 completion empty\n";
    assert!(words.starts_with(wanted), "{words}");
}
