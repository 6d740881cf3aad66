//! `osler chat` and `osler consult` with a served model.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::farm::Farm;
use crate::scripted::{Act, Scripted, answer, events};
use crate::{saying, stream};

pub fn run(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_osler"));
    let mut child = command
        .args(arguments)
        .env("OSLER_TEST_KEY", "sk-very-secret")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The process may be gone before it reads: what it printed is what counts.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("panicked") && !errors.contains("secret"), "{arguments:?}: {errors}");
    output
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn served<'a>(command: &'a str, server: &'a Scripted) -> Vec<&'a str> {
    vec![command, "--server", &server.url, "--server-model", "tiny"]
}

#[test]
fn chat_streams_a_served_model() {
    let server = Scripted::new(vec![events(&[stream().as_bytes()])]);
    let output = run(&served("chat", &server), "Where?\n");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "頭痛Ça fait mal 🤒\n");
    let body = server.request().body;
    assert_eq!(
        (&body["stream"], &body["temperature"], &body["seed"]),
        (&json!(true), &json!(0.7), &json!(0))
    );
}

#[test]
fn chat_keeps_the_conversation_and_its_key() {
    let server = Scripted::saying(vec![saying("Here."), saying("Since Monday.")]);
    let more = ["--json", "--system", "Be brief.", "--server-key-env", "OSLER_TEST_KEY", "--seed", "3"];
    let output = run(&[&served("chat", &server)[..], &more].concat(), "Where?\nSince when?\n");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let said = json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where?"},
        {"role": "assistant", "content": "Here."}, {"role": "user", "content": "Since when?"},
        {"role": "assistant", "content": "Since Monday."}]);
    assert_eq!(report["messages"], said);
    let figures = json!({"url": server.url, "requests": 2, "failures": 0, "spills": 0,
        "usage": {"prompt_tokens": 18, "completion_tokens": 8}, "cached_ratio": null});
    let mut found = report["servers"][0].clone();
    assert!(found.as_object_mut().unwrap().remove("queue_seconds").unwrap().is_f64());
    assert_eq!(found, figures);
    let summary = format!("server {}: requests 2, 0 failed, ", server.url);
    assert!(text(&output.stderr).starts_with(&summary), "{}", text(&output.stderr));
    let (first, second) = (server.request(), server.request());
    assert!(first.head.contains("Bearer sk-very-secret"));
    assert_eq!(second.body["messages"], json!(said.as_array().unwrap()[..4]));
    assert_eq!((&first.body["seed"], &second.body["seed"]), (&json!(3), &json!(4)));
}

#[test]
fn chat_answers_as_a_schema_says() {
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("schema.json");
    fs::write(&schema, "{\"type\": \"object\", \"required\": [\"met\"]}").unwrap();
    let server = Scripted::saying(vec![saying("{}"), saying("{\"met\": true}")]);
    let arguments = [&served("chat", &server)[..], &["--schema", schema.to_str().unwrap()]].concat();
    let output = run(&arguments, "Met?\n");
    assert_eq!(text(&output.stdout), "{\"met\": true}\n", "{}", text(&output.stderr));
    fs::write(&schema, "{\"pattern\": \"x\"}").unwrap();
    let output = run(&arguments, "Met?\n");
    assert!(text(&output.stderr).contains("schema.json: $: keyword `pattern`"), "{}", text(&output.stderr));
}

#[test]
fn a_failure_is_a_status_and_no_answer() {
    let server = Scripted::saying(vec![answer(
        "400 Bad Request",
        "",
        "{\"error\": {\"message\": \"no such model\"}}",
    )]);
    let output = run(&[&served("chat", &server)[..], &["--json"]].concat(), "Where?\n");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    let expected = format!("error: {}/chat/completions: status 400: no such model\n", server.url);
    assert_eq!(text(&output.stderr), expected);
}

