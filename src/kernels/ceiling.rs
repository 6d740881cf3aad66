//! What this machine can do at best: the bounds that `osler bench` measures against.

use std::hint::black_box;
use std::time::Instant;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::kernels::simd;

/// Bytes the read test walks, and those that the copy test reads and writes: far beyond any cache.
const READ_BYTES: usize = 768 << 20;
const ROUNDS: usize = 5;

struct Sum<'a>(&'a [f32]);

impl WithSimd for Sum<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let (vectors, _) = S::as_simd_f32s(self.0);
        let mut acc = [simd.splat_f32s(0.0); 8];
        for chunk in vectors.chunks_exact(8) {
            for (a, v) in acc.iter_mut().zip(chunk) {
                *a = simd.add_f32s(*a, *v);
            }
        }
        acc.into_iter().map(|a| simd.reduce_sum_f32s(a)).sum()
    }
}

/// Bytes a second that all threads together read from memory, best of five.
pub fn read_bandwidth() -> f64 {
    let data = vec![1.0f32; READ_BYTES / 4];
    let part = (data.len() / rayon::current_num_threads().max(1) / 4).max(1);
    let best = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            let sum: f32 = data.par_chunks(part).map(|chunk| simd::dispatch(Sum(chunk))).sum();
            black_box(sum);
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    READ_BYTES as f64 / best
}

/// Bytes a second that all threads together read from memory and write to it, each counted, best of five.
pub fn copy_bandwidth() -> f64 {
    let from = vec![1.0f32; READ_BYTES / 8];
    let mut to = vec![0.0f32; from.len()];
    let part = (from.len() / rayon::current_num_threads().max(1) / 4).max(1);
    let best = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            to.par_chunks_mut(part)
                .zip(from.par_chunks(part))
                .for_each(|(to, from)| to.copy_from_slice(from));
            black_box(&mut to);
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    READ_BYTES as f64 / best
}

struct MultiplyAdd(usize);

impl WithSimd for MultiplyAdd {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        // Twelve chains hide the latency of a multiply-add on two ports; the operands never leave registers.
        let (x, y) = (simd.splat_f32s(black_box(0.999_9)), simd.splat_f32s(black_box(1e-4)));
        let mut acc = [simd.splat_f32s(1.0); 12];
        for _ in 0..self.0 {
            for a in &mut acc {
                *a = simd.mul_add_f32s(*a, x, y);
            }
        }
        acc.into_iter().map(|a| simd.reduce_sum_f32s(a)).sum()
    }
}

/// Floating-point operations a second (f32 multiply-adds count two) of all threads together, best of five.
pub fn arithmetic_rate() -> f64 {
    const STEPS: usize = 4_000_000;
    let threads = rayon::current_num_threads();
    let best = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            let sums = rayon::broadcast(|_| simd::dispatch(MultiplyAdd(STEPS)));
            black_box(sums);
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    (2 * 12 * STEPS * simd::lanes() * threads) as f64 / best
}
