//! What a request asks of its draws, and the state that goes from token to token. The draws are made by
//! [`KernelBackend::sample`](crate::kernels::KernelBackend::sample).

use std::collections::HashSet;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::engine::error::RequestError;
use crate::kernels::sampling::{Draw, Filters, Sampled};

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

    /// The number in [0, 1) that decides the next draw, from the top 53 bits. The likeliest token needs none, and takes none.
    pub fn uniform(&mut self) -> f64 {
        if self.params.temperature == 0.0 {
            return 0.0;
        }
        (self.rng.next_u64() >> 11) as f64 * (-53.0f64).exp2()
    }

    /// The draw that `uniform` decides, from row `row` of the logits.
    pub fn draw(&self, row: usize, uniform: f64) -> Draw<'_> {
        let SamplingParams { temperature, top_k, top_p, min_p, repetition_penalty, seed: _ } = self.params;
        let filters = Filters { temperature, top_k, top_p, min_p, repetition_penalty };
        Draw { row, filters, seen: &self.seen, uniform }
    }

    /// What came of it.
    pub fn take(&mut self, sampled: Sampled) {
        if self.params.repetition_penalty != 1.0 {
            self.seen.insert(sampled.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::sampling::reference;

    fn sample(sampler: &mut Sampler, row: &[f32]) -> Sampled {
        let uniform = sampler.uniform();
        let sampled = reference::sample(row, row.len(), &[sampler.draw(0, uniform)])[0];
        sampler.take(sampled);
        sampled
    }

    #[test]
    fn draws_follow_the_distribution_and_report_it() {
        let row: Vec<f32> = (0..40).map(|i| ((i * 7919 % 101) as f32 / 25.0) - 2.0).collect();
        let params = SamplingParams { temperature: 0.8, seed: 7, ..SamplingParams::default() };
        let mut sampler = Sampler::new(params, 0, &[]);
        let log_probs = |temperature: f64| {
            let total: f64 = row.iter().map(|&x| (f64::from(x) / temperature).exp()).sum();
            row.iter().map(move |&x| f64::from(x) / temperature - total.ln()).collect::<Vec<f64>>()
        };
        let (plain, drawn_from) = (log_probs(1.0), log_probs(f64::from(params.temperature)));
        let n = 20_000;
        let mut counts = vec![0usize; row.len()];
        for _ in 0..n {
            let sampled = sample(&mut sampler, &row);
            let id = sampled.id as usize;
            counts[id] += 1;
            assert!((f64::from(sampled.sampling_logprob) - drawn_from[id]).abs() < 1e-5);
            assert!((f64::from(sampled.logprob) - plain[id]).abs() < 1e-5);
        }
        let expected = drawn_from.iter().map(|log_prob| log_prob.exp() * f64::from(n));
        let chi_squared: f64 = counts
            .iter()
            .zip(expected)
            .filter(|(_, e)| *e > 5.0)
            .map(|(&c, e)| (c as f64 - e).powi(2) / e)
            .sum();
        // 39 degrees of freedom at most: 82 is beyond the 0.9999 quantile.
        assert!(chi_squared < 82.0, "{chi_squared}");
    }

    #[test]
    fn a_penalty_is_for_what_was_drawn_before() {
        let params = SamplingParams { repetition_penalty: 2.0, ..SamplingParams::greedy() };
        let mut sampler = Sampler::new(params, 0, &[3]);
        let ids: Vec<u32> = (0..3).map(|_| sample(&mut sampler, &[1.1, 2.0, -1.0, 3.0]).id).collect();
        // 3 counts 1.5 from the start, 1 counts 1 once it was drawn; everything is seen in the end.
        assert_eq!(ids, [1, 3, 3]);
    }

    #[test]
    fn greedy_takes_the_first_of_equals_and_seeds_repeat() {
        let row = [0.5, 2.0, 2.0, -1.0];
        let greedy = sample(&mut Sampler::new(SamplingParams::greedy(), 0, &[]), &row);
        assert_eq!((greedy.id, greedy.sampling_logprob), (1, 0.0));
        let run = |stream| {
            let mut sampler = Sampler::new(SamplingParams { seed: 3, ..Default::default() }, stream, &[]);
            (0..50).map(|_| sample(&mut sampler, &row).id).collect::<Vec<_>>()
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
