//! Sampling on a GPU, a draw a cube: rows of logits are read where they are, nothing is sorted, and three numbers a draw come back.
//! [`penalty`] comes before, where there is one; [`search`] is how a draw finds its token.

use cubecl::prelude::*;
use cubecl::server::Handle;

use super::{Draw, FAR, Filters};
use crate::kernels::cube::launch::{array, cubes, upload};
use search::{KEYS, Row, SHARES, key, locate, mass_from, number, score, threshold};

pub(in crate::kernels) mod penalty;
mod search;

/// Units of a cube.
const UNITS: usize = 256;
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
