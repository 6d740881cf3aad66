//! Which patients the run meets.

use std::path::PathBuf;

use super::legal::Legal;
use super::part::named;
use super::section::section;
use crate::data::bank::{MOST_PATIENTS, SplitOptions};
use crate::data::phi::{FreeText, PhiPolicy};

section! {
    /// The cases, and how they are split. No patient is in two parts.
    pub struct Data {
        /// JSON Lines files of cases (`osler cases import` makes them). None draws patients from the bundled bank. Paths are
        /// relative to the folder the command runs in.
        cases: Vec<PathBuf> = Vec::new(), Legal::PATHS, "", "chosen here";
        /// Patients to train on; of files, at most so many.
        train: usize = 2000, Legal::Whole { least: 1, most: MOST_PATIENTS as u64 }, "patients", "chosen here";
        /// Patients held out whose presentations are trained on.
        heldout_patients: usize = 100, Legal::Whole { least: 0, most: MOST_PATIENTS as u64 }, "patients", "chosen here";
        /// Patients held out whose presentations are never trained on.
        heldout_presentations: usize = 100, Legal::Whole { least: 0, most: MOST_PATIENTS as u64 }, "patients",
            "chosen here";
        /// Share of each specialty's presentations that is never trained on, at least one.
        holdout: f64 = 0.2, Legal::BETWEEN, "", "chosen here";
        /// The doctor's messages in a consultation at most; the last of them ends it.
        turn_limit: usize = 12, Legal::Whole { least: 1, most: 1000 }, "messages", "chosen here";
        /// The patient leaves after so many messages in a row that repeat or cannot be understood.
        patience: usize = 3, Legal::Whole { least: 1, most: 1000 }, "messages", "chosen here";
    }
}

impl Data {
    /// How patients are drawn from the bundled bank.
    pub fn split(&self) -> SplitOptions {
        SplitOptions {
            train: self.train,
            heldout_patients: self.heldout_patients,
            heldout_presentations: self.heldout_presentations,
            holdout: self.holdout,
        }
    }
}

named!(
    FreeText, FREE_TEXT:
    "refuse" => FreeText::Refuse, "redact" => FreeText::Redact, "allow" => FreeText::Allow,
);

section! {
    /// The gate that keeps identifiers of persons out. It stands before every case that is read from a file; what is set here
    /// is recorded with the run.
    pub struct Phi {
        /// What happens to a record whose free text looks as if it identified somebody: it is refused with the place named
        /// (`refuse`), what was found is blanked (`redact`), or it passes and every place is recorded (`allow`).
        free_text: FreeText = FreeText::Refuse, Legal::Choice(FREE_TEXT), "", "45 CFR 164.514(b)(2)";
    }
}

impl Phi {
    /// The gate's policy. `seed` is the key of the date shift, which is a secret and so no part of a configuration.
    pub fn policy(&self, seed: u64) -> PhiPolicy {
        PhiPolicy { free_text: self.free_text, seed }
    }
}
