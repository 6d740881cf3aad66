//! The engine's face without a backend type: what commands and higher rooms hold.

use burn::tensor::Tensor;

use crate::chat::Reading;
use crate::engine::core::Engine;
use crate::engine::error::RequestError;
use crate::engine::memory::{LOGIT_ROWS, MemoryPlan};
use crate::engine::request::{Event, Output, Request, RequestId};
use crate::kernels::KernelBackend;
use crate::kernels::softmax::cpu::LogSum;
use crate::model::config::ModelConfig;

/// Generates and scores text with one model on one device.
pub trait TextEngine: Send {
    /// The model's sizes.
    fn config(&self) -> &ModelConfig;
    /// Predicted peak memory.
    fn plan(&self) -> &MemoryPlan;
    /// Queues a request, or says why it can never run here.
    fn submit(&mut self, request: Request) -> Result<RequestId, RequestError>;
    /// Runs one step.
    fn step(&mut self) -> Vec<Event>;
    /// Whether a step has nothing to do.
    fn is_idle(&self) -> bool;
    /// The outputs of a finished request, once.
    fn take(&mut self, id: RequestId) -> Option<Vec<Output>>;
    /// Prompt tokens of a request that were not computed for it, since the same beginning was there: so far, or in all once it is
    /// finished. 0 after its outputs were taken.
    fn cached_tokens(&self, id: RequestId) -> usize;
    /// What reading prompts took so far. A step's time is shared out by its tokens.
    fn reading(&self) -> Reading;
    /// Drops a request wherever it is.
    fn cancel(&mut self, id: RequestId);
    /// Natural log-probability of each id given those before it; `None` for the first.
    fn score(&self, ids: &[u32]) -> Result<Vec<Option<f32>>, RequestError>;
}

impl<B: KernelBackend> TextEngine for Engine<B> {
    fn config(&self) -> &ModelConfig {
        &self.decoder().config
    }

    fn plan(&self) -> &MemoryPlan {
        Engine::plan(self)
    }

    fn submit(&mut self, request: Request) -> Result<RequestId, RequestError> {
        Engine::submit(self, request)
    }

    fn step(&mut self) -> Vec<Event> {
        Engine::step(self)
    }

    fn is_idle(&self) -> bool {
        Engine::is_idle(self)
    }

    fn take(&mut self, id: RequestId) -> Option<Vec<Output>> {
        Engine::take(self, id)
    }

    fn cached_tokens(&self, id: RequestId) -> usize {
        Engine::cached_tokens(self, id)
    }

    fn reading(&self) -> Reading {
        Engine::reading(self)
    }

    fn cancel(&mut self, id: RequestId) {
        Engine::cancel(self, id);
    }

    fn score(&self, ids: &[u32]) -> Result<Vec<Option<f32>>, RequestError> {
        let config = &self.decoder().config;
        RequestError::check_prompt(ids, config)?;
        let context = config.max_position_embeddings;
        if ids.len() > context {
            return Err(RequestError::BeyondContext { prompt: ids.len(), new: 0, context });
        }
        let hidden = self.decoder().forward(ids, &[ids.len()]);
        let mut scores = vec![None];
        // A few rows of logits at a time: the whole `[n, vocab]` is never there.
        for (first, targets) in (0..).step_by(LOGIT_ROWS).zip(ids[1..].chunks(LOGIT_ROWS)) {
            let rows: Tensor<B, 2> = hidden.clone().slice([first..first + targets.len()]);
            let logits = self.decoder().logits(rows).into_data();
            let logits = logits.as_slice::<f32>().expect("the decoder's logits are f32");
            scores.extend(
                logits
                    .chunks_exact(config.vocab_size)
                    .zip(targets)
                    .map(|(row, &id)| Some(LogSum::of(row).log_prob(row[id as usize]))),
            );
        }
        // The first id has none, and is no mistake.
        RequestError::check_logprobs(scores.iter().map(|score: &Option<f32>| score.unwrap_or(0.0)))?;
        Ok(scores)
    }
}
