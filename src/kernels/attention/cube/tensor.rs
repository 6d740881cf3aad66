//! Attention on tensor cores: f16 or bf16 operands, f32 sums, scores that never leave the registers (Dao 2023,
//! "FlashAttention-2").
//!
//! A plane of 32 owns 16 rows: of queries where it makes outputs or query gradients, of keys where it makes key and value
//! gradients, so every product's result is already the left operand of the next. The gradients of queries and of keys are
//! made by two kernels that each compute the scores again: 7 products instead of 5, but no atomic additions, so results
//! do not vary from run to run.

use cubecl::prelude::barrier::Barrier;
use cubecl::prelude::*;

use super::super::choice::packed::{Block, PLANE, ROWS};
use super::mma::{
    Eight, Pair, accumulate, copy, copy_seen, products, row_max, row_sum, scaled, store, zeros,
};
use super::plan::{KEY_TILE, QUERY_TILE};
use super::tile::{HIDDEN, turned};
use crate::kernels::cube::launch::cube_number;

/// Output `[n, heads, dim]` of one tile of queries and one head a cube, and `[n, heads, 2]` the largest score before scaling with
/// the rest of the log-sum-exp.
#[cube(launch_unchecked, fast_math = FastMath::ReducedPrecision | FastMath::NotNaN | FastMath::NotInf)]
// CubeCL has no `is_multiple_of`.
#[allow(clippy::manual_is_multiple_of)]
pub(super) fn forward<F: Float>(
    q: &Array<Vector<F, Eight>>,
    k: &Array<Vector<F, Eight>>,
    v: &Array<Vector<F, Eight>>,
    tiles: &Array<u32>,
    out: &mut Array<Vector<F, Pair>>,
    sums: &mut Array<f32>,
    heads: u32,
    kv_heads: u32,
    scale: f32,
    factor: f32,
    back: f32,
    #[comptime] turns: bool,
    #[comptime] b: Block,
    #[define(F)] _dtype: StorageType,
) {
    let heads = heads as usize;
    let kv_heads = kv_heads as usize;
    let head = CUBE_POS_Y as usize;
    let key_head = head / (heads / kv_heads);
    let entry = cube_number() * QUERY_TILE;
    if entry >= tiles.len() {
        terminate!();
    }
    let first = tiles[entry] as usize;
    let count = tiles[entry + 1] as usize;
    let position = tiles[entry + 2] as usize;
    let parent = tiles[entry + 3] as usize;
    let before = tiles[entry + 4] as usize;
    let own = tiles[entry + 5] as usize;
    let seen = position + count;
    let lane = UNIT_POS_PLANE as usize;
    let row = UNIT_POS as usize / PLANE * ROWS;

    let mut queries = SharedMemory::<Vector<F, Eight>>::new_aligned(comptime!(b.rows() * b.pitch()), 16usize);
    let mut keys = SharedMemory::<Vector<F, Eight>>::new_aligned(comptime!(b.walked * b.pitch()), 16usize);
    let mut values = SharedMemory::<Vector<F, Eight>>::new_aligned(comptime!(b.walked * b.pitch()), 16usize);
    let keys_here = Barrier::shared(CUBE_DIM, UNIT_POS == 0);
    let values_here = Barrier::shared(CUBE_DIM, UNIT_POS == 0);
    sync_cube();

    copy::<F>(q, &mut queries, first, count, heads, head, comptime!(b.rows()), b);
    copy_seen::<F>(k, &mut keys, 0usize, seen, parent, before, own, kv_heads, key_head, b);
    keys_here.commit_copy_async();

    let mut attended = zeros(comptime!(b.dim / 8));
    let mut peak = Array::<f32>::new(2usize);
    let mut sum = Array::<f32>::new(2usize);
    #[unroll]
    for half in 0..2usize {
        peak[half] = HIDDEN.runtime();
        sum[half] = 0.0f32;
    }
    let steps = seen.div_ceil(b.walked);
    for step in 0..steps {
        let from = step * b.walked;
        // The keys are here, and all planes are done with the values before.
        keys_here.arrive_and_wait();
        copy_seen::<F>(v, &mut values, from, seen, parent, before, own, kv_heads, key_head, b);
        values_here.commit_copy_async();
        let mut scores = zeros(comptime!(b.walked / 8));
        products::<F>(&queries, &keys, &mut scores, row, b.walked, b);
        values_here.arrive_and_wait();
        if step + 1 < steps {
            copy_seen::<F>(k, &mut keys, from + b.walked, seen, parent, before, own, kv_heads, key_head, b);
            keys_here.commit_copy_async();
        }
        if turns {
            scaled(&mut scores, factor, comptime!(b.walked / 8));
        }
        // Only tiles that reach beyond the first query have anything to hide.
        if from + b.walked > position + row + 1 {
            #[unroll]
            for half in 0..2usize {
                let last = position + row + lane / 4 + half * 8;
                #[unroll]
                for n in 0..comptime!(b.walked / 8) {
                    let mut pair = scores.index(n)[half];
                    #[unroll]
                    for c in 0..2usize {
                        let key = from + n * 8 + lane % 4 * 2 + c;
                        pair[c] = select(key <= last && key < seen, pair[c], HIDDEN);
                    }
                    scores.index_mut(n)[half] = pair;
                }
            }
        }
        #[unroll]
        for half in 0..2usize {
            let mut highest = peak[half];
            #[unroll]
            for n in 0..comptime!(b.walked / 8) {
                let pair = scores.index(n)[half];
                highest = max(highest, max(pair[0], pair[1]));
            }
            let new = row_max(highest);
            let factor = ((peak[half] - new) * scale).exp();
            peak[half] = new;
            let mut total = sum[half] * factor;
            let shift = new * scale;
            #[unroll]
            for n in 0..comptime!(b.walked / 8) {
                let mut pair = scores.index(n)[half];
                #[unroll]
                for c in 0..2usize {
                    pair[c] = (pair[c] * scale - shift).exp();
                    total += pair[c];
                }
                scores.index_mut(n)[half] = pair;
            }
            sum[half] = total;
            #[unroll]
            for n in 0..comptime!(b.dim / 8) {
                let old = attended.index(n)[half];
                attended.index_mut(n)[half] = old * Vector::new(factor);
            }
        }
        accumulate::<F>(&scores, &values, &mut attended, b.walked, b);
    }
    #[unroll]
    for half in 0..2usize {
        let total = row_sum(sum[half]);
        let query = row + lane / 4 + half * 8;
        if lane % 4 == 0 && query < count {
            let at = ((first + query) * heads + head) * 2;
            sums[at] = turned(peak[half], back, turns);
            sums[at + 1] = total.ln();
        }
        #[unroll]
        for n in 0..comptime!(b.dim / 8) {
            let old = attended.index(n)[half];
            attended.index_mut(n)[half] = old * Vector::new(1.0f32 / total);
        }
    }
    store::<F>(&attended, out, first, row, count, heads, head, b);
}

