//! Register tiles: some weight rows times some input rows, summed over all of `k` in registers.

use pulp::{Simd, WithSimd};

use super::cpu::Input;
use super::rows::Rows;
use crate::kernels::parallel::SharedMut;

/// Bytes of input rows walked for one group of weight rows.
const INPUT_BYTES: usize = 16 << 10;

/// Where a task's products come from and go to.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub input: &'a Input<'a>,
    /// Columns of the output.
    pub out_features: usize,
    /// The output column of the first weight row.
    pub first: usize,
    /// `[n, out_features]`; the task alone owns the columns of its weight rows.
    pub out: SharedMut<f32>,
}

/// What a tile asks of memory beside what it reads.
#[derive(Clone, Copy)]
enum Fetch {
    Nothing,
    NextRows,
    NextChunk,
}

/// All `rows` of `w` times all input rows, in the tile shape that suits their number.
///
/// A function of its own however many call it: inlined into each, the tiles of one kind of rows would be compiled once for every
/// block type.
#[inline(always)]
pub(super) fn run<S: Simd, W: Rows>(simd: S, w: &W, rows: usize, to: &Target<'_>) {
    simd.vectorize(Run { w, rows, to });
}

struct Run<'a, W> {
    w: &'a W,
    rows: usize,
    to: &'a Target<'a>,
}

impl<W: Rows> WithSimd for Run<'_, W> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        shaped(simd, self.w, self.rows, self.to);
    }
}

/// As [`run`], in place.
#[inline(always)]
fn shaped<S: Simd, W: Rows>(simd: S, w: &W, rows: usize, to: &Target<'_>) {
    if to.input.rows == 1 {
        // Memory-bound: one stream in address order is what hardware prefetch follows best (30 GB/s of 31 measured,
        // against 19 with four rows side by side).
        few::<S, W, 1, 1>(simd, w, rows, to);
    } else if S::REGISTER_COUNT >= 32 && W::STREAMS == 2 {
        // Fewer passes over the chunk; bf16 pairs also need registers to be taken apart in.
        walk::<S, W, 2, 8>(simd, w, rows, to);
    } else if S::REGISTER_COUNT >= 32 {
        walk::<S, W, 3, 8>(simd, w, rows, to);
    } else if W::STREAMS == 2 {
        walk::<S, W, 2, 4>(simd, w, rows, to);
    } else {
        // All 16 registers: 12 sums, three weights and an input.
        walk::<S, W, 3, 4>(simd, w, rows, to);
    }
}

/// All `rows` of `w`, `R` at a time, times the only `C` input rows there are.
#[inline(always)]
pub(super) fn few<S: Simd, W: Rows, const R: usize, const C: usize>(
    simd: S,
    w: &W,
    rows: usize,
    to: &Target<'_>,
) {
    assert_eq!(to.input.rows, C, "as many input rows as a tile takes");
    let mut row = 0;
    while row + R <= rows {
        // SAFETY: rows row..row + R and the input rows exist.
        unsafe {
            w.ready(row, R);
            tile::<S, W, R, C>(simd, w, row, 0, Fetch::Nothing, to);
        }
        row += R;
    }
    while row < rows {
        // SAFETY: as above.
        unsafe {
            w.ready(row, 1);
            tile::<S, W, 1, C>(simd, w, row, 0, Fetch::Nothing, to);
        }
        row += 1;
    }
}

/// Walks input blocks, weight row groups of `R`, and input groups of up to `C`.
#[inline(always)]
fn walk<S: Simd, W: Rows, const R: usize, const C: usize>(simd: S, w: &W, rows: usize, to: &Target<'_>) {
    let input = to.input;
    let block = (INPUT_BYTES / (4 * input.stride.max(1))).max(C) / C * C;
    for start in (0..input.rows).step_by(block) {
        let stop = (start + block).min(input.rows);
        // The first pass over a chunk waits for memory; the second computes from the cache, and has memory bring the
        // chunk that most likely comes next on this thread.
        let fetch = match start / block {
            0 if R > 1 => Fetch::NextRows,
            1 => Fetch::NextChunk,
            _ => Fetch::Nothing,
        };
        let mut row = 0;
        while row + R <= rows {
            columns::<S, W, R, C>(simd, w, row, start, stop, fetch, to);
            row += R;
        }
        while row < rows {
            columns::<S, W, 1, C>(simd, w, row, start, stop, fetch, to);
            row += 1;
        }
    }
}

