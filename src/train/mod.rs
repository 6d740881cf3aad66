//! Training: what turns gradients into better weights.

pub mod schedule;

pub use schedule::{Decay, LearningRate, Schedule, ScheduleError};