#[test]
fn options_that_a_server_cannot_follow_are_refused() {
    let server = Scripted::saying(Vec::new());
    let base = served("chat", &server);
    for more in [
        &["--model", "m"][..],
        &["--top-k", "5"],
        &["--thinking", "off"],
        &["--device", "cpu"],
        &["--server-key-env", "A", "--server-key-file", "b"],
        &["--server-timeout", "0"],
    ] {
        let output = run(&[&base[..], more].concat(), "");
        assert_eq!(output.status.code(), Some(2), "{more:?}: {}", text(&output.stderr));
    }
    for (arguments, found) in [
        (&["chat"][..], "--model <PATH>"),
        (&["chat", "--server", "http://127.0.0.1:1"][..], "--server-model <NAME>"),
        (&["chat", "--server-model", "m"][..], "--server <URL>"),
        (&["chat", "--model", "m", "--server-model", "m"][..], "cannot be used with '--server-model <NAME>'"),
        (
            &["chat", "--model", "m", "--server-timeout", "5"][..],
            "cannot be used with '--server-timeout <S>'",
        ),
        (&["chat", "--server", "http://me:pw@host", "--server-model", "m"][..], "user or password"),
    ] {
        let output = run(arguments, "");
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(found), "{arguments:?}: {}", text(&output.stderr));
    }
    let output = run(&[&base[..], &["--server-key-env", "OSLER_NO_SUCH_KEY"]].concat(), "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("OSLER_NO_SUCH_KEY"), "{}", text(&output.stderr));
    let far = [
        "chat",
        "--server",
        "http://192.0.2.1/v1",
        "--server-model",
        "m",
        "--server-key-env",
        "OSLER_TEST_KEY",
    ];
    assert!(text(&run(&far, "").stderr).contains("neither https nor on this machine"));
}

