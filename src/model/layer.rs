//! One decoder layer: attention and gated MLP, each behind an RMSNorm and added to the residual stream.

use burn::tensor::{Tensor, backend::Backend};

use crate::kernels::{KernelBackend, LinearWeights, Matrix};
use crate::model::adapter::LowRank;
use crate::model::config::ModelConfig;
use crate::model::rotary::RotaryTables;

/// A projection with its optional bias and adapter.
#[derive(Debug, Clone)]
pub struct Linear<B: Backend> {
    /// `[out, in]`
    pub weight: Matrix<B>,
    /// `[out]`
    pub bias: Option<Tensor<B, 1>>,
    /// What is trained in place of the weight and the bias, where there is one.
    pub adapter: Option<LowRank<B>>,
}

impl<B: Backend> Linear<B> {
    /// A projection without an adapter.
    pub fn new(weight: Matrix<B>, bias: Option<Tensor<B, 1>>) -> Self {
        Self { weight, bias, adapter: None }
    }

    /// Weight and bias as kernels take them.
    pub fn weights(&self) -> LinearWeights<'_, B> {
        LinearWeights { weight: &self.weight, bias: self.bias.as_ref() }
    }
}

impl<B: KernelBackend> Linear<B> {
    /// `x W^T + b`, and what the adapter adds: `x` `[n, in]`, result `[n, out]`.
    pub fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let [y] = products(x, [self]);
        y
    }
}

/// Products of one input with several projections and the `A` of their adapters, in one call so that a backend can share its
/// work.
pub(crate) fn products<B: KernelBackend, const N: usize>(
    x: Tensor<B, 2>,
    parts: [&Linear<B>; N],
) -> [Tensor<B, 2>; N] {
    let adapters = || parts.iter().filter_map(|part| part.adapter.as_ref());
    let group: Vec<LinearWeights<'_, B>> =
        parts.iter().map(|part| part.weights()).chain(adapters().map(LowRank::narrow)).collect();
    let mut outputs = B::linear_group(x, &group);
    let mut narrow = outputs.split_off(N).into_iter();
    let mut outputs = outputs.into_iter();
    // `linear_group` returns one output a part, by contract.
    let one = || unreachable!("one output a part");
    std::array::from_fn(|part| {
        let y = outputs.next().unwrap_or_else(one);
        match &parts[part].adapter {
            Some(adapter) => y + adapter.widen(narrow.next().unwrap_or_else(one)),
            None => y,
        }
    })
}

/// The weights of one layer, under their Hugging Face names.
#[derive(Debug, Clone)]
pub struct DecoderLayer<B: Backend> {
    /// `[hidden]`
    pub input_layernorm: Tensor<B, 1>,
    /// `[heads * head_dim, hidden]`
    pub q_proj: Linear<B>,
    /// `[kv_heads * head_dim, hidden]`
    pub k_proj: Linear<B>,
    /// `[kv_heads * head_dim, hidden]`
    pub v_proj: Linear<B>,
    /// `[hidden, heads * head_dim]`
    pub o_proj: Linear<B>,
    /// `[head_dim]`, Qwen3 only.
    pub q_norm: Option<Tensor<B, 1>>,
    /// `[head_dim]`, Qwen3 only.
    pub k_norm: Option<Tensor<B, 1>>,
    /// `[hidden]`
    pub post_attention_layernorm: Tensor<B, 1>,
    /// `[intermediate, hidden]`
    pub gate_proj: Linear<B>,
    /// `[intermediate, hidden]`
    pub up_proj: Linear<B>,
    /// `[hidden, intermediate]`
    pub down_proj: Linear<B>,
}

/// Queries, keys and values of one layer, rotated: `q` `[n, heads, head_dim]`, `k` and `v`
/// `[n, kv_heads, head_dim]`.
#[derive(Debug)]
pub struct Projected<B: Backend> {
    /// Queries.
    pub q: Tensor<B, 3>,
    /// Keys.
    pub k: Tensor<B, 3>,
    /// Values.
    pub v: Tensor<B, 3>,
}

impl<B: KernelBackend> DecoderLayer<B> {
    /// `x + o(attention(norm(x)))`, then `x + mlp(norm(x))`: `x` `[n, hidden]`. `attend` turns the projections
    /// into `[n, heads * head_dim]`.
    pub fn forward(
        &self,
        x: Tensor<B, 2>,
        config: &ModelConfig,
        tables: &RotaryTables<B>,
        attend: impl FnOnce(Projected<B>) -> Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        let eps = config.rms_norm_eps as f32;
        let attended =
            attend(self.project(B::rms_norm(x.clone(), &self.input_layernorm, eps), config, tables));
        let x = x + self.o_proj.forward(attended);
        let normed = B::rms_norm(x.clone(), &self.post_attention_layernorm, eps);
        let [gate, up] = products(normed, [&self.gate_proj, &self.up_proj]);
        x + self.down_proj.forward(B::swiglu(gate, up))
    }

    fn project(&self, x: Tensor<B, 2>, config: &ModelConfig, tables: &RotaryTables<B>) -> Projected<B> {
        let n = x.dims()[0];
        let (heads, kv_heads, head_dim) =
            (config.num_attention_heads, config.num_key_value_heads, config.head_dim);
        let [q, k, v] = products(x, [&self.q_proj, &self.k_proj, &self.v_proj]);
        let normed = |x: Tensor<B, 2>, norm: &Option<Tensor<B, 1>>, heads: usize| match norm {
            Some(weight) => {
                let rows = x.reshape([n * heads, head_dim]);
                B::rms_norm(rows, weight, config.rms_norm_eps as f32).reshape([n, heads, head_dim])
            }
            None => x.reshape([n, heads, head_dim]),
        };
        Projected {
            q: B::rotary(normed(q, &self.q_norm, heads), &tables.cos, &tables.sin),
            k: B::rotary(normed(k, &self.k_norm, kv_heads), &tables.cos, &tables.sin),
            v: v.reshape([n, kv_heads, head_dim]),
        }
    }
}
