//! The case bank: presentations written by this project, and any number of patients drawn from them.
//!
//! A presentation says what its patients have and how they may put it; a patient is one choice of all that, made by
//! a seed. `data/README.md` explains the files.

use std::sync::LazyLock;

mod check;
mod dice;
mod divide;
mod draw;
mod entry;
pub mod error;
pub mod hash;
mod items;
mod load;
pub mod presentation;
pub mod split;
pub mod stats;
pub mod synth;
mod wording;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_errors;

pub use divide::divide;
pub use error::{BankError, BankErrors, BankProblem, SynthError};
pub use hash::content_hash;
pub use presentation::Presentation;
pub use split::{Split, SplitOptions};
pub use stats::{CaseStats, Spread, stats};
pub use synth::{MOST_PATIENTS, SynthOptions};
pub use wording::name_in;

use crate::data::case::Case;
use crate::data::lexicon::Lexicon;
use load::Loader;
use presentation::Common;

/// The bundled file of what all patients share.
const COMMON: (&str, &str) = ("data/bank/common.toml", include_str!("../../../data/bank/common.toml"));

/// The bundled presentations, one file a specialty.
const SPECIALTIES: &[(&str, &str)] = &[
    ("data/bank/cardiology.toml", include_str!("../../../data/bank/cardiology.toml")),
    ("data/bank/dermatology.toml", include_str!("../../../data/bank/dermatology.toml")),
    ("data/bank/endocrinology.toml", include_str!("../../../data/bank/endocrinology.toml")),
    ("data/bank/gastroenterology.toml", include_str!("../../../data/bank/gastroenterology.toml")),
    ("data/bank/general_practice.toml", include_str!("../../../data/bank/general_practice.toml")),
    ("data/bank/gynaecology.toml", include_str!("../../../data/bank/gynaecology.toml")),
    ("data/bank/musculoskeletal.toml", include_str!("../../../data/bank/musculoskeletal.toml")),
    ("data/bank/neurology.toml", include_str!("../../../data/bank/neurology.toml")),
    ("data/bank/paediatrics.toml", include_str!("../../../data/bank/paediatrics.toml")),
    ("data/bank/psychiatry.toml", include_str!("../../../data/bank/psychiatry.toml")),
    ("data/bank/respiratory.toml", include_str!("../../../data/bank/respiratory.toml")),
    ("data/bank/urology.toml", include_str!("../../../data/bank/urology.toml")),
];

/// Presentations, and what their patients share.
#[derive(Debug, Clone)]
pub struct Bank {
    presentations: Vec<Presentation>,
    common: Common,
    lexicon: Lexicon,
}

impl Bank {
    /// The bank that comes with osler.
    ///
    /// # Panics
    /// If a bundled file is broken, which a test rules out.
    pub fn bundled() -> &'static Self {
        static BUNDLED: LazyLock<Bank> = LazyLock::new(|| {
            Bank::parse(COMMON, SPECIALTIES, Lexicon::bundled())
                .unwrap_or_else(|errors| panic!("the bundled case bank is broken:\n{errors}"))
        });
        &BUNDLED
    }

    /// A bank from the common file and one file a specialty, each a name (for messages) and its text.
    pub fn parse(
        common: (&str, &str),
        specialties: &[(&str, &str)],
        lexicon: &Lexicon,
    ) -> Result<Self, BankErrors> {
        let mut loader = Loader::new(lexicon);
        loader.common(common.0, common.1);
        // Entries refer to the common file, so its faults would be reported again at each of them.
        if loader.errors.is_empty() {
            for (name, text) in specialties {
                loader.specialty(name, text);
            }
        }
        if loader.errors.is_empty() {
            let Loader { common, presentations, .. } = loader;
            Ok(Self { presentations, common, lexicon: lexicon.clone() })
        } else {
            Err(BankErrors(loader.errors))
        }
    }

    /// All presentations, in the order of the files.
    pub fn presentations(&self) -> &[Presentation] {
        &self.presentations
    }

    /// The presentation called `id`.
    pub fn presentation(&self, id: &str) -> Option<&Presentation> {
        self.presentations.iter().find(|it| it.id == id)
    }

    /// Draws distinct patients; the same seed and options give the same ones.
    pub fn synth(&self, seed: u64, options: &SynthOptions) -> Result<Vec<Case>, SynthError> {
        synth::Synth::new(self, seed, options)?.take(options.count)
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn lexicon(&self) -> &Lexicon {
        &self.lexicon
    }
}
