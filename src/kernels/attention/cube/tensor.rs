//! Attention on tensor cores: f16 or bf16 operands, f32 sums, scores that never leave the registers (Dao 2023,
//! "FlashAttention-2").
//!
//! A plane of 32 owns 16 rows: of queries where it makes outputs or query gradients, of keys where it makes key and value
//! gradients, so every product's result is already the left operand of the next. The gradients of queries and of keys are
//! made by two kernels that each compute the scores again: 7 products instead of 5, but no atomic additions, so results
//! do not vary from run to run.

use cubecl::cmma::{MatrixIdent, MmaDefinition};
use cubecl::prelude::barrier::{Barrier, copy_async};
use cubecl::prelude::*;

use super::super::choice::packed::{Block, PLANE, ROWS};
use super::plan::{KEY_TILE, QUERY_TILE};

/// Elements of a load: 16 bytes.
type Eight = Const<8>;
/// Elements of a register of an operand, and of an accumulator's.
type Pair = Const<2>;

/// The score of a hidden key. Finite, so that a difference of two is a number.
const HIDDEN: f32 = -1e30;

/// Copies `rows` rows of one head to shared memory, without waiting. Row `r` is row `first + r` of `x`, and the last of
/// `count` beyond: its scores are masked, so any numbers do.
#[cube]
fn copy<F: Float>(
    x: &Array<Vector<F, Eight>>,
    tile: &mut SharedMemory<Vector<F, Eight>>,
    first: usize,
    count: usize,
    heads: usize,
    head: usize,
    #[comptime] rows: usize,
    #[comptime] b: Block,
) {
    let vectors = comptime!(b.dim / 8);
    let pitch = comptime!(b.pitch());
    let units = comptime!(b.units());
    let steps = comptime!((rows * vectors).div_ceil(units));
    let exact = comptime!(rows * vectors % units == 0);
    #[unroll]
    for step in 0..steps {
        let at = UNIT_POS as usize + step * units;
        let row = at / vectors;
        let column = at % vectors;
        if exact || at < rows * vectors {
            let source = ((first + min(row, count - 1)) * heads + head) * vectors + column;
            let target = row * pitch + column;
            copy_async(&x.slice(source, source + 1), &mut tile.slice_mut(target, target + 1), 8u32);
        }
    }
}

/// As [`copy`], for keys `first .. first + rows` in the order of what a segment sees, the last of them `seen - 1`.
#[cube]
fn copy_seen<F: Float>(
    x: &Array<Vector<F, Eight>>,
    tile: &mut SharedMemory<Vector<F, Eight>>,
    first: usize,
    seen: usize,
    parent: usize,
    before: usize,
    own: usize,
    heads: usize,
    head: usize,
    #[comptime] b: Block,
) {
    let vectors = comptime!(b.dim / 8);
    let pitch = comptime!(b.pitch());
    let units = comptime!(b.units());
    let steps = comptime!((b.walked * vectors).div_ceil(units));
    let exact = comptime!(b.walked * vectors % units == 0);
    #[unroll]
    for step in 0..steps {
        let at = UNIT_POS as usize + step * units;
        let row = at / vectors;
        let column = at % vectors;
        if exact || at < b.walked * vectors {
            let key = min(first + row, seen - 1);
            let place = select(key < before, parent + key, own + key - min(before, key));
            let source = (place * heads + head) * vectors + column;
            let target = row * pitch + column;
            copy_async(&x.slice(source, source + 1), &mut tile.slice_mut(target, target + 1), 8u32);
        }
    }
}

/// Accumulators of `count` tiles of 16 x 8, all 0.
#[cube]
fn zeros(#[comptime] count: usize) -> Sequence<Array<Vector<f32, Pair>>> {
    let mut all = Sequence::<Array<Vector<f32, Pair>>>::new();
    #[unroll]
    for _ in 0..count {
        let mut tile = Array::<Vector<f32, Pair>>::new(2usize);
        tile[0] = Vector::new(0.0f32);
        tile[1] = Vector::new(0.0f32);
        all.push(tile);
    }
    all
}

/// `out += left right^T`: `left` are rows `row .. row + 16` of a tile, `right` the first `columns` rows of another one.
#[cube]
fn products<F: Float>(
    left: &SharedMemory<Vector<F, Eight>>,
    right: &SharedMemory<Vector<F, Eight>>,
    out: &mut Sequence<Array<Vector<f32, Pair>>>,
    row: usize,
    #[comptime] columns: usize,
    #[comptime] b: Block,
) {
    let mma = MmaDefinition::<F, F, f32>::new(16usize, 8usize, 16usize);
    let pitch = comptime!(b.pitch());
    let lane = UNIT_POS_PLANE as usize;
    let left_at = (row + lane % 16) * pitch + lane / 16;
    let right_at = (lane / 16 * 8 + lane % 8) * pitch + lane / 8 % 2;
    #[unroll]
    for k in 0..comptime!(b.dim / 16) {
        let at = left_at + 2 * k;
        let a =
            mma.load_matrix::<Vector<F, Eight>, Pair>(&left.slice(at, at + 1), MatrixIdent::A, 4usize, false);
        #[unroll]
        for n in 0..comptime!(columns / 16) {
            let at = right_at + n * 16 * pitch + 2 * k;
            let four = mma.load_matrix::<Vector<F, Eight>, Pair>(
                &right.slice(at, at + 1),
                MatrixIdent::B,
                4usize,
                false,
            );
            let mut first = Array::<Vector<F, Pair>>::new(2usize);
            first[0] = four[0];
            first[1] = four[1];
            let mut second = Array::<Vector<F, Pair>>::new(2usize);
            second[0] = four[2];
            second[1] = four[3];
            mma.execute_inplace(&a, &first, out.index_mut(2 * n));
            mma.execute_inplace(&a, &second, out.index_mut(2 * n + 1));
        }
    }
}

