//! Sampling on a GPU, a draw a cube: rows of logits are read where they are, nothing is sorted, and three numbers a draw come back.
//!
//! Scores are compared by [`key`], integers in their order. Top-k and top-p look for the key that cuts them off, three bits of it
//! with each walk over the row: the largest from which on there are `k` scores, or the wanted mass. The draw cuts the row into
//! as many pieces as there are units, finds the piece in which the cumulative mass passes `u`, and goes on within it. So sums have
//! one order, which is not the host's: where `u` or `p` is within their rounding of a border the token may be the next one.

use cubecl::prelude::*;
use cubecl::server::Handle;

use super::{Draw, FAR, Filters};
use crate::kernels::cube::launch::{array, cubes, upload};
use crate::kernels::norm::cube::total;

/// Units of a cube.
const UNITS: usize = 256;
/// Keys that a walk tells apart from the one that is sure: three bits.
const KEYS: usize = 7;
/// Walks until all 32 bits are known.
const WALKS: usize = 11;
/// Sums of a walk that one unit adds up.
const SHARE: usize = 16;
/// Such shares of a sum.
const SHARES: usize = UNITS / SHARE;
/// Numbers that say what a draw is.
const WORDS: usize = 6;
/// Numbers that come of a draw: its token, and the bits of two log-probs.
pub(in crate::kernels) const RESULTS: usize = 3;

/// What is done for a batch, because some draw of it needs it.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
struct Steps {
    /// A row of scores each, which are not the logits.
    penalised: bool,
    /// Not the likeliest token of every row.
    drawn: bool,
    top_k: bool,
    top_p: bool,
}

/// A row of scores and what becomes of them.
#[derive(CubeType, Clone, Copy)]
struct Row {
    first: usize,
    vocab: usize,
    shift: f32,
    temperature: f32,
    /// Of the scores after both.
    peak: f32,
}

/// An integer for each number, in the same order.
#[cube]
fn key(x: f32) -> u32 {
    let bits = u32::reinterpret(x);
    let ordered = select(bits < 0x8000_0000u32, bits | 0x8000_0000u32, bits ^ 0xffff_ffffu32);
    // Both zeros are one number.
    select(x == 0.0f32, 0x8000_0000u32, ordered)
}

/// The number of a key.
#[cube]
fn number(key: u32) -> f32 {
    let bits = select(key < 0x8000_0000u32, key ^ 0xffff_ffffu32, key ^ 0x8000_0000u32);
    f32::reinterpret(bits)
}

#[cube]
fn score(scores: &Array<f32>, row: &Row, index: usize) -> f32 {
    (scores[row.first + index] - row.shift) / row.temperature
}

