//! Tiles in shared memory and accumulators in registers, as the instructions of tensor cores have them: what the kernels of
//! [`super::tensor`] are made of.
//!
//! An accumulator is a tile of 16 x 8 in f32. Of it a unit holds columns `2 (lane % 4)` and the next one of rows `lane / 4`
//! and `lane / 4 + 8`, a pair each, so four units share a row.

use cubecl::cmma::{MatrixIdent, MmaDefinition};
use cubecl::prelude::barrier::copy_async;
use cubecl::prelude::*;

use super::super::choice::packed::Block;

/// Elements of a load: 16 bytes.
pub(super) type Eight = Const<8>;
/// Elements of a register of an operand, and of an accumulator's.
pub(super) type Pair = Const<2>;

/// Copies `rows` rows of one head to shared memory, without waiting. Row `r` is row `first + r` of `x`, and the last of
/// `count` beyond: its scores are masked, so any numbers do.
#[cube]
pub(super) fn copy<F: Float>(
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
    let exact = comptime!((rows * vectors).is_multiple_of(units));
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
pub(super) fn copy_seen<F: Float>(
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
    let exact = comptime!((b.walked * vectors).is_multiple_of(units));
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
pub(super) fn zeros(#[comptime] count: usize) -> Sequence<Array<Vector<f32, Pair>>> {
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

/// Adds the products of a left operand with a tile of 16 x 16 in `right` to accumulators `2 n` and `2 n + 1`, which are 8 columns each.
/// `at` is where this unit's row of the tile begins; `transposed` says that the tile's rows, not its columns, are summed over.
#[cube]
fn multiply<F: Float>(
    left: &Array<Vector<F, Pair>>,
    right: &SharedMemory<Vector<F, Eight>>,
    at: usize,
    out: &mut Sequence<Array<Vector<f32, Pair>>>,
    #[comptime] n: usize,
    #[comptime] transposed: bool,
) {
    let mma = MmaDefinition::<F, F, f32>::new(16usize, 8usize, 16usize);
    let four = mma.load_matrix::<Vector<F, Eight>, Pair>(
        &right.slice(at, at + 1),
        MatrixIdent::B,
        4usize,
        transposed,
    );
    let mut first = Array::<Vector<F, Pair>>::new(2usize);
    first[0] = four[0];
    first[1] = four[1];
    let mut second = Array::<Vector<F, Pair>>::new(2usize);
    second[0] = four[2];
    second[1] = four[3];
    mma.execute_inplace(left, &first, out.index_mut(2 * n));
    mma.execute_inplace(left, &second, out.index_mut(2 * n + 1));
}

/// `out += left right^T`: `left` are rows `row .. row + 16` of a tile, `right` the first `columns` rows of another one.
#[cube]
pub(super) fn products<F: Float>(
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
            multiply::<F>(&a, right, at, out, n, false);
        }
    }
}

/// `out += weights right`: `weights` are 16 x `depth` accumulators of this plane, `right` the first `depth` rows of a tile.
#[cube]
pub(super) fn accumulate<F: Float>(
    weights: &Sequence<Array<Vector<f32, Pair>>>,
    right: &SharedMemory<Vector<F, Eight>>,
    out: &mut Sequence<Array<Vector<f32, Pair>>>,
    #[comptime] depth: usize,
    #[comptime] b: Block,
) {
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
            multiply::<F>(&a, right, at, out, n, true);
        }
    }
}

/// Writes a plane's 16 rows: those below `count` of head `head` of `out` `[n, heads, dim]`, row `row` of them the first.
#[cube]
pub(super) fn store<F: Float>(
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

/// Multiplies the first `count` accumulators by `factor`.
#[cube]
pub(super) fn scaled(values: &mut Sequence<Array<Vector<f32, Pair>>>, factor: f32, #[comptime] count: usize) {
    #[unroll]
    for n in 0..count {
        #[unroll]
        for half in 0..2usize {
            let old = values.index(n)[half];
            values.index_mut(n)[half] = old * Vector::new(factor);
        }
    }
}

/// The largest of the four units that share a row.
#[cube]
pub(super) fn row_max(value: f32) -> f32 {
    let value = max(value, plane_shuffle_xor(value, 1u32));
    max(value, plane_shuffle_xor(value, 2u32))
}

/// The sum over the four units that share a row.
#[cube]
pub(super) fn row_sum(value: f32) -> f32 {
    let value = value + plane_shuffle_xor(value, 1u32);
    value + plane_shuffle_xor(value, 2u32)
}
