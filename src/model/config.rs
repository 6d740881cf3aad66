//! What a decoder is made of: the sizes and switches of a Qwen2, Qwen3 or Llama model.
//!
//! A [`ModelConfig`] is read from a Hugging Face `config.json` of either style (classic `rope_theta` /
//! `rope_scaling` / `torch_dtype`, or the `rope_parameters` / `dtype` that transformers 5 writes), from the
//! metadata of a GGUF file (`crate::model::weights`), or filled in by hand and checked with
//! [`ModelConfig::validate`]. Whatever changes the computation and is not built here is refused by name;
//! nothing of that kind is skipped.

mod check;
mod error;
mod fields;
mod float_type;
mod json_pairs;
mod parse;
mod rope;
mod tensors;
#[cfg(test)]
mod tests;
mod write;

pub use error::{ConfigError, FieldProblem};
pub use float_type::FloatType;
pub(crate) use json_pairs::JsonPairs;
pub(crate) use parse::read_text;
pub use rope::{RopeFrequencies, RopeScaling};
pub use tensors::TensorSpec;

/// The decoder families whose forward pass exists here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// `Qwen2ForCausalLM`: biases on q, k, v and none on o. Qwen2, Qwen2.5, Baichuan-M2.
    Qwen2,
    /// `Qwen3ForCausalLM`: RMSNorm over each query and key head, a head size of its own.
    Qwen3,
    /// `LlamaForCausalLM`: no biases as a rule. Llama 2 and 3, SmolLM2.
    Llama,
}

impl Architecture {
    /// Every architecture, for messages that say what is legal.
    pub const ALL: [Self; 3] = [Self::Qwen2, Self::Qwen3, Self::Llama];

    /// The class name in `config.json`'s `architectures`.
    pub fn class_name(self) -> &'static str {
        match self {
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Qwen3 => "Qwen3ForCausalLM",
            Self::Llama => "LlamaForCausalLM",
        }
    }

    /// `model_type` in `config.json`, which is also `general.architecture` in GGUF.
    pub fn model_type(self) -> &'static str {
        match self {
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Llama => "llama",
        }
    }
}

/// The sizes and switches of one decoder-only model.
///
/// Shapes below use `[rows, columns]` of the stored weight, as Hugging Face stores it: `[out, in]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// Which forward pass this is.
    pub architecture: Architecture,
    /// Rows of the embedding table, padding rows included.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the gated MLP.
    pub intermediate_size: usize,
    /// Decoder layers.
    pub num_hidden_layers: usize,
    /// Query heads a layer.
    pub num_attention_heads: usize,
    /// Key and value heads a layer; divides `num_attention_heads`.
    pub num_key_value_heads: usize,
    /// Width of one head; even, since rotary embedding turns pairs.
    pub head_dim: usize,
    /// Added to the mean square inside RMSNorm.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// How the rotary frequencies are stretched for longer contexts.
    pub rope_scaling: RopeScaling,
    /// Longest sequence the model was made for, in tokens.
    pub max_position_embeddings: usize,
    /// Whether the output head is the embedding table itself (then there is no `lm_head.weight`).
    pub tie_word_embeddings: bool,
    /// Whether q, k and v projections add a bias.
    pub qkv_bias: bool,
    /// Whether the o projection adds a bias.
    pub o_bias: bool,
    /// Whether each query and key head is RMS-normalised before rotary embedding.
    pub qk_norm: bool,
    /// The float type the file says its weights were saved in, where it says so.
    pub dtype: Option<FloatType>,
    /// Token that begins a text, where there is one.
    pub bos_token_id: Option<u32>,
    /// Tokens that end a turn; empty where the file names none.
    pub eos_token_ids: Vec<u32>,
    /// Token that fills short rows of a batch, where there is one.
    pub pad_token_id: Option<u32>,
    /// Fields of `config.json` that no code here reads because the architecture's own reference does not
    /// either (names only, sorted), so that `osler inspect` can show them.
    pub unread_fields: Vec<String>,
}

impl ModelConfig {
    /// Width of all query heads together, which is the input width of the o projection.
    pub fn query_size(&self) -> usize {
        self.num_attention_heads * self.head_dim
    }

    /// Width of all key (or value) heads together.
    pub fn key_value_size(&self) -> usize {
        self.num_key_value_heads * self.head_dim
    }
}
