//! A run from its configuration to its report: patients, vocabulary, supervised steps, reinforcement learning, what the
//! model does on held-out patients before and after, the exported model.
//!
//! Reading order: [`mod@prepare`] (all that is made or read before the first step), `run.rs` (the stages in order),
//! `base.rs` (the policy it begins with), `supervised.rs` and `reinforced.rs` (their steps), `step_metrics.rs` (what is recorded of the latter), `casting.rs` with `judging.rs`, `playing.rs` and `evolving.rs` (models as judge
//! and patients, and rubrics that change), `idle.rs` (steps in which nothing is learned), `state.rs` (what a checkpoint holds), `finish.rs` with `yardsticks.rs`, `report.rs` and `detected.rs` (evaluation, report, summary), `export.rs` and `adapter.rs` (what other tools load). [`Watch`] is how a run speaks to whoever started it.

mod adapter;
mod base;
mod casting;
mod detected;
mod error;
mod evolving;
mod export;
mod fingerprint;
mod finish;
mod idle;
mod judging;
mod patients;
mod playing;
pub mod prepare;
mod reinforced;
mod report;
mod run;
mod seeds;
mod start;
mod state;
mod step_metrics;
mod supervised;
mod watch;
mod yardsticks;

pub use adapter::ADAPTER;
pub use error::PipelineError;
pub use fingerprint::Fingerprint;
pub use finish::{MODEL, REPORT};
pub use patients::Patients;
pub use prepare::{Prepared, prepare, prepare_from};
pub use run::{Ended, Stopped, train};
pub use start::Start;
pub use watch::{Part, Quiet, Watch};
