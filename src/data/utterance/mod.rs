//! Understanding a doctor's free text: sentences, intents, concepts, negation. No model, no guess beyond the lexicon.
//!
//! The patient answers by it and the rule-based judge marks by it, so both understand the same. A message becomes
//! words (`words`, `stem`; `vocabulary` forgives one slip of the hand), words become clauses (`clauses`), in each of
//! which patterns (`cue_table`) and phrases of the lexicon (`concepts`) are found; `reading` and `question` make
//! [`Act`]s of them (`listed` of a list with allergies in it; `leading` finds statements that are to be confirmed;
//! `denial` and `withdrawn` tell what is denied, refused or taken back), and [`asked()`] says which facts of a case they ask for.

pub mod act;
pub mod asked;
mod clauses;
mod concepts;
mod cue_table;
mod cues;
mod denial;
mod denial_table;
#[cfg(test)]
mod denial_tests;
mod leading;
mod listed;
mod pattern;
mod question;
mod reading;
pub(crate) mod stem;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_everyday;
pub mod understanding;
mod vocabulary;
mod withdrawn;
mod words;

pub use act::{Act, Intent};
pub use asked::{Asked, asked};
pub use understanding::{Mention, Understanding};

use crate::data::lexicon::Lexicon;

/// What a doctor's message does, by `lexicon`. Compiles the lexicon each time: for many messages make an
/// [`Understanding`] once.
pub fn understand(message: &str, lexicon: &Lexicon) -> Vec<Act> {
    Understanding::new(lexicon).read(message)
}
