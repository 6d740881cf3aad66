//! Attention by planes, without tensor cores: tiles in shared memory as in [`super::unit`], scores in registers.
//!
//! The units that hold one row of scores are in one plane. So a row's peak and sum need no shared memory, and neither do its
//! weights when they meet the values: the units of the row hand them on one by one. What is walked can then be loaded
//! together, and a step needs two barriers: one when its tiles are there, one when nobody reads them any more. Without
//! subgroup operations it is five in the forward and for the gradients of queries, and seven for those of keys.
//!
//! Every unit comes to every subgroup operation: what is hidden is masked, since WGSL allows none in a branch that only some
//! take.

use cubecl::prelude::*;

use super::super::choice::packed::Tile;
use super::plan::{KEY_TILE, QUERY_TILE};
use super::tile::{HIDDEN, load, load_seen, products, store, turned};
use crate::kernels::cube::launch::cube_number;

/// This unit's place in the cube, with those of a plane next to each other.
#[cube]
fn place() -> usize {
    (PLANE_POS * PLANE_DIM + UNIT_POS_PLANE) as usize
}

/// The largest of the units of a row.
#[cube]
fn row_max(value: f32, #[comptime] t: Tile) -> f32 {
    let mut highest = value;
    #[unroll]
    for bit in 0..comptime!(t.across.ilog2()) {
        highest = max(highest, plane_shuffle_xor(highest, 1u32 << bit));
    }
    highest
}

/// The sum over the units of a plane whose places in it differ in bits `from..end`, the same in each of them.
#[cube]
pub(super) fn sum_over(value: f32, #[comptime] from: u32, #[comptime] end: u32) -> f32 {
    let mut sum = value;
    #[unroll]
    for bit in from..end {
        sum += plane_shuffle_xor(sum, 1u32 << bit);
    }
    sum
}

/// `out[i][j] += sum_r weights[row(i)][r] rows[r][column(j)]`: this unit's rows of a product with a tile. The units of a row hold
/// its weights, those for rows `x, x + across, ...` each.
#[cube]
fn accumulate(
    weights: &Array<f32>,
    rows: &SharedMemory<f32>,
    out: &mut Array<f32>,
    x: usize,
    #[comptime] t: Tile,
) {
    let height = comptime!(t.height());
    let share = comptime!(t.share());
    let columns = comptime!(t.columns());
    let pitch = comptime!(t.pitch());
    // The row's first unit in the plane.
    let first = UNIT_POS_PLANE - x as u32;
    let mut a = Array::<f32>::new(height);
    #[unroll]
    for part in 0..share {
        for lane in 0..t.across {
            #[unroll]
            for i in 0..height {
                a[i] = plane_shuffle(weights[i * share + part], first + lane as u32);
            }
            let r = part * t.across + lane;
            #[unroll]
            for j in 0..columns {
                let value = rows[r * pitch + x + j * t.across];
                #[unroll]
                for i in 0..height {
                    out[i * columns + j] += a[i] * value;
                }
            }
        }
    }
}

