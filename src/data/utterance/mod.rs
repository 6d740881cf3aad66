//! Understanding a doctor's free text: sentences, intents, concepts, negation. No model, no guess beyond the lexicon.
//!
//! The patient answers by it and the rule-based judge marks by it, so both understand the same.

pub mod act;

pub use act::{Act, Intent};
