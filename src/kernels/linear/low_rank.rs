//! A linear layer with a low-rank adapter (LoRA: Hu et al. 2021, arXiv 2106.09685): `y = x W^T + b + s (x A^T) B^T`, with `A`
//! `[r, in]` and `B` `[out, r]`.
//!
//! `A` joins the products that share `x`, `B` is a product of its own: `2 n r (in + out)` flops more. `W + s B A` is never made.

use burn::tensor::{Tensor, backend::Backend};

use super::{LinearWeights, Matrix};
use crate::kernels::KernelBackend;

/// An adapter's matrices, borrowed from the model.
#[derive(Debug)]
pub struct LowRankWeights<'a, B: Backend> {
    /// `A`, `[r, in]`
    pub a: &'a Matrix<B>,
    /// `B`, `[out, r]`
    pub b: &'a Matrix<B>,
    /// The `s` of the formula, `alpha / r`.
    pub scale: f32,
}

impl<'a, B: Backend> LowRankWeights<'a, B> {
    /// `A` as kernels take it, to be multiplied with the layer's own input.
    pub fn narrow(&self) -> LinearWeights<'a, B> {
        LinearWeights { weight: self.a, bias: None }
    }
}

impl<B: KernelBackend> LowRankWeights<'_, B> {
    /// What the adapter adds `[n, out]`, from `x A^T` `[n, r]`.
    fn widen(&self, narrow: Tensor<B, 2>) -> Tensor<B, 2> {
        let wide = LinearWeights { weight: self.b, bias: None };
        B::linear_group(narrow * self.scale, &[wide]).swap_remove(0)
    }
}

/// A linear layer and its adapter, where it has one, borrowed from the model.
#[derive(Debug)]
pub struct AdaptedWeights<'a, B: Backend> {
    /// `[out, in]`
    pub weight: &'a Matrix<B>,
    /// `[out]`
    pub bias: Option<&'a Tensor<B, 1>>,
    /// What is added to both.
    pub adapter: Option<LowRankWeights<'a, B>>,
}

impl<'a, B: Backend> AdaptedWeights<'a, B> {
    /// The layer without its adapter.
    pub fn linear(&self) -> LinearWeights<'a, B> {
        LinearWeights { weight: self.weight, bias: self.bias }
    }
}

/// Products of one input `x` `[n, in]` with several layers and the `A` of their adapters, in one call so that a backend can share
/// its work; results `[n, out]` in the type of `x`.
pub fn products<B: KernelBackend, const N: usize>(
    x: Tensor<B, 2>,
    parts: [&AdaptedWeights<'_, B>; N],
) -> [Tensor<B, 2>; N] {
    let adapters = parts.iter().filter_map(|part| part.adapter.as_ref());
    let group: Vec<LinearWeights<'_, B>> =
        parts.iter().map(|part| part.linear()).chain(adapters.map(LowRankWeights::narrow)).collect();
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
