//! What is evaluated: anybody who plays a script in a consultation.

use thiserror::Error;

use crate::data::consultation::Consultation;
use crate::sim::{Limits, Patient, PatientScript};

/// A patient gave no reply.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("the patient gave no reply: {reason}")]
pub struct BackendError {
    /// Why.
    pub reason: String,
}

/// Plays patients. It holds no state of a consultation, so any number can be led at once.
pub trait Backend: Sync {
    /// Its name in reports.
    fn name(&self) -> &str;

    /// A consultation in which only the opening was said.
    fn open(&self, script: &PatientScript, limits: Limits) -> Consultation;

    /// Carries `consultation` on by the doctor's message and the reply to it. After an error it is as before.
    fn answer(
        &self,
        script: &PatientScript,
        limits: Limits,
        consultation: &mut Consultation,
        doctor: &str,
    ) -> Result<(), BackendError>;
}

/// The rule-based patient.
#[derive(Debug, Clone, Copy, Default)]
pub struct RuleBased;

impl Backend for RuleBased {
    fn name(&self) -> &str {
        "rules"
    }

    fn open(&self, script: &PatientScript, limits: Limits) -> Consultation {
        Patient::new(script, limits).open()
    }

    fn answer(
        &self,
        script: &PatientScript,
        limits: Limits,
        consultation: &mut Consultation,
        doctor: &str,
    ) -> Result<(), BackendError> {
        Patient::new(script, limits).answer(consultation, doctor);
        Ok(())
    }
}
