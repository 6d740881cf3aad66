//! Searches of a row of scores that nobody sorts: for what cuts it off, and for where a cumulative weight is reached.
//!
//! Scores are compared by [`key`], integers in their order. Top-k and top-p look for the key that cuts them off, three bits of it
//! with each walk over the row: the largest from which on there are `k` scores, or the wanted mass. The draw cuts the row into
//! as many pieces as there are units, finds the piece in which the cumulative mass passes `u`, and goes on within it. So sums have
//! one order, which is not the host's: where `u` or `p` is within their rounding of a border the token may be the next one.

use cubecl::prelude::*;

use super::UNITS;
use crate::kernels::norm::cube::total;

/// Keys that a walk tells apart from the one that is sure: three bits.
pub(super) const KEYS: usize = 7;
/// Walks until all 32 bits are known.
const WALKS: usize = 11;
/// Sums of a walk that one unit adds up.
const SHARE: usize = 16;
/// Such shares of a sum.
pub(super) const SHARES: usize = UNITS / SHARE;

/// A row of scores and what becomes of them.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Row {
    /// Where it begins.
    pub first: usize,
    /// Its length.
    pub vocab: usize,
    /// Taken away from each score.
    pub shift: f32,
    /// What each is divided by then.
    pub temperature: f32,
    /// Of the scores after both.
    pub peak: f32,
}

/// An integer for each number, in the same order.
#[cube]
pub(super) fn key(x: f32) -> u32 {
    let bits = u32::reinterpret(x);
    let ordered = select(bits < 0x8000_0000u32, bits | 0x8000_0000u32, bits ^ 0xffff_ffffu32);
    // Both zeros are one number.
    select(x == 0.0f32, 0x8000_0000u32, ordered)
}

/// The number of a key.
#[cube]
pub(super) fn number(key: u32) -> f32 {
    let bits = select(key < 0x8000_0000u32, key ^ 0xffff_ffffu32, key ^ 0x8000_0000u32);
    f32::reinterpret(bits)
}

/// A score of a row, after shift and temperature.
#[cube]
pub(super) fn score(scores: &Array<f32>, row: &Row, index: usize) -> f32 {
    (scores[row.first + index] - row.shift) / row.temperature
}

/// The largest key from which on there are `target` scores, or, where it is of `mass`, that much of `exp(x - peak)` of the scores
/// from key `cut` on.
#[cube]
pub(super) fn threshold(
    scores: &Array<f32>,
    row: &Row,
    cut: u32,
    target: f32,
    parts: &mut SharedMemory<f32>,
    shares: &mut SharedMemory<f32>,
    #[comptime] mass: bool,
) -> u32 {
    let unit = UNIT_POS as usize;
    let mut found = 0u32;
    let mut bit = 29u32;
    for _ in 0..WALKS {
        let step = 1u32 << bit;
        let mut sums = Array::<f32>::new(KEYS);
        #[unroll]
        for i in 0..KEYS {
            sums[i] = 0.0f32;
        }
        let mut at = unit;
        while at < row.vocab {
            let x = score(scores, row, at);
            let k = key(x);
            let mut weight = 1.0f32;
            if comptime!(mass) {
                weight = select(k >= cut, (x - row.peak).exp(), 0.0f32);
            }
            #[unroll]
            for i in 0..KEYS {
                let least = found + step * comptime!(i as u32 + 1);
                sums[i] += select(k >= least, weight, 0.0f32);
            }
            at += UNITS;
        }
        sync_cube();
        #[unroll]
        for i in 0..KEYS {
            parts[i * UNITS + unit] = sums[i];
        }
        sync_cube();
        if unit < comptime!(KEYS * SHARES) {
            let mut sum = 0.0f32;
            for i in 0..SHARE {
                sum += parts[unit * SHARE + i];
            }
            shares[unit] = sum;
        }
        sync_cube();
        // Sums fall from key to key, so those that reach the target come first.
        let mut reached = 0u32;
        for i in 0..KEYS {
            let mut sum = 0.0f32;
            for j in 0..SHARES {
                sum += shares[i * SHARES + j];
            }
            reached += select(sum >= target, 1u32, 0u32);
        }
        found += reached * step;
        // After the last whole step two bits are left, of which a step knows that no more than three are reached.
        bit = select(bit >= 3u32, bit - min(bit, 3u32), 0u32);
    }
    found
}

