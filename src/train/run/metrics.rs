//! What is measured in one step: a line of `metrics.jsonl`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::number;
use crate::train::config::Detector;

/// One step of training.
///
/// All but `timing` is the same bit for bit in every run of one configuration and seed on one CPU build; `timing`
/// comes last in the line, so that two logs can be compared without it ([`super::first_difference`]).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepMetrics {
    /// Name of the stage, e.g. `sft` or `rl`.
    pub stage: String,
    /// The step in the whole run, from 1.
    pub step: u64,
    /// The step in its stage, from 1.
    pub stage_step: u64,
    /// The loss that was differentiated.
    #[serde(with = "number")]
    pub loss: f64,
    /// Norm of all gradients together, before clipping.
    #[serde(with = "number")]
    pub grad_norm: f64,
    /// The optimizer's rate.
    #[serde(with = "number")]
    pub learning_rate: f64,
    /// Tokens that entered the loss.
    pub tokens: u64,
    /// What only reinforcement learning has.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rl: Option<RlMetrics>,
    /// How long it took and how much memory: differs from run to run.
    pub timing: Timing,
}

/// What a step of reinforcement learning measures besides.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RlMetrics {
    /// Rewards of all samples.
    pub reward: Spread,
    /// Advantages of all samples that train.
    pub advantage: Spread,
    /// Sampled tokens a reply.
    pub reply_tokens: Spread,
    /// Groups of samples that were judged.
    pub groups: u64,
    /// Those of them whose rewards were all equal: they teach nothing.
    pub equal_groups: u64,
    /// Replies cut off at the length limit.
    pub truncated: u64,
    /// What a judge that is a model said and left open; absent where rules judge.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub judged: Option<Judged>,
    /// How the turns of patients that models play went; absent where rules play them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub patients: Option<PlayedTurns>,
    /// How the rubrics changed; absent where they do not change.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rubric: Option<RubricChanges>,
    /// Replies that each detector fired on, of those the configuration asks for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub noise: BTreeMap<Detector, u64>,
    /// Entropy in nats of the distributions that trained tokens are drawn from, as the trainer has them before each update;
    /// where the configuration asks for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub entropy: Option<Spread>,
    /// How far trained tokens' distributions are from the reference's in nats, before each update, as the loss has it: where it has
    /// such a term. Not negative but for rounding.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kl: Option<Spread>,
    /// How far sampler and trainer are apart before the update.
    pub gap: Gap,
    /// Which part of the tokens the loss clipped.
    pub clipped: Clipped,
}

/// What became of the questions to a judge that is a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// Criteria that it was asked about, each of them for one reply or consultation. Those on trial are none of them.
    pub criteria: u64,
    /// Those of them that it did not judge.
    pub not_judged: u64,
    /// Replies without a reward: too few of their criteria were judged.
    pub without_reward: u64,
    /// Criteria on trial that it was asked about besides, where rubrics change; they earn nothing.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub on_trial: u64,
    /// Those of them that it did not judge.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub on_trial_not_judged: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// How the turns of patients that models play went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlayedTurns {
    /// Messages that a patient heard, one for each reply that was answered.
    pub turns: u64,
    /// Those in which the rules did the work of a unit whose model gave no answer.
    pub stepped_in: u64,
    /// How often a voice was asked for other words, all turns together.
    pub regenerations: u64,
    /// Turns in which no draft stood, so that the rule-based patient's reply was given.
    pub safe_replies: u64,
}

/// How rubrics changed in a step, in criteria beside those of the cases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RubricChanges {
    /// Admitted by the end of the step: the next step's rewards are by these.
    pub active: u64,
    /// On trial by the end of the step.
    pub on_trial: u64,
    /// Put on trial in the step, those that come back included.
    pub proposed: u64,
    /// Admitted in the step.
    pub admitted: u64,
    /// Retired in the step.
    pub retired: u64,
    /// Replies that the model in the role `rubric` was shown.
    pub asked: u64,
    /// Those of them for which it gave no list of criteria that could be read.
    pub failed: u64,
    /// Criteria of its that were about one patient, and so no use for others.
    pub refused: u64,
}

/// A list of numbers in five.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// How many.
    pub count: u64,
    /// Their mean.
    #[serde(with = "number")]
    pub mean: f64,
    /// Their standard deviation: the root of the mean squared distance from the mean.
    #[serde(with = "number")]
    pub std: f64,
    /// The smallest.
    #[serde(with = "number")]
    pub min: f64,
    /// The largest.
    #[serde(with = "number")]
    pub max: f64,
}

impl Spread {
    /// Of `values`; all zeros where there are none. One that is not a number makes all four so.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        let Some(first) = values.first().copied() else { return Self::default() };
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        // `f64::min` would pass over what is not a number.
        let extreme = |further: fn(f64, f64) -> bool| {
            values.iter().copied().fold(first, |kept, value| {
                if kept.is_nan() || value.is_nan() {
                    f64::NAN
                } else if further(value, kept) {
                    value
                } else {
                    kept
                }
            })
        };
        Self {
            count: values.len() as u64,
            mean,
            std: variance.sqrt(),
            min: extreme(|value, kept| value < kept),
            max: extreme(|value, kept| value > kept),
        }
    }
}

