//! Attention over a paged cache, and the cache's own reads and writes.
//!
//! A pool `[blocks, 16 * kv_heads * head_dim]` is read as rows `[slots, kv_heads, head_dim]`. A span with few queries is
//! taken query by query: cubes share a query's keys among them, each reads its keys and values once for all heads that share
//! them, and a second kernel joins what they found (Dao et al. 2023, "Flash-Decoding"). The keys of a span with many queries
//! are gathered into rows and go through the kernel of packed sequences.

use cubecl::prelude::*;

use super::super::choice::cached::{Sizes, TASK_KEYS};
use super::tile::turned;
use crate::kernels::cube::launch::cube_number;

/// Units of a cube: one for each of its keys.
pub(super) const UNITS: usize = TASK_KEYS;

/// Numbers of a task: query row, first key, end of keys, first entry of the sequence's table of blocks.
pub(super) const TASK: usize = 4;

/// Numbers of a query's entry: its first task and the end of its tasks.
pub(super) const QUERY: usize = 2;

/// The peak of a head that saw nothing yet. Finite, so that a difference of two is a number.
pub(super) const LOWEST: f32 = -1e30;

/// What one task finds for the heads of one key head: `parts` `[tasks, heads, dim]` are sums of values weighted by
/// `exp(scale (score - peak))`, `peaks` and `weights` `[tasks, heads]` the peak before it is scaled and the sum of the weights.
#[cube(launch_unchecked)]
pub(super) fn tasks<F: Float, N: Size>(
    q: &Array<F>,
    keys: &Array<Vector<F, N>>,
    values: &Array<Vector<F, N>>,
    list: &Array<u32>,
    blocks: &Array<u32>,
    parts: &mut Array<f32>,
    peaks: &mut Array<f32>,
    weights: &mut Array<f32>,
    kv_heads: u32,
    scale: f32,
    factor: f32,
    #[comptime] turns: bool,
    #[comptime] s: Sizes,
    #[define(F)] _dtype: StorageType,
) {
    let kv_heads = kv_heads as usize;
    let heads = kv_heads * s.group;
    let vectors = comptime!(s.dim / s.load);
    let unit = UNIT_POS as usize;
    let task = cube_number();
    if task >= list.len() / TASK {
        terminate!();
    }
    let key_head = CUBE_POS_Y as usize;
    let row = list[task * TASK] as usize;
    let first = list[task * TASK + 1] as usize;
    let count = list[task * TASK + 2] as usize - first;
    let table = list[task * TASK + 3] as usize;
    let first_head = key_head * s.group;

    let mut query = SharedMemory::<f32>::new(comptime!(s.group * s.dim));
    let mut scores = SharedMemory::<f32>::new(comptime!(s.group * UNITS));
    let mut places = SharedMemory::<u32>::new(UNITS);
    let mut at = unit;
    while at < comptime!(s.group * s.dim) {
        query[at] = f32::cast_from(q[(row * heads + first_head) * s.dim + at]);
        at += UNITS;
    }
    // The first vector of this unit's key; the last key's for units beyond.
    let key = first + min(unit, count - 1);
    let slot = blocks[table + key / s.block] as usize * s.block + key % s.block;
    let place = (slot * kv_heads + key_head) * vectors;
    places[unit] = place as u32;
    sync_cube();

    let mut products = Array::<f32>::new(s.group);
    #[unroll]
    for g in 0..s.group {
        products[g] = 0.0f32;
    }
    for c in 0..vectors {
        let loaded = keys[place + c];
        #[unroll]
        for e in 0..s.load {
            let value = f32::cast_from(loaded[e]);
            #[unroll]
            for g in 0..s.group {
                products[g] += value * query[g * s.dim + c * s.load + e];
            }
        }
    }
    #[unroll]
    for g in 0..s.group {
        scores[g * UNITS + unit] = select(unit < count, turned(products[g], factor, turns), LOWEST);
    }
    sync_cube();
    // Unit `(g, l)` looks after every `share`th score of head `g`.
    let share = comptime!(UNITS / s.group);
    let g = unit / share;
    let l = unit % share;
    let mut part = SharedMemory::<f32>::new(UNITS);
    let mut highest = LOWEST.runtime();
    if g < s.group {
        let mut j = l;
        while j < count {
            highest = max(highest, scores[g * UNITS + j]);
            j += share;
        }
    }
    part[unit] = highest;
    sync_cube();
    let mut peak = LOWEST.runtime();
    if g < s.group {
        for i in 0..share {
            peak = max(peak, part[g * share + i]);
        }
    }
    sync_cube();
    let mut sum = 0.0f32;
    if g < s.group {
        let mut j = l;
        while j < count {
            let weight = ((scores[g * UNITS + j] - peak) * scale).exp();
            scores[g * UNITS + j] = weight;
            sum += weight;
            j += share;
        }
    }
    part[unit] = sum;
    sync_cube();
    if l == 0 && g < s.group {
        let mut total = 0.0f32;
        for i in 0..share {
            total += part[g * share + i];
        }
        peaks[task * heads + first_head + g] = peak;
        weights[task * heads + first_head + g] = total;
    }
    // Unit `(lane, column)` adds up keys `lane, lane + lanes, ...` of one vector of the values.
    let lanes = comptime!(UNITS / vectors);
    let lane = unit / vectors;
    let column = unit % vectors;
    let mut sums = Array::<f32>::new(comptime!(s.group * s.load));
    #[unroll]
    for i in 0..comptime!(s.group * s.load) {
        sums[i] = 0.0f32;
    }
    if lane < lanes {
        let mut j = lane;
        while j < count {
            let loaded = values[places[j] as usize + column];
            #[unroll]
            for e in 0..s.load {
                let value = f32::cast_from(loaded[e]);
                #[unroll]
                for g in 0..s.group {
                    sums[g * s.load + e] += value * scores[g * UNITS + j];
                }
            }
            j += lanes;
        }
    }
    // The lanes' sums, a head at a time.
    let mut joined = SharedMemory::<f32>::new(comptime!(UNITS * s.load));
    #[unroll]
    for g in 0..s.group {
        sync_cube();
        #[unroll]
        for e in 0..s.load {
            joined[unit * s.load + e] = sums[g * s.load + e];
        }
        sync_cube();
        let mut c = unit;
        while c < s.dim {
            let mut total = 0.0f32;
            for l in 0..lanes {
                total += joined[l * s.dim + c];
            }
            parts[(task * heads + first_head + g) * s.dim + c] = total;
            c += UNITS;
        }
    }
}

