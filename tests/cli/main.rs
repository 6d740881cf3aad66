//! The binary itself: what it prints, what it refuses, and with which exit status.

mod bench;
mod dialogue;
mod doctor;
mod files;
mod grading;
mod inference;
mod refusals;
mod simulated;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use osler::model::config::ModelConfig;
use serde_json::{Value, json};
use support::{Expected, config, expected, fixtures, max_diff, write_weights};
use tempfile::TempDir;

fn osler(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_osler"));
    command.args(arguments);
    command
}

/// Runs to the end with `input` on stdin. Nothing may panic, whatever the arguments.
fn run_with(arguments: &[&str], input: &str) -> Output {
    let mut child =
        osler(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The process may be gone before it reads: what it printed is what counts.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("panicked"), "{arguments:?}: {errors}");
    output
}

fn run(arguments: &[&str]) -> Output {
    run_with(arguments, "")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Runs a command that must work, and returns its stdout.
fn stdout(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

/// The one JSON object that a command prints with `--json`.
fn json_of(arguments: &[&str], input: &str) -> Value {
    let output = run_with(arguments, input);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    let printed = text(&output.stdout);
    assert!(printed.ends_with('\n') && printed.trim_end().lines().count() == 1, "{printed:?}");
    let value: Value = serde_json::from_str(printed).unwrap();
    assert!(value.is_object(), "{value}");
    value
}

/// The message of a command that must fail with `status`, having printed nothing on stdout.
fn refused(status: i32, arguments: &[&str]) -> String {
    let output = run(arguments);
    let message = text(&output.stderr).to_owned();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {message}");
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
    assert!(message.starts_with("error: "), "{arguments:?}: {message}");
    message
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

fn list(ids: &[u32]) -> String {
    ids.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

/// A tiny model as a folder, without a tokenizer.
struct Model {
    dir: TempDir,
    name: &'static str,
}

impl Model {
    fn new(name: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let from = fixtures().join("tiny").join(name).join("config.json");
        fs::copy(from, dir.path().join("config.json")).unwrap();
        write_weights(dir.path());
        Self { dir, name }
    }

    fn path(&self) -> &str {
        self.dir.path().to_str().unwrap()
    }

    fn expected(&self) -> Vec<Expected> {
        expected(self.name)
    }
}

/// The byte-level alphabet: id `b` is byte `b`.
fn alphabet() -> Vec<String> {
    let printable = |b: u32| (33..=126).contains(&b) || (161..=172).contains(&b) || (174..=255).contains(&b);
    let mut moved = 256..;
    let letters = (0..256u32).map(|b| if printable(b) { b } else { moved.next().unwrap() });
    letters.map(|c| char::from_u32(c).unwrap().to_string()).collect()
}

const SPECIAL: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
const IM_START: u32 = 257;
const IM_END: u32 = 258;

/// A tiny model with a tokenizer whose first 256 ids are the bytes, and room in its vocabulary for both.
fn talking_model() -> Model {
    let dir = tempfile::tempdir().unwrap();
    let from = fixtures().join("tiny/qwen2_tiny/config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(from).unwrap()).unwrap();
    config["vocab_size"] = json!(264);
    config["eos_token_id"] = json!(IM_END);
    config["bos_token_id"] = Value::Null;
    fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    write_weights(dir.path());

    let vocab: serde_json::Map<String, Value> =
        alphabet().into_iter().enumerate().map(|(id, token)| (token, json!(id))).collect();
    let added = |(i, token): (usize, &&str)| {
        json!({"id": 256 + i, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true})
    };
    let byte_level = |prefix: bool| json!({"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": true, "use_regex": true});
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": SPECIAL.iter().enumerate().map(added).collect::<Vec<_>>(),
        "normalizer": null, "pre_tokenizer": byte_level(false), "post_processor": null,
        "decoder": byte_level(true),
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocab, "merges": []},
    });
    fs::write(dir.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let settings = json!({"eos_token": "<|im_end|>", "tokenizer_class": "PreTrainedTokenizerFast"});
    fs::write(dir.path().join("tokenizer_config.json"), settings.to_string()).unwrap();
    Model { dir, name: "qwen2_tiny" }
}
