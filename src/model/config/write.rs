//! Writes a configuration as a `config.json`.

use serde_json::{Map, Value, json};

use super::{Architecture, FloatType, ModelConfig, RopeScaling};

impl ModelConfig {
    /// A `config.json` that transformers, vLLM and llama.cpp's converter load with no flag; `dtype` is what
    /// the weights beside it are stored in.
    ///
    /// It is written in the classic style (`rope_theta`, `rope_scaling`, `torch_dtype`), which transformers 4
    /// and 5 both read; the style of transformers 5 would lock older readers out.
    pub fn to_hf_json(&self, dtype: FloatType) -> String {
        let mut json = json!({
            "architectures": [self.architecture.class_name()],
            "model_type": self.architecture.model_type(),
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "rms_norm_eps": self.rms_norm_eps,
            "rope_theta": self.rope_theta,
            "rope_scaling": self.rope_scaling.to_json(),
            "max_position_embeddings": self.max_position_embeddings,
            "tie_word_embeddings": self.tie_word_embeddings,
            "attention_dropout": 0.0,
            "torch_dtype": dtype.torch_name(),
            "bos_token_id": self.bos_token_id,
            "eos_token_id": self.ends_as_json(),
            "pad_token_id": self.pad_token_id,
            "use_cache": true,
        });
        match self.architecture {
            Architecture::Qwen2 => json["use_sliding_window"] = json!(false),
            Architecture::Qwen3 => {
                json["attention_bias"] = json!(self.qkv_bias);
                json["use_sliding_window"] = json!(false);
            }
            Architecture::Llama => {
                json["attention_bias"] = json!(self.qkv_bias);
                json["mlp_bias"] = json!(false);
            }
        }
        format!("{json:#}\n")
    }

    /// A `generation_config.json` made from the token ids; `None` where the model names none.
    pub fn to_generation_json(&self) -> Option<String> {
        let mut json = Map::new();
        let ids = [("bos_token_id", json!(self.bos_token_id)), ("eos_token_id", self.ends_as_json())];
        for (field, id) in ids.into_iter().chain([("pad_token_id", json!(self.pad_token_id))]) {
            if !id.is_null() {
                json.insert(field.to_owned(), id);
            }
        }
        (!json.is_empty()).then(|| format!("{:#}\n", Value::Object(json)))
    }

    fn ends_as_json(&self) -> Value {
        match self.eos_token_ids.as_slice() {
            [] => Value::Null,
            [one] => json!(one),
            several => json!(several),
        }
    }
}

impl RopeScaling {
    fn to_json(&self) -> Value {
        match self {
            Self::None => Value::Null,
            Self::Linear { factor } => json!({ "rope_type": "linear", "factor": factor }),
            Self::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } => {
                json!({
                    "rope_type": "llama3",
                    "factor": factor,
                    "low_freq_factor": low_freq_factor,
                    "high_freq_factor": high_freq_factor,
                    "original_max_position_embeddings": original_max_position_embeddings,
                })
            }
            Self::Yarn {
                factor,
                original_max_position_embeddings,
                attention_factor,
                beta_fast,
                beta_slow,
                mscale,
                mscale_all_dim,
                truncate,
            } => {
                let mut json = json!({
                    "rope_type": "yarn",
                    "factor": factor,
                    "original_max_position_embeddings": original_max_position_embeddings,
                    "beta_fast": beta_fast,
                    "beta_slow": beta_slow,
                });
                let optional = [
                    ("attention_factor", attention_factor),
                    ("mscale", mscale),
                    ("mscale_all_dim", mscale_all_dim),
                ];
                for (field, value) in optional {
                    if let Some(value) = value {
                        json[field] = json!(value);
                    }
                }
                // Left out where it has its default, since vLLM knows no such key.
                if !truncate {
                    json["truncate"] = json!(false);
                }
                json
            }
        }
    }
}