/// Gradient of the queries `[n, heads, dim]`, one tile of queries and one head a cube; `sums` `[n, heads, 2]` as the
/// forward gave them, `dots` `[n, heads]`. Exponents are made as the forward makes them, so that what rounding left out of a scaled
/// peak of thousands cancels; the rest is taken away by itself.
#[cube(launch_unchecked, fast_math = FastMath::ReducedPrecision | FastMath::NotNaN | FastMath::NotInf)]
pub(super) fn backward_queries<F: Float>(
    q: &Array<Vector<F, Eight>>,
    k: &Array<Vector<F, Eight>>,
    v: &Array<Vector<F, Eight>>,
    dout: &Array<Vector<F, Eight>>,
    sums: &Array<f32>,
    dots: &Array<f32>,
    tiles: &Array<u32>,
    dq: &mut Array<Vector<F, Pair>>,
    heads: u32,
    kv_heads: u32,
    scale: f32,
    #[comptime] b: Block,
    #[define(F)] _dtype: StorageType,
) {
    let heads = heads as usize;
    let kv_heads = kv_heads as usize;
    let head = CUBE_POS_Y as usize;
    let key_head = head / (heads / kv_heads);
    let entry = cube_number() * QUERY_TILE;
    if entry >= tiles.len() {
        terminate!();
    }
    let first = tiles[entry] as usize;
    let count = tiles[entry + 1] as usize;
    let position = tiles[entry + 2] as usize;
    let parent = tiles[entry + 3] as usize;
    let before = tiles[entry + 4] as usize;
    let own = tiles[entry + 5] as usize;
    let seen = position + count;
    let lane = UNIT_POS_PLANE as usize;
    let row = UNIT_POS as usize / PLANE * ROWS;

    let mut queries = SharedMemory::<Vector<F, Eight>>::new_aligned(comptime!(b.rows() * b.pitch()), 16usize);
    let mut upstream =
        SharedMemory::<Vector<F, Eight>>::new_aligned(comptime!(b.rows() * b.pitch()), 16usize);
    let mut keys = SharedMemory::<Vector<F, Eight>>::new_aligned(comptime!(b.walked * b.pitch()), 16usize);
    let mut values = SharedMemory::<Vector<F, Eight>>::new_aligned(comptime!(b.walked * b.pitch()), 16usize);
    let keys_here = Barrier::shared(CUBE_DIM, UNIT_POS == 0);
    let values_here = Barrier::shared(CUBE_DIM, UNIT_POS == 0);
    sync_cube();
    copy::<F>(q, &mut queries, first, count, heads, head, comptime!(b.rows()), b);
    copy::<F>(dout, &mut upstream, first, count, heads, head, comptime!(b.rows()), b);
    copy_seen::<F>(v, &mut values, 0usize, seen, parent, before, own, kv_heads, key_head, b);
    values_here.commit_copy_async();

    let mut shift = Array::<f32>::new(2usize);
    let mut rest = Array::<f32>::new(2usize);
    let mut dot = Array::<f32>::new(2usize);
    #[unroll]
    for half in 0..2usize {
        let at = (first + min(row + lane / 4 + half * 8, count - 1)) * heads + head;
        shift[half] = sums[at * 2] * scale;
        rest[half] = sums[at * 2 + 1];
        dot[half] = dots[at];
    }
    let mut gradient = zeros(comptime!(b.dim / 8));
    let steps = seen.div_ceil(b.walked);
    for step in 0..steps {
        let from = step * b.walked;
        values_here.arrive_and_wait();
        copy_seen::<F>(k, &mut keys, from, seen, parent, before, own, kv_heads, key_head, b);
        keys_here.commit_copy_async();
        let mut slopes = zeros(comptime!(b.walked / 8));
        products::<F>(&upstream, &values, &mut slopes, row, b.walked, b);
        keys_here.arrive_and_wait();
        if step + 1 < steps {
            copy_seen::<F>(v, &mut values, from + b.walked, seen, parent, before, own, kv_heads, key_head, b);
            values_here.commit_copy_async();
        }
        let mut scores = zeros(comptime!(b.walked / 8));
        products::<F>(&queries, &keys, &mut scores, row, b.walked, b);
        let hides = from + b.walked > position + row + 1;
        #[unroll]
        for half in 0..2usize {
            let last = position + row + lane / 4 + half * 8;
            #[unroll]
            for n in 0..comptime!(b.walked / 8) {
                let score = scores.index(n)[half];
                let slope = slopes.index(n)[half];
                let mut change = score;
                #[unroll]
                for c in 0..2usize {
                    let key = from + n * 8 + lane % 4 * 2 + c;
                    let visible = !hides || (key <= last && key < seen);
                    let shifted = (score[c] * scale - shift[half]) - rest[half];
                    let exponent = select(visible, shifted, HIDDEN);
                    change[c] = exponent.exp() * (slope[c] - dot[half]);
                }
                scores.index_mut(n)[half] = change;
            }
        }
        accumulate::<F>(&scores, &keys, &mut gradient, b.walked, b);
    }
    scaled(&mut gradient, scale, comptime!(b.dim / 8));
    store::<F>(&gradient, dq, first, row, count, heads, head, b);
}

