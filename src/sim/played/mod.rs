//! Patients whose units are models, rules, or some of each (Baichuan-M2 report, section 2.1.2).
//!
//! A message passes through the same three units as with [`Patient`](crate::sim::Patient), each of which a [`ChatModel`] may
//! be. What a model says is never taken at its word where rules can know better: [`veiled`] keeps the hidden diagnosis out of
//! every prompt that writes the patient's words, [`claims`] decides what follows from a check's labels and strikes the
//! diagnosis last, and [`gate`] counts the messages itself. [`patient`] puts them together, [`log`] keeps what happened, and
//! [`company`] asks several patients at the same time.
//!
//! [`ChatModel`]: crate::chat::ChatModel

mod ask;
pub mod check;
pub mod claims;
pub mod company;
pub mod counts;
pub mod error;
pub mod gate;
pub mod log;
pub mod mode;
pub mod noise;
pub mod patient;
pub mod portrait;
pub mod prompts;
pub mod reading;
pub mod sentences;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_drafts;
pub mod units;
pub mod veiled;
pub mod voice;

pub use company::{Addressed, Company, CompanyError};
pub use counts::TurnCounts;
pub use error::{PlayedError, UnitName};
pub use log::TurnLog;
pub use mode::{Interruption, Mode};
pub use noise::Noise;
pub use patient::{PlayedPatient, PlayedReply};
pub use prompts::{PromptError, Prompts};
pub use units::{OnFailure, Settings, SharedUnits, Unit, UnitNames, Units};