/// The distance between the log-probabilities of the sampled tokens as the sampler stored them (`s`) and as the
/// trainer computes them (`t`), over the tokens that train.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// Mean of `|s - t|`.
    #[serde(with = "number")]
    pub mean: f64,
    /// Largest `|s - t|`.
    #[serde(with = "number")]
    pub max: f64,
    /// Mean of `exp(t - s) - 1 - (t - s)`, which is not negative but for rounding and estimates `KL(sampler || trainer)` from the
    /// sampler's tokens (J. Schulman, "Approximating KL divergence", 2020: the estimator k3).
    #[serde(with = "number")]
    pub kl: f64,
}

impl Gap {
    /// Over pairs of sampler's and trainer's log-probability; all zeros where there are none.
    pub fn of(pairs: impl IntoIterator<Item = (f32, f32)>) -> Self {
        let (mut sum, mut max, mut kl, mut count) = (0.0, 0.0f64, 0.0, 0u64);
        for (sampler, trainer) in pairs {
            let ratio = f64::from(trainer) - f64::from(sampler);
            let distance = ratio.abs();
            sum += distance;
            // `f64::max` would pass over what is not a number.
            max = if max.is_nan() || distance <= max { max } else { distance };
            kl += ratio.exp_m1() - ratio;
            count += 1;
        }
        let count = count.max(1) as f64;
        Self { mean: sum / count, max, kl: kl / count }
    }
}

/// Parts of the tokens, 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clipped {
    /// With negative advantage and a ratio under the lower bound.
    #[serde(with = "number")]
    pub low: f64,
    /// With positive advantage and a ratio over the upper bound.
    #[serde(with = "number")]
    pub high: f64,
}

/// What differs from run to run. Seconds are of wall-clock time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// The whole step.
    #[serde(with = "number")]
    pub seconds: f64,
    /// Sampling replies.
    #[serde(with = "number")]
    pub rollout: f64,
    /// Patients and marks.
    #[serde(with = "number")]
    pub judge: f64,
    /// Loss and gradients.
    #[serde(with = "number")]
    pub forward_backward: f64,
    /// Clipping and the update.
    #[serde(with = "number")]
    pub optimizer: f64,
    /// Tokens that entered the loss, a second of the whole step.
    #[serde(with = "number")]
    pub tokens_per_second: f64,
    /// The most memory the process has had so far, in bytes; 0 where it is not known.
    pub peak_rss_bytes: u64,
    /// What a judge that is a model took; absent where rules judge.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verdicts: Option<Verdicts>,
}

