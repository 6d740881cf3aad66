//! KL divergence of the distributions that two matrices of logits stand for, and its gradients by the first one's logits.
//!
//! With `a_v = log p_v` and `b_v = log q_v` of a row, `KL(p || q) = sum_v p_v (a_v - b_v)`. Since `dp_u/dx_v = p_u (1[u = v] - p_v)`
//! and `sum_v p_v = 1`, its derivative by the logit `x_v` of `p` is `p_v (a_v - b_v - KL)`. Together with a loss whose derivative by
//! the log-prob of target `t` is `c`, and with a coefficient `k` of the divergence,
//! `dx_v = c 1[v = t] + p_v (k (a_v - b_v - KL) - c)`.
//!
//! A token whose probability is no number of f32 above 0 adds nothing, whatever the other distribution makes of it.
//!
//! **Over columns that come in parts**, the divergence is known after one walk: beside both rows' running peak and sum `S`, a walk
//! keeps `U = sum_v exp(x_v - peak_x) ((x_v - peak_x) - (y_v - peak_y))`. Where peaks rise by `d_x` and `d_y`, it becomes
//! `exp(-d_x) (U - S_x (d_x - d_y))`. In the end `KL = U / S_x - log S_x + log S_y`, in which no peak is left.

use std::ops::Range;

use burn::tensor::{Tensor, TensorData, backend::Backend};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::LogSum;
use super::log_prob::{add_hits, hits};
use crate::kernels::simd;

/// What the gradient of rows needs beside their logits: `[n]` each.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Log-sum-exps of the logits that are trained.
    pub sums: &'a [LogSum],
    /// Those of the reference's.
    pub reference_sums: &'a [LogSum],
    /// The loss's derivatives by the targets' log-probs.
    pub slopes: &'a [f32],
    /// The coefficients of the divergences.
    pub coefficients: &'a [f32],
    /// The divergences.
    pub kls: &'a [f32],
}

/// What the columns so far give of two matrices of logits, on the device.
#[derive(Debug)]
pub struct Running<B: Backend> {
    /// `[7, n]`: of the first matrix peaks, sums and targets' logits, the same of the second, and the `U` of this page.
    pub state: Tensor<B, 2>,
}

/// What a walk over all columns finds, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Log-probs of the targets under the first matrix.
    pub log_probs: Vec<f32>,
    /// Its log-sum-exps.
    pub sums: Vec<LogSum>,
    /// Those of the second matrix.
    pub reference_sums: Vec<LogSum>,
    /// The divergences.
    pub kls: Vec<f32>,
}

impl<B: Backend> Running<B> {
    /// Once all columns were seen.
    pub fn finish(self) -> Found {
        let [_, n] = self.state.dims();
        let state: Vec<f32> = self.state.into_data().iter::<f32>().collect();
        let of = |at: usize, row: usize| state[at * n + row];
        let sum = |at: usize, row: usize| LogSum { peak: of(at, row), rest: of(at + 1, row).ln() };
        let sums: Vec<LogSum> = (0..n).map(|row| sum(0, row)).collect();
        let reference_sums: Vec<LogSum> = (0..n).map(|row| sum(3, row)).collect();
        let pairs = || (0..n).zip(&sums).zip(&reference_sums);
        Found {
            log_probs: pairs().map(|((row, sum), _)| sum.log_prob(of(2, row))).collect(),
            kls: pairs()
                .map(|((row, sum), reference)| of(6, row) / of(1, row) - sum.rest + reference.rest)
                .collect(),
            sums,
            reference_sums,
        }
    }
}

/// Each row's divergence, in plain tensor operations: `logits` and `reference` `[n, vocab]` in f32, with their log-sum-exps `[n]`.
pub fn reference<B: Backend>(
    logits: &Tensor<B, 2>,
    reference: &Tensor<B, 2>,
    sums: &[LogSum],
    reference_sums: &[LogSum],
) -> Vec<f32> {
    let (p, gaps) = probabilities_and_gaps(logits.clone(), reference, sums, reference_sums);
    (p * gaps).sum_dim(1).into_data().iter::<f32>().collect()
}

