//! Rotary embedding in plain tensor operations.

use burn::tensor::{DType, Tensor, backend::Backend};

/// `[a, b] -> [a cos - b sin, b cos + a sin]` over the two halves of each head, in f32.
///
/// `x` `[n, heads, head_dim]`, `cos` and `sin` `[n, head_dim / 2]`.
pub fn rotary<B: Backend>(x: Tensor<B, 3>, cos: &Tensor<B, 2>, sin: &Tensor<B, 2>) -> Tensor<B, 3> {
    let dtype = x.dtype();
    let halves = x.cast(DType::F32).chunk(2, 2);
    let [a, b] = [halves[0].clone(), halves[1].clone()];
    let cos: Tensor<B, 3> = cos.clone().unsqueeze_dim(1);
    let sin: Tensor<B, 3> = sin.clone().unsqueeze_dim(1);
    let first = a.clone() * cos.clone() - b.clone() * sin.clone();
    let second = b * cos + a * sin;
    Tensor::cat(vec![first, second], 2).cast(dtype)
}
