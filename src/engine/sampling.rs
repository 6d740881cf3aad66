//! From logits to one token: the filters of `transformers`' `generate`, in its order (repetition penalty,
//! temperature, top-k, top-p, min-p), then a draw from what is left.

use std::collections::HashSet;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::engine::error::RequestError;
use crate::kernels::softmax::cpu::{LogSum, log_sum_exp};

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SamplingParams {
    /// Divides the logits; 0 takes the likeliest token.
    pub temperature: f32,
    /// Keeps the `k` likeliest tokens (and ties with the last of them); 0 keeps all.
    pub top_k: usize,
    /// Keeps the likeliest tokens that together reach this probability; 1 keeps all.
    pub top_p: f32,
    /// Drops tokens below this fraction of the likeliest one's probability; 0 keeps all.
    pub min_p: f32,
    /// Divides positive and multiplies negative logits of tokens already seen (prompt included); 1 is off.
    pub repetition_penalty: f32,
    /// Seed of the draws; sample `i` of a request uses stream `i` of it.
    pub seed: u64,
}

impl Default for SamplingParams {
    /// Plain sampling from the model's own distribution.
    fn default() -> Self {
        Self { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0, seed: 0 }
    }
}

impl SamplingParams {
    /// The likeliest token each time.
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// Refuses values outside their ranges, all at once.
    pub fn validate(&self) -> Result<(), RequestError> {
        let mut problems = Vec::new();
        let mut require = |ok: bool, field: &str, found: f32, legal: &str| {
            if !ok {
                problems.push(format!("{field} is {found}, legal is {legal}"));
            }
        };
        let t = self.temperature;
        require(t.is_finite() && t >= 0.0, "temperature", t, "0 (greedy) or a positive number");
        require(self.top_p > 0.0 && self.top_p <= 1.0, "top_p", self.top_p, "above 0 and at most 1");
        require((0.0..=1.0).contains(&self.min_p), "min_p", self.min_p, "0 to 1");
        let r = self.repetition_penalty;
        // Beyond these a logit times or over the penalty is no number any more.
        require((1e-3..=1e3).contains(&r), "repetition_penalty", r, "0.001 to 1000");
        if problems.is_empty() { Ok(()) } else { Err(RequestError::Sampling(problems.join("; "))) }
    }
}

/// A drawn token and how likely it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampled {
    /// The token.
    pub id: u32,
    /// Its natural log-probability under the model at temperature 1, unfiltered.
    pub logprob: f32,
    /// Its natural log-probability under the distribution it was drawn from (0 when greedy).
    pub sampling_logprob: f32,
}

/// The state one sample carries from token to token.
#[derive(Debug, Clone)]
pub struct Sampler {
    params: SamplingParams,
    rng: ChaCha8Rng,
    // Kept only where a penalty needs it.
    seen: HashSet<u32>,
}

impl Sampler {
    /// The sampler of sample number `stream` of a request with this prompt.
    pub fn new(params: SamplingParams, stream: u64, prompt: &[u32]) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(params.seed);
        rng.set_stream(stream);
        let penalised = params.repetition_penalty != 1.0;
        let seen = if penalised { prompt.iter().copied().collect() } else { HashSet::new() };
        Self { params, rng, seen }
    }

    /// Draws from one row of logits `[vocab]`, whose log-sum-exp is `normaliser`.
    pub fn sample(&mut self, logits: &[f32], normaliser: LogSum) -> Sampled {
        let mut scores = logits.to_vec();
        penalise(&mut scores, &self.seen, self.params.repetition_penalty);
        let (id, sampling_logprob) = if self.params.temperature == 0.0 {
            (argmax(&scores), 0.0)
        } else {
            filter(&mut scores, &self.params);
            let drawn_from = LogSum::of(&scores);
            let id = draw(&scores, drawn_from.total(), uniform(&mut self.rng));
            (id, drawn_from.log_prob(scores[id as usize]))
        };
        if self.params.repetition_penalty != 1.0 {
            self.seen.insert(id);
        }
        Sampled { id, logprob: normaliser.log_prob(logits[id as usize]), sampling_logprob }
    }
}

