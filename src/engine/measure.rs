//! Speed of prefill and decode against what the machine could do.

use std::convert::Infallible;
use std::time::Instant;

use burn::tensor::{TensorData, bf16};
use serde::Serialize;

use crate::engine::error::RequestError;
use crate::engine::open::OpenError;
use crate::engine::request::Request;
use crate::engine::text_engine::TextEngine;
use crate::kernels::BLOCK_TOKENS;
use crate::model::build::WeightSource;
use crate::model::config::{FloatType, ModelConfig};

/// What to measure.
#[derive(Debug, Clone, Serialize)]
pub struct Workload {
    /// Prompt tokens of the prefill measurement.
    pub prefill: usize,
    /// Prompt tokens before the decode measurement.
    pub context: usize,
    /// New tokens a sequence in the decode measurement.
    pub decode: usize,
    /// Numbers of sequences decoded at once.
    pub batches: Vec<usize>,
    /// Times each is measured; the median is reported.
    pub repeats: usize,
}

impl Workload {
    /// Tokens of an engine step that every measurement gets by with: the whole prefill, and the largest batch beside
    /// prompts that are still being read.
    pub fn batch_tokens(&self) -> usize {
        self.prefill.max(512).max(self.largest_batch().saturating_mul(2))
    }

    /// Cache tokens of the largest measurement.
    pub fn cache_tokens(&self) -> usize {
        let batch = self.largest_batch();
        // Blocks are whole, and a sequence may have a prompt's and its own partial one.
        let sequence = self.context.saturating_add(self.new_tokens(batch)).saturating_add(2 * BLOCK_TOKENS);
        batch.saturating_mul(sequence).max(self.prefill.saturating_add(2 * BLOCK_TOKENS))
    }

    fn largest_batch(&self) -> usize {
        self.batches.iter().copied().max().unwrap_or(0)
    }

    /// Steps until the prompts of `batch` sequences are read, with sequences that are done taking their share.
    fn prompt_steps(&self, batch: usize) -> usize {
        let free = self.batch_tokens().saturating_sub(batch).max(1);
        batch.saturating_mul(self.context).div_ceil(free).saturating_add(1)
    }

    /// New tokens of each of `batch` sequences: the first to start is still writing when the last has been timed.
    fn new_tokens(&self, batch: usize) -> usize {
        self.decode.saturating_add(1).saturating_add(self.prompt_steps(batch))
    }
}

/// One measured figure.
#[derive(Debug, Clone, Serialize)]
pub struct Measurement {
    /// `prefill` or `decode`.
    pub phase: &'static str,
    /// Sequences at once.
    pub batch: usize,
    /// Tokens a second over all sequences: median, slowest, fastest.
    pub tokens_per_second: f64,
    /// The slowest repeat.
    pub slowest: f64,
    /// The fastest repeat.
    pub fastest: f64,
    /// Bytes of weights and cache read a second, in GB/s.
    pub gigabytes_per_second: f64,
    /// Arithmetic of the products and the attention, in GFLOP/s.
    pub gigaflops: f64,
    /// The time the arithmetic and the memory traffic would take at the machine's ceilings, whichever is longer,
    /// over the time taken.
    pub share_of_bound: f64,
}

/// The measured ceilings of what a model runs on.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Ceilings {
    /// Memory bandwidth, GB/s.
    pub gigabytes_per_second: f64,
    /// Rate of multiply-adds in the type of the activations, GFLOP/s.
    pub gigaflops: f64,
}

/// Work of one forward of `new` tokens a sequence for `batch` sequences.
struct Work {
    flops: f64,
    bytes: f64,
}

/// Bytes and flops of a step: every weight is read once, every cached key and value once a sequence.
fn work(config: &ModelConfig, weight_bytes: u64, batch: usize, start: usize, new: usize) -> Work {
    let table = (config.vocab_size * config.hidden_size) as f64;
    let tables = if config.tie_word_embeddings { 1.0 } else { 2.0 };
    let body = config.num_parameters() as f64 - tables * table;
    let tokens = (batch * new) as f64;
    let mean_keys = start as f64 + (new as f64 + 1.0) / 2.0;
    let attention = 4.0 * config.query_size() as f64 * mean_keys * config.num_hidden_layers as f64;
    // The head runs for the last token of each sequence only.
    let flops = tokens * (2.0 * body + attention) + 2.0 * batch as f64 * table;
    let cache = 8.0 * config.key_value_size() as f64 * config.num_hidden_layers as f64;
    let embedding = if config.tie_word_embeddings { 0.0 } else { table / config.num_parameters() as f64 };
    let read = weight_bytes as f64 * (1.0 - embedding);
    Work { flops, bytes: read + cache * batch as f64 * (start + new) as f64 }
}

