//! What can be wrong with a model configuration.

use std::fmt;
use std::path::PathBuf;

/// One field that cannot stand as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// The field's name in the file, with the path to it (`rope_scaling.factor`, `llama.block_count`).
    pub field: String,
    /// What the file holds there, shortened; `nothing` where the field is absent.
    pub found: String,
    /// What would be accepted.
    pub legal: String,
}

impl FieldProblem {
    /// A problem with `field`; `found` is cut to a readable length.
    pub(crate) fn new(field: impl Into<String>, found: impl fmt::Display, legal: impl Into<String>) -> Self {
        Self { field: field.into(), found: shorten(&found.to_string()), legal: legal.into() }
    }
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is {}; legal: {}", self.field, self.found, self.legal)
    }
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{file} could not be read: {source}.")]
    Read {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is longer than any configuration.
    #[error("{file} holds {bytes} bytes; a model configuration holds at most {limit}.")]
    TooLong {
        /// The file.
        file: PathBuf,
        /// Its length in bytes.
        bytes: u64,
        /// The longest that is read.
        limit: u64,
    },
    /// The text is not one JSON object.
    #[error("{file} is not one JSON object: {reason}.")]
    NotAnObject {
        /// The file.
        file: PathBuf,
        /// Where the JSON breaks and why.
        reason: String,
    },
    /// Fields that cannot stand, all of them at once.
    #[error("{file} cannot be used, for {} reason(s):{}", .problems.len(), list(.problems))]
    Fields {
        /// The file (or the name of what was checked).
        file: PathBuf,
        /// Every problem found.
        problems: Vec<FieldProblem>,
    },
}

fn list(problems: &[FieldProblem]) -> String {
    problems.iter().map(|problem| format!("\n  - {problem}")).collect()
}

/// Cuts a quoted value so that a hostile file cannot fill the terminal.
fn shorten(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text.to_owned(),
    }
}
