//! The learning rate of each step: a linear warm-up, then constant, linear or cosine decay.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What the rate does after the warm-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// Stays at the peak.
    #[default]
    Constant,
    /// Falls along a straight line to the floor.
    Linear,
    /// Falls along half a cosine wave to the floor.
    Cosine,
}

/// How the learning rate moves, before it is known how many steps there are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LearningRate {
    /// The highest rate, reached when the warm-up ends.
    pub peak: f64,
    /// Steps over which the rate rises from 0 to the peak; the first of them has rate 0.
    pub warmup_steps: u64,
    /// What follows.
    pub decay: Decay,
    /// Where the decay ends, as a share of the peak.
    pub floor: f64,
}

impl Default for LearningRate {
    /// 1e-6 throughout, as DAPO (arXiv 2503.14476) trains 32B models.
    fn default() -> Self {
        Self { peak: 1e-6, warmup_steps: 0, decay: Decay::Constant, floor: 0.0 }
    }
}

/// Why a learning rate was refused; all that is wrong, not only the first.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("learning rate: {}", .problems.join("; "))]
pub struct ScheduleError {
    /// Each names the field, what was found and what is legal.
    pub problems: Vec<String>,
}

impl LearningRate {
    /// The rates of a run of `total_steps` optimizer steps.
    pub fn over(self, total_steps: u64) -> Result<Schedule, ScheduleError> {
        let mut problems = Vec::new();
        if !(self.peak.is_finite() && self.peak > 0.0) {
            problems.push(format!("peak is {}, legal is a positive number", self.peak));
        }
        if !(0.0..=1.0).contains(&self.floor) {
            problems.push(format!("floor is {}, legal is 0 to 1 (a share of the peak)", self.floor));
        }
        if self.decay == Decay::Constant && self.floor != 0.0 {
            problems.push(format!(
                "floor is {} and nothing falls to it: legal with a constant rate is 0, \
                 or set decay to linear or cosine",
                self.floor
            ));
        }
        if total_steps == 0 {
            problems.push("there are 0 steps, legal is at least 1".into());
        } else if self.warmup_steps > total_steps {
            problems.push(format!(
                "warmup_steps is {}, legal is 0 to {total_steps} (the steps there are)",
                self.warmup_steps
            ));
        }
        if problems.is_empty() {
            Ok(Schedule { rate: self, total_steps })
        } else {
            Err(ScheduleError { problems })
        }
    }
}

/// The learning rate of each step of a run. With `w` steps of warm-up out of `n`, step `t` (from 0) has
///
/// ```text
/// t < w    peak * t / w
/// else     peak * (floor + (1 - floor) * f(p))     p = (t - w) / (n - w), at most 1
///          f = 1            constant
///              1 - p        linear
///              (1 + cos(pi p)) / 2   cosine
/// ```
///
/// which is what `transformers.get_scheduler` gives for the same names, up to step `n`. Past it a rate stays at the
/// floor here; there, a cosine rises again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    rate: LearningRate,
    total_steps: u64,
}

impl Schedule {
    /// The rate of step `step`, counted from 0.
    pub fn rate(&self, step: u64) -> f64 {
        let LearningRate { peak, warmup_steps, decay, floor } = self.rate;
        if step < warmup_steps {
            return peak * (step as f64 / warmup_steps as f64);
        }
        // Where the warm-up takes all steps there is no decay to place a step in, and the end is reached.
        let decaying = self.total_steps - warmup_steps;
        let done =
            if decaying == 0 { 1.0 } else { ((step - warmup_steps) as f64 / decaying as f64).min(1.0) };
        let left = match decay {
            Decay::Constant => return peak,
            Decay::Linear => 1.0 - done,
            Decay::Cosine => 0.5 * (1.0 + (PI * done).cos()),
        };
        peak * (floor + (1.0 - floor) * left)
    }

    /// How many steps it was made for.
    pub fn total_steps(&self) -> u64 {
        self.total_steps
    }

