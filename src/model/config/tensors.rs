//! The tensors a model of a given configuration consists of, under their Hugging Face names.

use super::ModelConfig;

/// One tensor that a checkpoint must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Hugging Face name, e.g. `model.layers.0.self_attn.q_proj.weight`.
    pub name: String,
    /// `[out, in]` for a projection, `[vocab, hidden]` for the embedding, `[n]` for a norm or a bias.
    pub shape: Vec<usize>,
}

impl TensorSpec {
    fn new(name: impl Into<String>, shape: &[usize]) -> Self {
        Self { name: name.into(), shape: shape.to_vec() }
    }

    /// Number of values.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

impl ModelConfig {
    /// Every tensor of the model, embedding first, then layer by layer, then the final norm and (untied) the
    /// head.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut specs =
            vec![TensorSpec::new("model.embed_tokens.weight", &[self.vocab_size, self.hidden_size])];
        for layer in 0..self.num_hidden_layers {
            self.push_layer(layer, &mut specs);
        }
        specs.push(TensorSpec::new("model.norm.weight", &[self.hidden_size]));
        if !self.tie_word_embeddings {
            specs.push(TensorSpec::new("lm_head.weight", &[self.vocab_size, self.hidden_size]));
        }
        specs
    }

    /// Number of values in all tensors; a tied head counts once.
    pub fn num_parameters(&self) -> u64 {
        let sum = |specs: &[TensorSpec]| specs.iter().map(|spec| spec.elements() as u64).sum::<u64>();
        let mut layer = Vec::new();
        self.push_layer(0, &mut layer);
        let table = (self.vocab_size * self.hidden_size) as u64;
        let tables = if self.tie_word_embeddings { table } else { 2 * table };
        tables + sum(&layer) * self.num_hidden_layers as u64 + self.hidden_size as u64
    }

    fn push_layer(&self, layer: usize, specs: &mut Vec<TensorSpec>) {
        let (hidden, inner) = (self.hidden_size, self.intermediate_size);
        let (query, key_value) = (self.query_size(), self.key_value_size());
        let mut push = |part: &str, shape: &[usize]| {
            specs.push(TensorSpec::new(format!("model.layers.{layer}.{part}"), shape));
        };
        push("input_layernorm.weight", &[hidden]);
        for (projection, rows) in [("q_proj", query), ("k_proj", key_value), ("v_proj", key_value)] {
            push(&format!("self_attn.{projection}.weight"), &[rows, hidden]);
            if self.qkv_bias {
                push(&format!("self_attn.{projection}.bias"), &[rows]);
            }
        }
        push("self_attn.o_proj.weight", &[hidden, query]);
        if self.o_bias {
            push("self_attn.o_proj.bias", &[hidden]);
        }
        if self.qk_norm {
            push("self_attn.q_norm.weight", &[self.head_dim]);
            push("self_attn.k_norm.weight", &[self.head_dim]);
        }
        push("post_attention_layernorm.weight", &[hidden]);
        push("mlp.gate_proj.weight", &[inner, hidden]);
        push("mlp.up_proj.weight", &[inner, hidden]);
        push("mlp.down_proj.weight", &[hidden, inner]);
    }
}
