//! Training: what turns gradients into better weights, and what keeps a record of it.

pub mod checkpoint;
pub mod run;
pub mod config;
pub mod schedule;

pub use schedule::{Decay, LearningRate, Schedule, ScheduleError};