    /// The setting it was made from.
    pub fn setting(&self) -> LearningRate {
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Deserialize)]
    struct Case {
        name: String,
        lr: f64,
        warmup: u64,
        total: Option<u64>,
        min_ratio: f64,
        rates: Vec<f64>,
    }

    #[test]
    fn rates_are_those_of_transformers() {
        #[derive(Deserialize)]
        struct File {
            cases: Vec<Case>,
        }
        let text = include_str!("../../tests/fixtures/schedule_expected.json");
        let file: File = serde_json::from_str(text).unwrap();
        assert!(file.cases.len() >= 11);
        for case in file.cases {
            let decay = match case.name.as_str() {
                "constant" | "constant_with_warmup" => Decay::Constant,
                "linear" => Decay::Linear,
                "cosine" | "cosine_with_min_lr" => Decay::Cosine,
                other => panic!("{other}"),
            };
            let rate =
                LearningRate { peak: case.lr, warmup_steps: case.warmup, decay, floor: case.min_ratio };
            let schedule = rate.over(case.total.unwrap_or(case.rates.len() as u64)).unwrap();
            for (step, want) in case.rates.iter().enumerate() {
                let step = step as u64;
                // Past the end transformers' cosine rises again and ours stays.
                let (step, want) = match case.total {
                    Some(total) if step > total => (step, case.rates[total as usize]),
                    _ => (step, *want),
                };
                let got = schedule.rate(step);
                assert!((got - want).abs() <= 1e-12 * case.lr, "{} step {step}: {got} not {want}", case.name);
            }
        }
    }

    #[test]
    fn all_that_is_wrong_is_named() {
        let bad = LearningRate { peak: -1.0, warmup_steps: 9, decay: Decay::Linear, floor: 1.5 };
        let error = bad.over(4).unwrap_err();
        assert_eq!(error.problems.len(), 3);
        let message = error.to_string();
        for part in ["peak is -1", "floor is 1.5", "warmup_steps is 9", "0 to 4"] {
            assert!(message.contains(part), "{message}");
        }
        assert!(LearningRate::default().over(0).is_err());
        assert!(LearningRate { peak: f64::NAN, ..Default::default() }.over(1).is_err());
        assert!(LearningRate { floor: f64::NAN, ..Default::default() }.over(1).is_err());
        assert!(LearningRate { floor: 0.1, ..Default::default() }.over(1).is_err());
    }

    #[test]
    fn settings_are_read_by_name_and_unknown_ones_refused() {
        let read: LearningRate =
            toml::from_str("peak = 3e-4\nwarmup_steps = 10\ndecay = \"cosine\"\nfloor = 0.1").unwrap();
        let want = LearningRate { peak: 3e-4, warmup_steps: 10, decay: Decay::Cosine, floor: 0.1 };
        assert_eq!(read, want);
        assert_eq!(toml::from_str::<LearningRate>("").unwrap(), LearningRate::default());
        assert!(toml::from_str::<LearningRate>("warmup = 10").is_err());
    }

    proptest! {
        #[test]
        fn rises_to_the_peak_then_never_rises(
            peak in 1e-8f64..1.0,
            total in 1u64..200,
            warmup_share in 0.0f64..=1.0,
            floor in 0.0f64..=1.0,
            decay in prop_oneof![Just(Decay::Constant), Just(Decay::Linear), Just(Decay::Cosine)],
        ) {
            let warmup_steps = (total as f64 * warmup_share) as u64;
            let floor = if decay == Decay::Constant { 0.0 } else { floor };
            let schedule = LearningRate { peak, warmup_steps, decay, floor }.over(total).unwrap();
            let rates: Vec<f64> = (0..total + 5).map(|t| schedule.rate(t)).collect();
            let w = warmup_steps as usize;
            prop_assert!(rates[..w].windows(2).all(|r| r[0] < r[1]));
            prop_assert!(rates[w..].windows(2).all(|r| r[1] <= r[0] + 1e-15 * peak));
            prop_assert!(rates.iter().all(|r| (0.0..=peak * (1.0 + 1e-15)).contains(r)));
            if warmup_steps < total {
                prop_assert!((rates[w] - peak).abs() <= 1e-12 * peak);
            }
            let end = if decay == Decay::Constant { peak } else { peak * floor };
            prop_assert!((rates[total as usize] - end).abs() <= 1e-12 * peak);
            prop_assert!((schedule.rate(u64::MAX) - end).abs() <= 1e-12 * peak);
        }
    }
}
