//! Draws of tokens. Each number that a token is drawn with is the middle of what a known token holds of the mass, so that no rounding
//! of a sum decides: the token is then that one or wrong.

use std::collections::HashSet;

use burn::tensor::DType;

use super::{Expected, F32, Parity};
use crate::doctor::exact::log_probs::log_sum_exp;
use crate::doctor::exact::sampling::{distribution, penalised};
use crate::doctor::inputs::{Grain, Noise, tensor};
use crate::kernels::KernelBackend;
use crate::kernels::sampling::{Draw, Filters, Sampled};

/// Rows of logits of a call.
const ROWS: usize = 3;
/// Ranks of the tokens that are drawn, where so many are kept.
const RANKS: [usize; 4] = [0, 1, 5, 20];

const PLAIN: Filters =
    Filters { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0 };

/// One filter at a time, and all together.
const FILTERS: [Filters; 8] = [
    PLAIN,
    Filters { temperature: 0.0, ..PLAIN },
    Filters { temperature: 0.7, ..PLAIN },
    Filters { top_k: 40, temperature: 1.3, ..PLAIN },
    Filters { top_p: 0.5, ..PLAIN },
    Filters { min_p: 0.05, ..PLAIN },
    Filters { repetition_penalty: 1.5, temperature: 0.0, ..PLAIN },
    Filters { temperature: 0.8, top_k: 50, top_p: 0.9, min_p: 0.01, repetition_penalty: 1.1 },
];

/// A draw and what is to come of it.
struct Drawn {
    row: usize,
    filters: Filters,
    uniform: f64,
    id: usize,
    /// Under the model, and under the distribution it was drawn from.
    log_probs: [f64; 2],
}

impl<B: KernelBackend> Parity<'_, B> {
    pub(super) fn sampling(&mut self) {
        // The last is as wide as Qwen's vocabulary. Logits so far apart that no token is too unlikely to be met.
        for (seed, (vocab, largest)) in (700..).zip([(7, 4.0), (1000, 8.0), (151_936, 64.0)]) {
            self.draws(vocab, largest, seed);
        }
    }

    fn draws(&mut self, vocab: usize, largest: f32, seed: u64) {
        let mut noise = Noise(seed);
        let logits = noise.values(ROWS * vocab, largest, Grain::Fine);
        let seen: HashSet<u32> = noise.below(vocab.min(60), vocab).into_iter().collect();
        let rows = logits.chunks_exact(vocab).enumerate();
        let filtered = rows.flat_map(|row| FILTERS.map(|filters| (row, filters)));
        let drawn: Vec<Drawn> = filtered.flat_map(|(row, filters)| from_row(row, filters, &seen)).collect();
        let draws: Vec<Draw<'_>> = drawn
            .iter()
            .map(|it| Draw { row: it.row, filters: it.filters, seen: &seen, uniform: it.uniform })
            .collect();
        let case = format!("{} draws from {ROWS} rows of {vocab}", draws.len());
        let sample =
            |device: &B::Device| B::sample(tensor(&logits, [ROWS, vocab], device, DType::F32), &draws);
        // A token is right or wrong.
        let tokens = [Expected::rows("token", drawn.iter().map(|it| it.id as f64).collect(), 1)];
        self.check_within(0.0, "sample", &case, DType::F32, &tokens, |device| {
            vec![sample(device).iter().map(|it| it.id as f32).collect()]
        });
        let log_probs = |at: usize| drawn.iter().map(|it| it.log_probs[at]).collect();
        let expected = [Expected::whole("log p", log_probs(0)), Expected::whole("log q", log_probs(1))];
        self.check_within(F32, "sample", &case, DType::F32, &expected, |device| {
            let found = sample(device);
            let of = |part: fn(&Sampled) -> f32| -> Vec<f32> { found.iter().map(part).collect() };
            vec![of(|it| it.logprob), of(|it| it.sampling_logprob)]
        });
    }
}

/// Draws from a row of logits.
fn from_row((row, logits): (usize, &[f32]), filters: Filters, seen: &HashSet<u32>) -> Vec<Drawn> {
    let none = HashSet::new();
    let seen = if filters.repetition_penalty == 1.0 { &none } else { seen };
    let wide: Vec<f64> = logits.iter().map(|&x| f64::from(x)).collect();
    let sum = log_sum_exp(&wide);
    if filters.temperature == 0.0 {
        let scores = penalised(logits, filters.repetition_penalty, seen);
        let best = (1..scores.len()).fold(0, |best, id| if scores[id] > scores[best] { id } else { best });
        return vec![Drawn { row, filters, uniform: 0.5, id: best, log_probs: [wide[best] - sum, 0.0] }];
    }
    let (log_q, top_p) = distribution(logits, &filters, seen);
    let filters = Filters { top_p, ..filters };
    let mut order: Vec<usize> = (0..log_q.len()).filter(|&id| log_q[id] > f64::NEG_INFINITY).collect();
    order.sort_by(|&a, &b| log_q[b].total_cmp(&log_q[a]));
    let of_rank = |&rank: &usize| {
        let id = *order.get(rank)?;
        let before: f64 = log_q[..id].iter().map(|x| x.exp()).sum();
        let uniform = before + log_q[id].exp() / 2.0;
        Some(Drawn { row, filters, uniform, id, log_probs: [wide[id] - sum, log_q[id]] })
    };
    RANKS.iter().filter_map(of_rank).collect()
}
