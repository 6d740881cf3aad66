//! What a consultation that goes on is expected to be worth in the end.
//!
//! A reply that ends the consultation has its worth, a question has most of its worth ahead of it: compared as they
//! stand, ending at once would always win. So a reply after which the consultation goes on is credited with what
//! consultations usually still gain from there. The estimate is a table: of what was still missing to the full reward
//! after `n` exchanges, the share that finished consultations gained. (A one-step advantage with a learned state value, as in
//! Sutton and Barto, Reinforcement Learning, 13.5, with the number of exchanges as the state.)

use serde::{Deserialize, Serialize};

/// How much of what is known is kept each time a consultation is learned: about the last hundred count.
const KEPT: f64 = 0.99;
/// What is believed before anything is known counts like this much missing reward, of which a third is gained.
const PRIOR: f64 = 0.5;
const PRIOR_SHARE: f64 = 1.0 / 3.0;

/// Shares of the missing reward that consultations still gain, by the number of exchanges they have had.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prospect {
    /// `(gained, missing)` after 1, 2, ... exchanges, sums of rewards that fade.
    after: Vec<(f64, f64)>,
}

impl Prospect {
    /// What a consultation worth `reward` after `exchanges` exchanges is expected to be worth at its end: between `reward` and 1.
    pub fn expected(&self, exchanges: usize, reward: f64) -> f64 {
        let known = exchanges.checked_sub(1).and_then(|at| self.after.get(at));
        let (gained, missing) = known.copied().unwrap_or_default();
        let share = (gained + PRIOR * PRIOR_SHARE) / (missing + PRIOR);
        reward + share.clamp(0.0, 1.0) * (1.0 - reward).max(0.0)
    }

    /// Learns from a consultation that has ended; `rewards` after each of its exchanges, the last at its end.
    pub fn learn(&mut self, rewards: &[f64]) {
        let Some((last, before)) = rewards.split_last() else { return };
        if self.after.len() < before.len() {
            self.after.resize(before.len(), (0.0, 0.0));
        }
        for ((gained, missing), reward) in self.after.iter_mut().zip(before) {
            *gained = KEPT * *gained + (last - reward);
            *missing = KEPT * *missing + (1.0 - reward);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_share_of_what_is_missing() {
        let mut prospect = Prospect::default();
        assert!((prospect.expected(1, 0.4) - 0.6).abs() < 1e-12, "the prior: a third of 0.6");
        for _ in 0..1000 {
            prospect.learn(&[0.2, 0.5, 0.6]);
        }
        // (0.6 - 0.2) / 0.8 and (0.6 - 0.5) / 0.5, but for the prior.
        assert!((prospect.expected(1, 0.2) - 0.6).abs() < 1e-3);
        assert!((prospect.expected(2, 0.5) - 0.6).abs() < 1e-2);
        assert!((prospect.expected(2, 0.0) - 0.2).abs() < 1e-2);
        // Nothing is known of the third exchange but the prior.
        assert!((prospect.expected(3, 0.7) - 0.8).abs() < 1e-12);
    }

    #[test]
    fn nothing_is_learned_from_an_ending_at_once() {
        let mut prospect = Prospect::default();
        prospect.learn(&[]);
        prospect.learn(&[0.3]);
        assert_eq!(prospect, Prospect::default());
    }

    proptest! {
        #[test]
        fn expectations_lie_between_the_reward_and_one(
            seen in proptest::collection::vec(proptest::collection::vec(0.0..=1.0f64, 0..6), 0..20),
            exchanges in 0usize..8,
            reward in 0.0..=1.0f64,
        ) {
            let mut prospect = Prospect::default();
            for rewards in &seen {
                prospect.learn(rewards);
            }
            let expected = prospect.expected(exchanges, reward);
            prop_assert!((reward..=1.0).contains(&expected), "{expected}");
            // More is never expected to end as less.
            prop_assert!(prospect.expected(exchanges, 1.0) >= expected);
        }
    }
}