/// The sum of `exp(x - peak)` of the scores from key `least` on.
#[cube]
pub(super) fn mass_from(scores: &Array<f32>, row: &Row, least: u32, parts: &mut SharedMemory<f32>) -> f32 {
    let mut mass = 0.0f32;
    let mut at = UNIT_POS as usize;
    while at < row.vocab {
        let x = score(scores, row, at);
        mass += select(key(x) >= least, (x - row.peak).exp(), 0.0f32);
        at += UNITS;
    }
    total(mass, parts, UNITS)
}

/// What a score weighs: with `ties` one where its key is `cut`; else its mass, where its key is above `cut`, or is that and its index no
/// more than `last`.
#[cube]
fn weight(x: f32, index: usize, peak: f32, cut: u32, last: u32, #[comptime] ties: bool) -> f32 {
    let k = key(x);
    if comptime!(ties) {
        select(k == cut, 1.0f32, 0.0f32)
    } else {
        let kept = k > cut || (k == cut && (index as u32) <= last);
        select(kept, (x - peak).exp(), 0.0f32)
    }
}

/// The first index at which the cumulative weight passes `target`, with `ties` reaches it; the last index that weighs anything where
/// it never does. Without `ties` the target is a share of all, which is left in `left[1]`.
#[cube]
// What is decided before a kernel is compiled stands apart from what it decides itself; CubeCL's `div_ceil` is another function.
#[allow(clippy::too_many_arguments, clippy::collapsible_if, clippy::manual_div_ceil)]
pub(super) fn locate(
    scores: &Array<f32>,
    row: &Row,
    cut: u32,
    last: u32,
    target: f32,
    rounds: u32,
    parts: &mut SharedMemory<f32>,
    left: &mut SharedMemory<f32>,
    piece: &mut SharedMemory<u32>,
    #[comptime] ties: bool,
) -> usize {
    let unit = UNIT_POS as usize;
    let mut first = 0usize;
    let mut len = row.vocab;
    let mut rest = target;
    for round in 0..rounds {
        let size = (len + (UNITS - 1)) / UNITS;
        let start = min(unit * size, len);
        let end = min(start + size, len);
        let mut sum = 0.0f32;
        let mut at = start;
        while at < end {
            let index = first + at;
            sum += weight(score(scores, row, index), index, row.peak, cut, last, ties);
            at += 1;
        }
        sync_cube();
        parts[unit] = sum;
        sync_cube();
        if unit == 0 {
            let mut goal = rest;
            if comptime!(!ties) {
                if round == 0 {
                    let mut all = 0.0f32;
                    for i in 0..UNITS {
                        all += parts[i];
                    }
                    left[1] = all;
                    goal = rest * all;
                }
            }
            let mut before = 0.0f32;
            let mut less = 0.0f32;
            let mut chosen = 0u32;
            let mut open = true;
            for i in 0..UNITS {
                let part = parts[i];
                if open && part > 0.0f32 {
                    chosen = i as u32;
                    less = before;
                    before += part;
                    if comptime!(ties) {
                        open = before < goal;
                    } else {
                        open = before <= goal;
                    }
                }
            }
            piece[0] = chosen;
            left[0] = goal - less;
        }
        sync_cube();
        let chosen = piece[0] as usize;
        rest = left[0];
        first += chosen * size;
        len = min(size, len - min(chosen * size, len));
        sync_cube();
    }
    first
}