#[test]
fn a_served_model_is_the_doctor() {
    let acts = ["When did it start?", "<think>\nhm\n</think>\n\nDo you have any allergies?", "Goodbye."];
    let server = Scripted::saying(acts.iter().map(|said| saying(said)).collect());
    let case = ["--case", "acute-appendicitis", "--seed", "7"];
    let output = run(&[&served("consult", &server)[..], &case, &["--json"]].concat(), "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let turns = report["consultation"]["turns"].as_array().unwrap();
    let said: Vec<&str> = turns.iter().map(|turn| turn["doctor"].as_str().unwrap()).collect();
    assert_eq!(said, ["When did it start?", "Do you have any allergies?", "Goodbye."]);
    assert_eq!(report["consultation"]["ending"], "goodbye");
    let doctor = &report["doctor"];
    assert_eq!(
        (&doctor["model"], &doctor["usage"]),
        (&json!("tiny"), &json!({"prompt_tokens": 27, "completion_tokens": 12}))
    );
    assert_eq!(doctor["servers"][0]["requests"], 3);
    assert!(text(&output.stderr).contains("the doctor said goodbye"), "{}", text(&output.stderr));
    // The same words from stdin lead to the same consultation and marks.
    let typed = run(&[&["consult", "--json"][..], &case].concat(), &(said.join("\n") + "\n"));
    let typed: Value = serde_json::from_slice(&typed.stdout).unwrap();
    assert_eq!((&typed["consultation"], &typed["marks"]), (&report["consultation"], &report["marks"]));
    let first = server.request().body;
    assert_eq!(first["messages"][1], json!({"role": "user", "content": report["consultation"]["opening"]}));
    assert!(!first.to_string().contains("appendicitis"));
}

#[test]
fn a_consultation_that_breaks_is_not_marked() {
    let bad = Act::Say(vec![answer("400 Bad Request", "", "no")]);
    let server = Scripted::new(vec![Act::Say(vec![saying("When did it start?")]), bad]);
    let output = run(&[&served("consult", &server)[..], &["--seed", "7", "--json"]].concat(), "");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    assert!(text(&output.stderr).contains("status 400: no"), "{}", text(&output.stderr));
}

/// A file of models, one of which is on `server`, and roles.
fn models(folder: &Path, server: &Scripted, roles: &str) -> String {
    let path = folder.join("models.toml");
    let url = &server.url;
    let text = format!(
        "[models.doc]\nserver = \"{url}\"\nmodel = \"tiny\"\nkey_env = \"OSLER_TEST_KEY\"\ntemperature = 0.5\nmax_tokens = 40\n{roles}"
    );
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_model_in_the_role_policy_is_the_doctor() {
    let folder = tempfile::tempdir().unwrap();
    let server = Scripted::saying(vec![saying("When did it start?"), saying("Goodbye.")]);
    let file = models(folder.path(), &server, "[roles]\npolicy = \"doc\"\n");
    let shown = run(&["consult", "--models", &file, "--dry-run"], "");
    let line = format!("policy      doc (tiny), sent to {}: the patient's words and its own\n", server.url);
    assert_eq!(text(&shown.stdout), line, "{}", text(&shown.stderr));
    let shown = run(&["consult", "--models", &file, "--dry-run", "--json"], "");
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!((&shown["roles"][0]["servers"], &shown["not_built"]), (&json!([server.url]), &json!([])));
    assert!(server.requests().is_empty(), "a dry run asks nobody");
    let case = ["--case", "acute-appendicitis", "--seed", "7", "--json"];
    let output = run(&[&["consult", "--models", &file][..], &case].concat(), "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["consultation"]["ending"], &report["doctor"]["model"]),
        (&json!("goodbye"), &json!("tiny"))
    );
    // What the file says stands over what a consultation asks with.
    let first = server.request();
    assert_eq!((&first.body["temperature"], &first.body["max_tokens"]), (&json!(0.5), &json!(40)));
    assert!(first.head.contains("Bearer sk-very-secret"));
}

#[test]
fn files_of_models_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let server = Scripted::saying(Vec::new());
    for (roles, want) in [
        (
            "[roles]\nrubric = \"doc\"\n",
            "no model in [roles] plays anything that this command has; legal is one or more of policy, patient, gate, check, judge",
        ),
        ("[roles]\npolicy = \"dok\"\n", "`roles.policy` is \"dok\"; legal: \"doc\" (did you mean \"doc\"?)"),
        ("", "no model in [roles] plays anything"),
        ("key = \"sk-very-secret\"\n[roles]\npolicy = \"doc\"\n", "`models.doc.key` is a key in the text"),
    ] {
        let file = models(folder.path(), &server, roles);
        let output = run(&["consult", "--models", &file], "");
        assert_eq!(output.status.code(), Some(1), "{roles}");
        assert!(text(&output.stderr).contains(want), "{want}\nnot in\n{}", text(&output.stderr));
    }
    let file = models(folder.path(), &server, "[roles]\npolicy = \"doc\"\n");
    let both = [&served("consult", &server)[..], &["--models", &file]].concat();
    for arguments in [&both[..], &["consult", "--dry-run"]] {
        assert_eq!(run(arguments, "").status.code(), Some(2), "{arguments:?}");
    }
    assert!(server.requests().is_empty());
}

#[test]
fn a_conversation_stays_at_one_of_several_servers() {
    let farm = Farm::answering(2, |_, said| saying(said));
    let servers = ["--server", &farm.urls[0], "--server", &farm.urls[1], "--server-model", "tiny"];
    let output = run(&[&["chat", "--json"], &servers[..]].concat(), "Where?\nSince when?\nHow bad?\n");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["messages"][5]["content"], "How bad?");
    let went = farm.went();
    assert_eq!(went, [went[0]; 3]);
    for (at, url) in farm.urls.iter().enumerate() {
        let requests = if at == went[0] { 3 } else { 0 };
        let found = &report["servers"][at];
        assert_eq!((&found["url"], &found["requests"]), (&json!(url), &json!(requests)));
        let line = format!("server {url}: requests {requests}, 0 failed, 0 passed on, ");
        assert!(text(&output.stderr).contains(&line), "{}", text(&output.stderr));
    }
    let farm = Farm::answering(2, |_, _| saying("Goodbye."));
    let servers = ["--server", &farm.urls[0], "--server", &farm.urls[1], "--server-model", "tiny"];
    let output = run(&[&["consult", "--json"], &servers[..]].concat(), "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["consultation"]["ending"], "goodbye");
    let requests = |at: usize| report["doctor"]["servers"][at]["requests"].as_u64().unwrap();
    assert_eq!((requests(0) + requests(1), farm.went().len()), (1, 1));
}

#[test]
fn servers_are_not_named_twice() {
    let url = "http://127.0.0.1:1/v1";
    let output = run(&["chat", "--server", url, "--server", url, "--server-model", "m"], "Hi\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("named twice"), "{}", text(&output.stderr));
}
