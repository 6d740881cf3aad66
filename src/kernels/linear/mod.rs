//! Linear layer `y = x W^T + b` with weights stored `[out, in]`, as checkpoints have them.

use burn::tensor::{Tensor, backend::Backend};

pub mod cpu;
pub mod reference;

/// A weight and its optional bias, borrowed from the model.
#[derive(Debug)]
pub struct LinearWeights<'a, B: Backend> {
    /// `[out, in]`
    pub weight: &'a Tensor<B, 2>,
    /// `[out]`
    pub bias: Option<&'a Tensor<B, 1>>,
}