/// Output `[n, heads, dim]` of one tile of queries and one head a cube, and `[n, heads, 2]` the largest score before scaling with
/// the rest of the log-sum-exp. Scores are scaled as differences to the largest: the digits of thousands are spared.
#[cube(launch_unchecked)]
pub(super) fn forward<F: Float>(
    q: &Array<F>,
    k: &Array<F>,
    v: &Array<F>,
    tiles: &Array<u32>,
    out: &mut Array<F>,
    sums: &mut Array<f32>,
    heads: u32,
    kv_heads: u32,
    scale: f32,
    factor: f32,
    back: f32,
    #[comptime] turns: bool,
    #[comptime] t: Tile,
    #[define(F)] _dtype: StorageType,
) {
    let height = comptime!(t.height());
    let share = comptime!(t.share());
    let columns = comptime!(t.columns());
    let bits = comptime!(t.across.ilog2());
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
    let unit = place();
    let y = unit / t.across;
    let x = unit % t.across;
    // The keys that the tile's last query sees.
    let seen = position + count;

    let mut queries = SharedMemory::<f32>::new(comptime!(t.rows * t.pitch()));
    let mut keys = SharedMemory::<f32>::new(comptime!(t.rows * t.pitch()));
    let mut values = SharedMemory::<f32>::new(comptime!(t.rows * t.pitch()));
    load::<F>(q, &mut queries, first, count, heads, head, t);

    let mut scores = Array::<f32>::new(height * share);
    let mut attended = Array::<f32>::new(height * columns);
    // Of each row: the running peak, the same in all its units, and this unit's part of the sum.
    let mut peak = Array::<f32>::new(height);
    let mut sum = Array::<f32>::new(height);
    #[unroll]
    for i in 0..height {
        peak[i] = HIDDEN.runtime();
        sum[i] = 0.0f32;
    }
    #[unroll]
    for i in 0..height * columns {
        attended[i] = 0.0f32;
    }

    let steps = seen.div_ceil(t.rows);
    for step in 0..steps {
        let from = step * t.rows;
        let here = min(t.rows, seen - from);
        sync_cube();
        load_seen::<F>(k, &mut keys, from, here, parent, before, own, kv_heads, key_head, t);
        load_seen::<F>(v, &mut values, from, here, parent, before, own, kv_heads, key_head, t);
        sync_cube();
        products(&queries, &keys, &mut scores, y, x, t);
        #[unroll]
        for i in 0..height {
            let last = position + y + i * t.down;
            let mut highest = peak[i];
            #[unroll]
            for j in 0..share {
                let key = from + x + j * t.across;
                let compared = turned(scores[i * share + j], factor, turns);
                let score = select(key <= last && key < seen, compared, HIDDEN);
                scores[i * share + j] = score;
                highest = max(highest, score);
            }
            let new = row_max(highest, t);
            let factor = ((peak[i] - new) * scale).exp();
            let mut total = sum[i] * factor;
            #[unroll]
            for j in 0..share {
                let score = scores[i * share + j];
                let p = select(score > HIDDEN, ((score - new) * scale).exp(), 0.0f32);
                scores[i * share + j] = p;
                total += p;
            }
            peak[i] = new;
            sum[i] = total;
            #[unroll]
            for j in 0..columns {
                attended[i * columns + j] *= factor;
            }
        }
        accumulate(&scores, &values, &mut attended, x, t);
    }
    #[unroll]
    for i in 0..height {
        let total = sum_over(sum[i], 0u32, bits);
        let row = y + i * t.down;
        if x == 0 && row < count {
            let at = ((first + row) * heads + head) * 2;
            sums[at] = turned(peak[i], back, turns);
            sums[at + 1] = total.ln();
        }
        #[unroll]
        for j in 0..columns {
            attended[i * columns + j] /= total;
        }
    }
    store::<F>(&attended, out, first, count, heads, head, y, x, t);
}

/// Gradient of the queries `[n, heads, dim]`, one tile of queries and one head a cube; `sums` `[n, heads, 2]` as the
/// forward gave them, `dots` `[n, heads]`.
#[cube(launch_unchecked)]
pub(super) fn backward_queries<F: Float>(
    q: &Array<F>,
    k: &Array<F>,
    v: &Array<F>,
    dout: &Array<F>,
    sums: &Array<f32>,
    dots: &Array<f32>,
    tiles: &Array<u32>,
    dq: &mut Array<F>,
    heads: u32,
    kv_heads: u32,
    scale: f32,
    #[comptime] t: Tile,
    #[define(F)] _dtype: StorageType,
) {
    let height = comptime!(t.height());
    let share = comptime!(t.share());
    let columns = comptime!(t.columns());
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
    let unit = place();
    let y = unit / t.across;
    let x = unit % t.across;
    let seen = position + count;

    let mut queries = SharedMemory::<f32>::new(comptime!(t.rows * t.pitch()));
    let mut upstream = SharedMemory::<f32>::new(comptime!(t.rows * t.pitch()));
    let mut keys = SharedMemory::<f32>::new(comptime!(t.rows * t.pitch()));
    let mut values = SharedMemory::<f32>::new(comptime!(t.rows * t.pitch()));
    load::<F>(q, &mut queries, first, count, heads, head, t);
    load::<F>(dout, &mut upstream, first, count, heads, head, t);

    let mut peak = Array::<f32>::new(height);
    let mut rest = Array::<f32>::new(height);
    let mut dot = Array::<f32>::new(height);
    #[unroll]
    for i in 0..height {
        // Rows beyond the last one read that one's, and are hidden.
        let at = (first + min(y + i * t.down, count - 1)) * heads + head;
        peak[i] = sums[at * 2];
        rest[i] = sums[at * 2 + 1];
        dot[i] = dots[at];
    }
    let mut score = Array::<f32>::new(height * share);
    let mut slope = Array::<f32>::new(height * share);
    let mut gradient = Array::<f32>::new(height * columns);
    #[unroll]
    for i in 0..height * columns {
        gradient[i] = 0.0f32;
    }
    let steps = seen.div_ceil(t.rows);
    for step in 0..steps {
        let from = step * t.rows;
        let here = min(t.rows, seen - from);
        sync_cube();
        load_seen::<F>(k, &mut keys, from, here, parent, before, own, kv_heads, key_head, t);
        load_seen::<F>(v, &mut values, from, here, parent, before, own, kv_heads, key_head, t);
        sync_cube();
        products(&queries, &keys, &mut score, y, x, t);
        products(&upstream, &values, &mut slope, y, x, t);
        #[unroll]
        for i in 0..height {
            let row = y + i * t.down;
            #[unroll]
            for j in 0..share {
                let key = from + x + j * t.across;
                let visible = key <= position + row && key < seen && row < count;
                let shifted = (score[i * share + j] - peak[i]) * scale - rest[i];
                let exponent = select(visible, shifted, 0.0f32);
                let change = exponent.exp() * (slope[i * share + j] - dot[i]) * scale;
                slope[i * share + j] = select(visible, change, 0.0f32);
            }
        }
        accumulate(&slope, &keys, &mut gradient, x, t);
    }
    store::<F>(&gradient, dq, first, count, heads, head, y, x, t);
}

