//! Named detectors of noise in one sampled reply, each with a file of its own.
//!
//! A detector points at the passage that shows what it looks for. [`super::NoiseFilter`] runs those that a configuration asks
//! for; what a reply is worth is for the judge to say, and no detector changes it.

pub mod addresses_judge;
pub mod language_switch;
pub mod over_long;
#[cfg(test)]
mod properties;
pub mod repetition;
pub mod role_inversion;
pub mod template_leakage;
