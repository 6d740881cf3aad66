//! Measurements.

use super::*;

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
    assert!(message.contains("--prompt-tokens + --new-tokens is 100064"), "{message}");
    assert!(refused(1, &[&base[..], &["--repeats", "0"]].concat()).contains("--repeats is 0"));
    assert_eq!((&report["lora_rank"], &report["dtype"]), (&Value::Null, &json!("F32")));
    let lora = [&base[..], &sizes, &["--lora", "3", "--dtype", "bf16"]].concat();
    let report = json_of(&lora, "");
    assert_eq!((&report["lora_rank"], &report["dtype"]), (&json!(3), &json!("BF16")));
    assert_eq!(report["lora_head"], json!(false));
    let head = json_of(&[&base[..], &sizes, &["--lora", "3", "--lora-head"]].concat(), "");
    assert_eq!((&head["lora_rank"], &head["lora_head"]), (&json!(3), &json!(true)));
    assert!(refused(2, &[&base[..], &["--lora-head"]].concat()).contains("--lora <RANK>"));
    assert!(refused(1, &[&base[..], &["--lora", "0"]].concat()).contains("--lora is 0"));
    let half = json_of(&[&base[..], &sizes, &["--dtype", "bf16"]].concat(), "");
    assert_eq!((&half["lora_rank"], &half["dtype"]), (&Value::Null, &json!("BF16")));
}

