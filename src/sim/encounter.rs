//! The consultation between a doctor and a patient.

use crate::data::consultation::Consultation;
use crate::sim::check::Factual;
use crate::sim::doctor::Doctor;
use crate::sim::gate::Gate;
use crate::sim::patient::Patient;
use crate::sim::voice::Affective;

/// Lets `doctor` consult `patient` until the patient's gate ends it, or after `most` messages of the doctor. Where that
/// comes first the consultation has no ending.
pub fn consult<G: Gate, A: Affective, F: Factual>(
    doctor: &mut dyn Doctor,
    patient: &Patient<'_, G, A, F>,
    most: usize,
) -> Consultation {
    let mut consultation = patient.open();
    while consultation.ending.is_none() && consultation.turns.len() < most {
        let message = doctor.speak(&consultation);
        patient.answer(&mut consultation, &message);
    }
    consultation
}
