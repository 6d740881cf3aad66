//! What a model says and how probable it finds it.

use super::*;

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
            assert_eq!(keys(&report), ["outputs", "prompts"]);
            let prompts = json!([{"prompt_tokens": prompt.ids.len(), "cached_tokens": 0}]);
            assert_eq!(report["prompts"], prompts);
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
fn the_reference_kernels_give_the_same_tokens() {
    for name in ["qwen2_tiny", "qwen3_tiny", "llama_tiny"] {
        let model = Model::new(name);
        let prompt = &model.expected()[1];
        let given = list(&prompt.ids);
        let plain = ["--model", model.path(), "--ids", &given, "--json", "--kernels", "reference"];
        let report = json_of(&[&["score"], &plain[..]].concat(), "");
        let found = numbers(&json!(report["logprobs"].as_array().unwrap()[1..]));
        assert!(max_diff(&found, &prompt.prompt_logprobs) <= 1e-4, "{name}");
        let greedy = ["generate", "--max-new-tokens", "16", "--temperature", "0", "--ignore-eos"];
        let report = json_of(&[&greedy[..], &plain].concat(), "");
        assert_eq!(ids(&report["outputs"][0]["ids"]), prompt.greedy_ids[..16], "{name}");
    }
    let error = refused(2, &["score", "--model", "m", "--ids", "1", "--kernels", "plain"]);
    assert!(error.contains("fused") && error.contains("reference"), "{error}");
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

#[test]
fn generate_says_what_prompts_share() {
    let model = Model::new("qwen2_tiny");
    // 36 tokens that both begin with: two whole blocks.
    let common = list(&(0..36).collect::<Vec<u32>>());
    let (one, other) = (format!("{common},7,8"), format!("{common},9"));
    let base = ["generate", "--model", model.path(), "--max-new-tokens", "3", "--json"];
    let report = json_of(&[&base[..], &["--ids", &one, "--ids", &other]].concat(), "");
    let prompts =
        json!([{"prompt_tokens": 38, "cached_tokens": 0}, {"prompt_tokens": 37, "cached_tokens": 32}]);
    assert_eq!(report["prompts"], prompts);
    for (ids, output) in [one, other].iter().zip(report["outputs"].as_array().unwrap()) {
        assert_eq!(&json_of(&[&base[..], &["--ids", ids]].concat(), "")["outputs"][0], output);
    }
}
