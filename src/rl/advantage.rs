//! From the rewards of a group to what each of its replies weighs in the loss.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::train::config::AdvantageScale;

/// Rewards of a group nearer to each other than this are equal: what is left is rounding, not a preference.
const FLAT: f64 = 1e-9;
/// What TRL adds to a deviation before it divides by it.
const STD_FLOOR: f64 = 1e-4;

/// Why advantages or length rewards could not be made.
#[derive(Debug, Error, PartialEq)]
pub enum AdvantageError {
    /// No replies.
    #[error("a group has no rewards, at least one reply is needed")]
    Empty,
    /// A reward that is no number.
    #[error("reward {index} of the group is {found}, legal is a finite number")]
    NotFinite {
        /// Its place in the group, from 0.
        index: usize,
        /// The reward.
        found: f64,
    },
    /// Not one length a reward.
    #[error("there are {rewards} rewards and {lengths} lengths in a group, each reply has one of each")]
    Lengths {
        /// How many rewards.
        rewards: usize,
        /// How many lengths.
        lengths: usize,
    },
    /// A setting of the length reward is out of range.
    #[error("length reward: {0}")]
    Setting(String),
}

/// Advantages of a group's replies.
#[derive(Debug, Clone, PartialEq)]
pub struct Advantages {
    values: Vec<f64>,
    mean: f64,
    flat: bool,
}

impl Advantages {
    /// Mean-only advantages (Baichuan-M2 report, eq (2); Dr. GRPO, arXiv 2503.20783):
    ///
    /// ```text
    /// A_i = R_i - mean_j R_j
    /// ```
    ///
    /// There is no division by the deviation, which would weigh prompts by how much their rewards happen to vary.
    /// A reply that nobody could judge (`None`) has advantage 0 and no part in the mean: a failed judge is not a
    /// bad mark. Where all rewards are equal every advantage is exactly 0, whatever the rounding of their mean.
    pub fn mean_only(rewards: &[Option<f64>]) -> Result<Self, AdvantageError> {
        if rewards.is_empty() {
            return Err(AdvantageError::Empty);
        }
        let judged: Vec<f64> = rewards.iter().copied().flatten().collect();
        finite(rewards.iter().enumerate().filter_map(|(i, r)| r.map(|r| (i, r))))?;
        let Some(&first) = judged.first() else {
            return Ok(Self { values: vec![0.0; rewards.len()], mean: f64::NAN, flat: true });
        };
        let low = judged.iter().copied().fold(f64::INFINITY, f64::min);
        let high = judged.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // Taken from the first reward, so that large equal rewards do not round to a small difference.
        let mean = first + judged.iter().map(|r| r - first).sum::<f64>() / judged.len() as f64;
        let flat = high - low <= FLAT;
        let value = |r: &Option<f64>| if flat { 0.0 } else { r.map_or(0.0, |r| r - mean) };
        Ok(Self { values: rewards.iter().map(value).collect(), mean, flat })
    }

    /// Standardised advantages (GRPO, arXiv 2402.03300, 4.1.2), with the deviation and the floor that TRL takes:
    ///
    /// ```text
    /// A_i = (R_i - mean_j R_j) / (s + 1e-4),   s^2 = sum_j (R_j - mean)^2 / (n - 1)
    /// ```
    ///
    /// over the `n` judged replies. Equal rewards and replies that nobody could judge are as in [`Advantages::mean_only`].
    pub fn standardised(rewards: &[Option<f64>]) -> Result<Self, AdvantageError> {
        let mut found = Self::mean_only(rewards)?;
        if !found.flat {
            // Those not judged have a 0 here, which adds nothing.
            let squares: f64 = found.values.iter().map(|a| a * a).sum();
            let judged = rewards.iter().flatten().count();
            let deviation = (squares / (judged - 1) as f64).sqrt();
            found.values.iter_mut().for_each(|a| *a /= deviation + STD_FLOOR);
        }
        Ok(found)
    }

    /// As `scale` says.
    pub fn scaled(rewards: &[Option<f64>], scale: AdvantageScale) -> Result<Self, AdvantageError> {
        match scale {
            AdvantageScale::Mean => Self::mean_only(rewards),
            AdvantageScale::Std => Self::standardised(rewards),
        }
    }

