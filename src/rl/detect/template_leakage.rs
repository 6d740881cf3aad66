//! A reply that holds marks of a chat template or of a prompt, which belong to the machine and not to speech.

pub use crate::data::speech::template::find;