/// Joins the tasks of each query: `out` `[n, heads, dim]`; one cube a query of `list` and head. Row `list[i]` of `out` is
/// the query of entry `i`.
#[cube(launch_unchecked)]
pub(super) fn join<F: Float>(
    parts: &Array<f32>,
    peaks: &Array<f32>,
    weights: &Array<f32>,
    list: &Array<u32>,
    queries: &Array<u32>,
    out: &mut Array<F>,
    heads: u32,
    scale: f32,
    #[comptime] dim: usize,
    #[define(F)] _dtype: StorageType,
) {
    let heads = heads as usize;
    let head = CUBE_POS_Y as usize;
    let entry = cube_number() * QUERY;
    if entry >= queries.len() {
        terminate!();
    }
    let first = queries[entry] as usize;
    let end = queries[entry + 1] as usize;
    let row = list[first * TASK] as usize;
    let mut peak = LOWEST.runtime();
    for task in first..end {
        peak = max(peak, peaks[task * heads + head]);
    }
    let mut column = UNIT_POS as usize;
    while column < dim {
        let mut sum = 0.0f32;
        let mut total = 0.0f32;
        for task in first..end {
            let at = task * heads + head;
            let factor = ((peaks[at] - peak) * scale).exp();
            sum += factor * parts[at * dim + column];
            total += factor * weights[at];
        }
        out[(row * heads + head) * dim + column] = F::cast_from(sum / total);
        column += CUBE_DIM as usize;
    }
}

/// Copies row `slots[i]` of `pool` to row `i` of `rows`, both `[_, width]`; a row a cube.
#[cube(launch_unchecked)]
pub(super) fn gather<F: Float, N: Size>(
    pool: &Array<Vector<F, N>>,
    slots: &Array<u32>,
    rows: &mut Array<Vector<F, N>>,
    width: u32,
    #[define(F)] _dtype: StorageType,
) {
    let width = width as usize;
    let row = CUBE_POS;
    if row >= slots.len() {
        terminate!();
    }
    let slot = slots[row] as usize;
    let mut at = UNIT_POS as usize;
    while at < width {
        rows[row * width + at] = pool[slot * width + at];
        at += CUBE_DIM as usize;
    }
}

/// Copies row `i` of `rows` to row `slots[i]` of `pool`, both `[_, width]`; a row a cube.
#[cube(launch_unchecked)]
pub(super) fn scatter<F: Float, N: Size>(
    rows: &Array<Vector<F, N>>,
    slots: &Array<u32>,
    pool: &mut Array<Vector<F, N>>,
    width: u32,
    #[define(F)] _dtype: StorageType,
) {
    let width = width as usize;
    let row = CUBE_POS;
    if row >= slots.len() {
        terminate!();
    }
    let slot = slots[row] as usize;
    let mut at = UNIT_POS as usize;
    while at < width {
        pool[slot * width + at] = rows[row * width + at];
        at += CUBE_DIM as usize;
    }
}
