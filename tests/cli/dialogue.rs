//! Text, chat and where a text ends.

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
