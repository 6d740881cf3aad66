//! What can be wrong with a bank file, and with a request for patients.

use std::fmt;

use crate::data::case::{AgeBand, Severity, Sex};
use crate::data::lexicon::ConceptKind;

/// One thing wrong in a bank file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{file}:{line}: {field}: {problem}")]
pub struct BankError {
    /// The file, as it was named to the parser.
    pub file: String,
    /// 1-based; the line of the entry the field belongs to.
    pub line: usize,
    /// The field, e.g. `acs.chest pain.onset`.
    pub field: String,
    /// What is wrong with it.
    pub problem: BankProblem,
}

/// Everything wrong with a set of bank files.
#[derive(Debug, Clone, PartialEq)]
pub struct BankErrors(pub Vec<BankError>);

impl fmt::Display for BankErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for BankErrors {}

/// Kinds of faults.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BankProblem {
    /// Not TOML of the documented shape.
    #[error("{0}")]
    Shape(String),
    /// A name that is not in the lexicon.
    #[error("`{0}` is not in the lexicon")]
    UnknownConcept(String),
    /// A name that means another kind of thing.
    #[error("`{name}` is a {found:?} in the lexicon, legal here is {legal:?}")]
    WrongKind {
        /// The concept.
        name: String,
        /// Its kind.
        found: ConceptKind,
        /// What may stand here.
        legal: Vec<ConceptKind>,
    },
    /// A name that must be unique is used again.
    #[error("`{0}` is there twice")]
    Twice(String),
    /// A list is too short.
    #[error("has {found} entries, at least {least} are needed")]
    TooFew {
        /// How many there are.
        found: usize,
        /// How many there must be.
        least: usize,
    },
    /// An id with letters that ids may not have.
    #[error("`{0}` is not an id, legal are lower-case letters, digits, `-` and, in a specialty, `_`")]
    Id(String),
    /// A pool that does not exist.
    #[error("`@{0}` names no pool of wordings")]
    UnknownPool(String),
    /// A wording with too many or too few parts.
    #[error("a wording of {0} parts, legal is \"chart\", [chart, said] or [chart, said, when]")]
    Parts(usize),
    /// A wording without the part its place needs.
    #[error("the wording `{text}` {problem}")]
    Words {
        /// Its chart text.
        text: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A number range that cannot be drawn from.
    #[error("`{0}` is no range, legal is {{low-high}} with low at most high")]
    Range(String),
    /// A condition word that means nothing.
    #[error("`{0}` is no condition, legal are severities, sexes and age bands")]
    When(String),
    /// A probability outside 0 to 1.
    #[error("{0} is no probability, legal is above 0 and at most 1")]
    Chance(f64),
    /// Ages the wrong way round or too high.
    #[error("ages {0} to {1} are no range, legal is low at most high and high at most 90")]
    Ages(u32, u32),
    /// A reference to a fact that no patient of this presentation has.
    #[error("`{0}` is no fact of this presentation")]
    UnknownFact(String),
    /// Some patients would have no wording for a fact that each has.
    #[error("no wording fits a patient who is {severity:?}, {sex:?}, {band:?}")]
    NoWording {
        /// Severity of the patient.
        severity: Severity,
        /// Sex of the patient.
        sex: Sex,
        /// Age band of the patient.
        band: AgeBand,
    },
    /// The words name what must stay hidden.
    #[error("`{text}` names the diagnosis (`{name}`)")]
    Leak {
        /// The words.
        text: String,
        /// The name of the diagnosis in them.
        name: String,
    },
    /// Too many or too few essential facts.
    #[error("{found} essential facts (the allergy included), legal is 4 to 9")]
    Essential {
        /// How many a patient may have.
        found: usize,
    },
    /// A fact that each case needs is missing.
    #[error("there is no {0}")]
    Missing(&'static str),
}

/// What is wrong with a request for patients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SynthError {
    /// A name that the bank does not have.
    #[error("{field} is `{found}`, legal is one of: {legal}")]
    Unknown {
        /// `specialties` or `presentations`.
        field: &'static str,
        /// The name.
        found: String,
        /// What the bank has.
        legal: String,
    },
    /// The filters leave nobody.
    #[error("no presentation of the bank has a patient of that specialty, age, sex and severity")]
    Nobody,
    /// No more distinct patients could be drawn.
    #[error("only {found} distinct patients could be drawn, {wanted} were asked for")]
    Exhausted {
        /// How many there are.
        found: usize,
        /// How many were asked for.
        wanted: usize,
    },
    /// The share of presentations to hold out is not a share.
    #[error("holdout is {0}, legal is above 0 and below 1")]
    Holdout(String),
    /// A split without cases to train on.
    #[error("{field} is 0, at least 1 is needed")]
    Zero {
        /// The part that is empty.
        field: &'static str,
    },
    /// A specialty could not be kept in both parts.
    #[error("{specialty} has one presentation, at least 2 are needed to hold one out")]
    OnePresentation {
        /// The specialty.
        specialty: String,
    },
}
