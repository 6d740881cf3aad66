//! Log-probabilities of given tokens under rows of logits, and their gradients.
//!
//! `log p = x_t - log sum exp x`; with the gradient `c` of `log p`, `dx_v = c (1[v = t] - exp(x_v - log sum exp x))`.
//!
//! The log-sum-exp is kept in two parts everywhere ([`LogSum`]): exponents are `(x_v - peak) - rest`, whose digits no peak takes away.

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::LogSum;
use crate::kernels::KernelBackend;
use crate::kernels::head::Running;
use crate::kernels::simd;

/// `(log p, log sum exp)` of each row in plain tensor operations: `logits` `[n, vocab]` in f32.
pub fn reference<B: Backend>(logits: &Tensor<B, 2>, targets: &[u32]) -> (Vec<f32>, Vec<LogSum>) {
    let host = |x: Tensor<B, 2>| x.into_data().iter::<f32>().collect::<Vec<f32>>();
    let peak = logits.clone().max_dim(1);
    let rest = (logits.clone() - peak.clone()).exp().sum_dim(1).log();
    let picked = logits.clone().gather(1, indices(targets, &logits.device()));
    // In this order digits of a log-prob are not lost to a large peak.
    let log_probs = host(picked - peak.clone() - rest.clone());
    let sums = host(peak).into_iter().zip(host(rest)).map(|(peak, rest)| LogSum { peak, rest }).collect();
    (log_probs, sums)
}

/// Gradients `[n, vocab]` of the logits from those of the log-probs `[n]`.
pub fn reference_backward<B: Backend>(
    logits: Tensor<B, 2>,
    targets: &[u32],
    sums: &[LogSum],
    coefficients: &[f32],
) -> Tensor<B, 2> {
    reference_sums_backward(logits, targets, 0, sums, coefficients)
}

/// Joins `logits` `[n, columns]`, the columns from `first` on of a wider matrix, to what the columns before them gave.
pub fn reference_sums<B: KernelBackend>(
    logits: &Tensor<B, 2>,
    targets: &[u32],
    first: usize,
    before: Option<Running<B>>,
) -> Running<B> {
    let n = targets.len();
    let peak = logits.clone().max_dim(1);
    let sums = (logits.clone() - peak.clone()).exp().sum_dim(1).reshape([n]);
    let peak = peak.reshape([n]);
    let hits = hits(logits, targets, first);
    let Some(before) = before else { return Running { peaks: peak, sums, hits } };
    let peaks = before.peaks.clone().max_pair(peak.clone());
    let sums = before.sums * (before.peaks - peaks.clone()).exp() + sums * (peak - peaks.clone()).exp();
    Running { peaks, sums, hits: before.hits + hits }
}

/// The targets' logits `[n]` of those that are among the columns from `first` on, 0 for the others.
pub(super) fn hits<B: Backend>(logits: &Tensor<B, 2>, targets: &[u32], first: usize) -> Tensor<B, 1> {
    let (n, width, device) = (targets.len(), logits.dims()[1], logits.device());
    let inside = |&t: &u32| (first..first + width).contains(&(t as usize));
    let places: Vec<u32> = targets.iter().map(|t| if inside(t) { *t - first as u32 } else { 0 }).collect();
    let marks: Vec<f32> = targets.iter().map(|t| f32::from(inside(t))).collect();
    let marks = Tensor::<B, 1>::from_data(TensorData::new(marks, [n]), &device);
    let found = logits.clone().gather(1, indices(&places, &device)).reshape([n]);
    // Where the target is elsewhere its logit here, which may be infinite, must not count.
    Tensor::zeros([n], &device).mask_where(marks.equal_elem(1.0), found)
}

/// Gradients of such columns, with the `log_sums` of all columns.
pub fn reference_sums_backward<B: Backend>(
    logits: Tensor<B, 2>,
    targets: &[u32],
    first: usize,
    log_sums: &[LogSum],
    coefficients: &[f32],
) -> Tensor<B, 2> {
    let device = logits.device();
    let [peaks, rests] = LogSum::columns(log_sums, &device);
    let slopes = coefficients.iter().map(|c| -c).collect::<Vec<f32>>();
    let slopes = Tensor::<B, 2>::from_data(TensorData::new(slopes, [targets.len(), 1]), &device);
    add_hits((logits - peaks - rests).exp() * slopes, targets, first, coefficients)
}

/// Adds each row's coefficient to the gradient of its target's logit, where that is among the columns from `first` on.
pub(super) fn add_hits<B: Backend>(
    dx: Tensor<B, 2>,
    targets: &[u32],
    first: usize,
    coefficients: &[f32],
) -> Tensor<B, 2> {
    let (n, width, device) = (targets.len(), dx.dims()[1], dx.device());
    let inside = |t: u32| (first..first + width).contains(&(t as usize));
    let places: Vec<u32> = targets.iter().map(|&t| if inside(t) { t - first as u32 } else { 0 }).collect();
    let hits: Vec<f32> =
        targets.iter().zip(coefficients).map(|(&t, &c)| if inside(t) { c } else { 0.0 }).collect();
    let hits = Tensor::from_data(TensorData::new(hits, [n, 1]), &device);
    dx.scatter(1, indices(&places, &device), hits, burn::tensor::IndexingUpdateOp::Add)
}

fn indices<B: Backend>(targets: &[u32], device: &B::Device) -> Tensor<B, 2, Int> {
    let ids: Vec<i32> = targets.iter().map(|&t| t as i32).collect();
    Tensor::from_data(TensorData::new(ids, [targets.len(), 1]), device)
}

/// As [`reference()`], on the CPU.
///
/// # Panics
/// If a target is not below the width of the rows.
pub fn cpu(logits: &[f32], targets: &[u32]) -> (Vec<f32>, Vec<LogSum>) {
    let width = logits.len() / targets.len().max(1);
    logits
        .par_chunks(width.max(1))
        .zip(targets)
        .map(|(row, &target)| {
            let sum = LogSum::of(row);
            (sum.log_prob(row[target as usize]), sum)
        })
        .unzip()
}

struct Row<'a> {
    row: &'a mut [f32],
    sum: LogSum,
    coefficient: f32,
}

impl WithSimd for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for x in self.row {
            *x = -self.coefficient * simd::exp(self.sum.log_prob(*x));
        }
    }
}

/// As [`reference_backward`], on the CPU and in place.
///
/// # Panics
/// If a target is not below the width of the rows.
pub fn cpu_backward(logits: &mut [f32], targets: &[u32], sums: &[LogSum], coefficients: &[f32]) {
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
