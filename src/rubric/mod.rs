//! Marking schemes: criteria made from a case, judges, and scores.

pub mod criterion;
pub mod score;

pub use criterion::{Axis, Check, Criterion, Judgement, Provenance, Rubric, Scope, Verdict};
pub use score::{Part, Reward, ScoreError, healthbench};
