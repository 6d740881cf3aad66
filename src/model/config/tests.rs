//! Configurations as they are found, and as they must not be.

use std::path::Path;

use serde_json::{Value, json};

use super::*;

/// Qwen2.5-7B-Instruct's own config.json, in the classic style.
fn qwen2() -> Value {
    json!({
        "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643,
        "eos_token_id": 151645, "hidden_act": "silu", "hidden_size": 3584, "initializer_range": 0.02,
        "intermediate_size": 18944, "max_position_embeddings": 32768, "max_window_layers": 28,
        "model_type": "qwen2", "num_attention_heads": 28, "num_hidden_layers": 28, "num_key_value_heads": 4,
        "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 131072, "tie_word_embeddings": false,
        "torch_dtype": "bfloat16", "transformers_version": "4.43.1", "use_cache": true,
        "use_sliding_window": false, "vocab_size": 152064
    })
}

/// A Qwen3 configuration in the style of transformers 5.
fn qwen3() -> Value {
    json!({
        "architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
        "bos_token_id": 151643, "dtype": "bfloat16", "eos_token_id": [151645, 151643], "head_dim": 128,
        "hidden_act": "silu", "hidden_size": 1024, "intermediate_size": 3072,
        "layer_types": ["full_attention", "full_attention"], "max_position_embeddings": 40960,
        "model_type": "qwen3", "num_attention_heads": 16, "num_hidden_layers": 2, "num_key_value_heads": 8,
        "pad_token_id": null, "rms_norm_eps": 1e-06,
        "rope_parameters": { "rope_theta": 1000000, "rope_type": "default" },
        "sliding_window": null, "tie_word_embeddings": true, "use_sliding_window": false, "vocab_size": 151936
    })
}

fn llama() -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 128256, "hidden_size": 2048,
        "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8,
        "max_position_embeddings": 131072, "rope_theta": 500000.0, "tie_word_embeddings": true,
        "bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009], "mlp_bias": false, "pretraining_tp": 1,
        "rope_scaling": {
            "factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192, "rope_type": "llama3"
        }
    })
}

fn parse(json: &Value) -> Result<ModelConfig, ConfigError> {
    ModelConfig::from_hf_json(json.to_string().as_bytes(), Path::new("config.json"))
}

