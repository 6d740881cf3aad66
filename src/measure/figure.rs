//! What was measured.

use serde::Serialize;

/// A rate that operations are measured against.
#[derive(Debug, Clone, Serialize)]
pub struct Ceiling {
    /// What was measured.
    pub name: &'static str,
    /// The rate; `None` where it could not be measured.
    pub rate: Option<f64>,
    /// `GB/s` or `TFLOP/s`.
    pub unit: &'static str,
    /// Why there is no rate.
    pub problem: Option<String>,
}

/// The time of one operation.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// The operation.
    pub op: &'static str,
    /// On what.
    pub case: String,
    /// The type of its inputs.
    pub dtype: &'static str,
    /// The median time.
    pub seconds: Option<f64>,
    /// The shortest time.
    pub fastest: Option<f64>,
    /// The longest time.
    pub slowest: Option<f64>,
    /// What the median comes to.
    pub achieved: Option<f64>,
    /// The ceiling in the same unit.
    pub bound: Option<f64>,
    /// `GB/s` or `TFLOP/s`, whichever takes longer at the ceilings.
    pub unit: &'static str,
    /// The time at the ceilings over the time taken.
    pub share_of_bound: Option<f64>,
    /// Whether that is so much above 1 that what it works on was not in memory but in a cache, or that the ceiling is not one.
    pub beyond_bound: bool,
    /// Why there is no time.
    pub problem: Option<String>,
}

/// The time of the same in plain tensor operations.
#[derive(Debug, Clone, Serialize)]
pub struct Reference {
    /// The median time.
    pub seconds: Option<f64>,
    /// Its time over the operation's own: above 1 the operation is faster.
    pub ratio: Option<f64>,
    /// Why there is no time.
    pub problem: Option<String>,
}
