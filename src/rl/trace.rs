//! What the policy sampled, token by token, as the loss will see it.
//!
//! Three rules of training on samples hold here because nothing else can be written down:
//!
//! 1. A trace holds token ids and no text. What was sampled is what is trained; nothing is tokenised again.
//! 2. A sampled token enters together with its log-probability, so none is without.
//! 3. Whether a token trains follows from how it entered: sampled tokens do, context (template, patient, tool)
//!    never does. There is no mask to set.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::engine::request::StopReason;

/// Rounding of a log-softmax can end this far above 0; more than that is no log-probability.
const ROUNDING: f32 = 1e-3;

/// Where tokens of a trace came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Sampled by the policy: trains.
    Policy,
    /// Given to the policy to read: never trains.
    Context,
}

/// Why a trace was refused.
#[derive(Debug, Error, PartialEq)]
pub enum TraceError {
    /// The first sampled token would follow nothing.
    #[error("the prompt is empty: a sampled token is predicted by the token before it")]
    EmptyPrompt,
    /// Not one log-probability a sampled token.
    #[error("{ids} sampled tokens came with {log_probs} log-probabilities, each token has one")]
    Lengths {
        /// How many ids.
        ids: usize,
        /// How many log-probabilities.
        log_probs: usize,
    },
    /// A number that no sampled token can have.
    #[error(
        "the log-probability of sampled token {index} (id {id}) is {found}, legal is a finite number of at most 0"
    )]
    LogProb {
        /// Its place among the sampled tokens of the trace, from 0.
        index: usize,
        /// The token.
        id: u32,
        /// Its log-probability.
        found: f32,
    },
    /// A trace without a sampled token teaches nothing.
    #[error("the trace has no sampled token, at least one is needed")]
    NothingSampled,
    /// Context at the end: the reason to stop would not be the policy's.
    #[error("the trace ends with {tokens} context tokens, the last token must be a sampled one")]
    EndsWithContext {
        /// How many.
        tokens: usize,
    },
}

/// Adjacent tokens of one origin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment<'a> {
    /// Where its tokens came from.
    pub origin: Origin,
    /// The place of its first token in the whole sequence, the prompt included.
    pub start: usize,
    /// Its tokens.
    pub ids: &'a [u32],
    /// Their log-probabilities; empty for context.
    pub log_probs: &'a [f32],
}

/// A token that trains.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trained {
    /// Its place in the whole sequence, at least 1: it is predicted at the place before.
    pub position: usize,
    /// The token.
    pub id: u32,
    /// Its natural log-probability under the policy that sampled it, stored when it was drawn.
    pub log_prob: f32,
}

/// A run of tokens after the prompt.
#[derive(Debug, Clone, PartialEq)]
enum Run {
    Policy { ids: Vec<u32>, log_probs: Vec<f32> },
    Context { ids: Vec<u32> },
}

impl Run {
    fn ids(&self) -> &[u32] {
        match self {
            Self::Policy { ids, .. } | Self::Context { ids } => ids,
        }
    }
}

/// One sample: a prompt, what the policy said, and what it read in between.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Record", try_from = "Record")]
pub struct Trace {
    prompt: Arc<[u32]>,
    runs: Vec<Run>,
    policy_version: u64,
    stop: StopReason,
}

impl Trace {
    /// The tokens before the first that could be sampled.
    pub fn prompt(&self) -> &[u32] {
        &self.prompt
    }

