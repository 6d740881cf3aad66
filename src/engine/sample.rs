//! One continuation while it is being written.

use crate::data::{StopMatcher, TextStream};
use crate::engine::request::{Output, Request, StopReason};
use crate::engine::sampling::Sampler;
use crate::kernels::sampling::Sampled;

/// Text of a continuation as it becomes certain.
#[derive(Debug)]
pub(super) struct TextState {
    pub(super) stream: TextStream,
    pub(super) matcher: StopMatcher,
}

/// One continuation: its tokens so far and what it needs to go on.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) sampler: Sampler,
    text_state: Option<TextState>,
    /// Cache blocks in order: the prompt's shared ones, then its own.
    pub(super) blocks: Vec<u32>,
    /// How many of `blocks`, from the start, are the prompt's.
    pub(super) shared: usize,
    output: Output,
    done: bool,
}

impl Sample {
    pub(super) fn new(
        sampler: Sampler,
        text_state: Option<TextState>,
        blocks: Vec<u32>,
        shared: usize,
    ) -> Self {
        let output = Output {
            ids: Vec::new(),
            text: String::new(),
            logprobs: Vec::new(),
            sampling_logprobs: Vec::new(),
            stop: StopReason::Length,
        };
        Self { sampler, text_state, blocks, shared, output, done: false }
    }

    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// New tokens so far.
    pub(super) fn ids(&self) -> &[u32] {
        &self.output.ids
    }

    /// Adds a token; returns the text that became certain and, with the last token, why it is the last.
    pub(super) fn push(&mut self, sampled: Sampled, request: &Request) -> (String, Option<StopReason>) {
        self.output.ids.push(sampled.id);
        self.output.logprobs.push(sampled.logprob);
        self.output.sampling_logprobs.push(sampled.sampling_logprob);
        let mut text = String::new();
        let mut matched = false;
        if let Some(TextState { stream, matcher }) = &mut self.text_state {
            let found = matcher.push(&stream.push(&[sampled.id]));
            text = found.text;
            matched = found.matched.is_some();
        }
        let stop = if matched {
            Some(StopReason::Stop)
        } else if request.stop_ids.contains(&sampled.id) {
            Some(StopReason::Eos)
        } else if self.output.ids.len() >= request.max_new_tokens {
            Some(StopReason::Length)
        } else {
            None
        };
        if let Some(mut reason) = stop {
            if let (false, Some(TextState { stream, matcher })) = (matched, &mut self.text_state) {
                let last = matcher.push(&stream.finish());
                text.push_str(&last.text);
                // The flushed characters may complete a stop string after all.
                if last.matched.is_some() {
                    reason = StopReason::Stop;
                } else {
                    text.push_str(&matcher.finish());
                }
            }
            self.output.stop = reason;
            self.done = true;
        }
        self.output.text.push_str(&text);
        (text, stop.map(|_| self.output.stop))
    }

    pub(super) fn into_output(self) -> Output {
        self.output
    }
}
