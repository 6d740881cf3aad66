//! Many consultations that advance together.
//!
//! A doctor that is a model answers all open consultations in one batch, which costs little more than answering one. So
//! the loop is turned inside out: the caller reads [`BatchedConsultations::open_histories`], makes a message for each,
//! and gives each to [`BatchedConsultations::answer`], until nothing is open.

use thiserror::Error;

use crate::data::consultation::Consultation;
use crate::sim::check::{Factual, RuleCheck};
use crate::sim::gate::{Gate, RuleGate};
use crate::sim::voice::{Affective, RuleVoice};
use crate::sim::{Patient, Reply};

/// Why a message was refused.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum BatchError {
    /// There is no such consultation.
    #[error("there is no consultation {index}, they are 0 to {count} (not included)")]
    Unknown {
        /// What was given.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// The consultation takes no more messages.
    #[error("consultation {index} ({case}) is over, only those of open_histories() take messages")]
    Over {
        /// What was given.
        index: usize,
        /// Its case.
        case: String,
    },
}

/// Consultations, one a patient, each at its own point.
///
/// Patients hold no state and do not hear each other, so the order of answers between consultations changes nothing.
#[derive(Debug, Clone)]
pub struct BatchedConsultations<'a, G = RuleGate, A = RuleVoice, F = RuleCheck> {
    patients: Vec<Patient<'a, G, A, F>>,
    consultations: Vec<Consultation>,
    most: usize,
}

impl<'a, G: Gate, A: Affective, F: Factual> BatchedConsultations<'a, G, A, F> {
    /// Consultations in which only the opening was said. None goes beyond `most` messages of the doctor, whatever the
    /// patient's gate says.
    pub fn new(patients: Vec<Patient<'a, G, A, F>>, most: usize) -> Self {
        let consultations = patients.iter().map(Patient::open).collect();
        Self { patients, consultations, most }
    }

    /// Those that wait for the doctor, with their places, in order.
    pub fn open_histories(&self) -> Vec<(usize, &Consultation)> {
        self.consultations.iter().enumerate().filter(|(_, it)| self.is_open(it)).collect()
    }

    /// Whether none waits for the doctor.
    pub fn is_over(&self) -> bool {
        !self.consultations.iter().any(|it| self.is_open(it))
    }

    /// The doctor says `message` in consultation `index`; the patient answers. Returns whether it is still open.
    pub fn answer(&mut self, index: usize, message: &str) -> Result<bool, BatchError> {
        let most = self.most;
        let (patient, consultation) = self.place(index)?;
        patient.answer(consultation, message);
        Ok(is_open(consultation, most))
    }

    /// Consultation `index` goes on with a reply that was made elsewhere, by a patient that models play. Returns whether it is still open.
    pub fn carry_on(&mut self, index: usize, reply: Reply) -> Result<bool, BatchError> {
        let most = self.most;
        let (_, consultation) = self.place(index)?;
        reply.carry_on(consultation);
        Ok(is_open(consultation, most))
    }

    /// All of them as they are now.
    pub fn consultations(&self) -> &[Consultation] {
        &self.consultations
    }

    /// All of them, for good.
    pub fn into_consultations(self) -> Vec<Consultation> {
        self.consultations
    }

    /// Whether `consultation`, one of these, waits for the doctor.
    pub fn is_open(&self, consultation: &Consultation) -> bool {
        is_open(consultation, self.most)
    }

    /// The patient and the consultation in place `index`, which must be open.
    fn place(&mut self, index: usize) -> Result<(&Patient<'a, G, A, F>, &mut Consultation), BatchError> {
        let count = self.consultations.len();
        let (Some(patient), Some(consultation)) =
            (self.patients.get(index), self.consultations.get_mut(index))
        else {
            return Err(BatchError::Unknown { index, count });
        };
        if !is_open(consultation, self.most) {
            return Err(BatchError::Over { index, case: consultation.case_id.clone() });
        }
        Ok((patient, consultation))
    }
}

fn is_open(consultation: &Consultation, most: usize) -> bool {
    consultation.ending.is_none() && consultation.turns.len() < most
}
