//! What it saves that prompts which begin alike share what was computed: a judge's questions about one conversation.

use std::time::Instant;

use serde::Serialize;

use crate::engine::error::RequestError;
use crate::engine::measure::prompt;
use crate::engine::request::{Output, Request};
use crate::engine::text_engine::TextEngine;
use crate::kernels::BLOCK_TOKENS;

/// Questions about one conversation: each prompt is the conversation and, after it, one criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Questions {
    /// How many.
    pub criteria: usize,
    /// Tokens of the conversation.
    pub tokens: usize,
    /// Tokens of a criterion.
    pub criterion_tokens: usize,
    /// Tokens of a verdict.
    pub new_tokens: usize,
}

impl Questions {
    /// Tokens of cache that all questions take at once when they share nothing.
    pub fn cache_tokens(&self) -> usize {
        let prompt = self.tokens.saturating_add(self.criterion_tokens);
        // Blocks are whole.
        let one = prompt.saturating_add(self.new_tokens).saturating_add(BLOCK_TOKENS);
        self.criteria.saturating_mul(one)
    }

    /// The questions about conversation number `number`, which begins like no other. Its tokens mean nothing: the work does not
    /// depend on them.
    fn requests(&self, engine: &dyn TextEngine, number: u32) -> Vec<Request> {
        let config = engine.config();
        let conversation = prompt(config, self.tokens, number);
        let criterion = |salt| prompt(config, self.criterion_tokens, salt);
        (0..self.criteria as u32)
            .map(|i| [&conversation[..], &criterion(number ^ ((i + 1) << 8))].concat())
            .map(|prompt| Request::greedy(prompt, self.new_tokens))
            .collect()
    }
}

/// All questions about one conversation, answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// From the first question submitted to the last verdict.
    pub seconds: f64,
    /// Tokens of all prompts.
    pub prompt_tokens: usize,
    /// Those that were not computed, since another prompt begins alike.
    pub cached_tokens: usize,
    /// In the order of the questions.
    pub verdicts: Vec<Output>,
}

/// Asks about one conversation after another, `conversations` of them after one that is not counted: the first touches the weights'
/// pages, and compiles kernels on a GPU. `progress` hears of each.
///
/// # Errors
///
/// The engine cannot take the questions, or its model gives no numbers.
pub fn ask(
    engine: &mut dyn TextEngine,
    questions: &Questions,
    conversations: usize,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Answered>, RequestError> {
    let mut answered = Vec::new();
    for number in 0..=conversations {
        progress(number);
        let requests = questions.requests(engine, number as u32);
        let prompt_tokens = requests.iter().map(|it| it.prompt.len()).sum();
        let start = Instant::now();
        let ids = requests.into_iter().map(|it| engine.submit(it)).collect::<Result<Vec<_>, _>>()?;
        while !engine.is_idle() {
            engine.step();
        }
        let seconds = start.elapsed().as_secs_f64();
        let cached_tokens = ids.iter().map(|id| engine.cached_tokens(*id)).sum();
        let verdicts: Vec<Output> = ids.iter().flat_map(|id| engine.take(*id).unwrap_or_default()).collect();
        verdicts.iter().try_for_each(Output::check)?;
        answered.push(Answered { seconds, prompt_tokens, cached_tokens, verdicts });
    }
    answered.remove(0);
    Ok(answered)
}

/// Whether two lists of verdicts have the same tokens, and the largest difference of the log-probs of those that are the same.
pub fn compare(one: &[Output], other: &[Output]) -> (bool, f32) {
    let mut same = one.len() == other.len();
    let mut largest = 0f32;
    for (one, other) in one.iter().zip(other) {
        same &= one.ids == other.ids;
        let tokens = one.ids.iter().zip(&other.ids).take_while(|(a, b)| a == b).count();
        for (a, b) in one.logprobs.iter().zip(&other.logprobs).take(tokens) {
            largest = largest.max((a - b).abs());
        }
    }
    (same, largest)
}
