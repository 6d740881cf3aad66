//! The engine: requests in, tokens out, every step one packed forward of whatever is ready.
//!
//! A step takes one token from each continuation that is being written and fills the rest of its budget with
//! prompt tokens of requests that are not yet that far (continuous batching, chunked prefill). A prompt is computed
//! once; its whole blocks are shared by the samples, its last partial block is copied. Whole blocks of prompts that begin
//! alike are computed once, too, as long as they are in the cache. Kernels on the CPU are batch-invariant, so what a request
//! gets does not depend on its neighbours, nor on who has computed its beginning.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Tensor;

use crate::chat::Reading;
use crate::data::{StopMatcher, TextStream, Tokenizer};
use crate::engine::blocks::{BlockAllocator, Reservation};
use crate::engine::error::{EngineError, RequestError};
use crate::engine::group::Group;
use crate::engine::memory::{LOGIT_ROWS, MemoryPlan};
use crate::engine::request::{Event, Output, Request, RequestId};
use crate::engine::sample::{Sample, TextState};
use crate::engine::sampling::Sampler;
use crate::engine::step::{Row, Step};
use crate::kernels::parallel::on_pool;
use crate::kernels::sampling::{Draw, Sampled};
use crate::kernels::{BLOCK_TOKENS, KernelBackend};
use crate::model::cache::KvCache;
use crate::model::decoder::Decoder;

/// Sizes of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineOptions {
    /// Tokens the key/value cache holds, rounded up to whole blocks.
    pub cache_tokens: usize,
    /// Tokens of one step, at most; bounds the activations. Continuations beyond it wait their turn.
    pub batch_tokens: usize,
    /// Refuse to start if the predicted peak is above this many bytes.
    pub memory_limit: Option<u64>,
    /// Whether prompts that begin alike share what was computed. On the CPU it changes no bit of any result.
    pub prefix_reuse: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { cache_tokens: 4096, batch_tokens: 512, memory_limit: None, prefix_reuse: true }
    }
}

/// Generates from one model.
#[derive(Debug)]
pub struct Engine<B: KernelBackend> {
    decoder: Decoder<B>,
    tokenizer: Option<Arc<Tokenizer>>,
    cache: KvCache<B>,
    blocks: BlockAllocator,
    options: EngineOptions,
    plan: MemoryPlan,
    waiting: VecDeque<(RequestId, Request)>,
    running: Vec<Group>,
    finished: BTreeMap<RequestId, Finished>,
    next_id: u64,
    reading: Reading,
}

/// A request that nobody has taken the outputs of.
#[derive(Debug)]
struct Finished {
    outputs: Vec<Output>,
    cached: usize,
}

impl<B: KernelBackend> Engine<B> {
    /// An engine around `decoder`; `weights` is what the decoder's weights take, in bytes.
    pub fn new(
        decoder: Decoder<B>,
        weights: u64,
        tokenizer: Option<Arc<Tokenizer>>,
        options: EngineOptions,
    ) -> Result<Self, EngineError> {
        let blocks = KvCache::<B>::blocks_for(options.cache_tokens);
        let plan = MemoryPlan::of_engine::<B>(&decoder.config, weights, decoder.compute_dtype(), options);
        plan.check(options.memory_limit)?;
        let cache = KvCache::new(&decoder.config, blocks, decoder.compute_dtype(), decoder.device());
        Ok(Self {
            decoder,
            tokenizer,
            cache,
            blocks: BlockAllocator::new(blocks, options.prefix_reuse),
            options,
            plan,
            waiting: VecDeque::new(),
            running: Vec::new(),
            finished: BTreeMap::new(),
            next_id: 0,
            reading: Reading::default(),
        })
    }

    /// The model.
    pub fn decoder(&self) -> &Decoder<B> {
        &self.decoder
    }

    /// The model, to be changed between requests. What an unfinished request has cached is of the model as it was; no other
    /// request uses it from here on.
    pub fn decoder_mut(&mut self) -> &mut Decoder<B> {
        let running = std::mem::take(&mut self.running);
        let (begun, rest): (Vec<_>, Vec<_>) = running.into_iter().partition(|group| group.prefilled > 0);
        // The others may hold blocks that were computed for them already.
        for group in rest.into_iter().rev() {
            group.release(&mut self.blocks);
            self.waiting.push_front((group.id, group.request));
        }
        self.running = begun;
        for group in &mut self.running {
            group.kept = false;
        }
        self.blocks.forget();
        &mut self.decoder
    }