/// Gradients of keys and values `[n, kv_heads, dim]`, one tile of keys and one key head a cube. `tiles` as
/// [`super::plan::Plan`] has them for keys. Keys are the rows of scores here, so that a key's weights are in one plane.
#[cube(launch_unchecked)]
pub(super) fn backward_keys<F: Float>(
    q: &Array<F>,
    k: &Array<F>,
    v: &Array<F>,
    dout: &Array<F>,
    sums: &Array<f32>,
    dots: &Array<f32>,
    tiles: &Array<u32>,
    readers: &Array<u32>,
    dk: &mut Array<F>,
    dv: &mut Array<F>,
    heads: u32,
    kv_heads: u32,
    scale: f32,
    #[comptime] t: Tile,
    #[define(F)] _dtype: StorageType,
) {
    let height = comptime!(t.height());
    let share = comptime!(t.share());
    let columns = comptime!(t.columns());
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
    let unit = place();
    let y = unit / t.across;
    let x = unit % t.across;

    let mut keys = SharedMemory::<f32>::new(comptime!(t.rows * t.pitch()));
    let mut values = SharedMemory::<f32>::new(comptime!(t.rows * t.pitch()));
    let mut queries = SharedMemory::<f32>::new(comptime!(t.rows * t.pitch()));
    let mut upstream = SharedMemory::<f32>::new(comptime!(t.rows * t.pitch()));
    load::<F>(k, &mut keys, first, count, kv_heads, key_head, t);
    load::<F>(v, &mut values, first, count, kv_heads, key_head, t);

    let mut score = Array::<f32>::new(height * share);
    let mut slope = Array::<f32>::new(height * share);
    let mut key_gradient = Array::<f32>::new(height * columns);
    let mut value_gradient = Array::<f32>::new(height * columns);
    #[unroll]
    for i in 0..height * columns {
        key_gradient[i] = 0.0f32;
        value_gradient[i] = 0.0f32;
    }
    // What sees these keys: runs of queries, the keys' own sequence first, where a query sees the keys up to itself.
    for reader in first_reader..end_reader {
        let start = readers[reader * 2] as usize;
        let length = readers[reader * 2 + 1] as usize;
        let causal = reader == first_reader;
        let steps = length.div_ceil(t.rows);
        for step in 0..steps {
            let from = start + step * t.rows;
            let here = min(t.rows, start + length - from);
            for member in 0..group {
                let head = key_head * group + member;
                sync_cube();
                load::<F>(q, &mut queries, from, here, heads, head, t);
                load::<F>(dout, &mut upstream, from, here, heads, head, t);
                sync_cube();
                products(&keys, &queries, &mut score, y, x, t);
                products(&values, &upstream, &mut slope, y, x, t);
                #[unroll]
                for j in 0..share {
                    let query = x + j * t.across;
                    // Rows beyond the last one read that one's, and are hidden.
                    let at = (from + min(query, here - 1)) * heads + head;
                    let peak = sums[at * 2];
                    let rest = sums[at * 2 + 1];
                    let dot = dots[at];
                    #[unroll]
                    for i in 0..height {
                        let key = y + i * t.down;
                        let visible = query < here && key < count && (!causal || first + key <= from + query);
                        let shifted = (score[i * share + j] - peak) * scale - rest;
                        let exponent = select(visible, shifted, 0.0f32);
                        let p = select(visible, exponent.exp(), 0.0f32);
                        score[i * share + j] = p;
                        slope[i * share + j] = p * (slope[i * share + j] - dot) * scale;
                    }
                }
                accumulate(&score, &upstream, &mut value_gradient, x, t);
                accumulate(&slope, &queries, &mut key_gradient, x, t);
            }
        }
    }
    store::<F>(&key_gradient, dk, first, count, kv_heads, key_head, y, x, t);
    store::<F>(&value_gradient, dv, first, count, kv_heads, key_head, y, x, t);
}
