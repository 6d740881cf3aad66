//! Attention over a paged cache by planes: tasks as in [`super::cached`], whose keys' scores never leave the registers.
//!
//! Each plane takes as many keys as it has units, in steps. The units that share a key hold its elements among them, so keys
//! and values are read in whole rows, and after a step one of them keeps the key's score. The plane's peak and weights then
//! need no memory, and weights go back to the values as scores came from the keys. Planes meet once, when all their keys are
//! done: a cube of a task has one barrier, where the way over shared memory has five and two more for each head.

use cubecl::prelude::*;

use super::super::choice::cached::Planes;
use super::cached::{LOWEST, TASK};
use super::plane::sum_over;
use super::tile::turned;
use crate::kernels::cube::launch::cube_number;

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
    #[comptime] p: Planes,
    #[define(F)] _dtype: StorageType,
) {
    let group = comptime!(p.sizes.group);
    let dim = comptime!(p.sizes.dim);
    let load = comptime!(p.sizes.load);
    let block = comptime!(p.sizes.block);
    let vectors = comptime!(p.vectors());
    let held = comptime!(p.held());
    // Elements of a unit of one head.
    let width = comptime!(p.held() * p.sizes.load);
    let kv_heads = kv_heads as usize;
    let heads = kv_heads * group;
    let task = cube_number();
    if task >= list.len() / TASK {
        terminate!();
    }
    let key_head = CUBE_POS_Y as usize;
    let row = list[task * TASK] as usize;
    let first = list[task * TASK + 1] as usize;
    let count = list[task * TASK + 2] as usize - first;
    let table = list[task * TASK + 3] as usize;
    let first_head = key_head * group;
    let lane = UNIT_POS_PLANE as usize;
    let plane = PLANE_POS as usize;
    // This unit's place among those that share a key, and the first of them.
    let spot = lane % p.lanes;
    let first_lane = lane - spot;

    let mut query = Array::<f32>::new(comptime!(p.elements()));
    let mut sums = Array::<f32>::new(comptime!(p.elements()));
    let mut peak = Array::<f32>::new(group);
    let mut total = Array::<f32>::new(group);
    #[unroll]
    for g in 0..group {
        peak[g] = LOWEST.runtime();
        total[g] = 0.0f32;
        #[unroll]
        for h in 0..held {
            let vector = spot + h * p.lanes;
            // Beyond the head's end stand zeros, which meet elements that others hold.
            let at = (row * heads + first_head + g) * dim + min(vector, vectors - 1) * load;
            #[unroll]
            for e in 0..load {
                let value = f32::cast_from(q[at + e]);
                query[g * width + h * load + e] = select(vector < vectors, value, 0.0f32);
                sums[g * width + h * load + e] = 0.0f32;
            }
        }
    }

    let mut scores = Array::<f32>::new(group);
    let mut shares = Array::<f32>::new(group);
    let stride = comptime!(p.count * p.units);
    let runs = count.div_ceil(stride);
    for run in 0..runs {
        // The key whose score this unit keeps, and its first vector; the last key's for units beyond.
        let offset = run * stride + plane * p.units + lane;
        let here = offset < count;
        let key = first + min(offset, count - 1);
        let slot = blocks[table + key / block] as usize * block + key % block;
        let place = ((slot * kv_heads + key_head) * vectors) as u32;
        #[unroll]
        for g in 0..group {
            scores[g] = LOWEST.runtime();
        }
        for step in 0..p.lanes {
            let from = plane_shuffle(place, (first_lane + step) as u32) as usize;
            #[unroll]
            for g in 0..group {
                shares[g] = 0.0f32;
            }
            #[unroll]
            for h in 0..held {
                let loaded = keys[from + min(spot + h * p.lanes, vectors - 1)];
                #[unroll]
                for e in 0..load {
                    let value = f32::cast_from(loaded[e]);
                    #[unroll]
                    for g in 0..group {
                        shares[g] += value * query[g * width + h * load + e];
                    }
                }
            }
            #[unroll]
            for g in 0..group {
                let score = turned(sum_over(shares[g], 0u32, comptime!(p.lanes.ilog2())), factor, turns);
                scores[g] = select(here && spot == step, score, scores[g]);
            }
        }
        #[unroll]
        for g in 0..group {
            let new = max(peak[g], plane_max(scores[g]));
            let shrink = ((peak[g] - new) * scale).exp();
            let weight = select(here, ((scores[g] - new) * scale).exp(), 0.0f32);
            total[g] = total[g] * shrink + plane_sum(weight);
            peak[g] = new;
            scores[g] = weight;
            #[unroll]
            for i in 0..width {
                sums[g * width + i] *= shrink;
            }
        }
        for step in 0..p.lanes {
            let source = (first_lane + step) as u32;
            let from = plane_shuffle(place, source) as usize;
            #[unroll]
            for g in 0..group {
                shares[g] = plane_shuffle(scores[g], source);
            }
            #[unroll]
            for h in 0..held {
                let loaded = values[from + min(spot + h * p.lanes, vectors - 1)];
                #[unroll]
                for e in 0..load {
                    let value = f32::cast_from(loaded[e]);
                    #[unroll]
                    for g in 0..group {
                        sums[g * width + h * load + e] += value * shares[g];
                    }
                }
            }
        }
    }
    // Those of a plane that hold the same elements have seen different keys.
    #[unroll]
    for i in 0..comptime!(p.elements()) {
        sums[i] = sum_over(sums[i], comptime!(p.lanes.ilog2()), comptime!(p.units.ilog2()));
    }

    let mut tops = SharedMemory::<f32>::new(comptime!(p.count * p.sizes.group));
    let mut totals = SharedMemory::<f32>::new(comptime!(p.count * p.sizes.group));
    let mut joined = SharedMemory::<f32>::new(comptime!(p.count * p.joined * p.sizes.dim));
    let rounds = comptime!(p.sizes.group / p.joined);
    let span = comptime!(p.joined * p.sizes.dim);
    if lane == 0 {
        #[unroll]
        for g in 0..group {
            tops[plane * group + g] = peak[g];
            totals[plane * group + g] = total[g];
        }
    }
    #[unroll]
    for round in 0..rounds {
        if first_lane == 0 {
            #[unroll]
            for j in 0..p.joined {
                #[unroll]
                for h in 0..held {
                    let vector = spot + h * p.lanes;
                    if vector < vectors {
                        #[unroll]
                        for e in 0..load {
                            let sum = sums[(round * p.joined + j) * width + h * load + e];
                            joined[plane * span + j * dim + vector * load + e] = sum;
                        }
                    }
                }
            }
        }
        sync_cube();
        let mut at = UNIT_POS as usize;
        while at < span {
            let g = round * p.joined + at / dim;
            let mut top = LOWEST.runtime();
            #[unroll]
            for other in 0..p.count {
                top = max(top, tops[other * group + g]);
            }
            let mut sum = 0.0f32;
            #[unroll]
            for other in 0..p.count {
                sum += ((tops[other * group + g] - top) * scale).exp() * joined[other * span + at];
            }
            parts[(task * heads + first_head + round * p.joined) * dim + at] = sum;
            at += stride;
        }
        if comptime!(rounds > 1) {
            sync_cube();
        }
    }
    let g = UNIT_POS as usize;
    if g < group {
        let mut top = LOWEST.runtime();
        #[unroll]
        for other in 0..p.count {
            top = max(top, tops[other * group + g]);
        }
        let mut sum = 0.0f32;
        #[unroll]
        for other in 0..p.count {
            sum += ((tops[other * group + g] - top) * scale).exp() * totals[other * group + g];
        }
        peaks[task * heads + first_head + g] = top;
        weights[task * heads + first_head + g] = sum;
    }
}
