//! How many of a patient's turns went as its models would have it.

use serde::Serialize;

use crate::sim::played::log::TurnLog;

/// Counts of turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct TurnCounts {
    /// Messages of the doctor, with and without a reply.
    pub turns: u64,
    /// Of these, the ones that got none, because a unit's model gave no answer.
    pub lost: u64,
    /// Those in which the rules did the work of a unit whose model gave no answer.
    pub stepped_in: u64,
    /// Those in which no draft stood, so that the rule-based patient's reply was given.
    pub safe_replies: u64,
    /// Those in which the rules stepped in, or the safe reply was given.
    pub fell_back: u64,
    /// Those in which the voice was asked for other words.
    pub other_words: u64,
}

impl TurnCounts {
    /// Counts a turn that was played.
    pub fn add(&mut self, log: &TurnLog) {
        let stepped_in = !log.failures.is_empty();
        self.turns += 1;
        self.stepped_in += u64::from(stepped_in);
        self.safe_replies += u64::from(log.safe_reply);
        self.fell_back += u64::from(stepped_in || log.safe_reply);
        self.other_words += u64::from(log.regenerations > 0);
    }

    /// Counts a turn without a reply.
    pub fn lose(&mut self) {
        self.turns += 1;
        self.lost += 1;
    }

    /// Of all turns, the share in which the rules stepped in or the safe reply was given; `None` before the first.
    pub fn share_fallen_back(&self) -> Option<f64> {
        self.share(self.fell_back)
    }

    /// Of all turns, the share without a reply; `None` before the first.
    pub fn share_lost(&self) -> Option<f64> {
        self.share(self.lost)
    }

    fn share(&self, count: u64) -> Option<f64> {
        (self.turns > 0).then(|| count as f64 / self.turns as f64)
    }
}
