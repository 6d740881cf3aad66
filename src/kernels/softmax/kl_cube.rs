//! KL divergence between the distributions of two matrices of logits on a GPU, in one walk over both, and its gradient in place
//! of the first one's logits. The formulas are those of [`super::kl`].

use cubecl::prelude::*;
use cubecl::server::Handle;

use super::cube::{Columns, UNITS};
use super::exp_cube::exp;
use super::kl::Rows;
use crate::kernels::cube::launch::{array, cubes, upload};

/// The numbers of a row in [`super::kl::Running`].
pub(in crate::kernels) const STATE: usize = 7;

/// `sum_v exp(x_v - peak_x) ((x_v - peak_x) - (y_v - peak_y))` of what has the sum `sum` and peaks that are `down` and `other_down`
/// (negative) beyond the peaks it is wanted for.
#[cube]
fn moved(cross: f32, sum: f32, down: f32, other_down: f32) -> f32 {
    exp(down) * (cross + sum * (down - other_down))
}

/// Joins a row of `logits` and of `reference` `[n, width]` to its state `[7, n]`, or starts it. Each unit keeps what every
/// [`UNITS`]th column gives.
#[cube(launch_unchecked)]
fn sums(
    logits: &Array<f32>,
    reference: &Array<f32>,
    targets: &Array<u32>,
    state: &mut Array<f32>,
    width: u32,
    first: u32,
    #[comptime] fresh: bool,
) {
    let row = CUBE_POS;
    if row >= targets.len() {
        terminate!();
    }
    let n = targets.len();
    let columns = width as usize;
    let unit = UNIT_POS as usize;
    let start = row * columns;
    let mut peak = f32::min_value();
    let mut sum = 0.0f32;
    let mut other_peak = f32::min_value();
    let mut other_sum = 0.0f32;
    let mut cross = 0.0f32;
    let mut column = unit;
    while column < columns {
        let x = logits[start + column];
        let y = reference[start + column];
        let new = max(peak, x);
        let other_new = max(other_peak, y);
        let weight = exp(x - new);
        // What has no weight adds nothing, also where the other logit is far below.
        let share = select(weight > 0.0f32, weight * ((x - new) - (y - other_new)), 0.0f32);
        cross = moved(cross, sum, peak - new, other_peak - other_new) + share;
        sum = sum * exp(peak - new) + weight;
        other_sum = other_sum * exp(other_peak - other_new) + exp(y - other_new);
        peak = new;
        other_peak = other_new;
        column += UNITS;
    }
    let mut peaks = SharedMemory::<f32>::new(UNITS);
    let mut parts = SharedMemory::<f32>::new(UNITS);
    let mut other_peaks = SharedMemory::<f32>::new(UNITS);
    let mut other_parts = SharedMemory::<f32>::new(UNITS);
    let mut crosses = SharedMemory::<f32>::new(UNITS);
    peaks[unit] = peak;
    parts[unit] = sum;
    other_peaks[unit] = other_peak;
    other_parts[unit] = other_sum;
    crosses[unit] = cross;
    sync_cube();
    let mut half = comptime!(UNITS / 2).runtime();
    while half > 0 {
        if unit < half {
            let other = unit + half;
            let new = max(peaks[unit], peaks[other]);
            let other_new = max(other_peaks[unit], other_peaks[other]);
            let down = peaks[unit] - new;
            let other_down = other_peaks[unit] - other_new;
            let down_b = peaks[other] - new;
            let other_down_b = other_peaks[other] - other_new;
            crosses[unit] = moved(crosses[unit], parts[unit], down, other_down)
                + moved(crosses[other], parts[other], down_b, other_down_b);
            parts[unit] = parts[unit] * exp(down) + parts[other] * exp(down_b);
            other_parts[unit] = other_parts[unit] * exp(other_down) + other_parts[other] * exp(other_down_b);
            peaks[unit] = new;
            other_peaks[unit] = other_new;
        }
        sync_cube();
        half /= 2;
    }
    if unit == 0 {
        let target = targets[row];
        let here = target >= first && target < first + width;
        let mut top = peaks[0];
        let mut part = parts[0];
        let mut other_top = other_peaks[0];
        let mut other_part = other_parts[0];
        let mut all = crosses[0];
        if comptime!(!fresh) {
            let new = max(state[row], top);
            let other_new = max(state[n * 3 + row], other_top);
            let down = state[row] - new;
            let other_down = state[n * 3 + row] - other_new;
            let before = state[n + row];
            all = moved(state[n * 6 + row], before, down, other_down)
                + moved(all, part, top - new, other_top - other_new);
            part = before * exp(down) + part * exp(top - new);
            other_part = state[n * 4 + row] * exp(other_down) + other_part * exp(other_top - other_new);
            top = new;
            other_top = other_new;
        }
        state[row] = top;
        state[n + row] = part;
        state[n * 3 + row] = other_top;
        state[n * 4 + row] = other_part;
        state[n * 6 + row] = all;
        if here {
            let at = start + (target - first) as usize;
            state[n * 2 + row] = logits[at];
            state[n * 5 + row] = reference[at];
        } else if comptime!(fresh) {
            state[n * 2 + row] = 0.0f32;
            state[n * 5 + row] = 0.0f32;
        }
    }
}

