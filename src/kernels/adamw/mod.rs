//! AdamW (Loshchilov and Hutter 2019), one step, as `torch.optim.AdamW` orders it: the decay first, then the moments.
//!
//! `p -= lr wd p`; `m = b1 m + (1 - b1) g`; `v = b2 v + (1 - b2) g^2`;
//! `p -= lr / (1 - b1^t) * m / (sqrt(v / (1 - b2^t)) + eps)`.

use burn::tensor::{Tensor, backend::Backend};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::kernels::simd;

#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(in crate::kernels) mod cube;
pub mod master;

/// Numbers of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWStep {
    /// Learning rate.
    pub lr: f64,
    /// Decay rates of the two moments.
    pub betas: (f64, f64),
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Steps taken, this one included.
    pub step: u64,
    /// Factor on the gradient, from clipping by global norm.
    pub scale: f32,
}

/// The step's numbers in the form that the update takes.
#[derive(Clone, Copy)]
struct Factors {
    keep: f32,
    b1: f32,
    b2: f32,
    /// `1 - b1` and `1 - b2`, taken in f64: in f32 the second is wrong by 1e-5 of itself.
    rest: [f32; 2],
    rate: f32,
    root: f32,
    eps: f32,
    scale: f32,
}

impl AdamWStep {
    fn factors(&self) -> Factors {
        let (b1, b2) = self.betas;
        Factors {
            keep: (1.0 - self.lr * self.weight_decay) as f32,
            b1: b1 as f32,
            b2: b2 as f32,
            rest: [b1, b2].map(|b| (1.0 - b) as f32),
            rate: (self.lr / (1.0 - b1.powf(self.step as f64))) as f32,
            root: (1.0 - b2.powf(self.step as f64)).sqrt() as f32,
            eps: self.eps as f32,
            scale: self.scale,
        }
    }
}

/// In plain tensor operations; all `[n]`. Returns the new weights and moments.
pub fn reference<B: Backend>(
    weights: Tensor<B, 1>,
    gradient: Tensor<B, 1>,
    moments: [Tensor<B, 1>; 2],
    step: &AdamWStep,
) -> (Tensor<B, 1>, [Tensor<B, 1>; 2]) {
    let Factors { keep, b1, b2, rest, rate, root, eps, scale } = step.factors();
    let [m, v] = moments;
    let gradient = gradient * scale;
    let m = m * b1 + gradient.clone() * rest[0];
    let v = v * b2 + gradient.square() * rest[1];
    let weights = weights * keep - m.clone() / (v.clone().sqrt() / root + eps) * rate;
    (weights, [m, v])
}

/// What a step makes of one weight; its moments are changed in place.
#[inline(always)]
fn stepped(weight: f32, gradient: f32, m: &mut f32, v: &mut f32, factors: Factors) -> f32 {
    let Factors { keep, b1, b2, rest, rate, root, eps, scale } = factors;
    let g = gradient * scale;
    *m = b1 * *m + rest[0] * g;
    *v = b2 * *v + rest[1] * (g * g);
    keep * weight - *m / (v.sqrt() / root + eps) * rate
}

/// Weights of a pass that are changed one after another.
const BLOCK: usize = 1 << 14;

struct Block<'a> {
    weights: &'a mut [f32],
    gradient: &'a [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
    factors: Factors,
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (((w, g), m), v) in self.weights.iter_mut().zip(self.gradient).zip(self.m).zip(self.v) {
            *w = stepped(*w, *g, m, v, self.factors);
        }
    }
}

/// On the CPU, in place.
///
/// # Panics
/// If the slices differ in length.
pub fn cpu(weights: &mut [f32], gradient: &[f32], m: &mut [f32], v: &mut [f32], step: &AdamWStep) {
    assert!(weights.len() == gradient.len() && m.len() == v.len() && m.len() == weights.len());
    let factors = step.factors();
    weights
        .par_chunks_mut(BLOCK)
        .zip(gradient.par_chunks(BLOCK))
        .zip(m.par_chunks_mut(BLOCK))
        .zip(v.par_chunks_mut(BLOCK))
        .for_each(|(((weights, gradient), m), v)| {
            simd::dispatch(Block { weights, gradient, m, v, factors });
        });
}