    /// The sizes it was made with.
    pub fn options(&self) -> EngineOptions {
        self.options
    }

    /// The predicted peak memory.
    pub fn plan(&self) -> &MemoryPlan {
        &self.plan
    }

    /// Queues a request, or says why it can never run here.
    pub fn submit(&mut self, request: Request) -> Result<RequestId, RequestError> {
        self.check(&request)?;
        let id = RequestId(self.next_id);
        self.next_id += 1;
        self.waiting.push_back((id, request));
        Ok(id)
    }

    /// Whether a step has anything to do.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    /// Runs one step: one new token for each continuation that is ready, and some prompt tokens.
    pub fn step(&mut self) -> Vec<Event> {
        on_pool(|| self.step_on_pool())
    }

    fn step_on_pool(&mut self) -> Vec<Event> {
        let begun = Instant::now();
        self.admit();
        let step = Step::plan(&mut self.running, &mut self.blocks, self.options.batch_tokens);
        if step.tokens.is_empty() {
            return Vec::new();
        }
        let hidden = self.decoder.forward_cached(&step.tokens, &step.positions, &step.batch, &mut self.cache);
        let mut events = Vec::new();
        for rows in step.rows.chunks(LOGIT_ROWS) {
            let logits = self.logits(&hidden, rows);
            for (group, index, sampled) in self.draw(logits, rows) {
                let group = &mut self.running[group];
                let sample = &mut group.samples[index];
                let (text, stop) = sample.push(sampled, &group.request);
                if stop.is_some() {
                    group.give_back(index, &mut self.blocks);
                }
                events.push(Event { request: group.id, sample: index, id: sampled.id, text, stop });
            }
        }
        self.retire();
        let share = step.read as f64 / step.tokens.len() as f64;
        self.reading.tokens += step.read as u64;
        self.reading.seconds += share * begun.elapsed().as_secs_f64();
        events
    }

    /// Steps until nothing is left to do, and returns the outputs of `ids` in their order. Requests that were
    /// cancelled come back empty.
    pub fn run(&mut self, ids: &[RequestId]) -> Vec<Vec<Output>> {
        while !self.is_idle() {
            self.step();
        }
        ids.iter().map(|id| self.take(*id).unwrap_or_default()).collect()
    }

    /// The outputs of a finished request, once.
    pub fn take(&mut self, id: RequestId) -> Option<Vec<Output>> {
        self.finished.remove(&id).map(|finished| finished.outputs)
    }

    /// Prompt tokens of a request that were not computed for it, since the same beginning was there: so far, or in all once it is
    /// finished. 0 after its outputs were taken.
    pub fn cached_tokens(&self, id: RequestId) -> usize {
        let running = || self.running.iter().find(|group| group.id == id).map(|group| group.cached);
        self.finished.get(&id).map(|finished| finished.cached).or_else(running).unwrap_or(0)
    }

    /// What reading prompts took so far. A step's time is shared out by its tokens.
    pub fn reading(&self) -> Reading {
        self.reading
    }

    /// Drops a request wherever it is.
    pub fn cancel(&mut self, id: RequestId) {
        self.waiting.retain(|(waiting, _)| *waiting != id);
        if let Some(at) = self.running.iter().position(|group| group.id == id) {
            self.running.remove(at).release(&mut self.blocks);
        }
    }

    fn check(&self, request: &Request) -> Result<(), RequestError> {
        request.check(&self.decoder.config, self.tokenizer.is_some())?;
        let (shared, own) = block_counts(request);
        let needed = own.saturating_mul(request.samples).saturating_add(shared);
        if needed > self.cache.blocks() {
            return Err(RequestError::CacheTooSmall {
                needed: needed.saturating_mul(BLOCK_TOKENS),
                capacity: self.cache.blocks() * BLOCK_TOKENS,
                samples: request.samples,
                prompt: request.prompt.len(),
                new: request.max_new_tokens,
            });
        }
        Ok(())
    }