/// The largest key from which on there are `target` scores, or, where it is of `mass`, that much of `exp(x - peak)` of the scores
/// from key `cut` on.
#[cube]
fn threshold(
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
fn mass_from(scores: &Array<f32>, row: &Row, least: u32, parts: &mut SharedMemory<f32>) -> f32 {
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
#[allow(clippy::too_many_arguments)]
fn locate(
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

/// One draw a cube; `draws` are [`WORDS`] each.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn draw(
    logits: &Array<f32>,
    scores: &Array<f32>,
    draws: &Array<u32>,
    results: &mut Array<u32>,
    count: u32,
    vocab: u32,
    rounds: u32,
    #[comptime] s: Steps,
) {
    let draw = CUBE_POS;
    if draw >= count as usize {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let vocab = vocab as usize;
    let words = draw * WORDS;
    let logits_first = draws[words] as usize * vocab;
    let mut first = logits_first;
    if comptime!(s.penalised) {
        first = draw * vocab;
    }
    let temperature = f32::reinterpret(draws[words + 1]);
    let greedy = temperature == 0.0f32;
    let temperature = select(greedy, 1.0f32, temperature);

    // The log-sum of the logits, and the first of the largest scores.
    let mut parts = SharedMemory::<f32>::new(comptime!(KEYS * UNITS));
    let mut places = SharedMemory::<u32>::new(UNITS);
    let mut peak = f32::min_value();
    let mut sum = 0.0f32;
    let mut best = f32::min_value();
    let mut place = 0u32;
    let mut at = unit;
    while at < vocab {
        let x = logits[logits_first + at];
        let new = max(peak, x);
        sum = sum * (peak - new).exp() + (x - new).exp();
        peak = new;
        let x = scores[first + at];
        let better = x > best;
        best = select(better, x, best);
        place = select(better, at as u32, place);
        at += UNITS;
    }
    parts[unit] = peak;
    parts[unit + UNITS] = sum;
    parts[unit + comptime!(2 * UNITS)] = best;
    places[unit] = place;
    sync_cube();
    let mut half = comptime!(UNITS / 2).runtime();
    while half > 0 {
        if unit < half {
            let a = parts[unit];
            let b = parts[unit + half];
            let new = max(a, b);
            parts[unit + UNITS] =
                parts[unit + UNITS] * (a - new).exp() + parts[unit + half + UNITS] * (b - new).exp();
            parts[unit] = new;
            let mine = parts[unit + comptime!(2 * UNITS)];
            let other = parts[unit + half + comptime!(2 * UNITS)];
            let better = other > mine || (other == mine && places[unit + half] < places[unit]);
            if better {
                parts[unit + comptime!(2 * UNITS)] = other;
                places[unit] = places[unit + half];
            }
        }
        sync_cube();
        half /= 2;
    }
    let logits_peak = parts[0];
    let logits_rest = parts[UNITS].ln();
    let best = parts[comptime!(2 * UNITS)];
    let likeliest = places[0] as usize;

    let mut id = likeliest;
    let mut drawn_from = 0.0f32;
    if comptime!(s.drawn) {
        // From the peak where a very low temperature would give infinities, or numbers whose digits are all before the point.
        let far = best.abs() >= temperature * FAR;
        let shift = select(far, best, 0.0f32);
        let row = Row { first, vocab, shift, temperature, peak: (best - shift) / temperature };
        let mut shares = SharedMemory::<f32>::new(comptime!(KEYS * SHARES));
        let mut left = SharedMemory::<f32>::new(2usize);
        let mut piece = SharedMemory::<u32>::new(1usize);
        // Kept are scores above this key, and those that have it up to this index.
        let mut cut = 0u32;
        let mut last = 0xffff_ffffu32;
        if comptime!(s.top_k) {
            let k = draws[words + 2];
            let target = f32::cast_from(max(k, 1u32));
            let found = threshold(scores, &row, 0u32, target, &mut parts, &mut shares, false);
            cut = select(k > 0u32 && k < vocab as u32, found, cut);
        }
        if comptime!(s.top_p) {
            let p = f32::reinterpret(draws[words + 3]);
            let target = p * mass_from(scores, &row, cut, &mut parts);
            let found = threshold(scores, &row, cut, target, &mut parts, &mut shares, true);
            // So many of those that tie with the last one are wanted.
            let missing = target - mass_from(scores, &row, found + 1u32, &mut parts);
            let wanted = missing / (number(found) - row.peak).exp();
            let tie =
                locate(scores, &row, found, last, wanted, rounds, &mut parts, &mut left, &mut piece, true);
            // What top-k cut off stays so, also where rounding finds no key that has the mass.
            let on = p < 1.0f32 && found >= cut;
            cut = select(on, found, cut);
            last = select(on, tie as u32, last);
        }
        let least = key(row.peak + f32::reinterpret(draws[words + 4]));
        last = select(least > cut, 0xffff_ffffu32, last);
        cut = max(cut, least);
        let u = f32::reinterpret(draws[words + 5]);
        let drawn = locate(scores, &row, cut, last, u, rounds, &mut parts, &mut left, &mut piece, false);
        id = select(greedy, likeliest, drawn);
        let log_prob = (score(scores, &row, id) - row.peak) - left[1].ln();
        drawn_from = select(greedy, 0.0f32, log_prob);
    }
    if unit == 0 {
        let result = draw * RESULTS;
        results[result] = id as u32;
        results[result + 1] = u32::reinterpret((logits[logits_first + id] - logits_peak) - logits_rest);
        results[result + 2] = u32::reinterpret(drawn_from);
    }
}

/// Divides positive and multiplies negative scores of each draw's seen tokens, `ids[ends[draw] .. ends[draw + 1]]`.
#[cube(launch_unchecked)]
fn penalise(
    scores: &mut Array<f32>,
    ends: &Array<u32>,
    ids: &Array<u32>,
    penalties: &Array<f32>,
    count: u32,
    vocab: u32,
) {
    let draw = CUBE_POS;
    if draw >= count as usize {
        terminate!();
    }
    let penalty = penalties[draw];
    let end = ends[draw + 1] as usize;
    let mut at = ends[draw] as usize + UNIT_POS as usize;
    while at < end {
        let place = draw * vocab as usize + ids[at] as usize;
        let x = scores[place];
        scores[place] = select(x < 0.0f32, x * penalty, x / penalty);
        at += UNITS;
    }
}

/// Applies the penalties of `draws` to contiguous `scores` `[draws, vocab]` in f32, in place.
pub(in crate::kernels) fn penalise_rows<R: Runtime>(
    client: &ComputeClient<R>,
    scores: &Handle,
    vocab: usize,
    draws: &[Draw<'_>],
) {
    let mut ends = vec![0u32];
    let mut ids: Vec<u32> = Vec::new();
    for draw in draws.iter() {
        if draw.filters.repetition_penalty != 1.0 {
            ids.extend(draw.seen);
        }
        ends.push(ids.len() as u32);
    }
    let penalties: Vec<f32> = draws.iter().map(|draw| draw.filters.repetition_penalty).collect();
    let ((ends, ends_len), (ids, ids_len)) = (upload(client, &ends), upload(client, &ids));
    let penalties = client.create_from_slice(f32::as_bytes(&penalties));
    // SAFETY: a cube a draw; its ids are below `vocab`.
    unsafe {
        penalise::launch_unchecked::<R>(
            client,
            cubes(client, draws.len()),
            CubeDim::new_1d(UNITS as u32),
            array(scores, draws.len() * vocab),
            array(&ends, ends_len),
            array(&ids, ids_len),
            array(&penalties, draws.len()),
            draws.len() as u32,
            vocab as u32,
        );
    }
}

/// [`RESULTS`] for each draw, of which there is at least one: from contiguous `logits` `[n, vocab]` in f32, and from `scores` `[draws, vocab]` where
/// penalties made them other than those.
pub(in crate::kernels) fn draw_rows<R: Runtime>(
    client: &ComputeClient<R>,
    (logits, rows): (&Handle, usize),
    scores: Option<&Handle>,
    vocab: usize,
    draws: &[Draw<'_>],
) -> Handle {
    let words: Vec<u32> = draws
        .iter()
        .flat_map(|draw| {
            let filters = draw.filters;
            // Far below every score where it is off.
            let least = if filters.min_p > 0.0 { filters.min_p.ln() } else { f32::MIN };
            // Rounded it may be 1, which no cumulative probability is above.
            let uniform = (draw.uniform as f32).min(1.0 - f32::EPSILON / 2.0);
            let floats = [filters.temperature, filters.top_p, least, uniform].map(f32::to_bits);
            let [temperature, top_p, least, uniform] = floats;
            let top_k = u32::try_from(filters.top_k).unwrap_or(u32::MAX);
            [draw.row as u32, temperature, top_k, top_p, least, uniform]
        })
        .collect();
    let any = |needs: &dyn Fn(&Filters) -> bool| {
        draws.iter().any(|draw| draw.filters.temperature != 0.0 && needs(&draw.filters))
    };
    let steps = Steps {
        penalised: scores.is_some(),
        drawn: any(&|_| true),
        top_k: any(&|filters| filters.top_k > 0 && filters.top_k < vocab),
        top_p: any(&|filters| filters.top_p < 1.0),
    };
    // Until a piece is one score.
    let (mut rounds, mut len) = (0, vocab);
    while len > 1 || rounds == 0 {
        (rounds, len) = (rounds + 1, len.div_ceil(UNITS));
    }
    let results = client.empty(draws.len() * RESULTS * size_of::<u32>());
    let scores_len = if scores.is_some() { draws.len() } else { rows } * vocab;
    // SAFETY: a cube a draw; rows are among the logits, as the caller promises, and indices are kept below `vocab`.
    unsafe {
        draw::launch_unchecked::<R>(
            client,
            cubes(client, draws.len()),
            CubeDim::new_1d(UNITS as u32),
            array(logits, rows * vocab),
            array(scores.unwrap_or(logits), scores_len),
            array(&upload(client, &words).0, words.len()),
            array(&results, draws.len() * RESULTS),
            draws.len() as u32,
            vocab as u32,
            rounds,
            steps,
        );
    }
    results
}
