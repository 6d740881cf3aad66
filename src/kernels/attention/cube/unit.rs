//! Attention without tensor cores or subgroup operations: tiles in shared memory, f32 arithmetic, any float type at the
//! borders. It is what WGSL without subgroups can run.
//!
//! A cube is 16 x 16 units. Unit `(y, x)` holds the scores of rows `y, y + 16, ...` and keys `x, x + 16, ...` of a tile and
//! the columns `x, x + 16, ...` of what these rows accumulate.

use cubecl::prelude::*;

use super::super::choice::packed::{SIDE, Tile};
use super::plan::{KEY_TILE, QUERY_TILE};
use super::tile::{HIDDEN, load, load_seen, products, store, turned};
use crate::kernels::cube::launch::cube_number;

/// `out[i][j] += sum_r weights[row(i)][r] rows[r][column(j)]`: this unit's rows of a product with a tile.
#[cube]
fn accumulate(
    weights: &SharedMemory<f32>,
    rows: &SharedMemory<f32>,
    out: &mut Array<f32>,
    y: usize,
    x: usize,
    #[comptime] transposed: bool,
    #[comptime] t: Tile,
) {
    let per = comptime!(t.rows / SIDE);
    let width = comptime!(t.width());
    let columns = comptime!(width / SIDE);
    let pitch = comptime!(width + 1);
    let mut a = Array::<f32>::new(per);
    for r in 0..t.rows {
        #[unroll]
        for i in 0..per {
            let row = y + i * SIDE;
            let place = if transposed { r * (t.rows + 1) + row } else { row * (t.rows + 1) + r };
            a[i] = weights[place];
        }
        #[unroll]
        for j in 0..columns {
            let value = rows[r * pitch + x + j * SIDE];
            #[unroll]
            for i in 0..per {
                out[i * columns + j] += a[i] * value;
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
    let per = comptime!(t.rows / SIDE);
    let width = comptime!(t.width());
    let columns = comptime!(width / SIDE);
    let lanes = comptime!(SIDE * SIDE / t.rows);
    let share = comptime!(t.rows / lanes);
    let pitch = comptime!(t.rows + 1);
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
    let unit = UNIT_POS as usize;
    let y = unit / SIDE;
    let x = unit % SIDE;
    // The keys that the tile's last query sees.
    let seen = position + count;

    let mut queries = SharedMemory::<f32>::new(comptime!(t.rows * (width + 1)));
    let mut keys = SharedMemory::<f32>::new(comptime!(t.rows * (width + 1)));
    let mut scores = SharedMemory::<f32>::new(comptime!(t.rows * (t.rows + 1)));
    let mut part = SharedMemory::<f32>::new(comptime!(t.rows * lanes));
    let mut shrink = SharedMemory::<f32>::new(t.rows);

    load::<F>(q, &mut queries, first, count, heads, head, t);
    let mut product = Array::<f32>::new(per * per);
    let mut attended = Array::<f32>::new(per * columns);
    #[unroll]
    for i in 0..per * columns {
        attended[i] = 0.0f32;
    }
    // Unit `lanes * row + lane` keeps the running peak and its share of the sum of one row.
    let row = unit / lanes;
    let lane = unit % lanes;
    let mut peak = HIDDEN.runtime();
    let mut sum = 0.0f32;

    let steps = seen.div_ceil(t.rows);
    for step in 0..steps {
        let from = step * t.rows;
        let here = min(t.rows, seen - from);
        sync_cube();
        load_seen::<F>(k, &mut keys, from, here, parent, before, own, kv_heads, key_head, t);
        sync_cube();
        products(&queries, &keys, &mut product, y, x, t);
        #[unroll]
        for i in 0..per {
            #[unroll]
            for j in 0..per {
                let key = from + x + j * SIDE;
                let visible = key <= position + y + i * SIDE && key < seen;
                let score = turned(product[i * per + j], factor, turns);
                scores[(y + i * SIDE) * pitch + x + j * SIDE] = select(visible, score, HIDDEN);
            }
        }
        sync_cube();
        load_seen::<F>(v, &mut keys, from, here, parent, before, own, kv_heads, key_head, t);
        let mut highest = HIDDEN.runtime();
        for c in 0..share {
            highest = max(highest, scores[row * pitch + lane + c * lanes]);
        }
        part[row * lanes + lane] = highest;
        sync_cube();
        let mut new = peak;
        #[unroll]
        for c in 0..lanes {
            new = max(new, part[row * lanes + c]);
        }
        let factor = ((peak - new) * scale).exp();
        sum *= factor;
        for c in 0..share {
            let at = row * pitch + lane + c * lanes;
            let score = scores[at];
            let p = select(score > HIDDEN, ((score - new) * scale).exp(), 0.0f32);
            scores[at] = p;
            sum += p;
        }
        peak = new;
        if lane == 0 {
            shrink[row] = factor;
        }
        sync_cube();
        #[unroll]
        for i in 0..per {
            let factor = shrink[y + i * SIDE];
            #[unroll]
            for j in 0..columns {
                attended[i * columns + j] *= factor;
            }
        }
        accumulate(&scores, &keys, &mut attended, y, x, false, t);
    }
    sync_cube();
    part[row * lanes + lane] = sum;
    sync_cube();
    let mut total = 0.0f32;
    #[unroll]
    for c in 0..lanes {
        total += part[row * lanes + c];
    }
    if lane == 0 {
        shrink[row] = 1.0f32 / total;
        if row < count {
            let at = ((first + row) * heads + head) * 2;
            sums[at] = turned(peak, back, turns);
            sums[at + 1] = total.ln();
        }
    }
    sync_cube();
    #[unroll]
    for i in 0..per {
        let factor = shrink[y + i * SIDE];
        #[unroll]
        for j in 0..columns {
            attended[i * columns + j] *= factor;
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
    let per = comptime!(t.rows / SIDE);
    let width = comptime!(t.width());
    let columns = comptime!(width / SIDE);
    let pitch = comptime!(t.rows + 1);
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
    let unit = UNIT_POS as usize;
    let y = unit / SIDE;
    let x = unit % SIDE;
    let seen = position + count;

    let mut queries = SharedMemory::<f32>::new(comptime!(t.rows * (width + 1)));
    let mut upstream = SharedMemory::<f32>::new(comptime!(t.rows * (width + 1)));
    let mut keys = SharedMemory::<f32>::new(comptime!(t.rows * (width + 1)));
    let mut shares = SharedMemory::<f32>::new(comptime!(t.rows * (t.rows + 1)));
    let mut row_peak = SharedMemory::<f32>::new(t.rows);
    let mut row_rest = SharedMemory::<f32>::new(t.rows);
    let mut row_dot = SharedMemory::<f32>::new(t.rows);

    load::<F>(q, &mut queries, first, count, heads, head, t);
    load::<F>(dout, &mut upstream, first, count, heads, head, t);
    if unit < t.rows {
        if unit < count {
            let at = (first + unit) * heads + head;
            row_peak[unit] = sums[at * 2];
            row_rest[unit] = sums[at * 2 + 1];
            row_dot[unit] = dots[at];
        } else {
            row_peak[unit] = 0.0f32;
            row_rest[unit] = 0.0f32;
            row_dot[unit] = 0.0f32;
        }
    }
    let mut score = Array::<f32>::new(per * per);
    let mut slope = Array::<f32>::new(per * per);
    let mut gradient = Array::<f32>::new(per * columns);
    #[unroll]
    for i in 0..per * columns {
        gradient[i] = 0.0f32;
    }
    let steps = seen.div_ceil(t.rows);
    for step in 0..steps {
        let from = step * t.rows;
        let here = min(t.rows, seen - from);
        sync_cube();
        load_seen::<F>(v, &mut keys, from, here, parent, before, own, kv_heads, key_head, t);
        sync_cube();
        products(&upstream, &keys, &mut slope, y, x, t);
        sync_cube();
        load_seen::<F>(k, &mut keys, from, here, parent, before, own, kv_heads, key_head, t);
        sync_cube();
        products(&queries, &keys, &mut score, y, x, t);
        #[unroll]
        for i in 0..per {
            let row = y + i * SIDE;
            #[unroll]
            for j in 0..per {
                let key = from + x + j * SIDE;
                let visible = key <= position + row && key < seen && row < count;
                let shifted = (score[i * per + j] - row_peak[row]) * scale - row_rest[row];
                let exponent = select(visible, shifted, 0.0f32);
                let change = exponent.exp() * (slope[i * per + j] - row_dot[row]) * scale;
                shares[row * pitch + x + j * SIDE] = select(visible, change, 0.0f32);
            }
        }
        sync_cube();
        accumulate(&shares, &keys, &mut gradient, y, x, false, t);
    }
    store::<F>(&gradient, dq, first, count, heads, head, y, x, t);
}

/// Gradients of keys and values `[n, kv_heads, dim]`, one tile of keys and one key head a cube. `tiles` as
/// [`super::plan::Plan`] has them for keys.
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
    let per = comptime!(t.rows / SIDE);
    let width = comptime!(t.width());
    let columns = comptime!(width / SIDE);
    let pitch = comptime!(t.rows + 1);
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
    let y = unit / SIDE;
    let x = unit % SIDE;

    let mut keys = SharedMemory::<f32>::new(comptime!(t.rows * (width + 1)));
    let mut values = SharedMemory::<f32>::new(comptime!(t.rows * (width + 1)));
    let mut queries = SharedMemory::<f32>::new(comptime!(t.rows * (width + 1)));
    let mut weights = SharedMemory::<f32>::new(comptime!(t.rows * (t.rows + 1)));
    let mut shares = SharedMemory::<f32>::new(comptime!(t.rows * (t.rows + 1)));
    load::<F>(k, &mut keys, first, count, kv_heads, key_head, t);
    load::<F>(v, &mut values, first, count, kv_heads, key_head, t);

    let mut score = Array::<f32>::new(per * per);
    let mut slope = Array::<f32>::new(per * per);
    let mut key_gradient = Array::<f32>::new(per * columns);
    let mut value_gradient = Array::<f32>::new(per * columns);
    #[unroll]
    for i in 0..per * columns {
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
                sync_cube();
                products(&queries, &keys, &mut score, y, x, t);
                sync_cube();
                load::<F>(dout, &mut queries, from, here, heads, head, t);
                sync_cube();
                products(&queries, &values, &mut slope, y, x, t);
                #[unroll]
                for i in 0..per {
                    let row = y + i * SIDE;
                    let inside = row < here;
                    let mut peak = 0.0f32;
                    let mut rest = 0.0f32;
                    let mut dot = 0.0f32;
                    if inside {
                        let at = (from + row) * heads + head;
                        peak = sums[at * 2];
                        rest = sums[at * 2 + 1];
                        dot = dots[at];
                    }
                    #[unroll]
                    for j in 0..per {
                        let column = x + j * SIDE;
                        let visible = inside && column < count && (!causal || first + column <= from + row);
                        let shifted = (score[i * per + j] - peak) * scale - rest;
                        let exponent = select(visible, shifted, 0.0f32);
                        let p = select(visible, exponent.exp(), 0.0f32);
                        weights[row * pitch + column] = p;
                        shares[row * pitch + column] = p * (slope[i * per + j] - dot) * scale;
                    }
                }
                sync_cube();
                accumulate(&weights, &queries, &mut value_gradient, y, x, true, t);
                sync_cube();
                load::<F>(q, &mut queries, from, here, heads, head, t);
                sync_cube();
                accumulate(&shares, &queries, &mut key_gradient, y, x, true, t);
            }
        }
    }
    store::<F>(&key_gradient, dk, first, count, kv_heads, key_head, y, x, t);
    store::<F>(&value_gradient, dv, first, count, kv_heads, key_head, y, x, t);
}
