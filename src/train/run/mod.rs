//! The run directory: all that a run leaves, and all that it needs to go on.
//!
//! ```text
//! runs/<name>/001/
//!   config.toml       the resolved configuration
//!   metrics.jsonl     a line a step: [`StepMetrics`]
//!   rollouts.jsonl    what was sampled and how it was marked, append-only
//!   patients.jsonl    what patients did in it, likewise; where models play them
//!   rubric.jsonl      how rubrics changed, likewise; where they do
//!   checkpoints/      see [`crate::train::checkpoint`]
//!   summary.json      [`Summary`], when it is finished
//! ```
//!
//! One process writes a run at a time ([`RunLock`]). Reading order: `directory.rs`, `resumed.rs`, `metrics.rs`, `log.rs`.

mod attempt;
mod clock;
mod directory;
mod error;
mod lock;
mod log;
mod memory;
mod metrics;
mod number;
mod read;
mod resumed;
mod summary;

#[cfg(test)]
mod child;
#[cfg(test)]
mod interruption_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod toy;

pub use attempt::{last_attempt, locate};
pub use clock::{Phase, StepClock};
pub use directory::{RunDirectory, RunOptions};
pub use error::RunError;
pub use lock::RunLock;
pub use log::JsonLog;
pub use memory::{Resident, peak_rss_bytes, resident};
pub use metrics::{
    Clipped, Gap, Judged, PlayedTurns, RlMetrics, RubricChanges, Spread, StepMetrics, Timing, Verdicts,
};
pub use read::{Difference, first_difference, read_lines, read_metrics};
pub use resumed::{ResumeFrom, Resumed};
pub use summary::{Gain, Outcome, Summary, read_summary};