/// A number in [0, 1) from the top 53 bits.
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * (-53.0f64).exp2()
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
pub(crate) fn filter(scores: &mut [f32], params: &SamplingParams) {
    if params.temperature != 1.0 {
        let peak = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if (peak / params.temperature).is_finite() {
            // As the trainer divides, so that its log-probs are the same bits.
            scores.iter_mut().for_each(|s| *s /= params.temperature);
        } else {
            // From the peak, so that a very low temperature gives 0 and -inf, not inf less inf.
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
fn draw(scores: &[f32], normaliser: f32, u: f64) -> u32 {
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

    fn cases() -> Vec<(SamplingParams, Case)> {
        #[derive(Deserialize)]
        struct File {
            cases: Vec<Case>,
        }
        let text = include_str!("../../tests/fixtures/sampling_expected.json");
        let file: File = serde_json::from_str(text).unwrap();
        file.cases
            .into_iter()
            .map(|c| {
                let params = SamplingParams {
                    temperature: c.temperature.unwrap_or(1.0),
                    top_k: c.top_k.unwrap_or(0),
                    top_p: c.top_p.unwrap_or(1.0),
                    min_p: c.min_p.unwrap_or(0.0),
                    repetition_penalty: c.repetition_penalty.unwrap_or(1.0),
                    seed: 7,
                };
                (params, c)
            })
            .collect()
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

    #[test]
    fn draws_follow_the_distribution_and_report_it() {
        let (params, case) = cases().swap_remove(8);
        let mut sampler = Sampler::new(params, 0, &[]);
        let normaliser = LogSum::of(&case.logits);
        let mut scores = case.logits.clone();
        filter(&mut scores, &params);
        let filtered = LogSum::of(&scores);
        let n = 20_000;
        let mut counts = vec![0usize; scores.len()];
        for _ in 0..n {
            // A fresh set of seen tokens each time: only the draw is under test.
            sampler.seen.clear();
            let sampled = sampler.sample(&case.logits, normaliser);
            let id = sampled.id as usize;
            counts[id] += 1;
            assert!((sampled.sampling_logprob - filtered.log_prob(scores[id])).abs() < 1e-6);
            assert!((sampled.logprob - normaliser.log_prob(case.logits[id])).abs() < 1e-6);
        }
        let expected = scores.iter().map(|s| f64::from(filtered.log_prob(*s)).exp() * f64::from(n));
        let chi_squared: f64 = counts
            .iter()
            .zip(expected)
            .filter(|(_, e)| *e > 5.0)
            .map(|(&c, e)| (c as f64 - e).powi(2) / e)
            .sum();
        // 49 degrees of freedom at most: 95 is beyond the 0.9999 quantile.
        assert!(chi_squared < 95.0, "{chi_squared}");
    }

    #[test]
    fn greedy_takes_the_first_of_equals_and_seeds_repeat() {
        let row = [0.5, 2.0, 2.0, -1.0];
        let greedy = Sampler::new(SamplingParams::greedy(), 0, &[]).sample(&row, LogSum::of(&row));
        assert_eq!((greedy.id, greedy.sampling_logprob), (1, 0.0));
        let run = |stream| {
            let mut sampler = Sampler::new(SamplingParams { seed: 3, ..Default::default() }, stream, &[]);
            (0..50).map(|_| sampler.sample(&row, LogSum::of(&row)).id).collect::<Vec<_>>()
        };
        assert_eq!(run(0), run(0));
        assert_ne!(run(0), run(1));
    }

    #[test]
    fn illegal_parameters_are_all_named() {
        let bad = SamplingParams { temperature: -1.0, top_p: 0.0, min_p: 2.0, ..Default::default() };
        let message = bad.validate().unwrap_err().to_string();
        assert!(["temperature", "top_p", "min_p"].iter().all(|f| message.contains(f)), "{message}");
        assert!(SamplingParams { temperature: f32::NAN, ..Default::default() }.validate().is_err());
    }
}
