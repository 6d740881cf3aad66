//! Doctors that look for reward without being doctors, and what they get: the gaming suite.
//!
//! Reading order: [`attack`] (who they are), [`words`] (what they say), [`mod@play`] (what they earn beside an honest doctor).
//! `docs/gaming.md` lists them.

pub mod attack;
pub mod play;
#[cfg(test)]
mod tests;
pub mod words;

pub use attack::{ATTACKS, Attack, Target};
pub use play::{GamingError, Kind, Round, Row, TERMS, Terms, play, table};
