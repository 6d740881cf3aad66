//! Training: what turns gradients into better weights, and what keeps a record of it.

pub mod checkpoint;
pub mod config;
pub mod run;
pub mod schedule;

pub use schedule::{Decay, LearningRate, Schedule, ScheduleError};