#[test]
fn bench_measures_what_it_says() {
    let model = Model::new("llama_tiny");
    let sizes = ["--prefill", "20", "--context", "8", "--decode", "4", "--batches", "1,3", "--repeats", "2"];
    let base = ["bench", "--model", model.path(), "--json", "--threads", "2"];
    let report = json_of(&[&base[..], &sizes].concat(), "");
    assert_eq!(keys(&report), ["model", "device", "threads", "instruction_set", "runs"]);
    assert_eq!((&report["device"], &report["threads"]), (&json!("cpu"), &json!(2)));
    let runs = report["runs"].as_array().unwrap();
    assert_eq!(runs.iter().map(|r| &r["dtype"]).collect::<Vec<_>>(), ["F32", "BF16"]);
    assert_eq!(runs.iter().map(|r| &r["activations"]).collect::<Vec<_>>(), ["exact", "exact"]);
    assert_eq!(runs[0]["weight_bytes"], 4 * config("llama_tiny").num_parameters());
    assert!(runs[1]["weight_bytes"].as_u64() < runs[0]["weight_bytes"].as_u64());
    assert_eq!(keys(&runs[0]["ceilings"]), ["gigabytes_per_second", "gigaflops"]);
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
fn affinity_is_measured_with_and_without_sharing() {
    let model = Model::new("llama_tiny");
    let base = ["bench", "affinity", "--model", model.path(), "--criteria", "4", "--tokens", "70", "--json"];
    let sizes = ["--criterion-tokens", "8", "--new-tokens", "2", "--repeats", "2", "--threads", "2"];
    let report = json_of(&[&base[..], &sizes].concat(), "");
    let of_machine = ["model", "device", "threads", "instruction_set", "dtype"];
    let asked = ["criteria", "tokens", "criterion_tokens", "new_tokens", "prompt_tokens"];
    let found =
        ["cached_tokens", "cached_ratio", "seconds", "speedup", "same_verdicts", "largest_difference"];
    assert_eq!(keys(&report), [&of_machine[..], &asked, &found].concat());
    // Four whole blocks of the conversation, for all but the first.
    assert_eq!((&report["prompt_tokens"], &report["cached_tokens"]), (&json!(4 * 78), &json!(3 * 64)));
    assert!((report["cached_ratio"].as_f64().unwrap() - 192.0 / 312.0).abs() < 1e-9, "{report}");
    assert_eq!((&report["same_verdicts"], &report["largest_difference"]), (&json!(true), &json!(0.0)));
    let [separate, shared] = ["separate", "shared"].map(|how| report["seconds"][how].as_f64().unwrap());
    assert!(separate > 0.0 && shared > 0.0, "{report}");
    assert!((report["speedup"].as_f64().unwrap() / (separate / shared) - 1.0).abs() < 1e-9, "{report}");
    for flag in ["--criteria", "--tokens", "--criterion-tokens", "--new-tokens", "--repeats"] {
        let message = refused(1, &["bench", "affinity", "--model", model.path(), flag, "0"]);
        assert!(message.contains(&format!("{flag} is 0")), "{message}");
    }
    let message = refused(1, &[&base[..], &["--criterion-tokens", "300"]].concat());
    assert!(message.contains("the model's context is 256"), "{message}");
}

#[test]
fn kernels_are_measured_beside_their_references() {
    // What is named twice is measured once.
    let only = "cached,rotary,sampling,rotary";
    let base = ["bench", "kernels", "--only", only, "--repeats", "1", "--threads", "2", "--json"];
    let report = json_of(&base, "");
    let top = ["device", "threads", "instruction_set", "interrupted", "ceilings", "kernels"];
    assert_eq!(keys(&report), top);
    assert_eq!((&report["device"], &report["interrupted"]), (&json!("cpu"), &json!(false)));
    let ceilings = report["ceilings"].as_array().unwrap();
    assert_eq!(ceilings.iter().map(|it| &it["unit"]).collect::<Vec<_>>(), ["GB/s", "GB/s", "TFLOP/s"]);
    let kernels = report["kernels"].as_array().unwrap();
    let ops: Vec<&str> = kernels.iter().map(|it| it["op"].as_str().unwrap()).collect();
    assert!(ops.starts_with(&["attention_cached"]) && ops.ends_with(&["sample"]), "{ops:?}");
    assert!(ops.contains(&"rotary"), "{ops:?}");
    let moves = ["cache_write", "cache_copy"];
    assert!(moves.iter().all(|op| ops.contains(op)), "{ops:?}");
    let asked = |op: &&str| ["attention_cached", "rotary", "sample"].contains(op) || moves.contains(op);
    assert!(ops.iter().all(asked), "{ops:?}");
    let fields = ["op", "case", "dtype", "seconds", "fastest", "slowest", "achieved", "bound", "unit"];
    for kernel in kernels {
        let rest = ["share_of_bound", "beyond_bound", "problem", "reference"];
        assert_eq!(keys(kernel), [&fields[..], &rest].concat());
        assert_eq!((&kernel["dtype"], &kernel["problem"]), (&json!("f32"), &json!(null)), "{kernel}");
        let share = kernel["share_of_bound"].as_f64().unwrap();
        assert_eq!(kernel["beyond_bound"], share > 1.05, "{kernel}");
        if kernel["op"] == "sample" {
            assert_eq!(kernel["reference"], json!(null), "the CPU's sampler is the plain one");
        } else if moves.contains(&kernel["op"].as_str().unwrap()) {
            assert_eq!(kernel["reference"], json!(null), "a plain cache lies in another way");
        } else {
            assert_eq!(keys(&kernel["reference"]), ["seconds", "ratio", "problem"]);
            assert!(kernel["reference"]["ratio"].as_f64().is_some_and(|ratio| ratio > 0.0), "{kernel}");
        }
        let [fastest, median, slowest] =
            ["fastest", "seconds", "slowest"].map(|field| kernel[field].as_f64().unwrap());
        assert!(0.0 < fastest && fastest <= median && median <= slowest, "{kernel}");
    }
    let base = ["bench", "kernels", "--only", "rotary", "--repeats", "1", "--threads", "2", "--json"];
    let report = json_of(&[&base[..], &["--no-reference"]].concat(), "");
    let kernels = report["kernels"].as_array().unwrap();
    assert!(!kernels.is_empty());
    assert!(kernels.iter().all(|it| it["reference"].is_null() && it["seconds"].is_number()));
}

/// What was measured is printed, and the status says that it is not all.
#[test]
#[cfg(target_os = "linux")]
fn interrupted_measurements_have_status_1() {
    let args = ["bench", "kernels", "--only", "rotary,swiglu", "--json"];
    let mut child = osler(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Until it catches SIGINT, whose bit is the second.
    let id = child.id();
    let caught = || {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let mask =
            status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0").trim().to_owned();
        u64::from_str_radix(&mask, 16).unwrap() & 2 != 0
    };
    while !caught() {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before it could be interrupted");
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert_eq!(errors.lines().last(), Some("error: interrupted: not everything was measured"));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["interrupted"], true);
}

#[test]
fn kernels_refuse_what_they_cannot_measure() {
    let refuse = |status, more: &[&str]| refused(status, &[&["bench", "kernels"], more].concat());
    assert!(refuse(2, &["--only", "gemm"]).contains("unknown kernel `gemm`, legal are: linear, quantised"));
    assert!(refuse(2, &["--dtype", "q8"]).contains("--dtype"));
    assert!(refuse(2, &["--repeats", "0"]).contains("--repeats"));
    assert!(refuse(2, &["--memory", "--only", "head"]).contains("--only"));
    assert!(refuse(2, &["--memory-of", "head"]).contains("unknown subject `head`"));
    assert!(refuse(1, &["--kernels", "reference"]).contains("compared with"));
    #[cfg(not(feature = "cuda"))]
    assert!(refuse(1, &["--memory", "--device", "cuda"]).contains("--features cuda"));
    #[cfg(not(feature = "wgpu"))]
    assert!(refuse(1, &["--device", "wgpu"]).contains("--features wgpu"));
}

/// As `--memory` measures each subject.
#[test]
#[cfg(target_os = "linux")]
fn a_process_tells_what_one_subject_took() {
    let taken = json_of(&["bench", "kernels", "--memory-of", "plain-attention:512", "--threads", "2"], "");
    assert_eq!(keys(&taken), ["inputs_bytes", "gradients_bytes", "above_bytes"]);
    let tensor = 512 * 8 * 64 * 4;
    assert_eq!((&taken["inputs_bytes"], &taken["gradients_bytes"]), (&json!(4 * tensor), &json!(3 * tensor)));
    // Two matrices of scores at least.
    let scores = 8 * 512 * 512 * 4;
    assert!(taken["above_bytes"].as_u64().is_some_and(|bytes| bytes >= 2 * scores), "{taken}");
}
