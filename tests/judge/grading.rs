//! `osler rubric grade`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::scripted::{Scripted, answer};

fn run(arguments: &[&str]) -> Output {
    let output =
        Command::new(env!("CARGO_BIN_EXE_osler")).args(["rubric", "grade"]).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("panicked"), "{arguments:?}: {errors}");
    output
}

fn graded(arguments: &[&str]) -> Value {
    let output = run(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// An invented row in HealthBench's shape, and two completions of it.
struct Files {
    dir: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let row = json!({
            "prompt_id": "knee",
            "prompt": [{"role": "user", "content": "My knee hurts after a long run."}],
            "rubrics": [
                {"criterion": "Recommends ibuprofen 400 mg with food.", "points": 6, "tags": ["axis:accuracy"]},
                {"criterion": "Asks whether the knee locked, swelled or gave way.", "points": 4, "tags": ["axis:context_awareness"]},
                {"criterion": "Suggests surgical replacement, casts or amputation.", "points": -5, "tags": ["axis:accuracy"]},
                {"criterion": "Is written in a warm tone.", "points": 2, "tags": ["axis:communication_quality"]},
            ],
            "example_tags": ["theme:context_seeking"],
            "ideal_completions_data": {"ideal_completion": "Rest it.", "ideal_completions_group": "Group 1"},
        });
        fs::write(dir.path().join("rows.jsonl"), format!("{row}\n")).unwrap();
        let completions = [
            json!({"prompt_id": "knee", "completion": "Take ibuprofen 400 mg with food and rest the knee for a week."}),
            json!({"prompt_id": "knee", "completion": "Please wait and see how it is in the morning."}),
        ];
        let text: String = completions.iter().map(|line| format!("{line}\n")).collect();
        fs::write(dir.path().join("mine.jsonl"), text).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn rules_grade_what_they_are_sure_of() {
    let files = Files::new();
    let (rows, mine, out) = (files.text("rows.jsonl"), files.text("mine.jsonl"), files.text("out.jsonl"));
    let arguments = [&rows, "--completions", &mine, "--out", &out, "--judge", "rules"];
    let report = graded(&arguments);
    let verdicts: Vec<(u64, u64, String)> = lines(&files.path("out.jsonl"))
        .iter()
        .map(|line| {
            let number = |name: &str| line[name].as_u64().unwrap();
            (number("sample"), number("criterion"), line["verdict"].as_str().unwrap().to_owned())
        })
        .collect();
    let is = |sample: u64, criterion: u64, verdict: &str| (sample, criterion, verdict.to_owned());
    assert_eq!(
        verdicts,
        [
            is(0, 0, "met"),
            is(0, 1, "not_met"),
            is(0, 2, "not_met"),
            is(0, 3, "not_judged"),
            is(1, 0, "not_met"),
            is(1, 1, "not_met"),
            is(1, 2, "not_met"),
            is(1, 3, "not_judged"),
        ]
    );
    let summary = &report["summary"];
    assert_eq!(
        (&summary["criteria"], &summary["judged"], &summary["coverage"]),
        (&json!(8), &json!(6), &json!(0.75))
    );
    // 6 of 10, and 0 of 10.
    assert_eq!(summary["score"]["mean"], json!(0.3));
    assert_eq!(report["judge"]["kind"], "rules");
    assert!(report.get("work").is_none());
    // The file says nothing of what HealthBench says.
    let text = fs::read_to_string(files.path("out.jsonl")).unwrap();
    assert!(!text.contains("knee hurts") && !text.contains("ibuprofen"), "{text}");
    let again = graded(&arguments);
    assert_eq!((&again["resumed"], &again["summary"]), (&json!(6), summary));
    let ideal = files.text("ideal.jsonl");
    assert_eq!(
        graded(&[&rows, "--ideal", "written", "--out", &ideal, "--judge", "rules"])["summary"]["completions"],
        1
    );
}

fn said(content: &str) -> Vec<u8> {
    let usage = json!({"prompt_tokens": 200, "completion_tokens": 20, "total_tokens": 220, "cached_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 150}});
    let body = json!({"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}], "usage": usage});
    answer("200 OK", "Content-Type: application/json\r\n", &body.to_string())
}

const MET: &str = "```json\n{\"explanation\": \"It says \\\"rest it\\\".\", \"criteria_met\": true}\n```";

#[test]
fn a_served_model_grades_and_what_it_did_not_judge_is_asked_for_again() {
    let files = Files::new();
    let (rows, out) = (files.text("rows.jsonl"), files.text("out.jsonl"));
    let server = Scripted::saying(vec![said(MET), said("I cannot say."), said(MET), said(MET)]);
    let template = "Mark it.\n\n# Conversation\n<<conversation>>\n\n# Rubric item\n<<rubric_item>>\n";
    fs::write(files.path("grader.txt"), template).unwrap();
    let grader = files.text("grader.txt");
    let base = [
        &rows,
        "--ideal",
        "written",
        "--out",
        &out,
        "--grader",
        &grader,
        "--server-model",
        "grader",
        "--again",
        "0",
        "--server",
    ];
    let report = graded(&[&base[..], &[&server.url]].concat());
    let summary = &report["summary"];
    assert_eq!(
        (&summary["criteria"], &summary["judged"], &summary["met"]),
        (&json!(4), &json!(3), &json!(3))
    );
    assert_eq!((&report["work"]["requests"], &report["cached_ratio"]), (&json!(4), &json!(0.75)));
    let asked = server.request().body;
    assert_eq!((&asked["temperature"], &asked["max_tokens"]), (&json!(0.5), &json!(2048)));
    assert!(asked.get("response_format").is_none());
    let prompt = asked["messages"][1]["content"].as_str().unwrap();
    assert!(
        prompt.contains(
            "# Conversation\nuser: My knee hurts after a long run.\n\nassistant: Rest it.\n\n# Rubric item\n["
        ),
        "{prompt}"
    );
    let kept = lines(&files.path("out.jsonl"));
    let open: Vec<&Value> = kept.iter().filter(|line| line["verdict"] == "not_judged").collect();
    assert_eq!(open.len(), 1);
    assert!(open[0]["reason"].as_str().unwrap().contains("not JSON"), "{open:?}");
    // `Rest it.`
    assert!(kept.iter().any(|line| line["evidence"] == json!([0, 7])), "{kept:?}");

    let server = Scripted::saying(vec![said("{\"criteria_met\": false}")]);
    let again = graded(&[&base[..], &[&server.url]].concat());
    assert_eq!((&again["resumed"], &again["work"]["requests"]), (&json!(3), &json!(1)));
    assert_eq!((&again["summary"]["judged"], &again["summary"]["whole"]), (&json!(4), &json!(1)));
    assert_eq!(lines(&files.path("out.jsonl")).len(), 4);

    // Another judge's grades are no grades of this one's.
    let other = refused(&[&rows, "--ideal", "written", "--out", &out, "--judge", "rules"]);
    assert!(other.contains("choose another file"), "{other}");
}

#[test]
fn what_cannot_be_graded_is_refused() {
    let files = Files::new();
    let (rows, out) = (files.text("rows.jsonl"), files.text("out.jsonl"));
    let bare = refused(&[&rows, "--ideal", "written", "--out", &out]);
    assert!(bare.contains("--server") && bare.contains("--judge rules"), "{bare}");
    assert!(
        refused(&[&rows, "--ideal", "references", "--out", &out, "--judge", "rules"])
            .contains("no row has completions")
    );
    let server = ["--server", "http://127.0.0.1:9/v1", "--server-model", "x"];
    let written = [&rows, "--ideal", "written", "--out", &out];
    let several = refused(&[&written[..], &server, &["--votes", "3", "--temperature", "0"]].concat());
    assert!(several.contains("temperature is 0"), "{several}");
    assert!(
        refused(&[&written[..], &server, &["--protocol", "healthbench"]].concat()).contains("with --grader")
    );
    fs::write(files.path("grader.txt"), "Mark <<conversation>> by <<rubric_item>>.").unwrap();
    let grader = files.text("grader.txt");
    let own = ["--grader", &grader, "--prompts", &out];
    assert!(refused(&[&written[..], &server, &own].concat()).contains("--protocol report"));
    let mixed = ["--grader", &grader, "--protocol", "report"];
    assert!(refused(&[&written[..], &server, &mixed].concat()).contains("--protocol healthbench"));
    fs::write(files.path("bad.jsonl"), "{}\n{\"prompt_id\": 3}\n").unwrap();
    let bad = refused(&[&files.text("bad.jsonl"), "--ideal", "written", "--out", &out, "--judge", "rules"]);
    assert!(bad.contains("2 bad lines") && bad.contains("line 1") && bad.contains("line 2"), "{bad}");
}
