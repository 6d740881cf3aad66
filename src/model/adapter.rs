//! Low-rank adapters (LoRA: Hu et al. 2021, arXiv 2106.09685). A projection `x W^T + b` becomes
//! `x W^T + b + (alpha / r) (x A^T) B^T`; `W` and `b` are frozen, `A` `[r, in]` and `B` `[out, r]` are trained.
//!
//! The sum is formed where a projection is computed ([`products`](crate::kernels::linear::low_rank::products)), so sampling and training run the
//! same operations on the same numbers. Adapters are never merged into the weights while a model is trained.

use burn::tensor::{DType, Tensor, TensorData, backend::Backend};

use crate::kernels::{KernelBackend, LowRankWeights, Matrix};
use crate::model::config::ModelConfig;
use crate::model::decoder::Decoder;
use crate::model::layer::{DecoderLayer, Linear};
use crate::model::parameters::{HEAD, Parameter};

/// How large an adapter is, and how much it adds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LowRankOptions {
    /// Rows of `A` and columns of `B`, the `r` of the formula.
    pub rank: usize,
    /// The `alpha` of the formula.
    pub alpha: f64,
}

impl LowRankOptions {
    /// `alpha / r`.
    pub fn scale(&self) -> f32 {
        (self.alpha / self.rank as f64) as f32
    }
}

/// A projection that may have an adapter: one of each layer's, or the output head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Projection {
    /// Queries.
    Q,
    /// Keys.
    K,
    /// Values.
    V,
    /// What attention gives.
    O,
    /// The gate of the MLP.
    Gate,
    /// What it gates.
    Up,
    /// Back to the residual stream.
    Down,
    /// The output head.
    Head,
}

impl Projection {
    /// Those of a layer.
    pub const LAYER: [Self; 7] = [Self::Q, Self::K, Self::V, Self::O, Self::Gate, Self::Up, Self::Down];

    /// Its name in checkpoints, the last part of a tensor's, and in peft's `target_modules`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Q => "q_proj",
            Self::K => "k_proj",
            Self::V => "v_proj",
            Self::O => "o_proj",
            Self::Gate => "gate_proj",
            Self::Up => "up_proj",
            Self::Down => "down_proj",
            Self::Head => HEAD,
        }
    }

    /// Values of adapters of `rank` on all of this kind in a model: `rank (in + out)` each.
    pub fn adapter_parameters(self, rank: usize, model: &ModelConfig) -> u64 {
        let (hidden, inner) = (model.hidden_size as u64, model.intermediate_size as u64);
        let layers = model.num_hidden_layers as u64;
        let ends = match self {
            Self::Q | Self::O => layers * (hidden + model.query_size() as u64),
            Self::K | Self::V => layers * (hidden + model.key_value_size() as u64),
            Self::Gate | Self::Up | Self::Down => layers * (hidden + inner),
            Self::Head => hidden + model.vocab_size as u64,
        };
        ends.saturating_mul(rank as u64)
    }

    /// Whether `path`, like `model.layers.0.self_attn.q_proj`, names one of this kind.
    fn is(self, path: &str) -> bool {
        path.rsplit('.').next() == Some(self.name())
    }
}

/// The adapter of a projection `[out, in]`: in f32, whatever the projection is kept in.
#[derive(Debug, Clone)]
pub struct LowRank<B: Backend> {
    /// `A`, `[r, in]`
    pub a: Matrix<B>,
    /// `B`, `[out, r]`
    pub b: Matrix<B>,
    /// `alpha / r`
    pub scale: f32,
}

impl<B: Backend> LowRank<B> {
    /// Both matrices as kernels take them.
    pub fn weights(&self) -> LowRankWeights<'_, B> {
        LowRankWeights { a: &self.a, b: &self.b, scale: self.scale }
    }
}

impl<B: KernelBackend> Linear<B> {
    /// The weight with its adapter in it, `W + (alpha / r) B A` `[out, in]` in f32. `None` where there is no adapter, or
    /// the weight is quantised.
    pub fn merged(&self) -> Option<Tensor<B, 2>> {
        let LowRank { a, b, scale } = self.adapter.as_ref()?;
        let (Matrix::Float(weight), Matrix::Float(a), Matrix::Float(b)) = (&self.weight, a, b) else {
            return None;
        };
        Some(weight.clone().cast(DType::F32) + B::product(b.clone(), a.clone()) * *scale)
    }
}

impl<B: KernelBackend> Decoder<B> {
    /// Gives each projection of the kinds `targets` an adapter, in place of one that it has. `first` makes the values of `A`, given
    /// its name and `[r, in]`; `B` is zero, so that the model computes what it did before.
    ///
    /// A head that is the embedding becomes one of its own (`config` says so from then on) with the embedding's values, which
    /// the two go on sharing in memory: the adapter is the head's alone, as it is in peft.
    ///
    /// # Panics
    /// If `first` does not give `r * in` values.
    pub fn adapt(
        &mut self,
        options: LowRankOptions,
        targets: &[Projection],
        first: &mut dyn FnMut(&str, [usize; 2]) -> Vec<f32>,
    ) {
        if targets.contains(&Projection::Head) && self.lm_head.is_none() {
            self.lm_head = Some(Linear::new(self.embed_tokens.clone(), None));
            self.config.tie_word_embeddings = false;
        }
        let device = self.device().clone();
        self.visit_projections(&mut |name, part| {
            if !targets.iter().any(|target| target.is(name)) {
                return;
            }
            let [out, input] = part.weight.dims();
            let dims = [options.rank, input];
            let values = TensorData::new(first(&a_name(name), dims), dims);
            part.adapter = Some(LowRank {
                a: Matrix::Float(Tensor::from_data(values, (&device, DType::F32))),
                b: Matrix::Float(Tensor::zeros([out, options.rank], (&device, DType::F32))),
                scale: options.scale(),
            });
        });
    }
}

impl<B: Backend> Decoder<B> {
    /// Whether projections have adapters, which then are all that is trained.
    pub fn is_adapted(&self) -> bool {
        let head = self.lm_head.as_ref().is_some_and(|head| head.adapter.is_some());
        head || self.layers.iter().any(DecoderLayer::is_adapted)
    }

    /// Calls `visit` with `A` and `B` of each adapter, under the projection's name followed by `.lora_A.weight` and
    /// `.lora_B.weight` as peft has it.
    pub fn visit_adapters(&mut self, visit: &mut dyn FnMut(&str, Parameter<'_, B>)) {
        self.visit_projections(&mut |name, part| {
            let Some(LowRank { a, b, .. }) = &mut part.adapter else { return };
            for (name, matrix) in [(a_name(name), a), (b_name(name), b)] {
                if let Matrix::Float(tensor) = matrix {
                    visit(&name, Parameter::Matrix(tensor));
                }
            }
        });
    }

    /// Calls `visit` with what is trained: the adapters where there are any, else every float tensor.
    pub fn visit_trained(&mut self, visit: &mut dyn FnMut(&str, Parameter<'_, B>)) {
        if self.is_adapted() { self.visit_adapters(visit) } else { self.visit_parameters(visit) }
    }
}

/// The name of the `A` of a projection's adapter.
pub fn a_name(projection: &str) -> String {
    format!("{projection}.lora_A.weight")
}

/// The name of the `B` of a projection's adapter.
pub fn b_name(projection: &str) -> String {
    format!("{projection}.lora_B.weight")
}
