//! The configuration that a GGUF file's metadata describes.

use std::collections::BTreeSet;

use super::super::WeightsError;
use super::metadata::describe;
use super::{GgufFile, GgufValue};
use crate::model::config::{Architecture, ConfigError, FieldProblem, ModelConfig, RopeScaling};
use crate::model::weights::StoredType;
use crate::model::weights::quants;

/// Hugging Face's fields and the keys they are read from, below the architecture's prefix, for messages.
const KEYS: [(&str, &str); 9] = [
    ("hidden_size", "embedding_length"),
    ("intermediate_size", "feed_forward_length"),
    ("num_hidden_layers", "block_count"),
    ("num_attention_heads", "attention.head_count"),
    ("num_key_value_heads", "attention.head_count_kv"),
    ("head_dim", "attention.key_length"),
    ("rms_norm_eps", "attention.layer_norm_rms_epsilon"),
    ("rope_theta", "rope.freq_base"),
    ("max_position_embeddings", "context_length"),
];

/// Keys below the architecture's prefix that do not change the computation.
const HARMLESS: [&str; 3] = ["rope.scaling.finetuned", "tensor_data_layout", "initializer_range"];

/// Keys that change the computation unless they hold this value.
const NEUTRAL: [(&str, f64); 10] = [
    ("expert_count", 0.0),
    ("expert_used_count", 0.0),
    ("attention.sliding_window", 0.0),
    ("attention.causal", 1.0),
    ("pooling_type", 0.0),
    ("rope.scaling.attn_factor", 1.0),
    ("rope.scaling.yarn_attn_factor", 1.0),
    ("rope.scaling.yarn_ext_factor", 1.0),
    ("rope.scaling.yarn_log_multiplier", 0.0),
    ("logit_scale", 1.0),
];

/// Reads the hyperparameters of a `llama`, `qwen2` or `qwen3` file; every problem is reported at once.
pub(in crate::model::weights) fn read_config(file: &GgufFile) -> Result<ModelConfig, WeightsError> {
    let architectures = Architecture::ALL.map(Architecture::model_type).join(", ");
    let name = file.metadata.string("general.architecture")?;
    let found = || name.map_or("nothing".to_owned(), |name| format!("the text {name:?}"));
    let Some(architecture) = Architecture::ALL.into_iter().find(|known| name == Some(known.model_type()))
    else {
        return Err(file.metadata.illegal(
            "general.architecture",
            found(),
            &format!("one of {architectures}"),
        ));
    };
    let mut keys =
        Keys { file, prefix: architecture.model_type(), read: BTreeSet::new(), problems: Vec::new() };
    let config = keys.config(architecture);
    keys.refuse_the_rest();
    let mut problems = keys.problems;
    if problems.is_empty() {
        // Only then: a key that could not be read left a stand-in that would be reported a second time.
        problems = config.problems();
        for problem in &mut problems {
            if let Some((_, key)) = KEYS.into_iter().find(|(field, _)| *field == problem.field) {
                problem.field = format!("{}.{key}", architecture.model_type());
            }
        }
    }
    if problems.is_empty() {
        return Ok(config);
    }
    Err(ConfigError::Fields { file: file.image.path.clone(), problems }.into())
}

struct Keys<'a> {
    file: &'a GgufFile,
    prefix: &'static str,
    /// Keys that were read, without the prefix.
    read: BTreeSet<String>,
    problems: Vec<FieldProblem>,
}

impl<'a> Keys<'a> {
    fn config(&mut self, architecture: Architecture) -> ModelConfig {
        let hidden_size = self.required_size("embedding_length");
        let num_attention_heads = self.required_size("attention.head_count");
        let num_key_value_heads = self.size("attention.head_count_kv").unwrap_or(num_attention_heads);
        let head_dim = self.head_dim(hidden_size, num_attention_heads);
        let max_position_embeddings = self.required_size("context_length");
        let rope_theta = self.number("rope.freq_base").unwrap_or(10_000.0);
        let rope_scaling = self.rope_scaling();
        let bias = |name: &str| self.file.tensor(name).is_some();
        let qwen2 = architecture == Architecture::Qwen2;
        // The formats' converters write a bias only where the model has one; each missing one is reported by
        // name later.
        let (qkv_bias, o_bias) =
            (qwen2 || bias("blk.0.attn_q.bias"), !qwen2 && bias("blk.0.attn_output.bias"));
        let end = self.token("eos_token_id");
        let turn_end = self.token("eot_token_id").filter(|id| Some(*id) != end);
        let mut config = ModelConfig {
            architecture,
            vocab_size: self.vocab_size(),
            hidden_size,
            intermediate_size: self.required_size("feed_forward_length"),
            num_hidden_layers: self.required_size("block_count"),
            num_attention_heads,
            num_key_value_heads,
            head_dim,
            rms_norm_eps: self.number("attention.layer_norm_rms_epsilon").unwrap_or_else(|| {
                self.missing("attention.layer_norm_rms_epsilon", "a number above 0");
                1e-6
            }),
            rope_theta,
            rope_scaling,
            max_position_embeddings,
            tie_word_embeddings: self.file.tensor("output.weight").is_none(),
            qkv_bias,
            o_bias,
            qk_norm: architecture == Architecture::Qwen3,
            dtype: None,
            bos_token_id: self.token("bos_token_id"),
            eos_token_ids: end.into_iter().chain(turn_end).collect(),
            pad_token_id: self.token("padding_token_id"),
            unread_fields: Vec::new(),
        };
        if self.problems.is_empty() {
            self.rope_table(&mut config);
        }
        config
    }