/// What the verdicts of a step took. It differs from run to run: servers fail, and remember.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdicts {
    /// Requests to the model, repeats of replies that could not be read included.
    pub requests: u64,
    /// Those that brought no answer.
    pub failed: u64,
    /// Of the tokens that were sent, the share that the model had read before; absent where nobody counts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cached: Option<f64>,
    /// From each round's first finished reply to its last verdict, all rounds together. What of it is not in [`Timing::judge`] went by while
    /// replies were sampled.
    #[serde(with = "number")]
    pub seconds: f64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_reads_back_and_ends_with_its_timing() {
        let mut metrics =
            StepMetrics { stage: "rl".into(), step: 3, loss: f64::NAN, ..StepMetrics::default() };
        metrics.rl = Some(RlMetrics { reward: Spread::of([0.1, 0.7]), ..RlMetrics::default() });
        metrics.timing.seconds = 0.25;
        let line = serde_json::to_string(&metrics).unwrap();
        assert!(
            line.starts_with(r#"{"stage":"rl","step":3,"stage_step":0,"loss":"NaN","grad_norm":0.0"#),
            "{line}"
        );
        let timing = line.find(",\"timing\":{\"seconds\":0.25").unwrap();
        assert!(timing > line.find("\"clipped\"").unwrap());
        let read: StepMetrics = serde_json::from_str(&line).unwrap();
        assert!(read.loss.is_nan());
        assert_eq!((read.rl, read.timing), (metrics.rl, metrics.timing));
        assert!(serde_json::from_str::<StepMetrics>(&line.replace("\"tokens\"", "\"tokenz\"")).is_err());
        let plain = serde_json::to_string(&StepMetrics::default()).unwrap();
        assert!(!plain.contains("\"rl\":"), "{plain}");
    }

    #[test]
    fn detectors_stand_in_the_line_by_name_where_there_are_any() {
        let noise = BTreeMap::from([(Detector::OverLong, 2), (Detector::Repetition, 0)]);
        let metrics = RlMetrics { noise, ..RlMetrics::default() };
        let line = serde_json::to_string(&metrics).unwrap();
        assert!(line.contains(r#""noise":{"repetition":0,"over_long":2}"#), "{line}");
        assert_eq!(serde_json::from_str::<RlMetrics>(&line).unwrap(), metrics);
        assert!(!serde_json::to_string(&RlMetrics::default()).unwrap().contains("noise"));
    }

    #[test]
    fn a_judge_that_is_a_model_stands_in_the_line_and_rules_do_not() {
        let judged = Some(Judged { criteria: 9, not_judged: 2, without_reward: 1, ..Judged::default() });
        let mut metrics = StepMetrics::default();
        let plain = serde_json::to_string(&StepMetrics { rl: Some(RlMetrics::default()), ..metrics.clone() });
        let plain = plain.unwrap();
        assert!(!plain.contains("judged") && !plain.contains("verdicts"), "{plain}");
        metrics.rl = Some(RlMetrics { judged, ..RlMetrics::default() });
        metrics.timing.verdicts =
            Some(Verdicts { requests: 11, failed: 1, cached: Some(0.5), seconds: 0.25 });
        let line = serde_json::to_string(&metrics).unwrap();
        assert!(line.contains(r#""judged":{"criteria":9,"not_judged":2,"without_reward":1}"#), "{line}");
        let tried = Judged { criteria: 9, on_trial: 3, on_trial_not_judged: 1, ..Judged::default() };
        let text = serde_json::to_string(&tried).unwrap();
        assert!(text.ends_with(r#""without_reward":0,"on_trial":3,"on_trial_not_judged":1}"#), "{text}");
        assert_eq!(serde_json::from_str::<Judged>(&text).unwrap(), tried);
        let end = r#""verdicts":{"requests":11,"failed":1,"cached":0.5,"seconds":0.25}}}"#;
        assert!(line.ends_with(end), "{line}");
        assert_eq!(serde_json::from_str::<StepMetrics>(&line).unwrap(), metrics);
    }

    #[test]
    fn patients_of_models_stand_in_the_line_and_others_do_not() {
        let turns = PlayedTurns { turns: 9, stepped_in: 2, regenerations: 3, safe_replies: 1 };
        let metrics = RlMetrics { patients: Some(turns), ..RlMetrics::default() };
        let line = serde_json::to_string(&metrics).unwrap();
        let wanted = r#""patients":{"turns":9,"stepped_in":2,"regenerations":3,"safe_replies":1}"#;
        assert!(line.contains(wanted), "{line}");
        assert_eq!(serde_json::from_str::<RlMetrics>(&line).unwrap(), metrics);
        assert!(!serde_json::to_string(&RlMetrics::default()).unwrap().contains("patients"));
    }

    #[test]
    fn rubrics_that_change_stand_in_the_line_and_fixed_ones_do_not() {
        let rubric = Some(RubricChanges { active: 2, proposed: 1, ..RubricChanges::default() });
        let metrics = RlMetrics { rubric, ..RlMetrics::default() };
        let line = serde_json::to_string(&metrics).unwrap();
        let want = r#""rubric":{"active":2,"on_trial":0,"proposed":1,"admitted":0,"retired":0,"asked":0,"failed":0,"refused":0}"#;
        assert!(line.contains(want), "{line}");
        assert_eq!(serde_json::from_str::<RlMetrics>(&line).unwrap(), metrics);
        assert!(!serde_json::to_string(&RlMetrics::default()).unwrap().contains("rubric"));
    }

    #[test]
    fn spreads_worked_by_hand() {
        let spread = Spread::of([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!(spread, Spread { count: 8, mean: 5.0, std: 2.0, min: 2.0, max: 9.0 });
        assert_eq!(Spread::of([]), Spread::default());
        let bad = Spread::of([1.0, f64::NAN, 0.0]);
        assert!([bad.mean, bad.std, bad.min, bad.max].iter().all(|value| value.is_nan()));
    }

    #[test]
    fn gaps_worked_by_hand() {
        let gap = Gap::of([(-1.0, -1.5), (-2.0, -2.0)]);
        assert_eq!((gap.mean, gap.max), (0.25, 0.5));
        assert!((gap.kl - ((-0.5f64).exp() - 1.0 + 0.5) / 2.0).abs() < 1e-15);
        assert_eq!(Gap::of([]), Gap::default());
        assert_eq!(Gap::of([(-0.3, -0.3); 9]), Gap::default(), "equal log-probabilities have no gap at all");
        let bad = Gap::of([(f32::NAN, 0.0), (-1.0, -1.0)]);
        assert!(bad.mean.is_nan() && bad.max.is_nan() && bad.kl.is_nan());
    }

    proptest! {
        #[test]
        fn the_estimate_of_kl_is_not_negative(pairs in prop::collection::vec((-20f32..0.0, -20f32..0.0), 0..20)) {
            let gap = Gap::of(pairs);
            prop_assert!(gap.kl >= -1e-15 && gap.max >= gap.mean * (1.0 - 1e-12));
        }

        #[test]
        fn numbers_survive_the_log_bit_for_bit(bits: u64) {
            let metrics = StepMetrics { loss: f64::from_bits(bits), ..StepMetrics::default() };
            let line = serde_json::to_string(&metrics).unwrap();
            let read: StepMetrics = serde_json::from_str(&line).unwrap();
            prop_assert!(read.loss.to_bits() == bits || read.loss.is_nan() && f64::from_bits(bits).is_nan());
        }
    }
}
