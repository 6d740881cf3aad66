//! Text, chat and where a text ends.

use std::sync::Arc;

use osler::chat::SharedModel;
use osler::chat::{ChatOptions, Message};
use osler::train::config::{Role, Roles};

use super::*;

#[test]
fn tokenize_goes_both_ways() {
    let model = talking_model();
    let said = "hé! <|im_end|>\n";
    let report = json_of(&["tokenize", "--model", model.path(), "--text", said, "--json"], "");
    assert_eq!(keys(&report), ["ids", "tokens", "text"]);
    let bytes = "hé! ".bytes().map(u32::from);
    let expected: Vec<u32> = bytes.chain([IM_END, u32::from(b'\n')]).collect();
    assert_eq!(ids(&report["ids"]), expected);
    assert_eq!(report["text"], said);
    assert_eq!(report["tokens"][5], "<|im_end|>");
    let from_stdin = json_of(&["tokenize", "--model", model.path(), "--text", "-", "--json"], said);
    assert_eq!(from_stdin, report);
    let back = json_of(&["tokenize", "--model", model.path(), "--ids", &list(&expected), "--json"], "");
    assert_eq!(back, report);
    assert_eq!(stdout(&["tokenize", "--model", model.path(), "--ids", "104,105"]), "hi\n");
    let table = stdout(&["tokenize", "--model", model.path(), "--text", "-x"]);
    assert!(table.ends_with("2 tokens\n"), "{table}");
    assert!(refused(1, &["tokenize", "--model", model.path(), "--ids", "259"]).contains("below 259"));
}

#[test]
fn chat_answers_each_line_as_generate_would() {
    let model = talking_model();
    let base = ["chat", "--model", model.path(), "--temperature", "0", "--max-new-tokens", "12"];
    let first = run_with(&[&base[..], &["--json"]].concat(), "My head hurts.\n\nSince Monday.\n");
    assert!(first.status.success(), "{}", text(&first.stderr));
    assert_eq!(text(&first.stderr), "note: the model has no chat template, ChatML is used\n");
    let report: Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(keys(&report), ["messages"]);
    let messages = report["messages"].as_array().unwrap();
    let roles: Vec<_> = messages.iter().map(|m| m["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user", "assistant"]);
    assert_eq!(
        (&messages[0]["content"], &messages[2]["content"]),
        (&json!("My head hurts."), &json!("Since Monday."))
    );
    for message in messages {
        assert_eq!(keys(message), ["role", "content"]);
    }
    let generated = [
        "generate",
        "--model",
        model.path(),
        "--chat",
        "--prompt",
        "My head hurts.",
        "--max-new-tokens",
        "12",
        "--json",
    ];
    let generated = &json_of(&generated, "")["outputs"][0];
    let said = messages[1]["content"].as_str().unwrap();
    assert_eq!(said.trim(), generated["text"].as_str().unwrap().trim());

    let system =
        json_of(&[&base[..], &["--json", "--system", "Be brief.", "--template", "chatml"]].concat(), "Hi\n");
    assert_eq!(system["messages"][0], json!({"role": "system", "content": "Be brief."}));
    assert_eq!(system["messages"].as_array().unwrap().len(), 3);
    assert_eq!(json_of(&[&base[..], &["--json"]].concat(), ""), json!({"messages": []}));

    // As plain text: the answers alone.
    let plain = run_with(&base, "My head hurts.\n");
    assert!(text(&plain.stdout).contains(said.trim()), "{:?}", text(&plain.stdout));
    let full = run_with(&[&base[..], &["--context", "10"]].concat(), "My head hurts.\n");
    assert_eq!(full.status.code(), Some(1));
    assert!(text(&full.stderr).contains("the context is 10"), "{}", text(&full.stderr));
}

