//! Reads a Hugging Face `config.json`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use super::check::{
    MOST_HEAD_DIM, MOST_HEADS, MOST_HIDDEN, MOST_INTERMEDIATE, MOST_LAYERS, MOST_POSITIONS, MOST_VOCAB,
};
use super::fields::Fields;
use super::{Architecture, ConfigError, FloatType, JsonPairs, ModelConfig, rope};

/// Longest `config.json` that is read, in bytes; real ones hold a few thousand.
const LONGEST: u64 = 4 << 20;

/// Switches that change the computation and are not built: each must be absent, null, false, zero or empty.
const NOT_BUILT: [(&str, &str); 19] = [
    ("use_sliding_window", "false: sliding-window attention is not built"),
    ("mlp_bias", "false: biases in the MLP are not built"),
    ("quantization_config", "absent: give the unquantised checkpoint, or a GGUF file"),
    ("compression_config", "absent: compressed checkpoints are not read"),
    ("num_experts", "absent: mixtures of experts are not built"),
    ("num_local_experts", "absent: mixtures of experts are not built"),
    ("n_routed_experts", "absent: mixtures of experts are not built"),
    ("num_experts_per_tok", "absent: mixtures of experts are not built"),
    ("moe_intermediate_size", "absent: mixtures of experts are not built"),
    ("shared_expert_intermediate_size", "absent: mixtures of experts are not built"),
    ("attention_dropout", "0: attention dropout is not built"),
    ("use_mrope", "false: multimodal rotary embedding is not built"),
    ("vision_config", "absent: only text models are built"),
    ("text_config", "absent: only text models are built"),
    ("auto_map", "absent: the checkpoint brings code of its own, which is not run"),
    ("is_encoder_decoder", "false: only decoders are built"),
    ("add_cross_attention", "false: cross-attention is not built"),
    ("pruned_heads", "empty: pruned heads are not built"),
    ("per_layer_config", "absent: layers that differ from each other are not built"),
];

/// Fields that say nothing about the computation (or only how weights were first drawn), so they are not
/// listed as unread.
const HARMLESS: [&str; 11] = [
    "_name_or_path",
    "architectures",
    "initializer_range",
    "max_window_layers",
    "model_type",
    "return_dict",
    "sliding_window",
    "tokenizer_class",
    "transformers_version",
    "use_cache",
    "unk_token_id",
];

impl ModelConfig {
    /// Reads the `config.json` at `file`.
    pub fn open(file: &Path) -> Result<Self, ConfigError> {
        Self::from_hf_json(&read_text(file)?, file)
    }

    /// Reads the text of a `config.json`; `file` names it in errors. Every problem is reported at once.
    pub fn from_hf_json(text: &[u8], file: &Path) -> Result<Self, ConfigError> {
        let not_an_object = |reason: String| ConfigError::NotAnObject { file: file.to_owned(), reason };
        let pairs: JsonPairs<Value> =
            serde_json::from_slice(text).map_err(|error| not_an_object(error.to_string()))?;
        if let Some(name) = pairs.duplicate() {
            return Err(not_an_object(format!("the field `{name}` appears twice")));
        }
        read(pairs.0.into_iter().collect())
            .map_err(|problems| ConfigError::Fields { file: file.to_owned(), problems })
    }
}

/// The bytes of a `config.json`, refused where it is far longer than any.
pub(crate) fn read_text(file: &Path) -> Result<Vec<u8>, ConfigError> {
    let failed = |source| ConfigError::Read { file: file.to_owned(), source };
    let opened = File::open(file).map_err(failed)?;
    let bytes = opened.metadata().map_err(failed)?.len();
    if bytes > LONGEST {
        return Err(ConfigError::TooLong { file: file.to_owned(), bytes, limit: LONGEST });
    }
    let mut text = Vec::new();
    opened.take(LONGEST).read_to_end(&mut text).map_err(failed)?;
    Ok(text)
}