    fn head_dim(&mut self, hidden: usize, heads: usize) -> usize {
        let derived = if heads != 0 && hidden.is_multiple_of(heads) { Some(hidden / heads) } else { None };
        let Some(head_dim) = self.size("attention.key_length").or(derived) else {
            if heads != 0 {
                self.missing(
                    "attention.key_length",
                    "a number, as embedding_length is no multiple of head_count",
                );
            }
            return 0;
        };
        for same in ["attention.value_length", "rope.dimension_count"] {
            if let Some(found) = self.size(same).filter(|found| *found != head_dim) {
                self.refuse(same, found, format!("the head size, {head_dim}"));
            }
        }
        head_dim
    }

    /// The number of tokens in the file's tokenizer, and `vocab_size` where the file has no tokenizer.
    fn vocab_size(&mut self) -> usize {
        let own = self.size("vocab_size");
        let key = "tokenizer.ggml.tokens";
        let Some(value) = self.file.metadata.get(key) else {
            return own.unwrap_or_else(|| {
                self.missing("vocab_size", "a whole number above 0, where the file has no tokenizer");
                0
            });
        };
        let Some(tokens) = value.as_array().map(super::GgufArray::len) else {
            self.problems.push(FieldProblem::new(key, describe(value), "a list of strings"));
            return 0;
        };
        if let Some(own) = own.filter(|own| *own != tokens) {
            self.refuse("vocab_size", own, format!("{tokens}, the number of tokens in the file"));
        }
        tokens
    }

    fn rope_scaling(&mut self) -> RopeScaling {
        let kind = self.value("rope.scaling.type");
        let factor = self.number("rope.scaling.factor");
        let original = self.size("rope.scaling.original_context_length");
        let beta_fast = self.number("rope.scaling.yarn_beta_fast").unwrap_or(32.0);
        let beta_slow = self.number("rope.scaling.yarn_beta_slow").unwrap_or(1.0);
        let kind = kind.map(|kind| kind.as_str().map_or_else(|| describe(kind), str::to_owned));
        match (kind.as_deref(), factor) {
            // llama.cpp takes a missing kind with a factor for linear scaling; a factor of 0 or 1 means none.
            (Some("none"), _) | (None, None) => RopeScaling::None,
            (None | Some("linear"), Some(factor)) if factor == 0.0 || factor == 1.0 => RopeScaling::None,
            (None | Some("linear"), Some(factor)) => RopeScaling::Linear { factor },
            (Some("yarn"), Some(factor)) => RopeScaling::Yarn {
                factor,
                original_max_position_embeddings: original.unwrap_or_else(|| {
                    self.missing("rope.scaling.original_context_length", "a whole number above 0, with yarn");
                    1
                }),
                attention_factor: None,
                beta_fast,
                beta_slow,
                mscale: None,
                mscale_all_dim: None,
                truncate: true,
            },
            (Some("linear" | "yarn"), None) => {
                self.missing("rope.scaling.factor", "a number of at least 1");
                RopeScaling::None
            }
            (Some(other), _) => {
                self.refuse("rope.scaling.type", other, "none, linear or yarn");
                RopeScaling::None
            }
        }
    }

