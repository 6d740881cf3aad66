//! `osler consult`, as somebody at the other end of a pipe meets it.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Runs `osler consult` with `input` on stdin. Nothing may panic, whatever is said.
fn consult(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_osler"));
    command.arg("consult").args(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The process may be gone before it reads: what it printed is what counts.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    assert!(!text(&output.stderr).contains("panicked"), "{arguments:?}: {}", text(&output.stderr));
    output
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn worked(arguments: &[&str], input: &str) -> String {
    let output = consult(arguments, input.as_bytes());
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

fn refused(arguments: &[&str], input: &[u8]) -> String {
    let output = consult(arguments, input);
    assert!(!output.status.success(), "{arguments:?}: {}", text(&output.stdout));
    text(&output.stderr).to_owned()
}

fn json(arguments: &[&str], input: &str) -> Value {
    let printed = worked(&[arguments, &["--json"]].concat(), input);
    assert_eq!(printed.trim_end().lines().count(), 1, "{printed:?}");
    serde_json::from_str(&printed).unwrap()
}

const APPENDICITIS: [&str; 4] = ["--case", "acute-appendicitis", "--seed", "7"];
const GOOD: &str = "Hello, when did it start?\nWhere is the pain?\nHave you lost your appetite?\n\
    Do you have any allergies?\nI would like to examine your abdomen.\n\
    I think you have appendicitis. Please go to the emergency department now.\n";

#[test]
fn a_consultation_is_marked_with_evidence() {
    let shown = worked(&APPENDICITIS, GOOD);
    assert_eq!(shown.lines().filter(|line| line.starts_with("patient: ")).count(), 6, "{shown}");
    // Long lines are wrapped.
    let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "sent the patient to emergency care",
        "message 1: ",
        "the consultation as a whole: ",
        "+10 of 10 Names appendicitis as the diagnosis",
        "[message 6: \"I think you have appendicitis\"]",
        "mistakes looked for and not made",
        ": appendicitis.",
    ] {
        assert!(words.contains(part), "{part} is not in {shown}");
    }
    assert!(!shown.contains("onset yesterday"), "facts are shown only when asked for: {shown}");
    assert_eq!(worked(&APPENDICITIS, GOOD), shown);
}

#[test]
fn json_holds_the_consultation_and_all_marks() {
    let good = json(&APPENDICITIS, GOOD);
    assert_eq!(good["consultation"]["ending"], "emergency");
    let turns = good["consultation"]["turns"].as_array().unwrap();
    assert_eq!((turns.len(), good["marks"]["turns"].as_array().unwrap().len()), (6, 6));
    assert_eq!(turns[5]["patient"], Value::Null);
    assert_eq!(good["case_id"], good["consultation"]["case_id"]);
    assert!(good.get("case").is_none());
    let whole = |it: &Value| it["reward"]["whole"].as_f64().unwrap();
    let bad = json(&APPENDICITIS, "It is nothing.\nTake two aspirin and go home. Goodbye.\n");
    assert!(whole(&good) > whole(&bad) + 0.2, "{} {}", whole(&good), whole(&bad));
    // The mean is that of the messages, and evidence points into them.
    let rewards =
        good["marks"]["turns"].as_array().unwrap().iter().map(|it| it["reward"]["value"].as_f64().unwrap());
    let mean = rewards.sum::<f64>() / 6.0;
    assert!((good["reward"]["mean_reply"].as_f64().unwrap() - mean).abs() < 1e-12);
    let names = good["marks"]["whole"]["items"].as_array().unwrap().iter();
    let names = names.filter(|it| it["text"].as_str().unwrap().starts_with("Names ")).collect::<Vec<_>>();
    let [start, end] = [0, 1].map(|at| names[0]["evidence"][at].as_u64().unwrap() as usize);
    let message = turns[names[0]["turn"].as_u64().unwrap() as usize]["doctor"].as_str().unwrap();
    assert!(message[start..end].contains("appendicitis"));
    let shown = json(&[&APPENDICITIS[..], &["--show-facts"]].concat(), GOOD);
    assert_eq!(shown["case"]["truth"]["diagnosis"], "appendicitis");
}

#[test]
fn commands_answer_and_are_no_messages() {
    let input = "/help\n/facts\n\n  \nWhen did it start?\n/facts\n/marks\n/what\n/end\nNot said.\n";
    let output = consult(&APPENDICITIS, input.as_bytes());
    let shown = text(&output.stdout);
    assert!(shown.contains("/marks  the marks"), "{shown}");
    let nothing = shown.find("Nothing yet").unwrap();
    let told = shown.find("symptom: onset yesterday").unwrap();
    assert!(nothing < told);
    // Once on /marks, once at the end.
    assert_eq!(shown.matches("message 1: ").count(), 2 + shown.matches("[message 1: ").count(), "{shown}");
    assert!(shown.contains("You ended the consultation.") && !shown.contains("Not said"));
    assert!(text(&output.stderr).contains("/what"));
    let facts = worked(&[&APPENDICITIS[..], &["--show-facts"]].concat(), "When did it start?\n");
    assert!(facts.contains("[abdominal-pain.onset]") && facts.contains("\nhidden\n"), "{facts}");
}

#[test]
fn seeds_and_personas_choose_who_comes() {
    let opening = |arguments: &[&str]| worked(arguments, "");
    assert!(opening(&[]).contains("You said nothing"));
    assert_eq!(opening(&["--seed", "0"]), opening(&[]));
    assert_ne!(opening(&["--seed", "1"]), opening(&[]));
    let persona = |seed| json(&["--seed", "3", "--persona-seed", seed], "")["persona"].clone();
    assert_eq!(persona("3"), json(&["--seed", "3"], "")["persona"]);
    assert_ne!(persona("4"), persona("3"));
    let limit = json(&["--turns", "2"], "Is it bad?\nHow bad?\nWhy?\n");
    assert_eq!(limit["consultation"]["ending"], "turn_limit");
}

#[test]
fn cases_come_from_a_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cases.jsonl");
    let file = path.to_str().unwrap();
    let synth = ["cases", "synth", "--count", "3", "--seed", "5", "--out", file];
    assert!(
        Command::new(env!("CARGO_BIN_EXE_osler"))
            .args(synth)
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    let lines = fs::read_to_string(&path).unwrap();
    let ids: Vec<String> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    let who = |arguments: &[&str]| json(&[&["--cases", file], arguments].concat(), "")["case_id"].clone();
    assert_eq!(who(&[]), *ids[0]);
    assert_eq!(who(&["--seed", "2"]), *ids[2]);
    assert_eq!(who(&["--seed", "4"]), *ids[1]);
    assert_eq!(who(&["--case", &ids[1], "--seed", "2"]), *ids[1]);
    let error = refused(&["--cases", file, "--case", "nobody"], b"");
    assert!(error.contains("nobody") && error.contains(&ids[0]), "{error}");
}

#[test]
fn what_cannot_be_played_or_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.jsonl");
    fs::write(&empty, "").unwrap();
    assert!(refused(&["--cases", empty.to_str().unwrap()], b"").contains("empty.jsonl"));
    assert!(refused(&["--cases", "no/such/file.jsonl"], b"").contains("no/such/file.jsonl"));
    assert!(refused(&["--case", "hiccups-on-mars"], b"").contains("acute-appendicitis"));
    assert!(refused(&["--turns", "0"], b"").contains("--turns"));
    assert!(refused(&[], b"When?\n\xff\xfe\n").contains("line 2"));
    let long = refused(&[], &[b'x'; 20_000]);
    assert!(long.contains("too long"), "{long}");
    for odd in ["\u{0}\u{1b}[2J\u{7}\n", "<|im_end|>\n", "😀\n", "........\n", "a \u{202e}b\n"] {
        assert!(worked(&[], odd).contains("message 1: "), "{odd:?}");
    }
}
