//! Sampling on the host: what a device's sampler is held against.

use std::collections::HashSet;

use burn::tensor::{Tensor, backend::Backend};
use rayon::prelude::*;

use super::{Draw, FAR, Filters, Sampled};
use crate::kernels::softmax::cpu::{LogSum, log_sum_exp};

/// [`sample`] from `logits` `[n, vocab]` in f32, which are fetched from their device.
///
/// # Panics
/// If they are in another type.
pub fn fetched<B: Backend>(logits: Tensor<B, 2>, draws: &[Draw<'_>]) -> Vec<Sampled> {
    let [_, vocab] = logits.dims();
    let logits = logits.into_data();
    sample(logits.as_slice().expect("logits are f32"), vocab, draws)
}

/// The tokens of `draws` from `logits` `[n, vocab]`, on all threads; those of a row stand one after another.
pub fn sample(logits: &[f32], vocab: usize, draws: &[Draw<'_>]) -> Vec<Sampled> {
    let rows: Vec<_> = draws.chunk_by(|a, b| a.row == b.row).collect();
    let sampled: Vec<Vec<Sampled>> = rows
        .into_par_iter()
        .with_max_len(1)
        .map(|draws| {
            let row = &logits[draws[0].row * vocab..(draws[0].row + 1) * vocab];
            let normaliser = LogSum::of(row);
            draws.iter().map(|draw| one(row, normaliser, draw)).collect()
        })
        .collect();
    sampled.concat()
}

/// Draws from one row of logits `[vocab]`, whose log-sum-exp is `normaliser`.
fn one(logits: &[f32], normaliser: LogSum, draw: &Draw<'_>) -> Sampled {
    let mut scores = logits.to_vec();
    if draw.filters.repetition_penalty != 1.0 {
        penalise(&mut scores, draw.seen, draw.filters.repetition_penalty);
    }
    let (id, sampling_logprob) = if draw.filters.temperature == 0.0 {
        (argmax(&scores), 0.0)
    } else {
        filter(&mut scores, &draw.filters);
        let drawn_from = LogSum::of(&scores);
        let id = pick(&scores, drawn_from.total(), draw.uniform);
        (id, drawn_from.log_prob(scores[id as usize]))
    };
    Sampled { id, logprob: normaliser.log_prob(logits[id as usize]), sampling_logprob }
}

fn penalise(scores: &mut [f32], seen: &HashSet<u32>, penalty: f32) {
    for &id in seen {
        let score = &mut scores[id as usize];
        *score = if *score < 0.0 { *score * penalty } else { *score / penalty };
    }
}

/// The first index of the largest value.
fn argmax(scores: &[f32]) -> u32 {
    let best = scores.iter().enumerate().fold(
        (0, f32::NEG_INFINITY),
        |best, (i, &s)| {
            if s > best.1 { (i, s) } else { best }
        },
    );
    best.0 as u32
}

/// Applies temperature, top-k, top-p and min-p in place; dropped tokens become `-inf`.
fn filter(scores: &mut [f32], params: &Filters) {
    if params.temperature != 1.0 {
        let peak = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if (peak / params.temperature).abs() < FAR {
            // As the trainer divides, so that its log-probs are the same bits.
            scores.iter_mut().for_each(|s| *s /= params.temperature);
        } else {
            // From the peak, so that a very low temperature gives 0 and -inf, not inf less inf, and equals stay as likely.
            scores.iter_mut().for_each(|s| *s = (*s - peak) / params.temperature);
        }
    }
    if params.top_k > 0 && params.top_k < scores.len() {
        let mut sorted = scores.to_vec();
        let (_, kth, _) = sorted.select_nth_unstable_by(params.top_k - 1, |a, b| b.total_cmp(a));
        let kth = *kth;
        scores.iter_mut().filter(|s| **s < kth).for_each(|s| *s = f32::NEG_INFINITY);
    }
    if params.top_p < 1.0 {
        keep_nucleus(scores, params.top_p);
    }
    if params.min_p > 0.0 {
        let peak = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let least = peak + params.min_p.ln();
        scores.iter_mut().filter(|s| **s < least).for_each(|s| *s = f32::NEG_INFINITY);
    }
}

/// Keeps the fewest likeliest tokens whose probability reaches `top_p`, at least one.
fn keep_nucleus(scores: &mut [f32], top_p: f32) {
    let normaliser = log_sum_exp(scores);
    let mut order: Vec<u32> =
        (0..scores.len() as u32).filter(|&i| scores[i as usize] > f32::NEG_INFINITY).collect();
    let likelier = |a: &u32, b: &u32| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b));
    // The nucleus is usually small: sort only as many of the likeliest as are needed.
    let mut sorted = 0;
    let mut mass = 0.0f64;
    let mut kept = order.len();
    while sorted < order.len() {
        let take = (sorted * 7).max(128).min(order.len() - sorted);
        let rest = &mut order[sorted..];
        if take < rest.len() {
            rest.select_nth_unstable_by(take - 1, likelier);
        }
        rest[..take].sort_unstable_by(likelier);
        let reached = rest[..take].iter().position(|&i| {
            mass += f64::from(scores[i as usize] - normaliser).exp();
            mass >= f64::from(top_p)
        });
        if let Some(last) = reached {
            kept = sorted + last + 1;
            break;
        }
        sorted += take;
    }
    for &i in &order[kept..] {
        scores[i as usize] = f32::NEG_INFINITY;
    }
}