/// Measures an engine whose weights take `weight_bytes`.
pub fn measure(
    engine: &mut dyn TextEngine,
    weight_bytes: u64,
    workload: &Workload,
    ceilings: Ceilings,
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<Measurement>, RequestError> {
    let config = engine.config().clone();
    let mut results = Vec::new();
    let finish = |phase, batch, work: Work, tokens: f64, mut seconds: Vec<f64>| {
        seconds.sort_by(f64::total_cmp);
        let median = seconds[seconds.len() / 2];
        let (flops, bytes) = (work.flops / 1e9, work.bytes / 1e9);
        let bound = (flops / ceilings.gigaflops).max(bytes / ceilings.gigabytes_per_second);
        Measurement {
            phase,
            batch,
            tokens_per_second: tokens / median,
            slowest: tokens / seconds[seconds.len() - 1],
            fastest: tokens / seconds[0],
            gigabytes_per_second: bytes / median,
            gigaflops: flops / median,
            share_of_bound: bound / median,
        }
    };
    if workload.prefill > 0 {
        let mut seconds = Vec::new();
        for repeat in 0..=workload.repeats {
            progress(&format!("prefill {} tokens, {repeat} of {}", workload.prefill, workload.repeats));
            let id = engine.submit(Request::greedy(prompt(&config, workload.prefill, 0), 1))?;
            let start = Instant::now();
            while !engine.is_idle() {
                engine.step();
            }
            seconds.push(start.elapsed().as_secs_f64());
            engine.take(id);
        }
        // The first touches the weights' pages and is not counted.
        seconds.remove(0);
        let work = work(&config, weight_bytes, 1, 0, workload.prefill);
        results.push(finish("prefill", 1, work, workload.prefill as f64, seconds));
    }
    for &batch in &workload.batches {
        let mut seconds = Vec::new();
        // The first compiles kernels on a GPU and is not counted.
        for repeat in 0..=workload.repeats {
            progress(&format!("decode at batch {batch}, {repeat} of {}", workload.repeats));
            let ids = (0..batch)
                .map(|i| {
                    let prompt = prompt(&config, workload.context, i as u32 + 1);
                    engine.submit(Request::greedy(prompt, workload.new_tokens(batch)))
                })
                .collect::<Result<Vec<_>, _>>()?;
            // Prompts are done one after another; only steps in which every sequence gets a token are timed.
            while !engine.is_idle() && engine.step().len() < batch {}
            let start = Instant::now();
            for _ in 0..workload.decode {
                engine.step();
            }
            seconds.push(start.elapsed().as_secs_f64() / workload.decode.max(1) as f64);
            for id in ids {
                engine.cancel(id);
                engine.take(id);
            }
        }
        seconds.remove(0);
        let work = work(&config, weight_bytes, batch, workload.context + workload.decode / 2, 1);
        results.push(finish("decode", batch, work, batch as f64, seconds));
    }
    Ok(results)
}

/// Tokens that mean nothing: speed does not depend on them.
pub(super) fn prompt(config: &ModelConfig, len: usize, salt: u32) -> Vec<u32> {
    let vocab = config.vocab_size as u32;
    (0..len as u32).map(|i| (i.wrapping_mul(7919) ^ salt.wrapping_mul(104_729)) % vocab).collect()
}

/// Small made-up weights for measuring a shape without a checkpoint.
pub struct MadeUpWeights {
    /// The type matrices are made in.
    pub matrices: FloatType,
}

impl From<Infallible> for OpenError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl WeightSource for MadeUpWeights {
    type Error = Infallible;

    fn read(&mut self, name: &str, shape: &[usize]) -> Result<TensorData, Infallible> {
        let count = shape.iter().product();
        if shape.len() < 2 {
            let value = if name.ends_with("norm.weight") { 1.0f32 } else { 0.0 };
            return Ok(TensorData::new(vec![value; count], shape.to_vec()));
        }
        Ok(if self.matrices == FloatType::F32 {
            TensorData::new(repeated(count, |value| value), shape.to_vec())
        } else {
            TensorData::new(repeated(count, bf16::from_f32), shape.to_vec())
        })
    }
}

/// `count` values that repeat after a prime number of them, so that no two rows are the same: 32 billion are copied
/// in seconds, and computed in minutes.
fn repeated<T: Copy>(count: usize, convert: impl Fn(f32) -> T) -> Vec<T> {
    const PERIOD: usize = 1_000_003;
    // A full-period generator: values of no pattern, none subnormal (those would slow arithmetic down).
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        convert((f64::from(state >> 8) / f64::from(1 << 24) - 0.5) as f32 * 0.1)
    };
    let mut values: Vec<T> = Vec::with_capacity(count);
    values.extend(std::iter::repeat_with(&mut next).take(count.min(PERIOD)));
    while values.len() < count {
        // `values` holds whole periods here, so each copy goes on where the last ended.
        let more = values.len().min(count - values.len());
        values.extend_from_within(..more);
    }
    values
}
