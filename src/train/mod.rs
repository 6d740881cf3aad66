//! Training: what turns gradients into better weights, and what keeps a record of it.

pub mod checkpoint;
pub mod config;
pub mod executor;
pub mod gradients;
pub mod head;
pub mod init;
pub mod layer;
pub mod optimizer;
pub mod run;
pub mod schedule;
pub mod sft;

pub use executor::{Objective, PackedBatch, Target, forward_backward, forward_backward_beside, log_probs};
pub use gradients::Gradients;
pub use optimizer::{AdamW, AdamWOptions, Masters, Moments};
pub use schedule::{Decay, LearningRate, Schedule, ScheduleError};
