//! Marking schemes: criteria made from a case, judges, and scores.

pub mod criterion;

pub use criterion::{Axis, Check, Criterion, Judgement, Provenance, Verdict};