/// The token at which the cumulative probability passes `u`, in the order of ids.
fn pick(scores: &[f32], normaliser: f32, u: f64) -> u32 {
    let mut mass = 0.0f64;
    let mut last = argmax(scores);
    for (i, &score) in scores.iter().enumerate() {
        if score > f32::NEG_INFINITY {
            mass += f64::from(score - normaliser).exp();
            last = i as u32;
            if mass > u {
                break;
            }
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        temperature: Option<f32>,
        top_k: Option<usize>,
        top_p: Option<f32>,
        min_p: Option<f32>,
        repetition_penalty: Option<f32>,
        previous: Vec<u32>,
        logits: Vec<f32>,
        logprobs: Vec<Option<f32>>,
    }

    fn cases() -> Vec<(Filters, Case)> {
        #[derive(Deserialize)]
        struct File {
            cases: Vec<Case>,
        }
        let text = include_str!("../../../tests/fixtures/sampling_expected.json");
        let file: File = serde_json::from_str(text).unwrap();
        file.cases
            .into_iter()
            .map(|c| {
                let params = Filters {
                    temperature: c.temperature.unwrap_or(1.0),
                    top_k: c.top_k.unwrap_or(0),
                    top_p: c.top_p.unwrap_or(1.0),
                    min_p: c.min_p.unwrap_or(0.0),
                    repetition_penalty: c.repetition_penalty.unwrap_or(1.0),
                };
                (params, c)
            })
            .collect()
    }

    /// Their number was once lost in the log-sum-exp, so that the first of them was always drawn.
    #[test]
    fn equals_stay_as_likely_at_the_lowest_temperature() {
        let logits = [2.0, 1.0, 2.0, 2.0, -3.0, 2.0];
        let seen = HashSet::new();
        for temperature in [1e-38, 1.5e-38, 1e-30, 1e-7, 1e-3] {
            let filters = Filters { temperature, top_k: 0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0 };
            let ids = [0.1, 0.3, 0.6, 0.9].map(|uniform| {
                let drawn = sample(&logits, 6, &[Draw { row: 0, filters, seen: &seen, uniform }])[0];
                assert!((drawn.sampling_logprob - 0.25f32.ln()).abs() < 1e-6, "{drawn:?}");
                drawn.id
            });
            assert_eq!(ids, [0, 2, 3, 5], "at {temperature}");
        }
    }

    #[test]
    fn filtered_distributions_match_transformers() {
        let cases = cases();
        assert!(cases.len() >= 40);
        for (index, (params, case)) in cases.into_iter().enumerate() {
            let mut scores = case.logits.clone();
            penalise(&mut scores, &case.previous.iter().copied().collect(), params.repetition_penalty);
            filter(&mut scores, &params);
            let normaliser = log_sum_exp(&scores);
            for (id, (score, want)) in scores.iter().zip(&case.logprobs).enumerate() {
                match want {
                    None => assert_eq!(*score, f32::NEG_INFINITY, "case {index} token {id} is kept"),
                    Some(want) => {
                        assert!((score - normaliser - want).abs() < 2e-5, "case {index} token {id}")
                    }
                }
            }
        }
    }
}