/// Gradients of keys and values `[n, kv_heads, dim]`, one tile of keys and one key head a cube. A plane owns keys as rows, so
/// its scores are `k q^T`, transposed.
#[cube(launch_unchecked, fast_math = FastMath::ReducedPrecision | FastMath::NotNaN | FastMath::NotInf)]
pub(super) fn backward_keys<F: Float>(
    q: &Array<Vector<F, Eight>>,
    k: &Array<Vector<F, Eight>>,
    v: &Array<Vector<F, Eight>>,
    dout: &Array<Vector<F, Eight>>,
    sums: &Array<f32>,
    dots: &Array<f32>,
    tiles: &Array<u32>,
    readers: &Array<u32>,
    dk: &mut Array<Vector<F, Pair>>,
    dv: &mut Array<Vector<F, Pair>>,
    heads: u32,
    kv_heads: u32,
    scale: f32,
    #[comptime] b: Block,
    #[define(F)] _dtype: StorageType,
) {
    let heads = heads as usize;
    let kv_heads = kv_heads as usize;
    let group = heads / kv_heads;
    let key_head = CUBE_POS_Y as usize;
    let entry = cube_number() * KEY_TILE;
    if entry >= tiles.len() {
        terminate!();
    }
    let first = tiles[entry] as usize;
    let count = tiles[entry + 1] as usize;
    let first_reader = tiles[entry + 2] as usize;
    let end_reader = tiles[entry + 3] as usize;
    let unit = UNIT_POS as usize;
    let lane = UNIT_POS_PLANE as usize;
    let row = unit / PLANE * ROWS;

    let mut keys = SharedMemory::<Vector<F, Eight>>::new_aligned(comptime!(b.rows() * b.pitch()), 16usize);
    let mut values = SharedMemory::<Vector<F, Eight>>::new_aligned(comptime!(b.rows() * b.pitch()), 16usize);
    let mut queries = SharedMemory::<Vector<F, Eight>>::new_aligned(comptime!(b.walked * b.pitch()), 16usize);
    let mut upstream =
        SharedMemory::<Vector<F, Eight>>::new_aligned(comptime!(b.walked * b.pitch()), 16usize);
    let mut shift = SharedMemory::<f32>::new(b.walked);
    let mut rest = SharedMemory::<f32>::new(b.walked);
    let mut dot = SharedMemory::<f32>::new(b.walked);
    let queries_here = Barrier::shared(CUBE_DIM, UNIT_POS == 0);
    let upstream_here = Barrier::shared(CUBE_DIM, UNIT_POS == 0);
    sync_cube();
    copy::<F>(k, &mut keys, first, count, kv_heads, key_head, comptime!(b.rows()), b);
    copy::<F>(v, &mut values, first, count, kv_heads, key_head, comptime!(b.rows()), b);

    let mut key_gradient = zeros(comptime!(b.dim / 8));
    let mut value_gradient = zeros(comptime!(b.dim / 8));
    for reader in first_reader..end_reader {
        let start = readers[reader * 2] as usize;
        let length = readers[reader * 2 + 1] as usize;
        let causal = reader == first_reader;
        let steps = length.div_ceil(b.walked);
        // Members of the group within steps, so that one walk covers both.
        for turn in 0..steps * group {
            let from = start + turn / group * b.walked;
            let head = key_head * group + turn % group;
            let here = min(b.walked, start + length - from);
            // All planes are done with what was there.
            sync_cube();
            copy::<F>(q, &mut queries, from, here, heads, head, b.walked, b);
            queries_here.commit_copy_async();
            copy::<F>(dout, &mut upstream, from, here, heads, head, b.walked, b);
            upstream_here.commit_copy_async();
            if unit < b.walked {
                let at = (from + min(unit, here - 1)) * heads + head;
                shift[unit] = sums[at * 2] * scale;
                rest[unit] = sums[at * 2 + 1];
                dot[unit] = dots[at];
            }
            queries_here.arrive_and_wait();
            let mut scores = zeros(comptime!(b.walked / 8));
            products::<F>(&keys, &queries, &mut scores, row, b.walked, b);
            upstream_here.arrive_and_wait();
            let mut slopes = zeros(comptime!(b.walked / 8));
            products::<F>(&values, &upstream, &mut slopes, row, b.walked, b);
            #[unroll]
            for n in 0..comptime!(b.walked / 8) {
                #[unroll]
                for half in 0..2usize {
                    let key = first + row + lane / 4 + half * 8;
                    let score = scores.index(n)[half];
                    let slope = slopes.index(n)[half];
                    let mut weight = score;
                    let mut change = slope;
                    #[unroll]
                    for c in 0..2usize {
                        let column = n * 8 + lane % 4 * 2 + c;
                        let visible = column < here && (!causal || key <= from + column);
                        let shifted = (score[c] * scale - shift[column]) - rest[column];
                        let exponent = select(visible, shifted, HIDDEN);
                        weight[c] = exponent.exp();
                        change[c] = weight[c] * (slope[c] - dot[column]);
                    }
                    scores.index_mut(n)[half] = weight;
                    slopes.index_mut(n)[half] = change;
                }
            }
            accumulate::<F>(&scores, &upstream, &mut value_gradient, b.walked, b);
            accumulate::<F>(&slopes, &queries, &mut key_gradient, b.walked, b);
        }
    }
    scaled(&mut key_gradient, scale, comptime!(b.dim / 8));
    store::<F>(&key_gradient, dk, first, row, count, kv_heads, key_head, b);
    store::<F>(&value_gradient, dv, first, row, count, kv_heads, key_head, b);
}
