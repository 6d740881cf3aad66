//! Linear layer in plain tensor operations.

use burn::tensor::{Tensor, backend::Backend};

use super::LinearWeights;

/// `x W^T + b`: `x` `[n, in]`, result `[n, out]`, in the type of `x`.
pub fn linear<B: Backend>(x: Tensor<B, 2>, part: &LinearWeights<'_, B>) -> Tensor<B, 2> {
    let dtype = x.dtype();
    let y = x.matmul(part.weight.clone().cast(dtype).transpose());
    match part.bias {
        Some(bias) => y + bias.clone().cast(dtype).unsqueeze_dim(0),
        None => y,
    }
}
