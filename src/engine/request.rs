//! What is asked of the engine and what comes back.

use serde::{Deserialize, Serialize};

use crate::data::StopMatcher;
use crate::engine::error::RequestError;
use crate::engine::sampling::SamplingParams;
use crate::model::config::ModelConfig;

/// Continue a prompt, once or several times.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Token ids to continue; at least one.
    pub prompt: Vec<u32>,
    /// How many continuations; the prompt is computed once for all.
    pub samples: usize,
    /// How tokens are chosen.
    pub sampling: SamplingParams,
    /// The most new tokens of one continuation.
    pub max_new_tokens: usize,
    /// Ids that end a continuation (they are part of it), commonly the model's end-of-text ids.
    pub stop_ids: Vec<u32>,
    /// Strings that end a continuation (they are not part of its text).
    pub stop_strings: Vec<String>,
}

impl Request {
    /// One greedy continuation without stops.
    pub fn greedy(prompt: Vec<u32>, max_new_tokens: usize) -> Self {
        Self {
            prompt,
            samples: 1,
            sampling: SamplingParams::greedy(),
            max_new_tokens,
            stop_ids: Vec::new(),
            stop_strings: Vec::new(),
        }
    }
}

impl Request {
    /// Refuses what no engine of this model can run; how large the cache is, is the engine's own question.
    pub fn check(&self, config: &ModelConfig, has_tokenizer: bool) -> Result<(), RequestError> {
        self.sampling.validate()?;
        RequestError::check_prompt(&self.prompt, config)?;
        for (what, number) in [("samples", self.samples), ("max_new_tokens", self.max_new_tokens)] {
            if number == 0 {
                return Err(RequestError::Zero { what });
            }
        }
        let (prompt, new, context) = (self.prompt.len(), self.max_new_tokens, config.max_position_embeddings);
        if prompt.saturating_add(new) > context {
            return Err(RequestError::BeyondContext { prompt, new, context });
        }
        if !self.stop_strings.is_empty() && !has_tokenizer {
            return Err(RequestError::StopWithoutTokenizer);
        }
        StopMatcher::new(&self.stop_strings)?;
        Ok(())
    }
}

/// Names a submitted request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub(crate) u64);

/// Why a continuation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StopReason {
    /// A stop id was drawn.
    Eos,
    /// `max_new_tokens` were drawn.
    Length,
    /// A stop string was completed.
    Stop,
}

/// One continuation. Log-probs are natural, one a token, recorded when it was drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// New tokens only, a stop id included.
    pub ids: Vec<u32>,
    /// Their text without special tokens, cut before a stop string; empty without a tokenizer.
    pub text: String,
    /// Under the model at temperature 1.
    pub logprobs: Vec<f32>,
    /// Under the distribution each was drawn from (0 when greedy).
    pub sampling_logprobs: Vec<f32>,
    /// Why it ended.
    pub stop: StopReason,
}

impl Output {
    /// Refuses log-probs that are no numbers: the tokens beside them mean nothing.
    pub fn check(&self) -> Result<(), RequestError> {
        RequestError::check_logprobs(self.logprobs.iter().copied())?;
        RequestError::check_logprobs(self.sampling_logprobs.iter().copied())
    }
}

/// One new token of one continuation.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Whose.
    pub request: RequestId,
    /// Which continuation, from 0.
    pub sample: usize,
    /// The token.
    pub id: u32,
    /// Text that became certain with it; whole characters only.
    pub text: String,
    /// Set with the last token.
    pub stop: Option<StopReason>,
}