    /// One a reply, in their order.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The mean of the judged rewards; NaN where none was.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Whether nothing can be learned here: all judged rewards are equal, or fewer than two were judged.
    pub fn is_flat(&self) -> bool {
        self.flat
    }
}

/// The bonus for short replies among good ones (Baichuan-M2 report, eq (3)):
///
/// ```text
/// P = quantile({R_1 .. R_G}, quantile)
/// bonus_i = scale / sqrt(|o_i|)   where P > threshold and R_i >= P
///           0                     elsewhere
/// ```
///
/// So brevity pays only in groups that already answer well, and not for their worst replies. The report prints
/// `scale` 4, made for thousands of tokens: at 4,000 tokens it gives 0.063, at 64 half a point. A policy of short
/// replies wants a smaller one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LengthReward {
    /// Which level of the group's rewards a reply must reach; 0.2 leaves four in five eligible.
    pub quantile: f64,
    /// The level must exceed this, or the group has no bonuses. The report does not disclose it.
    pub threshold: f64,
    /// What is divided by the root of the length.
    pub scale: f64,
}

impl Default for LengthReward {
    fn default() -> Self {
        Self { quantile: 0.2, threshold: 0.5, scale: 4.0 }
    }
}

impl LengthReward {
    /// Refuses values outside their ranges, all at once.
    pub fn validate(&self) -> Result<(), AdvantageError> {
        let mut problems = Vec::new();
        if !(0.0..=1.0).contains(&self.quantile) {
            problems.push(format!("quantile is {}, legal is 0 to 1", self.quantile));
        }
        if !self.threshold.is_finite() {
            problems.push(format!("threshold is {}, legal is a finite number", self.threshold));
        }
        if !(self.scale.is_finite() && self.scale >= 0.0) {
            problems.push(format!("scale is {}, legal is 0 (off) or a positive number", self.scale));
        }
        if problems.is_empty() { Ok(()) } else { Err(AdvantageError::Setting(problems.join("; "))) }
    }

    /// The level that this group's replies must reach; `None` where it does not exceed the threshold.
    pub fn level(&self, rewards: &[f64]) -> Result<Option<f64>, AdvantageError> {
        self.validate()?;
        finite(rewards.iter().copied().enumerate())?;
        let level = quantile(rewards, self.quantile).ok_or(AdvantageError::Empty)?;
        Ok((level > self.threshold).then_some(level))
    }

    /// The bonus of each reply, from the group's rewards and the replies' lengths in sampled tokens. A reply of no
    /// tokens has none: it is not the shortest good answer.
    pub fn bonuses(&self, rewards: &[f64], lengths: &[usize]) -> Result<Vec<f64>, AdvantageError> {
        if rewards.len() != lengths.len() {
            return Err(AdvantageError::Lengths { rewards: rewards.len(), lengths: lengths.len() });
        }
        let Some(level) = self.level(rewards)? else {
            return Ok(vec![0.0; rewards.len()]);
        };
        let bonus = |(&reward, &length): (&f64, &usize)| {
            if reward >= level && length > 0 { self.scale / (length as f64).sqrt() } else { 0.0 }
        };
        Ok(rewards.iter().zip(lengths).map(bonus).collect())
    }
}

/// The `q` quantile of `values` with linear interpolation, as `numpy.quantile` computes it, rounding included.
/// `None` for no values, values that are no numbers, or `q` outside 0 to 1.
pub fn quantile(values: &[f64], q: f64) -> Option<f64> {
    if values.is_empty() || values.iter().any(|v| v.is_nan()) || !(0.0..=1.0).contains(&q) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = (sorted.len() - 1) as f64 * q;
    let share = at - at.floor();
    let below = *sorted.get(at.floor() as usize)?;
    let above = *sorted.get(at.ceil() as usize)?;
    let step = above - below;
    // Started from the nearer end, so that equal ends and a share of 1 give them exactly.
    Some(if share >= 0.5 { above - step * (1.0 - share) } else { below + step * share })
}

