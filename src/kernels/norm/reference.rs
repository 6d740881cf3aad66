//! RMSNorm in plain tensor operations.

use burn::tensor::{DType, Tensor, backend::Backend};

/// `x / sqrt(mean(x^2) + eps) * weight`, in f32 whatever the storage type: `x` `[n, d]`, `weight` `[d]`.
pub fn rms_norm<B: Backend>(x: Tensor<B, 2>, weight: &Tensor<B, 1>, eps: f32) -> Tensor<B, 2> {
    let dtype = x.dtype();
    let x = x.cast(DType::F32);
    let scale = (x.clone().square().mean_dim(1) + eps).sqrt().recip();
    let weight = weight.clone().cast(DType::F32).unsqueeze_dim(0);
    (x * scale * weight).cast(dtype)
}

/// `(x + y, rms_norm(x + y))`: `x` and `y` `[n, d]`, `weight` `[d]`.
pub fn add_rms_norm<B: Backend>(
    x: Tensor<B, 2>,
    y: Tensor<B, 2>,
    weight: &Tensor<B, 1>,
    eps: f32,
) -> (Tensor<B, 2>, Tensor<B, 2>) {
    let sum = x + y;
    (sum.clone(), rms_norm(sum, weight, eps))
}