#[inline(always)]
fn columns<S: Simd, W: Rows, const R: usize, const C: usize>(
    simd: S,
    w: &W,
    row: usize,
    start: usize,
    stop: usize,
    fetch: Fetch,
    to: &Target<'_>,
) {
    let mut i = start;
    while i < stop {
        let fetch = if i == start { fetch } else { Fetch::Nothing };
        let left = (stop - i).min(C);
        // SAFETY: rows row..row+R and inputs i..i+left exist.
        unsafe {
            match left {
                1 => tile::<S, W, R, 1>(simd, w, row, i, fetch, to),
                2 => tile::<S, W, R, 2>(simd, w, row, i, fetch, to),
                3 => tile::<S, W, R, 3>(simd, w, row, i, fetch, to),
                4 => tile::<S, W, R, 4>(simd, w, row, i, fetch, to),
                5 => tile::<S, W, R, 5>(simd, w, row, i, fetch, to),
                6 => tile::<S, W, R, 6>(simd, w, row, i, fetch, to),
                7 => tile::<S, W, R, 7>(simd, w, row, i, fetch, to),
                _ => tile::<S, W, R, 8>(simd, w, row, i, fetch, to),
            }
        }
        i += left;
    }
}

/// Adds one step of `R` weight rows times `C` inputs (from input `i`, element `at`). A function and not a closure: only
/// an inlined body is compiled with the caller's vector instructions, and closures cannot be forced inline.
#[inline(always)]
fn accumulate<S: Simd, W: Rows, const R: usize, const C: usize>(
    simd: S,
    acc: &mut [[S::f32s; C]; R],
    weights: &[[S::f32s; 2]; R],
    x: *const f32,
    stride: usize,
    i: usize,
    at: usize,
) {
    for stream in 0..W::STREAMS {
        for c in 0..C {
            let offset = (i + c) * stride + at + stream * S::F32_LANES;
            // SAFETY: inputs i..i + C exist and are padded to whole steps.
            let xv = unsafe { x.add(offset).cast::<S::f32s>().read_unaligned() };
            for r in 0..R {
                acc[r][c] = simd.mul_add_f32s(weights[r][stream], xv, acc[r][c]);
            }
        }
    }
}

/// `R` weight rows by `C` inputs, accumulated in registers over all of `k`.
///
/// # Safety
/// Rows `row..row + R` and inputs `i..i + C` exist.
#[inline(always)]
unsafe fn tile<S: Simd, W: Rows, const R: usize, const C: usize>(
    simd: S,
    w: &W,
    row: usize,
    i: usize,
    fetch: Fetch,
    to: &Target<'_>,
) {
    let stride = to.input.stride;
    let x = to.input.data.as_ptr();
    let step_len = W::STREAMS * S::F32_LANES;
    let steps = w.k() / step_len;
    let mut acc = [[simd.splat_f32s(0.0); C]; R];
    for step in 0..steps {
        let mut weights = [[simd.splat_f32s(0.0); 2]; R];
        for r in 0..R {
            // In address order, although rows are read side by side.
            match fetch {
                Fetch::NextRows => w.prefetch(row + R, (step * R + r) * step_len),
                Fetch::NextChunk => w.prefetch_next(row, (step * R + r) * step_len),
                Fetch::Nothing => {}
            }
            // SAFETY: `step` is a full step of an existing row.
            weights[r] = unsafe { w.load(simd, row + r, step) };
        }
        accumulate::<S, W, R, C>(simd, &mut acc, &weights, x, stride, i, step * step_len);
    }
    if steps * step_len < w.k() {
        let mut weights = [[simd.splat_f32s(0.0); 2]; R];
        for r in 0..R {
            weights[r] = w.tail(simd, row + r);
        }
        accumulate::<S, W, R, C>(simd, &mut acc, &weights, x, stride, i, steps * step_len);
    }
    let out_features = to.out_features;
    let column = to.first + row;
    for c in 0..C {
        for r in 0..R {
            // SAFETY: this task alone owns these columns of `out`.
            unsafe {
                *to.out.get().add((i + c) * out_features + column + r) = simd.reduce_sum_f32s(acc[r][c]);
            }
        }
    }
}
