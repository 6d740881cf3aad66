//! Which model is trained, and with what tokenizer.

use std::path::PathBuf;

use super::legal::{Bound, Legal};
use super::part::named;
use super::section::section;
use crate::model::adapter::Projection;
use crate::model::config::{Architecture, FloatType, ModelConfig, RopeScaling};

named!(FloatType, FLOATS: "f32" => FloatType::F32, "bf16" => FloatType::BF16);

named!(
    Architecture, ARCHITECTURES:
    "qwen2" => Architecture::Qwen2, "qwen3" => Architecture::Qwen3, "llama" => Architecture::Llama,
);

/// Which weights change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Adapter {
    /// All of them.
    None,
    /// Only low-rank matrices added to projections (LoRA, arXiv 2106.09685).
    Lora,
}

named!(Adapter, ADAPTERS: "none" => Adapter::None, "lora" => Adapter::Lora);

section! {
    /// The model. With `path` its weights are read; without, it is made from scratch in the form `[model.shape]` says. With
    /// both, the shape is what the file is expected to hold: the plan is made of it while the file is not there, and a file
    /// of another shape is refused.
    pub struct Model {
        /// A Hugging Face folder, a safetensors file beside its `config.json`, or a GGUF file.
        path: Option<PathBuf>, Legal::PATH, "", "no default";
        /// The sizes of the model. Must be given where `path` is not.
        shape: Option<Shape>, Legal::Table, "", "no default";
        /// The float type that weights are kept in while training, and that the trained model is written in. Adapters,
        /// gradients and moments are f32 whatever it says; where all weights are trained in `bf16`, AdamW steps f32 master
        /// weights and they are the rounding of these. On `cuda`, activations are in it, too; `wgpu` has no `bf16`.
        dtype: FloatType = FloatType::F32, Legal::Choice(FLOATS), "", "chosen here: f32 repeats bit for bit on the CPU";
        /// Which weights change: all (`none`), or only low-rank matrices added to projections (`lora`). The latter are
        /// written in peft's form beside the trained model, which has them merged in.
        adapter: Adapter = Adapter::None, Legal::Choice(ADAPTERS), "",
            "the Baichuan-M2 report trains all weights";
        /// The low-rank matrices, used where `adapter` is `lora`.
        lora: Lora, Legal::Table, "", "no default";
    }
}

section! {
    /// The sizes of a decoder.
    pub struct Shape {
        /// Which forward pass it has: `qwen2` (biases on q, k, v), `qwen3` (normed heads), `llama` (neither).
        architecture: Architecture = Architecture::Qwen2, Legal::Choice(ARCHITECTURES), "",
            "the Baichuan-M2 report starts from Qwen2.5";
        /// Width of the residual stream.
        hidden_size: usize, Legal::Whole { least: 1, most: 1 << 20 }, "", "no default";
        /// Decoder layers.
        layers: usize, Legal::Whole { least: 1, most: 1 << 10 }, "", "no default";
        /// Query heads a layer.
        heads: usize, Legal::Whole { least: 1, most: 1 << 12 }, "", "no default";
        /// Key and value heads a layer; divides `heads`.
        kv_heads: usize, Legal::Whole { least: 1, most: 1 << 12 }, "", "no default";
        /// Width of one head, an even number; where absent, `hidden_size / heads`.
        head_dim: Option<usize>, Legal::Whole { least: 2, most: 1 << 12 }, "", "Qwen2 has no such field";
        /// Width inside the gated MLP.
        intermediate_size: usize, Legal::Whole { least: 1, most: 1 << 22 }, "", "no default";
        /// The longest sequence.
        max_positions: usize, Legal::Whole { least: 2, most: 1 << 30 }, "tokens", "no default";
        /// Rows of the embedding table; where absent, the tokenizer's `vocab_size`.
        vocab_size: Option<usize>, Legal::Whole { least: 1, most: 1 << 24 }, "", "no default";
        /// Whether the output head is the embedding table.
        tie_embeddings: bool = true, Legal::Switch, "", "Qwen2.5 of 0.5B to 3B";
        /// Base of the rotary frequencies.
        rope_theta: f64 = 1e6, Legal::Real { least: Bound::Beyond(1.0), most: Bound::At(1e12) }, "",
            "Qwen2.5";
        /// Added to the mean square inside RMSNorm.
        rms_norm_eps: f64 = 1e-6, Legal::BETWEEN, "", "Qwen2.5-Instruct";
    }
}

impl Shape {
    /// The decoder of this shape with `vocab_size` rows of embedding.
    pub fn config(&self, vocab_size: usize) -> ModelConfig {
        let biased = self.architecture == Architecture::Qwen2;
        ModelConfig {
            architecture: self.architecture,
            vocab_size,
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            num_hidden_layers: self.layers,
            num_attention_heads: self.heads,
            num_key_value_heads: self.kv_heads,
            head_dim: self.head_dim.unwrap_or(self.hidden_size / self.heads.max(1)),
            rms_norm_eps: self.rms_norm_eps,
            rope_theta: self.rope_theta,
            rope_scaling: RopeScaling::None,
            max_position_embeddings: self.max_positions,
            tie_word_embeddings: self.tie_embeddings,
            qkv_bias: biased,
            o_bias: false,
            qk_norm: self.architecture == Architecture::Qwen3,
            dtype: None,
            bos_token_id: None,
            eos_token_ids: Vec::new(),
            pad_token_id: None,
            unread_fields: Vec::new(),
        }
    }
}

named!(
    Projection, PROJECTIONS:
    "q_proj" => Projection::Q, "k_proj" => Projection::K, "v_proj" => Projection::V, "o_proj" => Projection::O,
    "gate_proj" => Projection::Gate, "up_proj" => Projection::Up, "down_proj" => Projection::Down,
    "lm_head" => Projection::Head,
);

const PROJECTIONS_IN_WORDS: &str = "a list of \"q_proj\", \"k_proj\", \"v_proj\", \"o_proj\", \"gate_proj\", \"up_proj\", \
     \"down_proj\", \"lm_head\"";

fn is_projection(text: &str) -> bool {
    PROJECTIONS.contains(&text)
}

section! {
    /// Low-rank adapters: a projection `W x` becomes `W x + (alpha / rank) B A x`, and only `A` and `B` change. `A` begins
    /// uniform within `1 / sqrt(in)`, `B` at zero, as in peft.
    pub struct Lora {
        /// Rows of `A` and columns of `B`.
        rank: usize = 32, Legal::Whole { least: 1, most: 4096 }, "", "chosen here";
        /// Scales what the adapter adds, together with the rank.
        alpha: f64 = 32.0, Legal::POSITIVE, "", "chosen here: as large as the rank, so that it scales by 1";
        /// The projections that have one, by peft's names: those of every layer, and `lm_head`, the output head. A head that
        /// is the embedding is adapted alone, and the trained model is then written with a head of its own.
        targets: Vec<Projection> = Projection::LAYER.to_vec(),
            Legal::Texts { what: PROJECTIONS_IN_WORDS, fits: is_projection }, "",
            "chosen here: all but the head, as peft's `all-linear`";
    }
}

section! {
    /// The tokenizer. A model that is read brings its own; for one made from scratch a byte-pair tokenizer is trained on the
    /// text of the training consultations.
    pub struct Tokenizer {
        /// Entries of the tokenizer that is trained, its special tokens included. Must be given where `model.path` is not, and
        /// only there.
        vocab_size: Option<usize>, Legal::Whole { least: 300, most: 1 << 18 }, "", "no default";
    }
}
