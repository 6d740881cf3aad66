//! What can be wrong with a request or an engine's set-up.

use thiserror::Error;

use crate::data::stop::StopError;
use crate::model::config::ModelConfig;

/// Why a request was refused before any work was done.
#[derive(Debug, Error, PartialEq)]
pub enum RequestError {
    /// A sampling parameter is out of range.
    #[error("sampling: {0}")]
    Sampling(String),
    /// Nothing to continue.
    #[error("the prompt is empty: a model continues at least one token")]
    EmptyPrompt,
    /// A token the model does not have.
    #[error("prompt token {index} is {id}, the model's ids are 0 to {last}", last = .vocab_size - 1)]
    UnknownToken {
        /// Its place in the prompt.
        index: usize,
        /// The id given.
        id: u32,
        /// How many ids the model has.
        vocab_size: usize,
    },
    /// Zero samples or zero new tokens asked for.
    #[error("{what} is 0, legal is at least 1")]
    Zero {
        /// Which number.
        what: &'static str,
    },
    /// Longer than the model's context.
    #[error(
        "{prompt} prompt tokens and {new} new ones make {total}, the model's context is {context}",
        total = .prompt.saturating_add(*.new)
    )]
    BeyondContext {
        /// Prompt tokens.
        prompt: usize,
        /// New tokens asked for.
        new: usize,
        /// `max_position_embeddings` of the model.
        context: usize,
    },
    /// More cache than there is, even with nothing else running.
    #[error(
        "the request needs {needed} tokens of key/value cache ({samples} samples of {prompt} + {new} tokens), \
         the cache holds {capacity}: ask for fewer samples or tokens, or give the engine more memory"
    )]
    CacheTooSmall {
        /// Tokens needed, whole blocks.
        needed: usize,
        /// Tokens there are.
        capacity: usize,
        /// Samples asked for.
        samples: usize,
        /// Prompt tokens.
        prompt: usize,
        /// New tokens asked for.
        new: usize,
    },
    /// Stop strings without a tokenizer to make text with.
    #[error("stop strings need a tokenizer, and this model has none: use stop ids")]
    StopWithoutTokenizer,
    /// A stop string is unusable.
    #[error(transparent)]
    Stop(#[from] StopError),
    /// The model computed no number.
    #[error(
        "the log-probability of token {index} is {found}, not a number that can be: the weights hold values that are none, or \
         too large ones"
    )]
    NoNumber {
        /// The token's place, from 0: in the scored text, or among a reply's new tokens.
        index: usize,
        /// What was computed.
        found: f32,
    },
}

impl RequestError {
    /// Refuses log-probs that are no numbers: the tokens beside them mean nothing.
    pub(crate) fn check_logprobs(logprobs: impl IntoIterator<Item = f32>) -> Result<(), Self> {
        match logprobs.into_iter().enumerate().find(|(_, value)| !value.is_finite()) {
            Some((index, found)) => Err(Self::NoNumber { index, found }),
            None => Ok(()),
        }
    }

    /// Refuses an empty prompt and ids the model does not have.
    pub(crate) fn check_prompt(ids: &[u32], config: &ModelConfig) -> Result<(), Self> {
        if ids.is_empty() {
            return Err(Self::EmptyPrompt);
        }
        match ids.iter().position(|&id| id as usize >= config.vocab_size) {
            Some(index) => Err(Self::UnknownToken { index, id: ids[index], vocab_size: config.vocab_size }),
            None => Ok(()),
        }
    }
}

/// Why an engine could not be set up.
#[derive(Debug, Error, PartialEq)]
pub enum EngineError {
    /// The predicted peak is over the limit.
    #[error(
        "needs {needed} MiB at its peak (weights {weights}, key/value cache {cache}, activations {activations}), \
         the limit is {limit} MiB: lower the number of tokens, sequences or samples, keep the weights in a smaller type, or raise --memory-limit \
         where the command has it"
    )]
    OverMemory {
        /// Predicted peak, MiB.
        needed: u64,
        /// Of which weights.
        weights: u64,
        /// Of which cache.
        cache: u64,
        /// Of which activations and logits.
        activations: u64,
        /// The limit, MiB.
        limit: u64,
    },
}

/// A step of the engine did not come to its end, in whatever thread it was made.
#[derive(Debug, Error, PartialEq)]
#[error("the engine of {name} failed in the middle of a step: open the model again")]
pub struct EngineLost {
    /// The model.
    pub name: String,
}