    /// All tokens, the prompt first.
    pub fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        self.prompt.iter().chain(self.runs.iter().flat_map(Run::ids)).copied()
    }

    /// How many tokens there are, the prompt included.
    #[allow(clippy::len_without_is_empty, reason = "a trace has at least two tokens")]
    pub fn len(&self) -> usize {
        self.prompt.len() + self.runs.iter().map(|run| run.ids().len()).sum::<usize>()
    }

    /// The whole sequence in runs of one origin, the prompt first.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        let mut start = self.prompt.len();
        let prompt = Segment { origin: Origin::Context, start: 0, ids: &self.prompt, log_probs: &[] };
        std::iter::once(prompt).chain(self.runs.iter().map(move |run| {
            let (origin, log_probs): (_, &[f32]) = match run {
                Run::Policy { log_probs, .. } => (Origin::Policy, log_probs),
                Run::Context { .. } => (Origin::Context, &[]),
            };
            let segment = Segment { origin, start, ids: run.ids(), log_probs };
            start += segment.ids.len();
            segment
        }))
    }

    /// For each token, whether it trains.
    pub fn loss_mask(&self) -> impl Iterator<Item = bool> + '_ {
        self.segments().flat_map(|s| std::iter::repeat_n(s.origin == Origin::Policy, s.ids.len()))
    }

    /// The tokens that train, in order.
    pub fn trainable(&self) -> impl Iterator<Item = Trained> + '_ {
        // Context has no log-probabilities, so it drops out of the zip.
        self.segments().flat_map(|s| {
            let tokens = s.ids.iter().zip(s.log_probs).enumerate();
            tokens.map(move |(i, (&id, &log_prob))| Trained { position: s.start + i, id, log_prob })
        })
    }

    /// How many tokens train; the length of a reply where lengths are judged.
    pub fn trainable_len(&self) -> usize {
        self.segments().map(|s| s.log_probs.len()).sum()
    }

    /// Which policy sampled it: the number of updates it had had.
    pub fn policy_version(&self) -> u64 {
        self.policy_version
    }

    /// Why it ended.
    pub fn stop(&self) -> StopReason {
        self.stop
    }

    /// Whether it was cut off before the policy had finished.
    pub fn is_truncated(&self) -> bool {
        self.stop == StopReason::Length
    }
}

/// Writes a trace down while it happens. The only way to make one.
#[derive(Debug, Clone)]
pub struct TraceBuilder {
    prompt: Arc<[u32]>,
    runs: Vec<Run>,
    policy_version: u64,
    sampled: usize,
}

impl TraceBuilder {
    /// A trace after `prompt`, sampled by the policy that has had `policy_version` updates. Traces of one group
    /// should be given clones of one `Arc`.
    pub fn new(prompt: impl Into<Arc<[u32]>>, policy_version: u64) -> Result<Self, TraceError> {
        let prompt = prompt.into();
        if prompt.is_empty() {
            return Err(TraceError::EmptyPrompt);
        }
        Ok(Self { prompt, runs: Vec::new(), policy_version, sampled: 0 })
    }

    /// Tokens the policy sampled, each with its natural log-probability under the policy (at the temperature it
    /// trains with). On an error nothing was added.
    pub fn sampled(&mut self, ids: &[u32], log_probs: &[f32]) -> Result<&mut Self, TraceError> {
        if ids.len() != log_probs.len() {
            return Err(TraceError::Lengths { ids: ids.len(), log_probs: log_probs.len() });
        }
        for (i, (&id, &found)) in ids.iter().zip(log_probs).enumerate() {
            if !(found.is_finite() && found <= ROUNDING) {
                return Err(TraceError::LogProb { index: self.sampled + i, id, found });
            }
        }
        self.sampled += ids.len();
        match self.runs.last_mut() {
            _ if ids.is_empty() => {}
            Some(Run::Policy { ids: all, log_probs: all_log_probs }) => {
                all.extend_from_slice(ids);
                all_log_probs.extend_from_slice(log_probs);
            }
            _ => self.runs.push(Run::Policy { ids: ids.to_vec(), log_probs: log_probs.to_vec() }),
        }
        Ok(self)
    }

    /// Tokens the policy was given to read: template, patient, tool.
    pub fn context(&mut self, ids: &[u32]) -> &mut Self {
        match self.runs.last_mut() {
            _ if ids.is_empty() => {}
            Some(Run::Context { ids: all }) => all.extend_from_slice(ids),
            _ => self.runs.push(Run::Context { ids: ids.to_vec() }),
        }
        self
    }

    /// The trace, with why it ended.
    pub fn finish(self, stop: StopReason) -> Result<Trace, TraceError> {
        match self.runs.last() {
            None => Err(TraceError::NothingSampled),
            Some(_) if self.sampled == 0 => Err(TraceError::NothingSampled),
            Some(Run::Context { ids }) => Err(TraceError::EndsWithContext { tokens: ids.len() }),
            Some(Run::Policy { .. }) => {
                Ok(Trace { prompt: self.prompt, runs: self.runs, policy_version: self.policy_version, stop })
            }
        }
    }
}

