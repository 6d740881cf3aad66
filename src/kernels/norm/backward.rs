//! Gradients of RMSNorm.
//!
//! With `r = 1 / sqrt(mean(x^2) + eps)` and `h = x r`: `dw = sum over rows of dy h` and
//! `dx = r (dy w - h mean(dy w h))`.

use burn::tensor::{DType, Tensor, backend::Backend};
use rayon::prelude::*;

/// Rows whose weight gradients are added up before they join the others: fixed, so that the sum has one order whatever
/// the number of threads.
const ROWS: usize = 64;

/// In plain tensor operations: `x` and `dy` `[n, d]`, `weight` `[d]`; `(dx, dw)`.
pub fn reference<B: Backend>(
    x: Tensor<B, 2>,
    weight: &Tensor<B, 1>,
    eps: f32,
    dy: Tensor<B, 2>,
) -> (Tensor<B, 2>, Tensor<B, 1>) {
    let (x, dy) = (x.cast(DType::F32), dy.cast(DType::F32));
    let weight: Tensor<B, 2> = weight.clone().cast(DType::F32).unsqueeze_dim(0);
    let r = (x.clone().square().mean_dim(1) + eps).sqrt().recip();
    let h = x * r.clone();
    let dh = dy.clone() * weight;
    let dw = (dy * h.clone()).sum_dim(0).squeeze_dim(0);
    let mean = (dh.clone() * h.clone()).mean_dim(1);
    (r * (dh - h * mean), dw)
}

/// [`reference()`] of a residual stream `sum` that goes on beside the norm, with the gradient `dsum` of what goes on: all `[n, d]`.
pub fn add_reference<B: Backend>(
    sum: Tensor<B, 2>,
    weight: &Tensor<B, 1>,
    eps: f32,
    dnormed: Tensor<B, 2>,
    dsum: Tensor<B, 2>,
) -> (Tensor<B, 2>, Tensor<B, 1>) {
    let (dx, dw) = reference(sum, weight, eps, dnormed);
    (dx + dsum, dw)
}

/// On the CPU: `x`, `dy` and `dx` `[n, d]`, `weight` and `dw` `[d]`; `dx` and `dw` are overwritten, or `dx` joins what is there if it
/// `adds`.
///
/// # Panics
/// If the lengths do not agree.
pub fn cpu(x: &[f32], weight: &[f32], eps: f32, dy: &[f32], (dx, adds): (&mut [f32], bool), dw: &mut [f32]) {
    let d = weight.len();
    assert!(
        d > 0 && x.len().is_multiple_of(d) && x.len() == dy.len() && x.len() == dx.len() && dw.len() == d
    );
    let parts: Vec<Vec<f32>> = dx
        .par_chunks_mut(ROWS * d)
        .zip(x.par_chunks(ROWS * d))
        .zip(dy.par_chunks(ROWS * d))
        .map(|((dx, x), dy)| {
            let mut dw = vec![0.0f32; d];
            for ((dx, x), dy) in dx.chunks_exact_mut(d).zip(x.chunks_exact(d)).zip(dy.chunks_exact(d)) {
                row(x, weight, eps, dy, (dx, adds), &mut dw);
            }
            dw
        })
        .collect();
    dw.fill(0.0);
    for part in parts {
        dw.iter_mut().zip(part).for_each(|(sum, v)| *sum += v);
    }
}

fn row(x: &[f32], weight: &[f32], eps: f32, dy: &[f32], (dx, adds): (&mut [f32], bool), dw: &mut [f32]) {
    let d = x.len() as f32;
    let r = 1.0 / (sum(x.iter().map(|v| v * v)) / d + eps).sqrt();
    let mean = sum(x.iter().zip(dy).zip(weight).map(|((x, dy), w)| dy * w * x)) * r / d;
    for ((((dx, dw), x), dy), w) in dx.iter_mut().zip(dw).zip(x).zip(dy).zip(weight) {
        let h = x * r;
        *dw += dy * h;
        let own = r * (dy * w - h * mean);
        *dx = if adds { *dx + own } else { own };
    }
}

/// A sum in 16 fixed lanes.
fn sum(values: impl Iterator<Item = f32>) -> f32 {
    let mut lanes = [0.0f32; 16];
    for (i, v) in values.enumerate() {
        lanes[i % 16] += v;
    }
    lanes.iter().sum()
}
