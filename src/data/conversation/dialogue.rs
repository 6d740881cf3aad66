//! A finished consultation to learn from.

use super::error::ConversationError;
use super::format::DialogueFormat;
use super::history::History;
use crate::data::consultation::Consultation;

/// A consultation as ids with a loss mask: only the doctor's words and the ends of their turns train. It ends with the
/// last of them, since nothing after it is learned from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialogueTokens {
    ids: Vec<u32>,
    trains: Vec<bool>,
}

impl DialogueTokens {
    /// All of the doctor's messages train.
    pub fn new(format: &DialogueFormat, consultation: &Consultation) -> Result<Self, ConversationError> {
        Self::of_turns(format, consultation, |_| true)
    }

    /// Only the doctor's messages that `wanted` says (by their place, from 0) train; the others are read.
    pub fn of_turns(
        format: &DialogueFormat,
        consultation: &Consultation,
        wanted: impl Fn(usize) -> bool,
    ) -> Result<Self, ConversationError> {
        let mut history = History::new(format);
        let mut trains = Vec::new();
        let mut heard = Some(consultation.opening.as_str());
        for (at, turn) in consultation.turns.iter().enumerate() {
            // Nothing is said after the message that ended the consultation.
            let Some(words) = heard else { break };
            trains.resize(history.patient(words)?.begin_reply()?.len(), false);
            let reply = history.say(&turn.doctor)?;
            trains.resize(trains.len() + reply.len(), wanted(at));
            heard = turn.patient.as_deref();
        }
        let mut ids = history.ids().to_vec();
        ids.truncate(trains.len());
        Ok(Self { ids, trains })
    }

    /// The ids.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// For each id, whether it trains.
    pub fn trains(&self) -> &[bool] {
        &self.trains
    }

    /// How many ids there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none, as in a consultation without a reply.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// How many ids train.
    pub fn trainable(&self) -> usize {
        self.trains.iter().filter(|it| **it).count()
    }
}