fn read(object: Map<String, Value>) -> Result<ModelConfig, Vec<super::FieldProblem>> {
    let mut fields = Fields::new("", object);
    let architecture = read_architecture(&mut fields);
    refuse_what_is_not_built(&mut fields);
    // Only defaults depend on the architecture; an unknown one is reported above and the rest is still looked
    // at.
    let family = architecture.unwrap_or(Architecture::Llama);
    let llama = family == Architecture::Llama;

    let hidden_size = fields.required_size("hidden_size", MOST_HIDDEN);
    let num_attention_heads = fields.required_size("num_attention_heads", MOST_HEADS);
    // Llama's reference falls back to the query heads; Qwen's falls back to 32, which is never meant.
    let num_key_value_heads = if llama && !fields.has("num_key_value_heads") {
        num_attention_heads
    } else {
        fields.required_size("num_key_value_heads", MOST_HEADS)
    };
    let head_dim = read_head_dim(&mut fields, family, hidden_size, num_attention_heads);
    let max_position_embeddings = fields.required_size("max_position_embeddings", MOST_POSITIONS);
    let rope = rope::read(&mut fields, max_position_embeddings);
    let attention_bias = family != Architecture::Qwen2 && fields.boolean("attention_bias").unwrap_or(false);

    let mut config = ModelConfig {
        architecture: family,
        vocab_size: fields.required_size("vocab_size", MOST_VOCAB),
        hidden_size,
        intermediate_size: fields.required_size("intermediate_size", MOST_INTERMEDIATE),
        num_hidden_layers: fields.required_size("num_hidden_layers", MOST_LAYERS),
        num_attention_heads,
        num_key_value_heads,
        head_dim,
        rms_norm_eps: fields.number("rms_norm_eps").unwrap_or(1e-6),
        rope_theta: rope.theta,
        rope_scaling: rope.scaling,
        max_position_embeddings,
        tie_word_embeddings: fields.boolean("tie_word_embeddings").unwrap_or(false),
        qkv_bias: family == Architecture::Qwen2 || attention_bias,
        o_bias: attention_bias,
        qk_norm: family == Architecture::Qwen3,
        dtype: read_dtype(&mut fields),
        bos_token_id: read_token(&mut fields, "bos_token_id", llama.then_some(1)),
        eos_token_ids: read_ends(&mut fields, llama),
        pad_token_id: fields.token("pad_token_id"),
        unread_fields: Vec::new(),
    };
    refuse_other_layers(&mut fields, config.num_hidden_layers);
    for problem in config.problems() {
        // A field that could not be read holds a stand-in, about which there is nothing more to say.
        if !fields.refused(&problem.field) {
            fields.problems.push(problem);
        }
    }
    let (left, problems) = fields.finish();
    if !problems.is_empty() {
        return Err(problems);
    }
    config.unread_fields = left.into_iter().map(|(name, _)| name).collect();
    config.unread_fields.retain(|name| !HARMLESS.contains(&name.as_str()));
    config.unread_fields.sort_unstable();
    Ok(config)
}

fn read_architecture(fields: &mut Fields) -> Option<Architecture> {
    let class_names = Architecture::ALL.map(Architecture::class_name).join(", ");
    let by_class = fields.take("architectures").map(|value| match value.as_array().map(Vec::as_slice) {
        Some([Value::String(class)]) => {
            Architecture::ALL.into_iter().find(|known| known.class_name() == class).ok_or(value)
        }
        _ => Err(value),
    });
    let by_type = fields.take("model_type").map(|value| {
        let known = Architecture::ALL.into_iter().find(|known| value.as_str() == Some(known.model_type()));
        known.ok_or(value)
    });
    match (by_class, by_type) {
        (Some(Err(found)), _) => {
            fields.refuse("architectures", found, format!("a list of one of {class_names}"));
            None
        }
        (_, Some(Err(found))) => {
            let types = Architecture::ALL.map(Architecture::model_type).join(", ");
            fields.refuse("model_type", found, format!("one of {types}"));
            None
        }
        (Some(Ok(class)), Some(Ok(kind))) if class != kind => {
            let legal = format!("{}, which goes with {}", class.model_type(), class.class_name());
            fields.refuse("model_type", kind.model_type(), legal);
            None
        }
        (Some(Ok(known)), _) | (None, Some(Ok(known))) => Some(known),
        (None, None) => {
            fields.refuse("architectures", "nothing", format!("a list of one of {class_names}"));
            None
        }
    }
}