/// The fields that are refused after `base` was changed by `patch`.
fn refused(mut base: Value, patch: Value) -> Vec<String> {
    for (field, value) in patch.as_object().unwrap() {
        base[field] = value.clone();
    }
    match parse(&base) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Fields { problems, .. }) => {
            problems.into_iter().map(|problem| problem.field).collect()
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_qwen2_file_with_an_unused_window_is_read() {
    let config = parse(&qwen2()).unwrap();
    assert_eq!((config.architecture, config.head_dim), (Architecture::Qwen2, 128));
    assert_eq!((config.qkv_bias, config.o_bias, config.qk_norm), (true, false, false));
    assert_eq!((config.dtype, config.eos_token_ids.as_slice()), (Some(FloatType::BF16), &[151645][..]));
    assert_eq!(config.num_parameters(), 7_615_616_512);
    assert!(config.unread_fields.is_empty(), "{:?}", config.unread_fields);
}

#[test]
fn a_qwen3_file_of_transformers_5_is_read() {
    let config = parse(&qwen3()).unwrap();
    assert_eq!((config.head_dim, config.rope_theta), (128, 1e6));
    assert!(config.qk_norm && !config.qkv_bias && config.tie_word_embeddings);
    assert_eq!(config.eos_token_ids, [151645, 151643]);
    let shapes: Vec<_> = config.tensors().into_iter().map(|spec| (spec.name, spec.shape)).collect();
    assert!(shapes.contains(&("model.layers.1.self_attn.q_norm.weight".to_owned(), vec![128])));
    assert!(shapes.contains(&("model.layers.1.self_attn.o_proj.weight".to_owned(), vec![1024, 2048])));
    assert!(!shapes.iter().any(|(name, _)| name == "lm_head.weight"));
}

#[test]
fn a_llama_file_is_read_with_its_scaling() {
    let config = parse(&llama()).unwrap();
    assert_eq!(config.num_parameters(), 1_235_814_400);
    assert!(matches!(config.rope_scaling, RopeScaling::Llama3 { factor: 32.0, .. }));
    assert_eq!((config.rms_norm_eps, config.dtype), (1e-6, None));
}

#[test]
fn num_parameters_is_the_sum_over_tensors() {
    for json in [qwen2(), qwen3(), llama()] {
        let config = parse(&json).unwrap();
        let sum: usize = config.tensors().iter().map(TensorSpec::elements).sum();
        assert_eq!(config.num_parameters(), sum as u64);
    }
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    let patches = [
        json!({ "use_sliding_window": true }),
        json!({ "mlp_bias": true }),
        json!({ "quantization_config": { "quant_method": "gptq" } }),
        json!({ "num_experts": 8 }),
        json!({ "hidden_act": "gelu" }),
        json!({ "pretraining_tp": 2 }),
        json!({ "partial_rotary_factor": 0.5 }),
        json!({ "attention_dropout": 0.1 }),
        json!({ "auto_map": { "AutoModelForCausalLM": "modeling.X" } }),
        json!({ "torch_dtype": "float8" }),
        json!({ "use_mrope": true }),
    ];
    for patch in patches {
        let field = patch.as_object().unwrap().keys().next().unwrap().clone();
        assert_eq!(refused(qwen2(), patch), [field]);
    }
    assert_eq!(
        refused(qwen3(), json!({ "layer_types": ["full_attention", "sliding_attention"] })),
        ["layer_types[1]"]
    );
    assert_eq!(refused(qwen3(), json!({ "layer_types": ["full_attention"] })), ["layer_types"]);
    assert_eq!(refused(qwen2(), json!({ "architectures": ["MistralForCausalLM"] })), ["architectures"]);
    assert_eq!(refused(qwen2(), json!({ "model_type": "qwen3" })), ["model_type"]);
}

#[test]
fn rope_kinds_that_are_not_built_are_refused_by_name() {
    let rope = |value: Value| refused(qwen2(), json!({ "rope_scaling": value }));
    assert_eq!(
        rope(json!({ "type": "dynamic", "factor": 2.0 })),
        ["rope_scaling.rope_type", "rope_scaling.factor"]
    );
    assert_eq!(rope(json!({ "rope_type": "linear" })), ["rope_scaling.factor"]);
    assert_eq!(rope(json!({ "rope_type": "linear", "factor": 0.5 })), ["rope_scaling.factor"]);
    assert_eq!(
        rope(json!({ "type": "default", "mrope_section": [16, 24, 24] })),
        ["rope_scaling.mrope_section"]
    );
    assert_eq!(rope(json!({ "type": "yarn", "rope_type": "linear", "factor": 2 })), ["rope_scaling.type"]);
    assert_eq!(rope(json!({ "rope_type": "linear", "factor": 2, "partial_rotary_factor": 0.5 })).len(), 1);
    assert_eq!(rope(json!({ "rope_type": "llama3", "factor": 8.0 })).len(), 2);
    assert!(rope(json!({})).is_empty(), "an empty object means none, as in transformers");
}

#[test]
fn every_problem_is_reported_at_once() {
    let patch = json!({ "hidden_act": "gelu", "num_key_value_heads": 5, "vocab_size": 0, "rms_norm_eps": "tiny",
        "use_sliding_window": true, "eos_token_id": [1, "two"] });
    let mut fields = refused(qwen2(), patch);
    fields.sort();
    let expected = [
        "eos_token_id",
        "hidden_act",
        "num_key_value_heads",
        "rms_norm_eps",
        "use_sliding_window",
        "vocab_size",
    ];
    // A vocabulary of unknown size says nothing about the token ids.
    fields.retain(|field| field != "bos_token_id");
    assert_eq!(fields, expected);
}

#[test]
fn messages_name_field_found_and_legal() {
    let mut json = qwen2();
    json["num_key_value_heads"] = json!(5);
    let message = parse(&json).unwrap_err().to_string();
    assert_eq!(
        message,
        "config.json cannot be used, for 1 reason(s):\n  - `num_key_value_heads` is 5; legal: a divisor of num_attention_heads (28)"
    );
}

#[test]
fn sizes_that_would_overflow_are_refused() {
    for field in ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "head_dim"] {
        for size in [json!(u64::MAX), json!(1u64 << 40), json!(0), json!(-3), json!(1.5), json!("many")] {
            let problems = refused(qwen2(), json!({ field: size }));
            assert!(problems.contains(&field.to_owned()), "{field} {size}: {problems:?}");
        }
    }
    assert!(refused(qwen2(), json!({ "head_dim": 127 })).contains(&"head_dim".to_owned()));
}

