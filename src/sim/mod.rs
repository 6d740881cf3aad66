//! Simulated patients: a script made from a case, a persona, and the consultation they play in.
//!
//! Each turn goes through three units in series: the [`gate`] says whether the doctor's message ends the consultation, the
//! [`voice`] drafts a reply, the [`check`] strikes what must not be said. [`patient`] puts them together. In [`played`] each
//! unit may be a model instead.

#[cfg(test)]
mod bank_tests;
pub mod check;
pub mod circumstances;
mod costly;
pub mod dialogue;
pub mod disguise;
pub mod doctor;
pub mod draft;
pub mod encounter;
#[cfg(test)]
mod examples;
pub mod forbidden;
pub mod gate;
pub mod heard;
pub mod initiative;
pub mod patient;
pub mod persona;
mod phrases;
pub mod played;
#[cfg(test)]
mod properties;
mod reaction;
pub mod reveal;
#[cfg(test)]
mod sample;
mod saying;
pub mod scores;
pub mod script;
pub mod sides;
pub mod tone;
#[cfg(test)]
mod trait_tests;
mod unprompted;
pub mod voice;
mod wording;

pub use dialogue::{Demonstration, Demonstrations, Mixture};
pub use encounter::consult;
pub use gate::Limits;
pub use initiative::Initiative;
pub use patient::{Patient, Reply};
pub use persona::{Culture, Emotion, Level, Persona};
pub use played::{Mode, PlayedPatient, Prompts, TurnLog, Unit, Units};
pub use script::PatientScript;