fn finite(rewards: impl Iterator<Item = (usize, f64)>) -> Result<(), AdvantageError> {
    for (index, found) in rewards {
        if !found.is_finite() {
            return Err(AdvantageError::NotFinite { index, found });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn some(rewards: &[f64]) -> Vec<Option<f64>> {
        rewards.iter().copied().map(Some).collect()
    }

    fn fixture() -> Value {
        serde_json::from_str(include_str!("../../tests/fixtures/grpo_expected.json")).unwrap()
    }

    fn floats(value: &Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    }

    #[test]
    fn advantages_are_those_of_trl() {
        let mut groups = 0;
        for case in fixture()["cases"].as_array().unwrap() {
            let size = case["group_size"].as_u64().unwrap() as usize;
            for traces in case["traces"].as_array().unwrap().chunks(size) {
                let column =
                    |name: &str| -> Vec<f64> { traces.iter().map(|t| t[name].as_f64().unwrap()).collect() };
                let got = Advantages::mean_only(&some(&column("reward"))).unwrap();
                for (got, want) in got.values().iter().zip(column("advantage")) {
                    assert!((got - want).abs() < 1e-6, "{}: {got} not {want}", case["name"]);
                }
                groups += 1;
            }
        }
        assert!(groups >= 19);
    }

    #[test]
    fn length_rewards_are_those_of_numpy() {
        let fixture = fixture();
        let cases = fixture["length_rewards"].as_array().unwrap();
        assert!(cases.len() >= 8);
        for case in cases {
            let setting = LengthReward {
                quantile: case["quantile"].as_f64().unwrap(),
                threshold: case["threshold"].as_f64().unwrap(),
                ..Default::default()
            };
            let rewards = floats(&case["rewards"]);
            let lengths: Vec<usize> = floats(&case["lengths"]).into_iter().map(|l| l as usize).collect();
            assert_eq!(setting.level(&rewards).unwrap(), case["level"].as_f64());
            for (got, want) in setting.bonuses(&rewards, &lengths).unwrap().iter().zip(floats(&case["bonus"]))
            {
                assert!((got - want).abs() < 1e-15, "{got} not {want}");
            }
        }
    }

    #[test]
    fn the_reports_size_of_the_bonus() {
        let bonus = LengthReward::default().bonuses(&[0.9, 0.9], &[4000, 0]).unwrap();
        assert!((bonus[0] - 0.0632).abs() < 5e-5);
        assert_eq!(bonus[1], 0.0);
        // The level stands at the threshold and does not exceed it.
        assert_eq!(LengthReward::default().bonuses(&[0.5, 0.5], &[1, 1]).unwrap(), [0.0, 0.0]);
    }

    #[test]
    fn equal_rewards_give_exact_zeros() {
        // The naive mean of these is not 0.1: its advantages would be 1.4e-17.
        let naive = [0.1; 3].iter().sum::<f64>() / 3.0;
        assert_ne!(naive, 0.1);
        for rewards in [vec![0.1; 3], vec![1e9 + 0.1; 7], vec![0.3], vec![0.1 + 0.2, 0.3]] {
            let got = Advantages::mean_only(&some(&rewards)).unwrap();
            assert!(got.is_flat() && got.values().iter().all(|a| *a == 0.0), "{rewards:?}");
        }
        assert!(!Advantages::mean_only(&some(&[0.3, 0.3001])).unwrap().is_flat());
    }

    #[test]
    fn standardised_advantages_worked_by_hand() {
        let got = Advantages::standardised(&[Some(1.0), None, Some(0.0)]).unwrap();
        let want = 0.5 / (0.5f64.sqrt() + 1e-4);
        assert!((got.values()[0] - want).abs() < 1e-15 && (got.values()[2] + want).abs() < 1e-15, "{got:?}");
        assert_eq!((got.values()[1], got.mean()), (0.0, 0.5));
        for flat in [&[Some(0.7); 4][..], &[None, Some(0.7)]] {
            let got = Advantages::standardised(flat).unwrap();
            assert!(got.is_flat() && got.values().iter().all(|a| *a == 0.0));
        }
        let rewards = some(&[0.1, 0.9]);
        let scaled = |scale| Advantages::scaled(&rewards, scale).unwrap();
        assert_eq!(scaled(AdvantageScale::Mean), Advantages::mean_only(&rewards).unwrap());
        assert_eq!(scaled(AdvantageScale::Std), Advantages::standardised(&rewards).unwrap());
    }

    #[test]
    fn the_unjudged_neither_count_nor_learn() {
        let got = Advantages::mean_only(&[Some(1.0), None, Some(0.0)]).unwrap();
        assert_eq!((got.values(), got.mean(), got.is_flat()), (&[0.5, 0.0, -0.5][..], 0.5, false));
        let one = Advantages::mean_only(&[None, Some(0.7)]).unwrap();
        assert_eq!((one.values(), one.mean(), one.is_flat()), (&[0.0, 0.0][..], 0.7, true));
        let none = Advantages::mean_only(&[None, None]).unwrap();
        assert!(none.is_flat() && none.mean().is_nan() && none.values() == [0.0, 0.0]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(Advantages::mean_only(&[]), Err(AdvantageError::Empty));
        let error = Advantages::mean_only(&[Some(1.0), None, Some(f64::INFINITY)]).unwrap_err();
        assert_eq!(error, AdvantageError::NotFinite { index: 2, found: f64::INFINITY });
        let lengths = LengthReward::default().bonuses(&[1.0], &[1, 2]).unwrap_err();
        assert_eq!(lengths, AdvantageError::Lengths { rewards: 1, lengths: 2 });
        assert_eq!(LengthReward::default().bonuses(&[], &[]), Err(AdvantageError::Empty));
        let bad = LengthReward { quantile: 1.5, threshold: f64::NAN, scale: -1.0 };
        let message = bad.bonuses(&[1.0], &[1]).unwrap_err().to_string();
        assert!(["quantile", "threshold", "scale"].iter().all(|f| message.contains(f)), "{message}");
        assert!([quantile(&[], 0.5), quantile(&[f64::NAN], 0.5), quantile(&[1.0], 1.1)] == [None; 3]);
    }

    proptest! {
        #[test]
        fn advantages_sum_to_zero_and_keep_the_order(rewards in prop::collection::vec(-10.0f64..10.0, 1..40)) {
            let got = Advantages::mean_only(&some(&rewards)).unwrap();
            prop_assert!(got.values().iter().sum::<f64>().abs() < 1e-9);
            for (i, a) in got.values().iter().enumerate() {
                for (j, b) in got.values().iter().enumerate() {
                    prop_assert!(rewards[i] >= rewards[j] || a <= b);
                }
            }
        }

        #[test]
        fn a_constant_added_to_all_rewards_changes_nothing(
            rewards in prop::collection::vec(0.0f64..1.0, 2..20),
            shift in -100.0f64..100.0,
        ) {
            let moved: Vec<f64> = rewards.iter().map(|r| r + shift).collect();
            let a = Advantages::mean_only(&some(&rewards)).unwrap();
            let b = Advantages::mean_only(&some(&moved)).unwrap();
            for (a, b) in a.values().iter().zip(b.values()) {
                prop_assert!((a - b).abs() < 1e-11);
            }
        }

        #[test]
        fn a_quantile_parts_the_values(
            values in prop::collection::vec(-5.0f64..5.0, 1..50),
            q in 0.0f64..=1.0,
        ) {
            let level = quantile(&values, q).unwrap();
            let n = values.len() as f64;
            let below = values.iter().filter(|v| **v < level - 1e-12).count() as f64;
            let above = values.iter().filter(|v| **v > level + 1e-12).count() as f64;
            prop_assert!(below <= (n - 1.0) * q + 1.0 && above <= (n - 1.0) * (1.0 - q) + 1.0);
        }

        #[test]
        fn at_least_four_in_five_of_a_good_group_get_a_bonus_and_shorter_is_more(
            replies in prop::collection::vec((0.6f64..1.0, 1usize..5000), 1..40),
        ) {
            let (rewards, lengths): (Vec<f64>, Vec<usize>) = replies.into_iter().unzip();
            let bonus = LengthReward::default().bonuses(&rewards, &lengths).unwrap();
            let eligible = bonus.iter().filter(|b| **b > 0.0).count();
            prop_assert!(eligible as f64 >= 0.8 * (rewards.len() - 1) as f64);
            for (i, a) in bonus.iter().enumerate() {
                for (j, b) in bonus.iter().enumerate() {
                    let both = *a > 0.0 && *b > 0.0;
                    prop_assert!(!both || lengths[i] > lengths[j] || a >= b);
                    prop_assert!(rewards[i] < rewards[j] || *b == 0.0 || *a > 0.0);
                }
            }
        }
    }
}
