//! Evaluation.
pub mod statistics;
