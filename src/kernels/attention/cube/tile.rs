//! Tiles in shared memory, in f32 whatever they are read from and written to: what kernels with and without subgroup
//! operations have in common.

use cubecl::prelude::*;

use super::super::choice::packed::Tile;

/// The score of a hidden key. Finite, so that a difference of two is a number.
pub(super) const HIDDEN: f32 = -1e30;

/// A score as it is compared, see [`Order`](super::super::order::Order); most scales leave it as it is, and compile to nothing here.
#[cube]
pub(super) fn turned(score: f32, factor: f32, #[comptime] turns: bool) -> f32 {
    if turns { score * factor } else { score }
}

/// Copies rows `first .. first + count` of head `head` of `x` `[n, heads, dim]` to `tile`, zeros beyond.
#[cube]
pub(super) fn load<F: Float>(
    x: &Array<F>,
    tile: &mut SharedMemory<f32>,
    first: usize,
    count: usize,
    heads: usize,
    head: usize,
    #[comptime] t: Tile,
) {
    let width = comptime!(t.width());
    let pitch = comptime!(t.pitch());
    let total = comptime!(t.rows * width);
    let mut at = UNIT_POS as usize;
    while at < total {
        let row = at / width;
        let column = at % width;
        let inside = row < count && column < t.dim;
        let mut value = 0.0f32;
        if inside {
            value = f32::cast_from(x[((first + row) * heads + head) * t.dim + column]);
        }
        tile[row * pitch + column] = value;
        at += comptime!(t.units());
    }
}

/// As [`load`], for keys `first .. first + count` in the order of what a segment sees: `before` rows from `parent`, then its
/// own from `own`.
#[cube]
pub(super) fn load_seen<F: Float>(
    x: &Array<F>,
    tile: &mut SharedMemory<f32>,
    first: usize,
    count: usize,
    parent: usize,
    before: usize,
    own: usize,
    heads: usize,
    head: usize,
    #[comptime] t: Tile,
) {
    let width = comptime!(t.width());
    let pitch = comptime!(t.pitch());
    let total = comptime!(t.rows * width);
    let mut at = UNIT_POS as usize;
    while at < total {
        let row = at / width;
        let column = at % width;
        let inside = row < count && column < t.dim;
        let mut value = 0.0f32;
        if inside {
            let key = first + row;
            let place = select(key < before, parent + key, own + key - min(before, key));
            value = f32::cast_from(x[(place * heads + head) * t.dim + column]);
        }
        tile[row * pitch + column] = value;
        at += comptime!(t.units());
    }
}

/// `sum_c left[row(i)][c] right[column(j)][c]` for the rows and columns of this unit, into `out[i * share + j]`.
#[cube]
pub(super) fn products(
    left: &SharedMemory<f32>,
    right: &SharedMemory<f32>,
    out: &mut Array<f32>,
    y: usize,
    x: usize,
    #[comptime] t: Tile,
) {
    let height = comptime!(t.height());
    let share = comptime!(t.share());
    let width = comptime!(t.width());
    let pitch = comptime!(t.pitch());
    #[unroll]
    for i in 0..height * share {
        out[i] = 0.0f32;
    }
    let mut a = Array::<f32>::new(height);
    let mut b = Array::<f32>::new(share);
    for c in 0..width {
        #[unroll]
        for i in 0..height {
            a[i] = left[(y + i * t.down) * pitch + c];
        }
        #[unroll]
        for j in 0..share {
            b[j] = right[(x + j * t.across) * pitch + c];
        }
        #[unroll]
        for i in 0..height {
            #[unroll]
            for j in 0..share {
                out[i * share + j] += a[i] * b[j];
            }
        }
    }
}

/// Writes this unit's share of rows `first .. first + count` of head `head` of `out` `[n, heads, dim]`.
#[cube]
pub(super) fn store<F: Float>(
    values: &Array<f32>,
    out: &mut Array<F>,
    first: usize,
    count: usize,
    heads: usize,
    head: usize,
    y: usize,
    x: usize,
    #[comptime] t: Tile,
) {
    let height = comptime!(t.height());
    let columns = comptime!(t.columns());
    #[unroll]
    for i in 0..height {
        let row = y + i * t.down;
        #[unroll]
        for j in 0..columns {
            let column = x + j * t.across;
            if row < count && column < t.dim {
                out[((first + row) * heads + head) * t.dim + column] = F::cast_from(values[i * columns + j]);
            }
        }
    }
}