fn refuse_what_is_not_built(fields: &mut Fields) {
    for (field, legal) in NOT_BUILT {
        if let Some(value) = fields.take(field).filter(in_use) {
            fields.refuse(field, value, legal);
        }
    }
    if let Some(act) = fields.take("hidden_act").filter(|act| act.as_str() != Some("silu")) {
        fields.refuse("hidden_act", act, "silu");
    }
    if let Some(ways) = fields.take("pretraining_tp").filter(|ways| ways.as_u64() != Some(1)) {
        fields.refuse("pretraining_tp", ways, "1: weights sliced for tensor parallelism are not built");
    }
}

/// Whether a switch is on: anything but false, zero and empty.
fn in_use(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(on) => *on,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => !object.is_empty(),
    }
}

fn refuse_other_layers(fields: &mut Fields, layers: usize) {
    let Some(kinds) = fields.take("layer_types") else { return };
    let legal = format!("a list of {layers} times full_attention");
    let Some(kinds) = kinds.as_array() else { return fields.refuse("layer_types", kinds, legal) };
    if let Some((layer, kind)) =
        kinds.iter().enumerate().find(|(_, kind)| kind.as_str() != Some("full_attention"))
    {
        fields.refuse(
            &format!("layer_types[{layer}]"),
            kind,
            "full_attention: no other kind of layer is built",
        );
    } else if kinds.len() != layers && layers != 0 {
        fields.refuse("layer_types", format!("a list of {}", kinds.len()), legal);
    }
}

fn read_head_dim(fields: &mut Fields, family: Architecture, hidden: usize, heads: usize) -> usize {
    if fields.has("head_dim") {
        return fields.size("head_dim", MOST_HEAD_DIM).unwrap_or(0);
    }
    if family == Architecture::Qwen3 {
        // The default of transformers' Qwen3Config, whatever the other sizes are.
        return 128;
    }
    if heads == 0 || hidden == 0 {
        return 0;
    }
    if !hidden.is_multiple_of(heads) {
        fields.refuse(
            "head_dim",
            "nothing",
            format!("a number, as hidden_size {hidden} is not a multiple of {heads} heads"),
        );
    }
    hidden / heads
}

fn read_dtype(fields: &mut Fields) -> Option<FloatType> {
    // transformers keeps `dtype` where a file has both.
    let (old, new) = (fields.string("torch_dtype"), fields.string("dtype"));
    let (field, name) = match (new, old) {
        (Some(name), _) => ("dtype", name),
        (None, Some(name)) => ("torch_dtype", name),
        (None, None) => return None,
    };
    let dtype = FloatType::from_torch_name(&name);
    if dtype.is_none() {
        fields.refuse(field, name, "float32, bfloat16 or float16");
    }
    dtype
}

/// A token id; `default` only where the field is absent, since an explicit null means "none".
fn read_token(fields: &mut Fields, field: &str, default: Option<u32>) -> Option<u32> {
    if fields.mentions(field) { fields.token(field) } else { default }
}

fn read_ends(fields: &mut Fields, llama: bool) -> Vec<u32> {
    if fields.mentions("eos_token_id") {
        fields.tokens("eos_token_id").unwrap_or_default()
    } else if llama {
        vec![2]
    } else {
        Vec::new()
    }
}