    /// Lets waiting requests in, first come first served, while their blocks are free.
    fn admit(&mut self) {
        while let Some((id, request)) = self.waiting.pop_front() {
            let own = block_counts(&request).1;
            let Some(reserved) = self.blocks.reserve(&request.prompt, own * request.samples) else {
                self.waiting.push_front((id, request));
                return;
            };
            let Reservation { nodes, shared, own: rest } = reserved;
            let samples = (0..request.samples)
                .map(|i| {
                    let own = &rest[i * own..(i + 1) * own];
                    let text = self.tokenizer.as_ref().and_then(|tokenizer| {
                        let matcher = StopMatcher::new(&request.stop_strings).ok()?;
                        Some(TextState { stream: TextStream::new(tokenizer, true), matcher })
                    });
                    let sampler = Sampler::new(request.sampling, i as u64, &request.prompt);
                    Sample::new(sampler, text, [&shared[..], own].concat(), shared.len())
                })
                .collect();
            let kept = self.options.prefix_reuse;
            self.running.push(Group { id, request, nodes, prefilled: 0, cached: 0, kept, samples });
        }
    }

    /// Logits `[rows, vocab]`.
    fn logits(&mut self, hidden: &Tensor<B, 2>, rows: &[(usize, Row)]) -> Tensor<B, 2> {
        // The prompt's partial block is complete now: give each further sample a copy.
        for (_, row) in rows.iter().filter(|(_, row)| row.samples.len() > 1) {
            let group = &self.running[row.group];
            if !group.request.prompt.len().is_multiple_of(BLOCK_TOKENS) {
                let partial = group.samples[0].shared;
                for sample in &group.samples[1..] {
                    self.cache.copy_block(group.samples[0].blocks[partial], sample.blocks[partial]);
                }
            }
        }
        let index: Vec<i32> = rows.iter().map(|(row, _)| *row as i32).collect();
        let index = Tensor::from_ints(index.as_slice(), self.decoder.device());
        self.decoder.logits(hidden.clone().select(0, index))
    }

    /// A token for each sample of each row, with its group and its place there.
    fn draw(&mut self, logits: Tensor<B, 2>, rows: &[(usize, Row)]) -> Vec<(usize, usize, Sampled)> {
        let places = || {
            let of_row = |(place, (_, row)): (usize, &(usize, Row))| {
                let group = row.group;
                row.samples.clone().map(move |sample| (place, group, sample))
            };
            rows.iter().enumerate().flat_map(of_row)
        };
        let uniforms: Vec<f64> =
            places().map(|(_, group, i)| self.running[group].samples[i].sampler.uniform()).collect();
        let draws: Vec<Draw<'_>> = places()
            .zip(uniforms)
            .map(|((row, group, i), uniform)| self.running[group].samples[i].sampler.draw(row, uniform))
            .collect();
        let sampled = B::sample(logits, &draws);
        let sampled: Vec<_> =
            places().zip(sampled).map(|((_, group, i), sampled)| (group, i, sampled)).collect();
        for &(group, i, sampled) in &sampled {
            self.running[group].samples[i].sampler.take(sampled);
        }
        sampled
    }

    /// Moves requests whose samples are all done to the finished ones.
    fn retire(&mut self) {
        let mut index = 0;
        while index < self.running.len() {
            let group = &self.running[index];
            if group.samples.iter().all(Sample::is_done) {
                let group = self.running.remove(index);
                group.release(&mut self.blocks);
                let outputs = group.samples.into_iter().map(Sample::into_output).collect();
                self.finished.insert(group.id, Finished { outputs, cached: group.cached });
            } else {
                index += 1;
            }
        }
    }
}

/// Blocks all samples of a request share, and blocks each needs of its own. The last token drawn is never
/// cached.
fn block_counts(request: &Request) -> (usize, usize) {
    let shared = request.prompt.len() / BLOCK_TOKENS;
    let all = (request.prompt.len().saturating_add(request.max_new_tokens) - 1).div_ceil(BLOCK_TOKENS);
    (shared, all - shared)
}

/// Tokens of cache that requests need to all run at once.
pub fn cache_tokens<'a>(requests: impl IntoIterator<Item = &'a Request>) -> usize {
    requests
        .into_iter()
        .map(|request| {
            let (shared, own) = block_counts(request);
            own.saturating_mul(request.samples).saturating_add(shared).saturating_mul(BLOCK_TOKENS)
        })
        .fold(0, usize::saturating_add)
}
