//! Doctors that need no model: one that knows the case and writes training consultations of mixed quality, and
//! baselines that any trained doctor has to beat.

use crate::data::consultation::Consultation;

pub mod agenda;
pub mod baseline;
pub mod phrases;
pub mod quality;
mod routine;
pub mod scripted;
#[cfg(test)]
mod understood;

pub use baseline::{Baseline, BaselineDoctor};
pub use quality::{DoctorQuality, Tier};
pub use scripted::ScriptedDoctor;

/// Somebody who leads a consultation.
pub trait Doctor {
    /// The next message, after what was said so far.
    fn speak(&mut self, so_far: &Consultation) -> String;
}
