//! Where prompts come from: records, reference text, and tasks made for cases.

pub mod chart;
pub mod condition;
pub mod knowledge;
pub mod record;
pub mod synthetic;

pub use knowledge::Passage;
