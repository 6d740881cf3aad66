//! The soft cap of logits (Gemma 2, arXiv 2408.00118, section 2): `y = c tanh(x / c)` lies between `-c` and `c`, and
//! `dy/dx = 1 - (y / c)^2`.

use burn::tensor::{Tensor, backend::Backend};

/// `y / temperature` of logits `x`; without a cap `y = x`.
pub(super) fn scaled<B: Backend>(logits: Tensor<B, 2>, cap: Option<f32>, temperature: f32) -> Tensor<B, 2> {
    let logits = match cap {
        Some(cap) => (logits / cap).tanh() * cap,
        None => logits,
    };
    if temperature == 1.0 { logits } else { logits / temperature }
}

/// `dy/dx` at what [`scaled`] gave; `None` without a cap.
pub(super) fn slopes<B: Backend>(
    scaled: &Tensor<B, 2>,
    cap: Option<f32>,
    temperature: f32,
) -> Option<Tensor<B, 2>> {
    let share = |cap: f32| scaled.clone() * (temperature / cap);
    cap.map(share).map(|share| (share.clone() * share).neg() + 1.0)
}

/// The gradient by `x` of that by `y`.
pub(super) fn through<B: Backend>(gradient: Tensor<B, 2>, slopes: Option<Tensor<B, 2>>) -> Tensor<B, 2> {
    match slopes {
        Some(slopes) => gradient * slopes,
        None => gradient,
    }
}
