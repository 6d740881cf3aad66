//! Log-probabilities of given tokens under rows of logits, and their gradients.
//!
//! `log p = x_t - log sum exp x`; with the gradient `c` of `log p`, `dx_v = c (1[v = t] - exp(x_v - log sum exp x))`.

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::cpu::log_sum_exp;
use crate::kernels::simd;

/// `(log p, log sum exp)` of each row in plain tensor operations: `logits` `[n, vocab]` in f32.
pub fn reference<B: Backend>(logits: &Tensor<B, 2>, targets: &[u32]) -> (Vec<f32>, Vec<f32>) {
    let host = |x: Tensor<B, 2>| x.into_data().iter::<f32>().collect::<Vec<f32>>();
    let peak = logits.clone().max_dim(1);
    let sums = host((logits.clone() - peak.clone()).exp().sum_dim(1).log() + peak);
    let picked = host(logits.clone().gather(1, indices(targets, &logits.device())));
    (picked.iter().zip(&sums).map(|(x, sum)| x - sum).collect(), sums)
}

/// Gradients `[n, vocab]` of the logits from those of the log-probs `[n]`.
pub fn reference_backward<B: Backend>(
    logits: Tensor<B, 2>,
    targets: &[u32],
    sums: &[f32],
    coefficients: &[f32],
) -> Tensor<B, 2> {
    let device = logits.device();
    let n = targets.len();
    let column =
        |values: &[f32]| Tensor::<B, 2>::from_data(TensorData::new(values.to_vec(), [n, 1]), &device);
    let probabilities = (logits - column(sums)).exp();
    let coefficients = column(coefficients);
    let dx = probabilities * coefficients.clone().neg();
    dx.scatter(1, indices(targets, &device), coefficients, burn::tensor::IndexingUpdateOp::Add)
}

fn indices<B: Backend>(targets: &[u32], device: &B::Device) -> Tensor<B, 2, Int> {
    let ids: Vec<i32> = targets.iter().map(|&t| t as i32).collect();
    Tensor::from_data(TensorData::new(ids, [targets.len(), 1]), device)
}

/// As [`reference()`], on the CPU.
///
/// # Panics
/// If a target is not below the width of the rows.
pub fn cpu(logits: &[f32], targets: &[u32]) -> (Vec<f32>, Vec<f32>) {
    let width = logits.len() / targets.len().max(1);
    logits
        .par_chunks(width.max(1))
        .zip(targets)
        .map(|(row, &target)| {
            let sum = log_sum_exp(row);
            (row[target as usize] - sum, sum)
        })
        .unzip()
}

struct Row<'a> {
    row: &'a mut [f32],
    sum: f32,
    coefficient: f32,
}

impl WithSimd for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for x in self.row {
            *x = -self.coefficient * simd::exp(*x - self.sum);
        }
    }
}

/// As [`reference_backward`], on the CPU and in place.
///
/// # Panics
/// If a target is not below the width of the rows.
pub fn cpu_backward(logits: &mut [f32], targets: &[u32], sums: &[f32], coefficients: &[f32]) {
    let width = logits.len() / targets.len().max(1);
    logits.par_chunks_mut(width.max(1)).zip(targets).zip(sums).zip(coefficients).for_each(
        |(((row, &target), &sum), &coefficient)| {
            if coefficient == 0.0 {
                // Exactly nothing to learn, also where a logit is infinite.
                row.fill(0.0);
                return;
            }
            simd::dispatch(Row { row, sum, coefficient });
            row[target as usize] += coefficient;
        },
    );
}