/// `p_v` and `log p_v - log q_v`, which is 0 where `p_v` is.
fn probabilities_and_gaps<B: Backend>(
    logits: Tensor<B, 2>,
    reference: &Tensor<B, 2>,
    sums: &[LogSum],
    reference_sums: &[LogSum],
) -> (Tensor<B, 2>, Tensor<B, 2>) {
    let device = logits.device();
    let [peaks, rests] = LogSum::columns(sums, &device);
    let a = logits - peaks - rests;
    let [peaks, rests] = LogSum::columns(reference_sums, &device);
    let b = reference.clone() - peaks - rests;
    let p = a.clone().exp();
    let nothing = p.clone().equal_elem(0.0);
    (p, (a - b).mask_fill(nothing, 0.0))
}

/// Joins the columns `logits` and `reference` `[n, columns]` from `first` on of wider matrices to what those before them gave, in
/// plain tensor operations.
pub fn reference_running<B: Backend>(
    logits: &Tensor<B, 2>,
    reference: &Tensor<B, 2>,
    targets: &[u32],
    first: usize,
    before: Option<Running<B>>,
) -> Running<B> {
    let n = targets.len();
    let of = |x: &Tensor<B, 2>| {
        let peak = x.clone().max_dim(1);
        let shifted = x.clone() - peak.clone();
        let sum = shifted.clone().exp().sum_dim(1);
        (peak.reshape([1, n]), sum.reshape([1, n]), hits(x, targets, first).reshape([1, n]), shifted)
    };
    let (peak, sum, hit, shifted) = of(logits);
    let (other_peak, other_sum, other_hit, other_shifted) = of(reference);
    let weights = shifted.clone().exp();
    let nothing = weights.clone().equal_elem(0.0);
    let cross = weights * (shifted - other_shifted).mask_fill(nothing, 0.0);
    let cross = cross.sum_dim(1).reshape([1, n]);
    let parts = match before {
        None => vec![peak, sum, hit, other_peak, other_sum, other_hit, cross],
        Some(Running { state }) => {
            let old = |at: usize| state.clone().narrow(0, at, 1);
            let top = old(0).max_pair(peak.clone());
            let other_top = old(3).max_pair(other_peak.clone());
            // How far each part's peak is below that of all.
            let (down, other_down) = (old(0) - top.clone(), old(3) - other_top.clone());
            let (new_down, new_other_down) = (peak - top.clone(), other_peak - other_top.clone());
            let moved =
                |cross: Tensor<B, 2>, sum: Tensor<B, 2>, down: &Tensor<B, 2>, other: &Tensor<B, 2>| {
                    down.clone().exp() * (cross + sum * (down.clone() - other.clone()))
                };
            let joined = moved(old(6), old(1), &down, &other_down)
                + moved(cross, sum.clone(), &new_down, &new_other_down);
            let sum = old(1) * down.exp() + sum * new_down.exp();
            let other_sum = old(4) * other_down.exp() + other_sum * new_other_down.exp();
            vec![top, sum, old(2) + hit, other_top, other_sum, old(5) + other_hit, joined]
        }
    };
    Running { state: Tensor::cat(parts, 0) }
}

/// Gradients of the columns `logits` from `first` on, in plain tensor operations.
pub fn reference_backward<B: Backend>(
    logits: Tensor<B, 2>,
    reference: &Tensor<B, 2>,
    targets: &[u32],
    first: usize,
    rows: &Rows<'_>,
) -> Tensor<B, 2> {
    let device = logits.device();
    let (p, gaps) = probabilities_and_gaps(logits, reference, rows.sums, rows.reference_sums);
    let column = |values: &[f32]| {
        Tensor::<B, 2>::from_data(TensorData::new(values.to_vec(), [values.len(), 1]), &device)
    };
    let slopes = (gaps - column(rows.kls)) * column(rows.coefficients) - column(rows.slopes);
    add_hits(p * slopes, targets, first, rows.slopes)
}

