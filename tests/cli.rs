//! The binary itself: what it prints, what it refuses, and with which exit status.

mod support;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use osler::model::config::ModelConfig;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use support::{Expected, config, expected, fixtures, formula, max_diff};
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

/// Writes the formula's weights for the `config.json` that lies in `dir`.
fn write_weights(dir: &Path) {
    let config = ModelConfig::open(&dir.join("config.json")).unwrap();
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = config
        .tensors()
        .into_iter()
        .map(|spec| {
            let bytes = formula(&spec.name, &spec.shape).iter().flat_map(|v| v.to_le_bytes()).collect();
            (spec.name, spec.shape, bytes)
        })
        .collect();
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    safetensors::serialize_to_file(views, None, &dir.join("model.safetensors")).unwrap();
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

#[test]
fn score_gives_the_log_probs_of_transformers() {
    for name in ["qwen2_tiny", "qwen3_tiny", "llama_tiny"] {
        let model = Model::new(name);
        for prompt in model.expected() {
            let given = list(&prompt.ids);
            let report = json_of(&["score", "--model", model.path(), "--ids", &given, "--json"], "");
            assert_eq!(keys(&report), ["ids", "logprobs"]);
            assert_eq!(ids(&report["ids"]), prompt.ids);
            let logprobs = report["logprobs"].as_array().unwrap();
            assert_eq!(logprobs.len(), prompt.ids.len());
            assert!(logprobs[0].is_null());
            let found = numbers(&json!(logprobs[1..]));
            assert!(max_diff(&found, &prompt.prompt_logprobs) <= 1e-4, "{name}");
        }
        let prompt = &model.expected()[1];
        let table = stdout(&["score", "--model", model.path(), "--ids", &list(&prompt.ids)]);
        assert_eq!(table.lines().count(), prompt.ids.len() + 1, "{table}");
        assert!(table.contains(&format!("{} tokens, sum ", prompt.ids.len() - 1)), "{table}");
    }
}

#[test]
fn generate_gives_the_greedy_tokens_of_transformers() {
    for name in ["qwen2_tiny", "qwen3_tiny", "llama_tiny"] {
        let model = Model::new(name);
        let prompts = model.expected();
        for prompt in &prompts {
            let (given, count) = (list(&prompt.ids), prompt.greedy_ids.len().to_string());
            let base = ["generate", "--model", model.path(), "--ids", &given, "--max-new-tokens", &count];
            let greedy = [&base[..], &["--temperature", "0", "--json"]].concat();
            let report = json_of(&[&greedy[..], &["--ignore-eos"]].concat(), "");
            assert_eq!(keys(&report), ["outputs"]);
            let outputs = report["outputs"].as_array().unwrap();
            assert_eq!(outputs.len(), 1);
            assert_eq!(keys(&outputs[0]), ["ids", "text", "logprobs", "stop"]);
            assert_eq!(ids(&outputs[0]["ids"]), prompt.greedy_ids, "{name}");
            assert!(max_diff(&numbers(&outputs[0]["logprobs"]), &prompt.greedy_logprobs) <= 1e-4, "{name}");
            assert_eq!((&outputs[0]["text"], &outputs[0]["stop"]), (&json!(""), &json!("length")));

            // The configuration's end-of-text id ends it; that id is part of what was generated.
            let ended = &json_of(&greedy, "")["outputs"][0];
            let end = config(name).eos_token_ids[0];
            match prompt.greedy_ids.iter().position(|&id| id == end) {
                Some(at) => {
                    assert_eq!(ids(&ended["ids"]), prompt.greedy_ids[..=at]);
                    assert_eq!(ended["stop"], "eos");
                }
                None => assert_eq!(ended, &outputs[0]),
            }
        }
        // Without a tokenizer people are shown the ids.
        let prompt = &prompts[0];
        let base = ["generate", "--model", model.path(), "--ids", &list(&prompt.ids), "--ignore-eos"];
        let shown = stdout(&[&base[..], &["--max-new-tokens", "4"]].concat());
        assert!(shown.contains(&format!("{:?}", &prompt.greedy_ids[..4])), "{shown:?}");

        // Several prompts are one batch, and give what each gives alone.
        let mut arguments = vec!["generate".to_owned(), "--model".into(), model.path().into()];
        arguments.extend(prompts.iter().flat_map(|p| ["--ids".to_owned(), list(&p.ids)]));
        arguments.extend(["--max-new-tokens", "12", "--json", "--ignore-eos"].map(str::to_owned));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let together = json_of(&arguments, "");
        for (output, prompt) in together["outputs"].as_array().unwrap().iter().zip(&prompts) {
            assert_eq!(ids(&output["ids"]), prompt.greedy_ids[..12]);
        }
    }
}

#[test]
fn samples_repeat_with_their_seed_and_report_both_distributions() {
    let model = Model::new("qwen3_tiny");
    let sample = |seed: &str, threads: &str| {
        let sampling = ["--temperature", "0.8", "--top-p", "0.9", "--samples", "3", "--seed", seed];
        let base =
            ["generate", "--model", model.path(), "--ids", "1,2,3", "--max-new-tokens", "10", "--json"];
        stdout(&[&base[..], &sampling, &["--threads", threads]].concat())
    };
    let first = sample("7", "1");
    assert_eq!(first, sample("7", "1"));
    assert_eq!(first, sample("7", "2"), "the number of threads changed the result");
    assert_ne!(first, sample("8", "1"));
    let report: Value = serde_json::from_str(&first).unwrap();
    let outputs = report["outputs"].as_array().unwrap();
    assert_eq!(outputs.len(), 3);
    for output in outputs {
        assert_eq!(keys(output), ["ids", "text", "logprobs", "sampling_logprobs", "stop"]);
        let (plain, drawn) = (numbers(&output["logprobs"]), numbers(&output["sampling_logprobs"]));
        assert_eq!((plain.len(), drawn.len()), (ids(&output["ids"]).len(), plain.len()));
        assert!(plain.iter().chain(&drawn).all(|l| *l <= 0.0));
    }
    // The lowest temperature there is takes the likeliest token.
    let base = ["generate", "--model", model.path(), "--ids", "1,2,3", "--max-new-tokens", "10", "--json"];
    let cold = &json_of(&[&base[..], &["--temperature", "1e-45"]].concat(), "")["outputs"][0];
    assert_eq!(cold["ids"], json_of(&base, "")["outputs"][0]["ids"]);
    assert_eq!(numbers(&cold["sampling_logprobs"]), vec![0.0; ids(&cold["ids"]).len()]);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let model = Model::new("qwen2_tiny");
    let given = list(&model.expected()[2].ids);
    for command in ["score", "generate"] {
        let base = [command, "--model", model.path(), "--ids", &given, "--json", "--threads"];
        let with = |threads| stdout(&[&base[..], &[threads]].concat());
        assert_eq!(with("1"), with("2"), "{command}");
    }
}

#[test]
fn text_without_a_tokenizer_is_refused_with_what_to_do() {
    let model = Model::new("llama_tiny");
    for arguments in [
        &["score", "--model", model.path(), "--text", "hello"][..],
        &["generate", "--model", model.path(), "--prompt", "hello"],
        &["tokenize", "--model", model.path(), "--text", "hello"],
        &["chat", "--model", model.path()],
    ] {
        let message = refused(1, arguments);
        assert!(message.contains("has no tokenizer") && message.contains("--ids"), "{message}");
    }
    let stops = ["generate", "--model", model.path(), "--ids", "1", "--stop", "x"];
    assert!(refused(1, &stops).contains("stop strings need a tokenizer"));
}

#[test]
fn inspect_tells_what_is_in_a_folder() {
    let model = Model::new("qwen3_tiny");
    let report = json_of(&["inspect", model.path(), "--json"], "");
    let fields = [
        "path",
        "format",
        "architecture",
        "parameters",
        "config",
        "stored",
        "tokenizer",
        "unread_fields",
        "memory",
    ];
    assert_eq!(keys(&report), fields);
    let parameters = config("qwen3_tiny").num_parameters();
    assert_eq!(report["parameters"], parameters);
    assert_eq!(
        (&report["format"], &report["architecture"]),
        (&json!("safetensors"), &json!("Qwen3ForCausalLM"))
    );
    assert_eq!(report["config"]["head_dim"], 32);
    let tensors = config("qwen3_tiny").tensors().len();
    assert_eq!(report["stored"], json!({"F32": {"tensors": tensors, "bytes": 4 * parameters}}));
    assert!(report["tokenizer"].is_null());
    let memory = &report["memory"];
    assert_eq!(keys(memory), ["weights", "cache", "activations", "logits", "total"]);
    let sum: u64 =
        ["weights", "cache", "activations", "logits"].map(|k| memory[k].as_u64().unwrap()).iter().sum();
    assert_eq!((memory["total"].as_u64(), memory["weights"].as_u64()), (Some(sum), Some(4 * parameters)));

    let listed = json_of(&["inspect", model.path(), "--json", "--tensors"], "");
    let listed = listed["tensors"].as_array().unwrap();
    assert_eq!(listed.len(), tensors);
    assert_eq!(keys(&listed[0]), ["name", "stored", "shape", "bytes"]);
    assert!(stdout(&["inspect", model.path()]).contains("heads 4/2 of 32"));

    let talking = talking_model();
    let report = json_of(&["inspect", talking.path(), "--json"], "");
    let tokenizer = json!({"vocab_size": 259, "end_ids": [256, 258], "chat_template": false});
    assert_eq!(report["tokenizer"], tokenizer);
}

/// The names in a folder.
fn listing(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_exported_folder_gives_the_same_numbers() {
    let model = talking_model();
    let scratch = tempfile::tempdir().unwrap();
    let target: PathBuf = scratch.path().join("exported");
    let to = target.to_str().unwrap();
    let export = ["export", "--model", model.path(), "--to", to, "--max-shard-size", "200KB", "--json"];
    let report = json_of(&export, "");
    assert_eq!(keys(&report), ["folder", "files", "bytes", "parameters"]);
    assert_eq!(report["folder"], to);
    let files: Vec<String> = serde_json::from_value(report["files"].clone()).unwrap();
    assert_eq!(files, listing(&target));
    for name in ["config.json", "generation_config.json", "model.safetensors.index.json", "tokenizer.json"] {
        assert!(files.iter().any(|file| file == name), "{files:?} lacks {name}");
    }
    assert!(files.iter().filter(|file| file.ends_with(".safetensors")).count() > 1, "{files:?}");
    let bytes: u64 = files.iter().map(|name| fs::metadata(target.join(name)).unwrap().len()).sum();
    assert_eq!(report["bytes"], bytes);
    assert_eq!(listing(scratch.path()), ["exported"], "something was left beside the target");

    let score = |model: &str| stdout(&["score", "--model", model, "--text", "dry cough", "--json"]);
    assert_eq!(score(model.path()), score(to));
    let same =
        |name: &str| fs::read(target.join(name)).unwrap() == fs::read(model.dir.path().join(name)).unwrap();
    assert!(same("config.json") && same("tokenizer.json") && same("tokenizer_config.json"));

    let message = refused(1, &export);
    assert!(message.contains(to), "{message}");
    let half = json_of(&[&export[..], &["--overwrite", "--dtype", "bf16"]].concat(), "");
    assert!(half["bytes"].as_u64() < report["bytes"].as_u64());
    let inspected = json_of(&["inspect", to, "--json"], "");
    assert_eq!(keys(&inspected["stored"]), ["BF16"]);
    assert_eq!(listing(scratch.path()), ["exported"]);
}

#[cfg(unix)]
#[test]
fn an_export_fills_a_link_cleans_up_and_spares_its_source() {
    let model = talking_model();
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    fs::create_dir(path("disk")).unwrap();
    std::os::unix::fs::symlink(path("disk"), path("link")).unwrap();
    // Of an export that was killed: no process has the largest number there can be.
    let abandoned = path(&format!(".disk.partial-0-{}", u32::MAX));
    fs::create_dir(&abandoned).unwrap();
    let link = path("link");
    stdout(&["export", "--model", model.path(), "--to", link.to_str().unwrap()]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(path("disk").join("config.json").exists());
    assert_eq!(listing(scratch.path()), ["disk", "link"]);

    let outer = path("disk");
    let inner = outer.join("inner");
    fs::rename(model.dir.path(), &inner).unwrap();
    let (outer, inner_path) = (outer.to_str().unwrap(), inner.to_str().unwrap());
    let message = refused(1, &["export", "--model", inner_path, "--to", outer, "--overwrite"]);
    assert!(message.contains("holds the model"), "{message}");
    assert!(inner.join("config.json").exists());
    // So that its owner finds it.
    fs::rename(&inner, model.dir.path()).unwrap();
}

#[test]
fn weights_that_are_no_numbers_are_an_error() {
    let model = Model::new("llama_tiny");
    let file = model.dir.path().join("model.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&file, bytes).unwrap();
    let model = ["--model", model.path(), "--ids", "1,5,9", "--json"];
    let message = refused(1, &[&["score"], &model[..]].concat());
    assert!(message.contains("token 1 is NaN"), "{message}");
    let message = refused(1, &[&["generate", "--max-new-tokens", "3"], &model[..]].concat());
    assert!(message.contains("is NaN"), "{message}");
    let message = refused(1, &[&["generate", "--repetition-penalty", "1e-38"], &model[..]].concat());
    assert!(message.contains("0.001 to 1000"), "{message}");
}

#[test]
fn a_grpo_step_is_measured_by_its_parts() {
    let model = Model::new("qwen2_tiny");
    // A vocabulary with every byte in it.
    let config = fs::read_to_string(model.dir.path().join("config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&config).unwrap();
    config["vocab_size"] = json!(300);
    fs::write(model.dir.path().join("config.json"), config.to_string()).unwrap();
    let base = ["bench", "grpo", "--model", model.path(), "--prompts", "2", "--group-size", "3", "--json"];
    let sizes = ["--prompt-tokens", "5", "--new-tokens", "4", "--repeats", "3"];
    let report = json_of(&[&base[..], &sizes].concat(), "");
    assert_eq!(
        report["parameters"],
        ModelConfig::open(&model.dir.path().join("config.json")).unwrap().num_parameters()
    );
    assert_eq!((&report["prompts"], &report["group_size"]), (&json!(2), &json!(3)));
    let steps = report["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 3);
    let mut times: Vec<f64> = steps.iter().map(|step| step["step"].as_f64().unwrap()).collect();
    times.sort_by(f64::total_cmp);
    assert_eq!(report["median"]["step"], times[1]);
    let message = refused(1, &[&base[..], &["--new-tokens", "100000"]].concat());
    assert!(message.contains("prompt_tokens + new_tokens is 100064"), "{message}");
    assert!(refused(1, &[&base[..], &["--repeats", "0"]].concat()).contains("--repeats is 0"));
}

#[test]
fn bench_measures_what_it_says() {
    let model = Model::new("llama_tiny");
    let sizes = ["--prefill", "20", "--context", "8", "--decode", "4", "--batches", "1,3", "--repeats", "2"];
    let base = ["bench", "--model", model.path(), "--json", "--threads", "2"];
    let report = json_of(&[&base[..], &sizes].concat(), "");
    assert_eq!(keys(&report), ["model", "device", "threads", "instruction_set", "ceilings", "runs"]);
    assert_eq!((&report["device"], &report["threads"]), (&json!("cpu"), &json!(2)));
    let runs = report["runs"].as_array().unwrap();
    assert_eq!(runs.iter().map(|r| &r["dtype"]).collect::<Vec<_>>(), ["F32", "BF16"]);
    assert_eq!(runs.iter().map(|r| &r["activations"]).collect::<Vec<_>>(), ["exact", "exact"]);
    assert_eq!(runs[0]["weight_bytes"], 4 * config("llama_tiny").num_parameters());
    assert!(runs[1]["weight_bytes"].as_u64() < runs[0]["weight_bytes"].as_u64());
    assert_eq!(keys(&report["ceilings"]), ["gigabytes_per_second", "gigaflops"]);
    let results = runs[0]["results"].as_array().unwrap();
    let phases: Vec<_> = results.iter().map(|r| (r["phase"].clone(), r["batch"].clone())).collect();
    assert_eq!(phases, [("prefill", 1), ("decode", 1), ("decode", 3)].map(|(p, b)| (json!(p), json!(b))));
    for result in results {
        for field in ["tokens_per_second", "slowest", "fastest", "gigabytes_per_second", "gigaflops"] {
            assert!(result[field].as_f64().is_some_and(|v| v > 0.0), "{field} of {result}");
        }
        assert!(result["slowest"].as_f64() <= result["fastest"].as_f64());
        assert!(result["share_of_bound"].is_number());
    }
}

#[test]
fn bench_runs_on_a_config_alone_and_in_any_proportions() {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(fixtures().join("tiny/qwen2_tiny/config.json"), dir.path().join("config.json")).unwrap();
    let base = ["bench", "--model", dir.path().to_str().unwrap(), "--json"];
    // Prompts that take many steps, and more sequences than a step has tokens, still all get to decode.
    for (context, batches) in [("150", "9"), ("2", "600"), ("1", "1")] {
        let sizes = ["--prefill", "0", "--decode", "1", "--context", context, "--batches", batches];
        let report = json_of(&[&base[..], &sizes, &["--dtype", "bf16", "--repeats", "1"]].concat(), "");
        let run = &report["runs"][0];
        assert_eq!((&run["dtype"], run["results"].as_array().unwrap().len()), (&json!("BF16"), 1));
    }
    let most = "18446744073709551615";
    for flag in ["--batches", "--context", "--prefill"] {
        assert!(refused(1, &[&base[..], &[flag, most]].concat()).contains("MiB"), "{flag}");
    }
    for flag in ["--context", "--decode", "--repeats", "--batches"] {
        assert!(refused(1, &[&base[..], &[flag, "0"]].concat()).contains(flag));
    }
}

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

#[test]
fn what_cannot_run_fails_with_a_message_and_status_1() {
    let model = Model::new("qwen2_tiny");
    let missing = model.dir.path().join("nothing-here");
    let missing = missing.to_str().unwrap();
    for arguments in [
        &["score", "--model", missing, "--ids", "1"][..],
        &["generate", "--model", missing, "--ids", "1"],
        &["tokenize", "--model", missing, "--text", "x"],
        &["chat", "--model", missing],
        &["inspect", missing],
        &["export", "--model", missing, "--to", "never-written"],
        &["bench", "--model", missing],
    ] {
        let message = refused(1, arguments);
        assert!(message.contains("nothing-here"), "{arguments:?}: {message}");
    }
    let generate = |more: &[&str]| {
        let base = ["generate", "--model", model.path(), "--ids", "1,2,3"];
        refused(1, &[&base[..], more].concat())
    };
    assert!(generate(&["--max-new-tokens", "0"]).contains("max_new_tokens is 0, legal is at least 1"));
    assert!(generate(&["--samples", "0"]).contains("samples is 0, legal is at least 1"));
    assert!(generate(&["--temperature", "-1"]).contains("temperature is -1, legal is 0"));
    assert!(generate(&["--temperature", "nan"]).contains("temperature is NaN"));
    assert!(generate(&["--top-p", "0"]).contains("top_p is 0"));
    assert!(generate(&["--min-p", "-0.5"]).contains("min_p is -0.5"));
    assert!(generate(&["--repetition-penalty", "0"]).contains("repetition_penalty is 0"));
    assert!(generate(&["--memory-limit", "10KB"]).contains("raise --memory-limit"));
    assert!(generate(&["--max-new-tokens", "1000"]).contains("the model's context is 256"));
    assert!(generate(&["--max-new-tokens", "18446744073709551615"]).contains("the model's context is 256"));
    assert!(generate(&["--samples", "18446744073709551615"]).contains("samples"));
    assert!(generate(&["--batch-tokens", "18446744073709551615"]).contains("MiB"));
    let message = refused(1, &["score", "--model", model.path(), "--ids", "3,160"]);
    assert!(message.contains("token 1 is 160, the model's ids are 0 to 159"), "{message}");
    let long = list(&[1; 257]);
    assert!(refused(1, &["score", "--model", model.path(), "--ids", &long]).contains("context is 256"));
    // Nothing here is quantised, so rounding would change nothing.
    for command in [
        &["score", "--ids", "1", "--model", model.path()][..],
        &["generate", "--ids", "1", "--model", model.path()],
        &["bench", "--model", model.path()],
        &["bench"],
    ] {
        let message = refused(1, &[command, &["--activations", "q8"]].concat());
        assert!(message.contains("--activations q8 needs weights kept in quantised blocks"), "{message}");
    }
    let score = ["score", "--model", model.path(), "--ids", "1,2", "--memory-limit", "1KB"];
    assert!(refused(1, &score).contains("the limit is 1 MiB"));
}

#[test]
#[cfg(not(any(feature = "wgpu", feature = "cuda")))]
fn devices_that_are_not_built_in_are_named_with_their_feature() {
    let model = Model::new("qwen2_tiny");
    for (device, feature) in [("cuda", "cuda"), ("cuda:3", "cuda"), ("wgpu", "wgpu")] {
        for command in [&["score", "--ids", "1", "--model"][..], &["inspect"], &["bench", "--model"]] {
            let message = refused(1, &[command, &[model.path(), "--device", device]].concat());
            assert!(message.contains("is not in this build"), "{message}");
            assert!(message.contains(&format!("--features {feature}")), "{message}");
        }
    }
}

#[test]
fn wrong_usage_has_status_2() {
    let model = Model::new("qwen2_tiny");
    let score = |more: &[&str]| refused(2, &[&["score", "--model", model.path()][..], more].concat());
    assert!(score(&["--ids", "1", "--colour", "red"]).contains("--colour"));
    assert!(score(&["--ids", "1,two"]).contains("`two` is not a token id"));
    assert!(score(&["--ids", ""]).contains("is not a token id"));
    assert!(score(&["--ids", "-1"]).contains("-1"));
    assert!(score(&["--ids", "99999999999"]).contains("is not a token id"));
    assert!(score(&["--ids", "1", "--device", "gpu"]).contains("legal are: cpu, wgpu, cuda, cuda:N"));
    assert!(score(&["--ids", "1", "--threads", "100000"]).contains("1024"));
    assert!(score(&["--ids", "1", "--memory-limit", "lots"]).contains("lots"));
    assert!(score(&["--ids", "1", "--text", "x"]).contains("cannot be used with"));
    assert!(score(&[]).contains("--text"));
    assert!(refused(2, &["generate", "--model", model.path()]).contains("--prompt"));
    assert!(refused(2, &["dance"]).contains("dance"));
    // Without a command there is nothing to do but show which there are.
    let bare = run(&[]);
    assert_eq!(bare.status.code(), Some(2));
    assert!(text(&bare.stderr).contains("Usage: osler <COMMAND>"));
    assert!(stdout(&["--version"]).starts_with("osler "));
}

/// `osler ... | head -0`
#[test]
fn a_closed_stdout_is_no_error() {
    let model = talking_model();
    let given = list(&[5; 200]);
    for arguments in [
        &["score", "--model", model.path(), "--ids", &given][..],
        &["score", "--model", model.path(), "--ids", &given, "--json"],
        &["generate", "--model", model.path(), "--ids", "1,2", "--max-new-tokens", "20", "--ignore-eos"],
        &["inspect", model.path(), "--tensors"],
        &["tokenize", "--model", model.path(), "--text", "hello"],
        &["--help"],
    ] {
        let mut child = osler(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
    }
}
