//! How a model is asked to judge.

use serde::Serialize;
use thiserror::Error;

/// The most votes on an item.
const MOST_VOTES: usize = 99;

/// How often, how long and how freely a model is asked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ModelJudgeSettings {
    /// How often each item is judged, each time with another seed. What more than half of them say is the verdict.
    pub votes: usize,
    /// How often more a reply that cannot be read is asked for.
    pub again: usize,
    /// The most new tokens of a reply, thinking included.
    pub max_tokens: usize,
    /// Divides the logits; 0 takes the likeliest token, and one vote.
    pub temperature: f32,
    /// The first seed; each vote and each repeat has its own.
    pub seed: u64,
}

impl ModelJudgeSettings {
    /// What the reference implementation of HealthBench samples with (simple-evals at ee3b031: 2,048 tokens, temperature 0.5). It asks
    /// again until a reply can be read; here the repeats have an end, after which the item is not judged.
    pub const HEALTHBENCH: Self = Self { votes: 1, again: 4, max_tokens: 2048, temperature: 0.5, seed: 0 };
    /// For training: the likeliest reply, so that equal messages are judged equally. 512 tokens hold the longest reply that the report's schemas
    /// allow.
    pub const REPORT: Self = Self { votes: 1, again: 2, max_tokens: 512, temperature: 0.0, seed: 0 };

    /// The same with so many votes on an item. Several need a temperature, or all would be the same: where there is none, it is that of HealthBench's grader.
    pub fn with_votes(self, votes: usize) -> Self {
        let cold = votes > 1 && self.temperature == 0.0;
        let temperature = if cold { Self::HEALTHBENCH.temperature } else { self.temperature };
        Self { votes, temperature, ..self }
    }

    /// Whether a judge can work by these settings.
    ///
    /// # Errors
    ///
    /// The first that is not legal.
    pub fn check(&self) -> Result<(), JudgeSettingError> {
        let error = |name, found: String, legal| Err(JudgeSettingError { name, found, legal });
        if !(1..=MOST_VOTES).contains(&self.votes) {
            return error("votes", self.votes.to_string(), "1 to 99");
        }
        if self.max_tokens == 0 {
            return error("max_tokens", "0".into(), "1 or more");
        }
        if !(0.0..=2.0).contains(&self.temperature) {
            return error("temperature", self.temperature.to_string(), "0 to 2");
        }
        if self.votes > 1 && self.temperature == 0.0 {
            return error(
                "temperature",
                "0".into(),
                "above 0 with several votes, which would all be the same",
            );
        }
        Ok(())
    }

    /// The seed of one vote's repeat.
    pub(super) fn seed_of(&self, vote: usize, repeat: usize) -> u64 {
        self.seed.wrapping_add((vote * (self.again.saturating_add(1)) + repeat) as u64)
    }
}

/// A setting that is not legal.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error("{name} is {found}, legal is {legal}")]
pub struct JudgeSettingError {
    /// Which.
    pub name: &'static str,
    /// What it is.
    pub found: String,
    /// What it may be.
    pub legal: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_votes_are_drawn() {
        let report = ModelJudgeSettings::REPORT;
        assert_eq!(report.with_votes(1), report);
        let three = report.with_votes(3);
        assert_eq!((three.votes, three.temperature, three.check()), (3, 0.5, Ok(())));
        let warm = ModelJudgeSettings { temperature: 0.9, ..report }.with_votes(3);
        assert_eq!(warm.temperature, 0.9);
        // Who says 0 is told.
        let cold = ModelJudgeSettings { temperature: 0.0, ..three };
        assert_eq!(cold.check().unwrap_err().name, "temperature");
    }
}