/// `out += weights right`: `weights` are 16 x `depth` accumulators of this plane, `right` the first `depth` rows of a tile.
#[cube]
fn accumulate<F: Float>(
    weights: &Sequence<Array<Vector<f32, Pair>>>,
    right: &SharedMemory<Vector<F, Eight>>,
    out: &mut Sequence<Array<Vector<f32, Pair>>>,
    #[comptime] depth: usize,
    #[comptime] b: Block,
) {
    let mma = MmaDefinition::<F, F, f32>::new(16usize, 8usize, 16usize);
    let pitch = comptime!(b.pitch());
    let lane = UNIT_POS_PLANE as usize;
    let right_at = (lane % 16) * pitch + lane / 16;
    #[unroll]
    for k in 0..comptime!(depth / 16) {
        let mut a = Array::<Vector<F, Pair>>::new(4usize);
        a[0] = Vector::cast_from(weights.index(2 * k)[0]);
        a[1] = Vector::cast_from(weights.index(2 * k)[1]);
        a[2] = Vector::cast_from(weights.index(2 * k + 1)[0]);
        a[3] = Vector::cast_from(weights.index(2 * k + 1)[1]);
        #[unroll]
        for n in 0..comptime!(b.dim / 16) {
            let at = right_at + k * 16 * pitch + 2 * n;
            let four = mma.load_matrix::<Vector<F, Eight>, Pair>(
                &right.slice(at, at + 1),
                MatrixIdent::B,
                4usize,
                true,
            );
            let mut first = Array::<Vector<F, Pair>>::new(2usize);
            first[0] = four[0];
            first[1] = four[1];
            let mut second = Array::<Vector<F, Pair>>::new(2usize);
            second[0] = four[2];
            second[1] = four[3];
            mma.execute_inplace(&a, &first, out.index_mut(2 * n));
            mma.execute_inplace(&a, &second, out.index_mut(2 * n + 1));
        }
    }
}

/// Writes a plane's 16 rows: those below `count` of head `head` of `out` `[n, heads, dim]`, row `row` of them the first.
#[cube]
fn store<F: Float>(
    values: &Sequence<Array<Vector<f32, Pair>>>,
    out: &mut Array<Vector<F, Pair>>,
    first: usize,
    row: usize,
    count: usize,
    heads: usize,
    head: usize,
    #[comptime] b: Block,
) {
    let lane = UNIT_POS_PLANE as usize;
    #[unroll]
    for half in 0..2usize {
        let own = row + lane / 4 + half * 8;
        if own < count {
            let at = ((first + own) * heads + head) * comptime!(b.dim / 2) + lane % 4;
            #[unroll]
            for n in 0..comptime!(b.dim / 8) {
                out[at + n * 4] = Vector::cast_from(values.index(n)[half]);
            }
        }
    }
}

/// The largest of the four units that share a row.
#[cube]
fn row_max(value: f32) -> f32 {
    let value = max(value, plane_shuffle_xor(value, 1u32));
    max(value, plane_shuffle_xor(value, 2u32))
}

/// The sum over the four units that share a row.
#[cube]
fn row_sum(value: f32) -> f32 {
    let value = value + plane_shuffle_xor(value, 1u32);
    value + plane_shuffle_xor(value, 2u32)
}

/// Output `[n, heads, dim]` of one tile of queries and one head a cube, and `[n, heads, 2]` the largest score before scaling with
/// the rest of the log-sum-exp.
#[cube(launch_unchecked, fast_math = FastMath::ReducedPrecision | FastMath::NotNaN | FastMath::NotInf)]
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
    #[comptime] b: Block,
    #[define(F)] _dtype: StorageType,
) {
    let heads = heads as usize;
    let kv_heads = kv_heads as usize;
    let head = CUBE_POS_Y as usize;
    let key_head = head / (heads / kv_heads);
    let entry = CUBE_POS_X as usize * QUERY_TILE;
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
            sums[at] = peak[half];
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
    let entry = CUBE_POS_X as usize * QUERY_TILE;
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
    scaled(&mut gradient, scale, b);
    store::<F>(&gradient, dq, first, row, count, heads, head, b);
}

/// Multiplies accumulators of 16 rows of a head by `factor`.
#[cube]
fn scaled(values: &mut Sequence<Array<Vector<f32, Pair>>>, factor: f32, #[comptime] b: Block) {
    #[unroll]
    for n in 0..comptime!(b.dim / 8) {
        #[unroll]
        for half in 0..2usize {
            let old = values.index(n)[half];
            values.index_mut(n)[half] = old * Vector::new(factor);
        }
    }
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
    let entry = CUBE_POS_X as usize * KEY_TILE;
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
    scaled(&mut key_gradient, scale, b);
    store::<F>(&key_gradient, dk, first, row, count, kv_heads, key_head, b);
    store::<F>(&value_gradient, dv, first, row, count, kv_heads, key_head, b);
}
