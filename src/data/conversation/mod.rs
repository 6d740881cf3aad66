//! Consultations as token ids, for training and for sampling.
//!
//! What was sampled is what is trained: ids are put together piece by piece (header, what the patient said, end of the
//! turn, the reply as it was sampled) and nothing is tokenised twice. Reading order: [`mod@format`] (the pieces that a
//! chat template puts around messages), [`history`] (a consultation as it goes on), [`dialogue`] (a finished one to
//! learn from, with a mask), [`mod@pack`] (many of them in batches).

pub mod dialogue;
pub mod error;
pub mod format;
pub mod history;
pub mod pack;
#[cfg(test)]
mod tests;

pub use dialogue::DialogueTokens;
pub use error::{ConversationError, Expected};
pub use format::DialogueFormat;
pub use history::History;
pub use pack::{LeftOut, Packed, Packing, Reason, pack};
