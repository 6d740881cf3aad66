//! Log-softmax sums and their gradients on a GPU: logits are read once for the sums, and read and written once for the
//! gradients, in place. Both take the columns from `first` on of a wider matrix, whose targets count from its own first.

use cubecl::prelude::*;
use cubecl::server::Handle;

use super::LogSum;
use super::exp_cube::exp;
use crate::kernels::cube::launch::{array, cubes, upload};
use crate::kernels::norm::cube::total;

/// Units of a cube; one cube takes a row.
pub(super) const UNITS: usize = 256;

/// Joins a row of `logits` `[n, width]` to its running peak, sum and target's logit, or starts them. Each unit keeps a peak
/// and a sum of every [`UNITS`]th column.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn sums(
    logits: &Array<f32>,
    targets: &Array<u32>,
    peaks: &mut Array<f32>,
    totals: &mut Array<f32>,
    hits: &mut Array<f32>,
    width: u32,
    first: u32,
    #[comptime] fresh: bool,
) {
    let row = CUBE_POS;
    if row >= targets.len() {
        terminate!();
    }
    let width = width as usize;
    let unit = UNIT_POS as usize;
    let start = row * width;
    let mut peak = f32::min_value();
    let mut sum = 0.0f32;
    let mut column = unit;
    while column < width {
        let x = logits[start + column];
        let new = max(peak, x);
        sum = sum * exp(peak - new) + exp(x - new);
        peak = new;
        column += UNITS;
    }
    let mut tops = SharedMemory::<f32>::new(UNITS);
    let mut parts = SharedMemory::<f32>::new(UNITS);
    tops[unit] = peak;
    parts[unit] = sum;
    sync_cube();
    let mut half = comptime!(UNITS / 2).runtime();
    while half > 0 {
        if unit < half {
            let a = tops[unit];
            let b = tops[unit + half];
            let new = max(a, b);
            parts[unit] = parts[unit] * exp(a - new) + parts[unit + half] * exp(b - new);
            tops[unit] = new;
        }
        sync_cube();
        half /= 2;
    }
    if unit == 0 {
        let mut top = tops[0];
        let mut part = parts[0];
        let target = targets[row];
        let here = target >= first && target < first + width as u32;
        if comptime!(!fresh) {
            let before = peaks[row];
            let new = max(before, top);
            part = totals[row] * exp(before - new) + part * exp(top - new);
            top = new;
        }
        peaks[row] = top;
        totals[row] = part;
        if here {
            hits[row] = logits[start + (target - first) as usize];
        } else if comptime!(fresh) {
            hits[row] = 0.0f32;
        }
    }
}

/// Replaces a row of logits by its gradient: `c (1[v = t] - exp((x_v - peak) - rest))`, and by zeros where `c` is 0. `rows` is
/// `[3, n]`: peaks and rests of the log-sum-exps, and `c`.
#[cube(launch_unchecked)]
fn gradients(logits: &mut Array<f32>, targets: &Array<u32>, rows: &Array<f32>, width: u32, first: u32) {
    let row = CUBE_POS;
    if row >= targets.len() {
        terminate!();
    }
    let n = targets.len();
    let start = row * width as usize;
    let target = targets[row];
    let peak = rows[row];
    let rest = rows[n + row];
    let coefficient = rows[n * 2 + row];
    let mut column = UNIT_POS;
    while column < width {
        let hit = select(column + first == target, 1.0f32, 0.0f32);
        let at = start + column as usize;
        let mut slope = 0.0f32;
        if coefficient != 0.0f32 {
            slope = coefficient * (hit - exp((logits[at] - peak) - rest));
        }
        logits[at] = slope;
        column += comptime!(UNITS as u32);
    }
}