/// A trace as it is written to files; reading goes through the builder, so a file cannot hold what code could not.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    prompt: Vec<u32>,
    runs: Vec<RunRecord>,
    policy_version: u64,
    stop: StopReason,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RunRecord {
    Sampled { ids: Vec<u32>, log_probs: Vec<f32> },
    Context { ids: Vec<u32> },
}

impl From<Trace> for Record {
    fn from(trace: Trace) -> Self {
        let run = |run| match run {
            Run::Policy { ids, log_probs } => RunRecord::Sampled { ids, log_probs },
            Run::Context { ids } => RunRecord::Context { ids },
        };
        Self {
            prompt: trace.prompt.to_vec(),
            runs: trace.runs.into_iter().map(run).collect(),
            policy_version: trace.policy_version,
            stop: trace.stop,
        }
    }
}

impl TryFrom<Record> for Trace {
    type Error = TraceError;

    fn try_from(record: Record) -> Result<Self, TraceError> {
        let mut builder = TraceBuilder::new(record.prompt, record.policy_version)?;
        for run in &record.runs {
            match run {
                RunRecord::Sampled { ids, log_probs } => builder.sampled(ids, log_probs)?,
                RunRecord::Context { ids } => builder.context(ids),
            };
        }
        builder.finish(record.stop)
    }
}

/// Why traces are not a group.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum GroupError {
    /// No traces.
    #[error("a group has no traces, at least one is needed")]
    Empty,
    /// Traces of different prompts.
    #[error(
        "trace {index} of the group follows another prompt than the first ({found} tokens, the first has \
         {expected}; they part at token {parts_at}): the replies of a group answer the same prompt"
    )]
    OtherPrompt {
        /// Its place in the group, from 0.
        index: usize,
        /// How long its prompt is.
        found: usize,
        /// How long the first trace's is.
        expected: usize,
        /// The first token that differs or that one of them lacks.
        parts_at: usize,
    },
    /// Traces of different policies.
    #[error(
        "trace {index} of the group was sampled by policy version {found}, the first by {expected}: \
         the replies of a group are compared as one policy's"
    )]
    OtherPolicy {
        /// Its place in the group, from 0.
        index: usize,
        /// Its policy.
        found: u64,
        /// The first trace's.
        expected: u64,
    },
}

/// Traces of one policy after one prompt, which they share in memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Vec<Trace>", try_from = "Vec<Trace>")]
pub struct Group {
    traces: Vec<Trace>,
}

impl Group {
    /// Puts traces together and makes them share the first one's prompt.
    pub fn new(mut traces: Vec<Trace>) -> Result<Self, GroupError> {
        let Some((first, rest)) = traces.split_first_mut() else {
            return Err(GroupError::Empty);
        };
        for (i, trace) in rest.iter_mut().enumerate() {
            let (index, expected, found) = (i + 1, first.prompt.len(), trace.prompt.len());
            if trace.prompt != first.prompt {
                let parts_at =
                    first.prompt.iter().zip(trace.prompt.iter()).take_while(|(a, b)| a == b).count();
                return Err(GroupError::OtherPrompt { index, found, expected, parts_at });
            }
            if trace.policy_version != first.policy_version {
                let (found, expected) = (trace.policy_version, first.policy_version);
                return Err(GroupError::OtherPolicy { index, found, expected });
            }
            trace.prompt = first.prompt.clone();
        }
        Ok(Self { traces })
    }

    /// The tokens that all traces follow.
    pub fn prompt(&self) -> &[u32] {
        self.traces.first().map_or(&[], |trace| &trace.prompt)
    }

    /// The traces, in the order they were given.
    pub fn traces(&self) -> &[Trace] {
        &self.traces
    }

    /// How many traces there are.
    #[allow(clippy::len_without_is_empty, reason = "a group has at least one trace")]
    pub fn len(&self) -> usize {
        self.traces.len()
    }

    /// Which policy sampled them.
    pub fn policy_version(&self) -> u64 {
        self.traces.first().map_or(0, |trace| trace.policy_version)
    }
}

impl From<Group> for Vec<Trace> {
    fn from(group: Group) -> Self {
        group.traces
    }
}

impl TryFrom<Vec<Trace>> for Group {
    type Error = GroupError;

    fn try_from(traces: Vec<Trace>) -> Result<Self, GroupError> {
        Self::new(traces)
    }
}

#[cfg(test)]
mod tests;
