//! Gradients of SwiGLU, `y = silu(gate) up`: with `s = sigmoid(gate)`, `dup = dy gate s` and
//! `dgate = dy up s (1 + gate (1 - s))`.

use burn::tensor::{DType, Tensor, activation::sigmoid, backend::Backend};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::kernels::simd;

/// In plain tensor operations: all `[n, d]`; `(dgate, dup)`.
pub fn reference<B: Backend>(
    gate: Tensor<B, 2>,
    up: Tensor<B, 2>,
    dy: Tensor<B, 2>,
) -> (Tensor<B, 2>, Tensor<B, 2>) {
    let (gate, up, dy) = (gate.cast(DType::F32), up.cast(DType::F32), dy.cast(DType::F32));
    let s = sigmoid(gate.clone());
    let slope = s.clone() * (gate.clone() * (s.clone().neg() + 1.0) + 1.0);
    (dy.clone() * up * slope, dy * gate * s)
}

struct Block<'a> {
    gate: &'a mut [f32],
    up: &'a mut [f32],
    dy: &'a [f32],
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for ((g, u), dy) in self.gate.iter_mut().zip(self.up).zip(self.dy) {
            let s = 1.0 / (1.0 + simd::exp(-*g));
            let (dgate, dup) = (dy * *u * s * (1.0 + *g * (1.0 - s)), dy * *g * s);
            (*g, *u) = (dgate, dup);
        }
    }
}

/// On the CPU, in place: `gate` becomes `dgate` and `up` becomes `dup`.
///
/// # Panics
/// If the slices differ in length.
pub fn cpu(gate: &mut [f32], up: &mut [f32], dy: &[f32]) {
    assert!(gate.len() == up.len() && up.len() == dy.len());
    const BLOCK: usize = 1 << 14;
    gate.par_chunks_mut(BLOCK)
        .zip(up.par_chunks_mut(BLOCK))
        .zip(dy.par_chunks(BLOCK))
        .for_each(|((gate, up), dy)| simd::dispatch(Block { gate, up, dy }));
}
