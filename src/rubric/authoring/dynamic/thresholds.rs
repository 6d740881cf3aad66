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

impl Default for Thresholds {
    /// Choices of this project. A spread of 0.06 is one answer in sixteen; of 0.02, one in fifty.
    fn default() -> Self {
        Self { high: 0.7, window: 8, least: 3, admit: 0.06, retire: 0.02, most: 16 }
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
