//! Patients no doctor was trained on, and the consultations with them.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::data::bank::{Split, content_hash};
use crate::data::case::Case;
use crate::data::consultation::Consultation;
use crate::data::lexicon::Lexicon;
use crate::sim::doctor::Doctor;
use crate::sim::played::Interruption;
use crate::sim::{Initiative, Limits, Mode, Patient, PatientScript, Persona};

use super::batch::{BatchError, BatchedConsultations};

/// In what way a patient is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A patient never seen, of a presentation that is trained on.
    Patients,
    /// A patient of a presentation that is never trained on.
    Presentations,
    /// A patient from the user's own records.
    Imported,
}

impl Part {
    /// Its name in reports.
    pub fn title(self) -> &'static str {
        match self {
            Self::Patients => "new patients, presentations seen in training",
            Self::Presentations => "presentations never seen in training",
            Self::Imported => "imported patients",
        }
    }
}

/// Why held-out consultations could not be set up.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum HeldOutError {
    /// No cases.
    #[error("there are no held-out cases, at least one is needed")]
    Empty,
    /// Two cases of one name, which results could not be told apart by.
    #[error("two held-out cases are called `{id}`, each must have its own id")]
    Duplicate {
        /// The name.
        id: String,
    },
    /// The limits leave no room for a consultation.
    #[error("limits.turns is 0, legal is 1 or more")]
    NoTurns,
}

/// One held-out patient.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldOutCase {
    /// In what way it is new.
    pub part: Part,
    /// The case.
    pub case: Case,
    /// What the patient plays from.
    pub script: PatientScript,
    /// How the patient takes part.
    pub mode: Mode,
    /// For the doctor's own draws, where it draws.
    pub doctor_seed: u64,
}

/// Held-out patients, set up so that every doctor meets the same people.
///
/// Persona, wording and the doctor's seed follow from the seed and from what is in the case, not from its place, so a
/// case plays the same alone as among others.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldOut {
    seed: u64,
    limits: Limits,
    cases: Vec<HeldOutCase>,
}

impl HeldOut {
    /// Sets up `cases`.
    pub fn new(cases: Vec<(Part, Case)>, limits: Limits, seed: u64) -> Result<Self, HeldOutError> {
        if cases.is_empty() {
            return Err(HeldOutError::Empty);
        }
        if limits.turns == 0 {
            return Err(HeldOutError::NoTurns);
        }
        let mut ids = BTreeSet::new();
        if let Some((_, case)) = cases.iter().find(|(_, case)| !ids.insert(case.id.as_str())) {
            return Err(HeldOutError::Duplicate { id: case.id.clone() });
        }
        let cases = cases.into_iter().map(|(part, case)| set_up(part, case, seed)).collect();
        Ok(Self { seed, limits, cases })
    }

    /// Sets up both held-out parts of `split`: new patients, then new presentations.
    pub fn of_split(split: &Split, limits: Limits, seed: u64) -> Result<Self, HeldOutError> {
        let patients = split.heldout_patients.iter().map(|case| (Part::Patients, case.clone()));
        let presentations =
            split.heldout_presentations.iter().map(|case| (Part::Presentations, case.clone()));
        Self::new(patients.chain(presentations).collect(), limits, seed)
    }

    /// The same people, who take part as `initiative` says. What is drawn of it is drawn by the seed and the case, from a generator of its
    /// own. Scripted doctors do not read what only the doctor finds said; judges do.
    pub fn in_mode(self, initiative: Initiative) -> Self {
        self.in_mode_among(initiative, Interruption::bundled())
    }

    /// The same with `interruptions` in place of osler's own.
    pub fn in_mode_among(self, initiative: Initiative, interruptions: &[Interruption]) -> Self {
        let cases = self.cases.into_iter().map(|it| {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ 0x6d6f_6465);
            rng.set_stream(content_hash(&it.case) as u64);
            let seed = rng.next_u64();
            let mode = initiative.mode(seed).interrupted_by(interruptions, seed);
            HeldOutCase { script: it.script.in_mode(&mode), mode, ..it }
        });
        Self { cases: cases.collect(), ..self }
    }

    /// What it was set up with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How long consultations may be.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The patients, in order.
    pub fn cases(&self) -> &[HeldOutCase] {
        &self.cases
    }

    /// All consultations at their opening, to be played turn by turn. Their places are those of [`Self::cases`].
    pub fn open(&self) -> BatchedConsultations<'_> {
        let patients = self.cases.iter().map(|it| Patient::new(&it.script, self.limits)).collect();
        BatchedConsultations::new(patients, self.limits.turns)
    }

    /// Plays all consultations, each with a doctor of its own, made from the case and a seed. In order of
    /// [`Self::cases`].
    pub fn play(
        &self,
        doctor: impl FnMut(&Case, u64) -> Box<dyn Doctor>,
    ) -> Result<Vec<Consultation>, BatchError> {
        self.play_by(doctor, |batch, messages| {
            messages.iter().try_for_each(|(index, message)| batch.answer(*index, message).map(drop))
        })
    }

    /// [`Self::play`] with patients who reply by `answer`: it is given all messages of a round, each with the place of its consultation, and
    /// carries these on.
    pub(super) fn play_by<E>(
        &self,
        mut doctor: impl FnMut(&Case, u64) -> Box<dyn Doctor>,
        mut answer: impl FnMut(&mut BatchedConsultations<'_>, &[(usize, String)]) -> Result<(), E>,
    ) -> Result<Vec<Consultation>, E> {
        let mut doctors: Vec<Box<dyn Doctor>> =
            self.cases.iter().map(|it| doctor(&it.case, it.doctor_seed)).collect();
        let mut batch = self.open();
        while !batch.is_over() {
            let messages: Vec<(usize, String)> = batch
                .open_histories()
                .into_iter()
                .filter_map(|(index, so_far)| Some((index, doctors.get_mut(index)?.speak(so_far))))
                .collect();
            answer(&mut batch, &messages)?;
        }
        Ok(batch.into_consultations())
    }
}

fn set_up(part: Part, case: Case, seed: u64) -> HeldOutCase {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // Half of the hash tells cases apart well enough: a stream shared by chance would only repeat a persona.
    rng.set_stream(content_hash(&case) as u64);
    let persona = Persona::draw(rng.next_u64());
    let script = PatientScript::of_case(&case, Lexicon::bundled(), persona, rng.next_u64());
    HeldOutCase { part, script, mode: Mode::default(), doctor_seed: rng.next_u64(), case }
}