#[test]
fn stop_strings_and_ids_end_a_text() {
    let model = talking_model();
    let base = ["generate", "--model", model.path(), "--prompt", "cough", "--max-new-tokens", "30", "--json"];
    let whole = json_of(&base, "")["outputs"][0].clone();
    let found = ids(&whole["ids"]);
    let third = found[2].to_string();
    let stopped = &json_of(&[&base[..], &["--stop-id", &third]].concat(), "")["outputs"][0];
    let first = found.iter().position(|&id| id == found[2]).unwrap();
    assert_eq!((ids(&stopped["ids"]), &stopped["stop"]), (found[..=first].to_vec(), &json!("eos")));
    // Samples at a high temperature, until one has a letter to stop at.
    let drawn = [&base[..], &["--temperature", "2", "--samples", "8"]].concat();
    let outputs = json_of(&drawn, "");
    let said: Vec<&str> =
        outputs["outputs"].as_array().unwrap().iter().map(|o| o["text"].as_str().unwrap()).collect();
    let letter = said.iter().flat_map(|t| t.chars()).find(char::is_ascii_graphic).unwrap().to_string();
    let stopped = json_of(&[&drawn[..], &["--stop", &letter]].concat(), "");
    for (output, said) in stopped["outputs"].as_array().unwrap().iter().zip(said) {
        if let Some((before, _)) = said.split_once(&letter) {
            assert_eq!((output["text"].as_str().unwrap(), &output["stop"]), (before, &json!("stop")));
        }
    }
    let prompt = json_of(&["tokenize", "--model", model.path(), "--text", "<|im_start|>", "--json"], "");
    assert_eq!(ids(&prompt["ids"]), [IM_START]);
}

/// A file that gives a talking model of this process some roles.
fn models(folder: &Path, model: &Model, roles: &str) -> PathBuf {
    let path = folder.join("models.toml");
    let model = model.path();
    fs::write(
        &path,
        format!("[models.tiny]\npath = '{model}'\ntemperature = 0\nmax_tokens = 12\n[roles]\n{roles}"),
    )
    .unwrap();
    path
}

#[test]
fn roles_share_a_model_of_this_process() {
    let (folder, model) = (tempfile::tempdir().unwrap(), talking_model());
    let file = models(folder.path(), &model, "policy = 'tiny'\njudge = 'tiny'\n");
    let roles = Roles::load(&file).unwrap_or_else(|error| panic!("{error}"));
    let mut heard = Vec::new();
    let opened = roles.open(&mut |name, done, all| heard.push((name.to_owned(), done, all)));
    let opened = opened.unwrap_or_else(|error| panic!("{error}"));
    assert!(heard.iter().all(|(name, done, all)| name == "tiny" && done <= all) && !heard.is_empty());
    assert_eq!(opened.notes.len(), 1, "{:?}", opened.notes);
    assert!(opened.notes[0].ends_with("has no chat template, ChatML is used"), "{:?}", opened.notes);
    let [policy, judge] = [Role::Policy, Role::Judge].map(|role| opened.model(role).unwrap());
    assert!(Arc::ptr_eq(policy, judge) && opened.model(Role::Patient).is_none());
    // Threads that ask the same model at once get what each would get alone; which of them finds the other's work done is chance.
    let ask = |model: &SharedModel| {
        let reply = model.reply(&[Message::user("My head hurts.")], &ChatOptions::default(), &mut ());
        let mut reply = reply.unwrap_or_else(|error| panic!("{error}"));
        if let Some(usage) = &mut reply.usage {
            usage.cached_tokens = 0;
        }
        reply
    };
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(|| ask(policy));
        let two = scope.spawn(|| ask(judge));
        (one.join().unwrap(), two.join().unwrap())
    });
    assert_eq!(one, two);
    let base = ["chat", "--model", model.path(), "--temperature", "0", "--max-new-tokens", "12", "--json"];
    let said = &json_of(&base, "My head hurts.\n")["messages"][1]["content"];
    assert_eq!(one.message.content.trim(), said.as_str().unwrap().trim());
    // The model's own context is the most.
    let text = fs::read_to_string(&file).unwrap().replace("max_tokens", "context = 100000\nmax_tokens");
    let error = Roles::parse(&text, &file).unwrap().open(&mut |_, _, _| {}).err().unwrap().to_string();
    assert_eq!(error, "[models.tiny]: `context` is 100000, legal is at most the model's own, 256");
}

#[test]
fn a_model_of_this_process_is_the_doctor() {
    let (folder, model) = (tempfile::tempdir().unwrap(), talking_model());
    // Room for a consultation in bytes.
    let path = model.dir.path().join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config["max_position_embeddings"] = json!(4096);
    fs::write(&path, config.to_string()).unwrap();
    let file = models(folder.path(), &model, "policy = 'tiny'\n");
    let arguments = ["consult", "--models", file.to_str().unwrap(), "--seed", "7", "--turns", "2", "--json"];
    let report = json_of(&arguments, "");
    assert_eq!(report["doctor"]["model"], model.path());
    let turns = report["consultation"]["turns"].as_array().unwrap().len();
    let tokens = report["doctor"]["usage"]["completion_tokens"].as_u64().unwrap();
    assert!((1..=2).contains(&turns) && tokens <= 12 * turns as u64, "{report}");
    assert_eq!(json_of(&arguments, ""), report, "the likeliest tokens are the same each time");
}
