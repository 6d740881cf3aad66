//! The model that consults: an engine with its weights, and the form its conversations are written in.

use std::collections::HashMap;
use std::mem;

use crate::data::conversation::{ConversationError, DialogueFormat};
use crate::engine::core::Engine;
use crate::engine::error::RequestError;
use crate::engine::request::{Output, Request, RequestId, StopReason};
use crate::engine::sampling::SamplingParams;
use crate::kernels::KernelBackend;
use crate::model::decoder::Decoder;
use crate::model::layer::Linear;
use crate::model::parameters::Parameter;

/// The model that consults. Sampling and training share its weights: there is one copy.
#[derive(Debug)]
pub struct Policy<B: KernelBackend> {
    engine: Engine<B>,
    format: DialogueFormat,
    version: u64,
}

/// How replies are sampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplySampling {
    /// Replies to each prompt.
    pub samples: usize,
    /// The longest reply, in tokens.
    pub max_new_tokens: usize,
    /// 0 takes the likeliest token.
    pub temperature: f32,
}

/// A reply that is finished, while others may still be sampled.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedReply {
    /// Which prompt it replies to, from 0.
    pub prompt: usize,
    /// Which of the replies to it, from 0.
    pub sample: usize,
    /// Its tokens, as in its [`Output`].
    pub ids: Vec<u32>,
    /// Why it ended.
    pub stop: StopReason,
}

impl<B: KernelBackend> Policy<B> {
    /// A policy that has had no update.
    pub fn new(engine: Engine<B>, format: DialogueFormat) -> Self {
        Self { engine, format, version: 0 }
    }

    /// How conversations are written.
    pub fn format(&self) -> &DialogueFormat {
        &self.format
    }

    /// The weights.
    pub fn decoder(&self) -> &Decoder<B> {
        self.engine.decoder()
    }

    /// Sequences of the model's full length that the key/value cache holds at once, at least 1.
    pub fn sequences_at_once(&self) -> usize {
        (self.engine.options().cache_tokens / self.decoder().config.max_position_embeddings).max(1)
    }

    /// The number of updates it has had.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Sets the number of updates, when a run is taken up again.
    pub fn resume_at(&mut self, version: u64) {
        self.version = version;
    }

    /// Changes the weights and counts it as an update.
    pub fn update<R>(&mut self, change: impl FnOnce(&mut Decoder<B>) -> R) -> R {
        self.version += 1;
        change(self.engine.decoder_mut())
    }

    /// Calls `visit` with every float tensor of the weights but those of adapters, to read them.
    pub fn visit_parameters(&mut self, visit: &mut dyn FnMut(&str, Parameter<'_, B>)) {
        self.engine.decoder_mut().visit_parameters(visit);
    }

    /// Calls `visit` with what is trained, all weights or the adapters, to read it or to set it as it once was; no update.
    pub fn visit_trained(&mut self, visit: &mut dyn FnMut(&str, Parameter<'_, B>)) {
        self.engine.decoder_mut().visit_trained(visit);
    }

    /// Calls `visit` with every projection, to read it.
    pub fn visit_projections(&mut self, visit: &mut dyn FnMut(&str, &mut Linear<B>)) {
        self.engine.decoder_mut().visit_projections(visit);
    }

    /// Replies to each of `prompts`, in their order; prompt `i` is sampled with `seeds[i]`, so a reply depends on its
    /// own prompt and seed alone.
    ///
    /// # Panics
    /// If there are not as many seeds as prompts.
    pub fn replies(
        &mut self,
        prompts: &[Vec<u32>],
        seeds: &[u64],
        sampling: ReplySampling,
    ) -> Result<Vec<Vec<Output>>, RequestError> {
        let ids = self.submit(prompts, seeds, sampling)?;
        let outputs = self.engine.run(&ids);
        outputs.iter().flatten().try_for_each(Output::check)?;
        Ok(outputs)
    }

    /// The same replies, of which each is told to `heard` when it is finished: those that end sooner come first.
    ///
    /// # Panics
    /// As [`Policy::replies`].
    pub fn replies_heard(
        &mut self,
        prompts: &[Vec<u32>],
        seeds: &[u64],
        sampling: ReplySampling,
        heard: &mut dyn FnMut(FinishedReply),
    ) -> Result<Vec<Vec<Output>>, RequestError> {
        let ids = self.submit(prompts, seeds, sampling)?;
        let places: HashMap<RequestId, usize> = ids.iter().copied().zip(0..).collect();
        let mut written = vec![vec![Vec::new(); sampling.samples]; prompts.len()];
        while !self.engine.is_idle() {
            for event in self.engine.step() {
                let Some(&prompt) = places.get(&event.request) else { continue };
                let sample = event.sample;
                let Some(ids) = written.get_mut(prompt).and_then(|of| of.get_mut(sample)) else { continue };
                ids.push(event.id);
                if let Some(stop) = event.stop {
                    heard(FinishedReply { prompt, sample, ids: mem::take(ids), stop });
                }
            }
        }
        let outputs: Vec<Vec<Output>> =
            ids.iter().map(|id| self.engine.take(*id).unwrap_or_default()).collect();
        outputs.iter().flatten().try_for_each(Output::check)?;
        Ok(outputs)
    }

    /// Queues replies to each of `prompts`.
    fn submit(
        &mut self,
        prompts: &[Vec<u32>],
        seeds: &[u64],
        sampling: ReplySampling,
    ) -> Result<Vec<RequestId>, RequestError> {
        assert_eq!(prompts.len(), seeds.len(), "one seed a prompt");
        let ids = prompts.iter().zip(seeds).map(|(prompt, &seed)| {
            self.engine.submit(Request {
                samples: sampling.samples,
                sampling: SamplingParams {
                    temperature: sampling.temperature,
                    seed,
                    ..SamplingParams::greedy()
                },
                stop_ids: vec![self.format.end()],
                ..Request::greedy(prompt.clone(), sampling.max_new_tokens)
            })
        });
        ids.collect()
    }

    /// The text of a reply; what was sampled of its words only.
    pub fn text(&self, reply: &[u32]) -> Result<String, ConversationError> {
        self.format.text(reply)
    }
}
