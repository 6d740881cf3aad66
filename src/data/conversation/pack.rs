//! Dialogues in batches.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::dialogue::DialogueTokens;
use crate::data::shuffle::shuffle;

/// Whole dialogues in a row, each a segment that attends to itself only. No token is padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// What the model reads. A dialogue's last token is not among them: nothing comes after it to be predicted.
    pub tokens: Vec<u32>,
    /// For each token, the one that follows it in its dialogue.
    pub targets: Vec<u32>,
    /// For each target, whether it trains.
    pub mask: Vec<bool>,
    /// Lengths of the segments; they add up to `tokens.len()`.
    pub segments: Vec<usize>,
    /// Which dialogue each segment is, by its place in what was packed.
    pub sources: Vec<usize>,
}

impl Packed {
    /// How many targets train: this batch's part of the one loss denominator.
    pub fn trainable(&self) -> usize {
        self.mask.iter().filter(|it| **it).count()
    }
}

/// Why a dialogue is in no batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is longer than a batch, and none is cut.
    TooLong,
    /// No token of it trains.
    NothingTrains,
}

/// A dialogue that is in no batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut {
    /// Its place in what was packed.
    pub source: usize,
    /// How many tokens the model would read of it.
    pub tokens: usize,
    /// Why.
    pub reason: Reason,
}

/// One epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packing {
    /// The batches, in the order of training.
    pub batches: Vec<Packed>,
    /// What is in none of them, in the order it was given.
    pub left_out: Vec<LeftOut>,
}

/// Packs `dialogues` for one epoch into batches of at most `batch_tokens` tokens, in an order drawn by `seed` and
/// `epoch`. Every dialogue is in one batch, whole, or in `left_out`. A batch is closed when the next dialogue does not fit,
/// so what a batch holds is as random as the order.
pub fn pack(dialogues: &[DialogueTokens], batch_tokens: usize, seed: u64, epoch: u64) -> Packing {
    let mut left_out = Vec::new();
    let mut order = Vec::with_capacity(dialogues.len());
    for (source, dialogue) in dialogues.iter().enumerate() {
        let tokens = dialogue.len().saturating_sub(1);
        // The first token is nobody's target.
        if !dialogue.trains().iter().skip(1).any(|trains| *trains) {
            left_out.push(LeftOut { source, tokens, reason: Reason::NothingTrains });
        } else if tokens > batch_tokens {
            left_out.push(LeftOut { source, tokens, reason: Reason::TooLong });
        } else {
            order.push((source, dialogue));
        }
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // Epochs are streams of one seed, so that neighbouring seeds and epochs never share an order.
    rng.set_stream(epoch);
    // The excess of low numbers is below 2^-40 for any list that fits into memory.
    shuffle(&mut order, |n| (rng.next_u64() % n as u64) as usize);
    let mut batches: Vec<Packed> = Vec::new();
    for (source, dialogue) in order {
        let tokens = dialogue.len() - 1;
        match batches.last_mut() {
            Some(batch) if batch.tokens.len() + tokens <= batch_tokens => batch.add(source, dialogue),
            _ => {
                let mut batch = Packed {
                    tokens: Vec::with_capacity(batch_tokens),
                    targets: Vec::with_capacity(batch_tokens),
                    mask: Vec::with_capacity(batch_tokens),
                    segments: Vec::new(),
                    sources: Vec::new(),
                };
                batch.add(source, dialogue);
                batches.push(batch);
            }
        }
    }
    Packing { batches, left_out }
}

impl Packed {
    fn add(&mut self, source: usize, dialogue: &DialogueTokens) {
        let (ids, trains) = (dialogue.ids(), dialogue.trains());
        let tokens = ids.len().saturating_sub(1);
        self.tokens.extend(ids.iter().take(tokens));
        self.targets.extend(ids.iter().skip(1));
        self.mask.extend(trains.iter().skip(1));
        self.segments.push(tokens);
        self.sources.push(source);
    }
}
