//! A reply that leaves the language or the script of the dialogue, or mixes scripts within a word.

pub use crate::data::speech::language::find;