/// Each row's share of the entropy in `logits` `[n, width]`, see [`entropy`](super::entropy). `rows` is `[2, n]`: peaks and rests of the
/// log-sum-exps.
#[cube(launch_unchecked)]
fn shares(logits: &Array<f32>, rows: &Array<f32>, out: &mut Array<f32>, width: u32) {
    let row = CUBE_POS;
    let n = out.len();
    if row >= n {
        terminate!();
    }
    let width = width as usize;
    let peak = rows[row];
    let rest = rows[n + row];
    let mut parts = SharedMemory::<f32>::new(UNITS);
    let mut sum = 0.0f32;
    let mut column = UNIT_POS as usize;
    while column < width {
        // A token without a chance has an infinite gap, which would make 0 times infinity.
        let gap = min((peak - logits[row * width + column]) + rest, f32::max_value());
        sum += gap * exp(-gap);
        column += UNITS;
    }
    let sum = total(sum, &mut parts, UNITS);
    if UNIT_POS == 0 {
        out[row] = sum;
    }
}

/// Part of a matrix of logits: its columns, and the place of the first of them.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Columns {
    /// Columns.
    pub width: usize,
    /// The first one's place in the whole matrix.
    pub first: usize,
}

/// Joins contiguous `logits` `[n, columns]` in f32 to `[peaks, sums, hits]`, `[n]` each, or starts them where they are
/// `fresh`.
pub(in crate::kernels) fn log_sums<R: Runtime>(
    client: &ComputeClient<R>,
    logits: &Handle,
    targets: &[u32],
    columns: Columns,
    [peaks, totals, hits]: [&Handle; 3],
    fresh: bool,
) {
    let (n, Columns { width, first }) = (targets.len(), columns);
    if n == 0 {
        return;
    }
    // SAFETY: a cube a row; a target's column is looked at.
    unsafe {
        sums::launch_unchecked::<R>(
            client,
            cubes(client, n),
            CubeDim::new_1d(UNITS as u32),
            array(logits, n * width),
            array(&upload(client, targets).0, n),
            array(peaks, n),
            array(totals, n),
            array(hits, n),
            width as u32,
            first as u32,
            fresh,
        );
    }
}

/// Overwrites contiguous `logits` `[n, columns]` in f32 with their gradients.
pub(in crate::kernels) fn log_sums_backward<R: Runtime>(
    client: &ComputeClient<R>,
    logits: &Handle,
    targets: &[u32],
    columns: Columns,
    log_sums: &[LogSum],
    coefficients: &[f32],
) {
    let (n, Columns { width, first }) = (targets.len(), columns);
    if n == 0 {
        return;
    }
    let (peaks, rests) = (log_sums.iter().map(|sum| sum.peak), log_sums.iter().map(|sum| sum.rest));
    let rows: Vec<f32> = peaks.chain(rests).chain(coefficients.iter().copied()).collect();
    // SAFETY: a cube a row.
    unsafe {
        gradients::launch_unchecked::<R>(
            client,
            cubes(client, n),
            CubeDim::new_1d(UNITS as u32),
            array(logits, n * width),
            array(&upload(client, targets).0, n),
            array(&client.create_from_slice(f32::as_bytes(&rows)), rows.len()),
            width as u32,
            first as u32,
        );
    }
}

/// Each row's share of the entropy, `[n]` in f32, in contiguous `logits` `[n, width]` in f32.
pub(in crate::kernels) fn entropies<R: Runtime>(
    client: &ComputeClient<R>,
    logits: &Handle,
    width: usize,
    log_sums: &[LogSum],
) -> Handle {
    let n = log_sums.len();
    let out = client.empty(n * size_of::<f32>());
    if n == 0 {
        return out;
    }
    let (peaks, rests) = (log_sums.iter().map(|sum| sum.peak), log_sums.iter().map(|sum| sum.rest));
    let rows: Vec<f32> = peaks.chain(rests).collect();
    // SAFETY: a cube a row.
    unsafe {
        shares::launch_unchecked::<R>(
            client,
            cubes(client, n),
            CubeDim::new_1d(UNITS as u32),
            array(logits, n * width),
            array(&client.create_from_slice(f32::as_bytes(&rows)), rows.len()),
            array(&out, n),
            width as u32,
        );
    }
    out
}
