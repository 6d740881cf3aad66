//! How good the simulated patients are: interviews by scripted doctors of four kinds, labelled by the record alone.
//!
//! Labels are computed apart from what the patient itself checks: from the facts of the case and the words said, by plain
//! phrases and without [`crate::data::utterance`]. So they judge any [`Backend`], a model's as well.
//!
//! Reading order: [`backend`] and [`played`] (who is evaluated), [`record`] (what a case holds), [`probe`], [`interviewer`] and [`question`]
//! (what is asked), [`mod@label`] (what a reply is), [`disclosure`] (what it tells unasked), [`personality`] and [`manner`], [`mod@play`],
//! [`scores`], [`page`] and [`sample`] (for checking by hand).

mod attacks;
pub mod backend;
pub mod disclosure;
pub mod interviewer;
pub mod label;
mod listed;
pub mod manner;
pub mod page;
pub mod personality;
pub mod play;
pub mod played;
pub mod probe;
pub mod question;
pub mod record;
pub mod sample;
pub mod scores;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_disclosure;
#[cfg(test)]
mod tests_labels;
#[cfg(test)]
mod tests_persona;
pub mod words;

pub use backend::{Backend, BackendError, RuleBased};
pub use disclosure::CalledFor;
pub use interviewer::{Interview, Interviewer};
pub use label::{Holding, Labels, label};
pub use page::{PageData, render};
pub use play::{PlayOptions, Seen, Session, Watch, play, play_watched};
pub use played::ModelBacked;
pub use probe::{Aim, Probe};
pub use record::{Atom, Record};
pub use scores::{Scored, Scores, scored};
