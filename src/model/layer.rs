//! One decoder layer: attention and gated MLP, each behind an RMSNorm and added to the residual stream.

use burn::tensor::{Tensor, backend::Backend};

use crate::kernels::linear::low_rank;
use crate::kernels::{AdaptedWeights, KernelBackend, Matrix};
use crate::model::adapter::LowRank;
use crate::model::config::ModelConfig;
use crate::model::residual::Residual;
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

    /// Weight, bias and adapter as kernels take them.
    pub fn weights(&self) -> AdaptedWeights<'_, B> {
        let adapter = self.adapter.as_ref().map(LowRank::weights);
        AdaptedWeights { weight: &self.weight, bias: self.bias.as_ref(), adapter }
    }
}

impl<B: KernelBackend> Linear<B> {
    /// `x W^T + b`, and what the adapter adds: `x` `[n, in]`, result `[n, out]`.
    pub fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let [y] = products(x, [self]);
        y
    }
}

/// One input through several projections and their adapters, see [`low_rank::products`].
pub(crate) fn products<B: KernelBackend, const N: usize>(
    x: Tensor<B, 2>,
    parts: [&Linear<B>; N],
) -> [Tensor<B, 2>; N] {
    low_rank::products(x, parts.map(Linear::weights).each_ref())
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

impl<B: Backend> DecoderLayer<B> {
    /// Its projections, in the order of [`Projection::LAYER`](crate::model::adapter::Projection::LAYER).
    pub fn projections(&self) -> [&Linear<B>; 7] {
        let Self { q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, .. } = self;
        [q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj]
    }

    /// Whether a projection has an adapter.
    pub fn is_adapted(&self) -> bool {
        self.projections().iter().any(|part| part.adapter.is_some())
    }
}

impl<B: KernelBackend> DecoderLayer<B> {
    /// `x + o(attention(norm(x)))`, then `x + mlp(norm(x))`: `x` `[n, hidden]`. `attend` turns the projections
    /// into `[n, heads * head_dim]`.
    pub fn forward(
        &self,
        x: Residual<B>,
        config: &ModelConfig,
        tables: &RotaryTables<B>,
        attend: impl FnOnce(Projected<B>) -> Tensor<B, 2>,
    ) -> Residual<B> {
        let eps = config.rms_norm_eps as f32;
        let (x, normed) = x.normed(&self.input_layernorm, eps);
        let attended = attend(self.project(normed, config, tables));
        let joined = Residual::plus(x, self.o_proj.forward(attended));
        let (x, normed) = joined.normed(&self.post_attention_layernorm, eps);
        let [gate, up] = products(normed, [&self.gate_proj, &self.up_proj]);
        Residual::plus(x, self.down_proj.forward(B::swiglu(gate, up)))
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
