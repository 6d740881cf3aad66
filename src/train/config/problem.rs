//! What can be wrong with a run's configuration.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Line of the file, from 1.
    Line(usize),
    /// An override, `key=value` as it was given.
    Set(String),
    /// Nowhere: the field is absent.
    Absent,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}: "),
            Self::Set(text) => write!(f, "--set {}: ", shorten(text)),
            Self::Absent => Ok(()),
        }
    }
}

/// One thing that cannot stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The field with its path, `stage.rl.lr`, as `--set` takes it.
    pub field: String,
    /// Where it stands.
    pub place: Place,
    /// What is there, shortened; `nothing` where the field is absent.
    pub found: String,
    /// What would be accepted.
    pub legal: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}`{}` is {}; legal: {}", self.place, self.field, self.found, self.legal)
    }
}

/// Why a configuration was refused.
#[derive(Debug, Error)]
pub enum ConfigErrors {
    /// The file could not be read.
    #[error("{file} could not be read: {source}")]
    Read {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is longer than any configuration.
    #[error("{file} holds {bytes} bytes; a run's configuration holds at most {most}")]
    TooLong {
        /// The file.
        file: PathBuf,
        /// Its length in bytes.
        bytes: u64,
        /// The longest that is read.
        most: u64,
    },
    /// Everything that cannot stand, at once.
    #[error("{file} cannot be used, for {} reason(s):{}", .problems.len(), list(.problems))]
    Problems {
        /// The file.
        file: PathBuf,
        /// Every problem: what is wrong with overrides first, then in the order of the reference, then what does not fit
        /// together.
        problems: Vec<Problem>,
    },
}

impl ConfigErrors {
    /// The problems, where the text could be read at all.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Problems { problems, .. } => problems,
            Self::Read { .. } | Self::TooLong { .. } => &[],
        }
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  - {problem}")).collect()
}

/// Cuts a quoted value so that a hostile file cannot fill the terminal.
pub(super) fn shorten(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}...", text.get(..cut).unwrap_or_default()),
        None => text.to_owned(),
    }
}
