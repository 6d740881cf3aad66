//! When criteria come and go.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// When criteria come and go. Spreads are variances of met and not met within a group, `p (1 - p)`, from 0 to 0.25.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// An answer scored high from this reward on.
    pub high: f64,
    /// The groups that a mean spread is taken over, the latest.
    pub window: usize,
    /// Fewest groups before anything is decided.
    pub least: usize,
    /// Least mean spread of a criterion that is admitted.
    pub admit: f64,
    /// A criterion below this mean spread is retired.
    pub retire: f64,
    /// Most criteria that are admitted or on trial.
    pub most: usize,
}

impl Thresholds {
    /// Choices of this project, which configurations have where they say nothing else. One answer in sixteen has a spread of
    /// `1/16 * 15/16 = 0.0586`. So a flaw that one answer of sixteen has is admitted where it shows in at least 68% of the groups
    /// (`0.04 / 0.0586`), and retired where it shows in fewer than 17% (`0.01 / 0.0586`).
    pub const DEFAULT: Self = Self { high: 0.7, window: 64, least: 16, admit: 0.04, retire: 0.01, most: 8 };
}

impl Default for Thresholds {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A threshold that cannot be.
#[derive(Debug, Error, Clone, PartialEq)]
#[error("{field} is {found}, legal is {legal}")]
pub struct ThresholdError {
    field: &'static str,
    found: String,
    legal: &'static str,
}

impl Thresholds {
    /// Whether they can be used together.
    pub fn check(&self) -> Result<(), ThresholdError> {
        let wrong = |field, found: String, legal| Err(ThresholdError { field, found, legal });
        if self.least == 0 || self.least > self.window {
            return wrong("least", self.least.to_string(), "1 to the window");
        }
        // Comparisons with NaN are false.
        if !(self.admit > 0.0 && self.admit <= 0.25) {
            return wrong("admit", self.admit.to_string(), "above 0, at most 0.25");
        }
        if !(self.retire >= 0.0 && self.retire <= self.admit) {
            return wrong(
                "retire",
                self.retire.to_string(),
                "0 to `admit`, so that nothing comes and goes at once",
            );
        }
        if !self.high.is_finite() {
            return wrong("high", self.high.to_string(), "a number");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_that_are_told_of_are_those_of_the_defaults() {
        let Thresholds { admit, retire, .. } = Thresholds::DEFAULT;
        let one_in_sixteen = 1.0 / 16.0 * (15.0 / 16.0);
        assert_eq!(one_in_sixteen, 0.05859375);
        assert!((admit / one_in_sixteen - 0.6827).abs() < 1e-4);
        assert!((retire / one_in_sixteen - 0.1707).abs() < 1e-4);
        assert!(Thresholds::DEFAULT.check().is_ok());
    }
}