/// Replaces a row of logits by its gradient `c 1[v = t] + p_v (k (log p_v - log q_v - KL) - c)`, and by zeros where both `c` and `k`
/// are 0. `rows` is `[7, n]`: peaks and rests of both log-sum-exps, `c`, `k` and the divergences.
#[cube(launch_unchecked)]
fn gradients(
    logits: &mut Array<f32>,
    reference: &Array<f32>,
    targets: &Array<u32>,
    rows: &Array<f32>,
    width: u32,
    first: u32,
) {
    let row = CUBE_POS;
    if row >= targets.len() {
        terminate!();
    }
    let n = targets.len();
    let start = row * width as usize;
    let target = targets[row];
    let peak = rows[row];
    let rest = rows[n + row];
    let other_peak = rows[n * 2 + row];
    let other_rest = rows[n * 3 + row];
    let slope = rows[n * 4 + row];
    let coefficient = rows[n * 5 + row];
    let kl = rows[n * 6 + row];
    let counts = slope != 0.0f32 || coefficient != 0.0f32;
    let mut column = UNIT_POS;
    while column < width {
        let hit = select(column + first == target, slope, 0.0f32);
        let at = start + column as usize;
        let mut change = 0.0f32;
        if counts {
            let a = (logits[at] - peak) - rest;
            let b = (reference[at] - other_peak) - other_rest;
            let p = exp(a);
            change = hit + select(p > 0.0f32, p * (coefficient * ((a - b) - kl) - slope), 0.0f32);
        }
        logits[at] = change;
        column += comptime!(UNITS as u32);
    }
}

/// Joins contiguous `logits` and `reference` `[n, columns]` in f32 to `state` `[7, n]`, or starts it where it is `fresh`.
pub(in crate::kernels) fn kl_sums<R: Runtime>(
    client: &ComputeClient<R>,
    [logits, reference]: [&Handle; 2],
    targets: &[u32],
    columns: Columns,
    state: &Handle,
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
            array(reference, n * width),
            array(&upload(client, targets).0, n),
            array(state, STATE * n),
            width as u32,
            first as u32,
            fresh,
        );
    }
}

/// Overwrites contiguous `logits` `[n, columns]` in f32 with their gradients.
pub(in crate::kernels) fn kl_backward<R: Runtime>(
    client: &ComputeClient<R>,
    [logits, reference]: [&Handle; 2],
    targets: &[u32],
    columns: Columns,
    rows: &Rows<'_>,
) {
    let (n, Columns { width, first }) = (targets.len(), columns);
    if n == 0 {
        return;
    }
    let mut values = Vec::with_capacity(STATE * n);
    for sums in [rows.sums, rows.reference_sums] {
        values.extend(sums.iter().map(|sum| sum.peak));
        values.extend(sums.iter().map(|sum| sum.rest));
    }
    [rows.slopes, rows.coefficients, rows.kls].iter().for_each(|part| values.extend_from_slice(part));
    // SAFETY: a cube a row.
    unsafe {
        gradients::launch_unchecked::<R>(
            client,
            cubes(client, n),
            CubeDim::new_1d(UNITS as u32),
            array(logits, n * width),
            array(reference, n * width),
            array(&upload(client, targets).0, n),
            array(&client.create_from_slice(f32::as_bytes(&values)), values.len()),
            width as u32,
            first as u32,
        );
    }
}
