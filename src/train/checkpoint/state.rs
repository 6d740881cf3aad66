//! What a run must know, besides its tensors, to go on as if it had not stopped.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

use super::checksums::Checksum;

/// The form of `state.json` that is written; a reader refuses any other.
pub const FORMAT: u32 = 2;

/// Where a random generator stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RngState {
    /// Its key.
    pub seed: [u8; 32],
    /// Which of the key's streams.
    pub stream: u64,
    /// How many 32-bit words were drawn: the upper and the lower 64 bits, as JSON readers know no longer numbers.
    pub words: [u64; 2],
}

impl RngState {
    /// Where `rng` stands now.
    pub fn of(rng: &ChaCha8Rng) -> Self {
        let words = rng.get_word_pos();
        Self { seed: rng.get_seed(), stream: rng.get_stream(), words: [(words >> 64) as u64, words as u64] }
    }

    /// A generator that goes on from here.
    pub fn restore(&self) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::from_seed(self.seed);
        rng.set_stream(self.stream);
        rng.set_word_pos(u128::from(self.words[0]) << 64 | u128::from(self.words[1]));
        rng
    }
}

/// How far a run has come: the part of the state that the training loop knows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Which of the configured stages is running, from 0.
    pub stage: usize,
    /// Steps of that stage that are finished.
    pub stage_step: u64,
    /// Steps of the whole run that are finished; names the checkpoint.
    pub step: u64,
    /// Updates the optimizer has made, as AdamW's bias correction counts them.
    pub optimizer_step: u64,
    /// The run's seed.
    pub seed: u64,
    /// The random generators that run from step to step, by name.
    pub rngs: BTreeMap<String, RngState>,
    /// How many samples of the stage's data were used.
    pub data_position: u64,
    /// Milliseconds of work before this checkpoint, all sittings together.
    pub elapsed_ms: u64,
    /// What else the loop must remember.
    pub extra: BTreeMap<String, serde_json::Value>,
}

/// How much of each log a checkpoint covers, from its beginning, and what stands there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Covered {
    /// Of `metrics.jsonl`.
    pub metrics: Checksum,
    /// Of `rollouts.jsonl`.
    pub rollouts: Checksum,
    /// Of `patients.jsonl`, which is there where models play patients.
    #[serde(skip_serializing_if = "Checksum::is_nothing", default)]
    pub patients: Checksum,
    /// Of `rubric.jsonl`, which is there where rubrics change.
    #[serde(skip_serializing_if = "Checksum::is_nothing", default)]
    pub rubric: Checksum,
}

/// All of `state.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of this program that wrote it.
    pub version: String,
    /// Checksum of the resolved configuration; a run goes on under the configuration it began with.
    pub config_hash: String,
    /// How much of each log is covered.
    pub logs: Covered,
    /// How far the run has come.
    pub progress: Progress,
}

impl State {
    /// The state to write now.
    pub fn new(config_hash: impl Into<String>, logs: Covered, progress: Progress) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT, version, config_hash: config_hash.into(), logs, progress }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::rand_core::Rng;

    use super::*;

    proptest! {
        #[test]
        fn a_generator_goes_on_where_it_stood(seed: u64, stream: u64, drawn in 0usize..70, far: bool) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(stream);
            if far {
                rng.set_word_pos((1 << 64) - 3);
            }
            for _ in 0..drawn {
                rng.next_u32();
            }
            let text = serde_json::to_string(&RngState::of(&rng)).unwrap();
            let mut again = serde_json::from_str::<RngState>(&text).unwrap().restore();
            for _ in 0..70 {
                prop_assert_eq!(rng.next_u64(), again.next_u64());
            }
        }

        #[test]
        fn any_position_that_can_be_written_can_be_restored(seed: [u8; 32], stream: u64, words: [u64; 2]) {
            RngState { seed, stream, words }.restore().next_u64();
        }
    }
}