    /// Converters write Llama 3.1's scaling as a table of divisors, one for each rotary pair. All models of
    /// that family use the same bounds (1, 4 and 8192 tokens), so the factor is the table's largest entry; a
    /// table that these four numbers do not give back is refused.
    fn rope_table(&mut self, config: &mut ModelConfig) {
        const NAME: &str = "rope_freqs.weight";
        const SAME: f32 = 1e-4;
        let Some(tensor) = self.file.tensor(NAME) else { return };
        let legal = "absent, or the table of Llama 3.1's scaling (low_freq_factor 1, high_freq_factor 4, \
                     original_max_position_embeddings 8192)";
        let pairs = config.head_dim / 2;
        if config.rope_scaling != RopeScaling::None
            || tensor.stored != StoredType::F32
            || tensor.shape != [pairs]
        {
            let found = format!("{} of shape {:?}", tensor.stored, tensor.shape);
            return self.problems.push(FieldProblem::new(NAME, found, legal));
        }
        let mut table = vec![0f32; pairs];
        quants::to_f32(tensor.stored, &self.file.image.bytes[tensor.range.clone()], &mut table);
        let factor = table.iter().copied().fold(1.0, f32::max);
        if table.iter().all(|divisor| *divisor == 1.0) {
            return;
        }
        let plain = config.rope_frequencies().inv_freq;
        config.rope_scaling = RopeScaling::Llama3 {
            factor: f64::from(factor),
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_position_embeddings: 8192,
        };
        let scaled = config.rope_frequencies().inv_freq;
        let fits =
            |((plain, scaled), divisor): ((&f32, &f32), &f32)| (plain / scaled / divisor - 1.0).abs() < SAME;
        if !plain.iter().zip(&scaled).zip(&table).all(fits) {
            config.rope_scaling = RopeScaling::None;
            self.problems.push(FieldProblem::new(NAME, "a table of another scaling", legal));
        }
    }

    /// Refuses keys of the architecture that nobody read, unless they are known to change nothing.
    fn refuse_the_rest(&mut self) {
        for (key, neutral) in NEUTRAL {
            if let Some(value) = self.value(key) {
                let found = value.as_f64().or(value.as_bool().map(|on| f64::from(u8::from(on))));
                if found != Some(neutral) {
                    self.refuse(
                        key,
                        describe(value),
                        format!("absent or {neutral}: anything else is not built"),
                    );
                }
            }
        }
        let prefix = format!("{}.", self.prefix);
        for (key, value) in self.file.metadata.iter() {
            let Some(own) = key.strip_prefix(&prefix) else { continue };
            if !HARMLESS.contains(&own) && !self.read.contains(own) {
                self.problems.push(FieldProblem::new(
                    key,
                    describe(value),
                    "absent: its meaning is not known here",
                ));
            }
        }
        if let Some(count) =
            self.file.metadata.get("split.count").filter(|count| count.as_u64().is_none_or(|count| count > 1))
        {
            let legal = "absent or 1: join the parts with llama-gguf-split --merge";
            self.problems.push(FieldProblem::new("split.count", describe(count), legal));
        }
    }

    fn value(&mut self, key: &str) -> Option<&'a GgufValue> {
        self.read.insert(key.to_owned());
        self.file.metadata.get(&format!("{}.{key}", self.prefix))
    }

    fn typed<T>(&mut self, key: &str, legal: &str, convert: impl Fn(&GgufValue) -> Option<T>) -> Option<T> {
        let value = self.value(key)?;
        let converted = convert(value);
        if converted.is_none() {
            self.refuse(key, describe(value), legal);
        }
        converted
    }

    fn size(&mut self, key: &str) -> Option<usize> {
        let convert = |value: &GgufValue| usize::try_from(value.as_u64()?).ok().filter(|size| *size > 0);
        self.typed(key, "one whole number above 0", convert)
    }

    fn number(&mut self, key: &str) -> Option<f64> {
        self.typed(key, "a number", |value| value.as_f64().filter(|number| number.is_finite()))
    }

    fn required_size(&mut self, key: &str) -> usize {
        let known = self.problems.len();
        self.size(key).unwrap_or_else(|| {
            if self.problems.len() == known {
                self.missing(key, "a whole number above 0");
            }
            0
        })
    }

    fn token(&mut self, name: &str) -> Option<u32> {
        let key = format!("tokenizer.ggml.{name}");
        let value = self.file.metadata.get(&key)?;
        let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
        if id.is_none() {
            self.problems.push(FieldProblem::new(key, describe(value), "a token id"));
        }
        id
    }

    fn missing(&mut self, key: &str, legal: &str) {
        self.refuse(key, "nothing", legal);
    }

    fn refuse(&mut self, key: &str, found: impl std::fmt::Display, legal: impl Into<String>) {
        self.problems.push(FieldProblem::new(format!("{}.{key}", self.prefix), found, legal));
    }
}