/// A row of both matrices.
struct Row<'a> {
    row: &'a [f32],
    reference: &'a [f32],
    sum: LogSum,
    reference_sum: LogSum,
}

impl Row<'_> {
    /// `p_v` and `log p_v - log q_v`.
    #[inline(always)]
    fn gap(sum: LogSum, reference_sum: LogSum, x: f32, y: f32) -> (f32, f32) {
        let a = sum.log_prob(x);
        let p = simd::exp(a);
        (p, if p > 0.0 { a - reference_sum.log_prob(y) } else { 0.0 })
    }
}

impl WithSimd for Row<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f32 {
        let Self { row, reference, sum, reference_sum } = self;
        let share = |x: f32, y: f32| {
            let (p, gap) = Self::gap(sum, reference_sum, x, y);
            p * gap
        };
        let mut total = 0.0f64;
        for (x, y) in row.chunks(16 * 64).zip(reference.chunks(16 * 64)) {
            let mut lanes = [0.0f32; 16];
            let (x, y) = (x.chunks_exact(16), y.chunks_exact(16));
            let rest = x.remainder().iter().zip(y.remainder());
            total += rest.map(|(&x, &y)| f64::from(share(x, y))).sum::<f64>();
            for (x, y) in x.zip(y) {
                for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
                    *lane += share(*x, *y);
                }
            }
            total += lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>();
        }
        total as f32
    }
}

/// As [`reference()`], on the CPU.
///
/// # Panics
/// If the matrices differ in size.
pub fn cpu(logits: &[f32], reference: &[f32], sums: &[LogSum], reference_sums: &[LogSum]) -> Vec<f32> {
    assert_eq!(logits.len(), reference.len(), "logits and those of the reference");
    let width = (logits.len() / sums.len().max(1)).max(1);
    let rows = logits.par_chunks(width).zip(reference.par_chunks(width));
    rows.zip(sums)
        .zip(reference_sums)
        .map(|(((row, reference), &sum), &reference_sum)| {
            simd::dispatch(Row { row, reference, sum, reference_sum })
        })
        .collect()
}

/// A row that becomes its gradient, but for the target's own term.
struct RowBackward<'a> {
    row: &'a mut [f32],
    reference: &'a [f32],
    sum: LogSum,
    reference_sum: LogSum,
    slope: f32,
    coefficient: f32,
    kl: f32,
}

impl WithSimd for RowBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { row, reference, sum, reference_sum, slope, coefficient, kl } = self;
        for (x, y) in row.iter_mut().zip(reference) {
            let (p, gap) = Row::gap(sum, reference_sum, *x, *y);
            *x = p * (coefficient * (gap - kl) - slope);
        }
    }
}

/// As [`reference_backward`], on the CPU and in place, of some `columns`.
///
/// # Panics
/// If the matrices differ in size.
pub fn cpu_backward(
    logits: &mut [f32],
    reference: &[f32],
    targets: &[u32],
    columns: Range<usize>,
    rows: &Rows<'_>,
) {
    assert_eq!(logits.len(), reference.len(), "logits and those of the reference");
    let width = columns.len().max(1);
    let parts = logits.par_chunks_mut(width).zip(reference.par_chunks(width)).zip(targets).enumerate();
    parts.for_each(|(i, ((row, reference), &target))| {
        let (slope, coefficient) = (rows.slopes[i], rows.coefficients[i]);
        if slope == 0.0 && coefficient == 0.0 {
            // Exactly nothing to learn, also where a logit is infinite.
            row.fill(0.0);
            return;
        }
        let (sum, reference_sum, kl) = (rows.sums[i], rows.reference_sums[i], rows.kls[i]);
        simd::dispatch(RowBackward { row, reference, sum, reference_sum, slope, coefficient, kl });
        if columns.contains(&(target as usize)) {
            row[target as usize - columns.start] += slope;
        }
    });
}