#[test]
fn a_field_given_twice_is_refused() {
    let text = br#"{"hidden_size": 8, "hidden_size": 16}"#;
    let error = ModelConfig::from_hf_json(text, Path::new("config.json")).unwrap_err();
    assert!(error.to_string().contains("`hidden_size` appears twice"), "{error}");
}

#[test]
fn what_is_written_reads_back_the_same() {
    let mut yarn = qwen2();
    yarn["rope_scaling"] = json!({ "type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768,
        "attention_factor": 1.25, "mscale": 0.7, "mscale_all_dim": 0.9, "truncate": false });
    let mut linear = llama();
    linear["rope_scaling"] = json!({ "type": "linear", "factor": 2.5 });
    linear["attention_bias"] = json!(true);
    for json in [qwen2(), qwen3(), llama(), yarn, linear] {
        let config = parse(&json).unwrap();
        let written = config.to_hf_json(FloatType::F16);
        let again = ModelConfig::from_hf_json(written.as_bytes(), Path::new("written")).unwrap();
        assert_eq!(again, ModelConfig { dtype: Some(FloatType::F16), ..config });
    }
}

#[test]
fn a_config_made_by_hand_is_checked() {
    let good = parse(&qwen2()).unwrap();
    good.validate(Path::new("quickstart.toml")).unwrap();
    let bad = ModelConfig { qk_norm: true, o_bias: true, rope_theta: f64::NAN, ..good };
    let Err(ConfigError::Fields { problems, .. }) = bad.validate(Path::new("quickstart.toml")) else {
        panic!()
    };
    let fields: Vec<_> = problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(fields, ["rope_theta", "qk_norm", "attention_bias"]);
}

/// Frequencies that transformers 5.23 computes (`ROPE_INIT_FUNCTIONS`), by `tests/fixtures/make_tiny_models.py`.
#[test]
fn rope_frequencies_equal_those_of_transformers() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rope_expected.json");
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(cases.len() >= 13);
    for case in cases {
        let (name, parameters) = (&case["name"], &case["rope_parameters"]);
        let mut json = llama();
        let fields = json.as_object_mut().unwrap();
        fields.remove("rope_scaling");
        fields.remove("rope_theta");
        for field in ["head_dim", "max_position_embeddings", "rope_parameters"] {
            fields.insert(field.to_owned(), case[field].clone());
        }
        // The same parameters under the keys of transformers 4.
        let mut classic = json.clone();
        let fields = classic.as_object_mut().unwrap();
        let mut scaling = fields.remove("rope_parameters").unwrap();
        let theta = scaling.as_object_mut().unwrap().remove("rope_theta").unwrap();
        fields.insert("rope_theta".to_owned(), theta);
        fields.insert("rope_scaling".to_owned(), scaling);
        for json in [json, classic] {
            let found = parse(&json).unwrap().rope_frequencies();
            let expected: Vec<f64> = serde_json::from_value(case["inv_freq"].clone()).unwrap();
            assert_eq!(found.inv_freq.len(), expected.len());
            for (found, expected) in found.inv_freq.iter().zip(&expected) {
                let relative = (f64::from(*found) / expected - 1.0).abs();
                assert!(relative < 1e-6, "{name}, {parameters}: {found} vs {expected}");
            }
            let factor = case["attention_scaling"].as_f64().unwrap();
            assert!((found.attention_factor - factor).abs() < 1e-12, "{name}");
        }
    }
}

/// As above; an explicit null factor means the ratio of the two context lengths.
#[test]
fn a_yarn_factor_of_null_is_the_ratio_of_the_context_lengths() {
    let frequencies = |factor: Value| {
        let mut json = qwen2();
        json["rope_scaling"] =
            json!({ "type": "yarn", "factor": factor, "original_max_position_embeddings": 8192 });
        parse(&json).unwrap().rope_frequencies()
    };
    assert_eq!(frequencies(Value::Null).inv_freq, frequencies(json!(4.0)).inv_freq);
    assert_eq!(frequencies(Value::Null).attention_factor, frequencies(json!(4.0)).attention_factor);
}
