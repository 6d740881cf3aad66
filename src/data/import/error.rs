//! Why an import stopped.

use std::io;

use thiserror::Error;

use crate::data::phi::{PhiRefusal, Place};

/// Why an import stopped. With [`ImportOptions::skip_bad`](super::ImportOptions) those of one record are counted instead.
#[derive(Debug, Error)]
pub enum ImportError {
    /// A file or folder could not be read.
    #[error("{file}: {source}")]
    Read {
        /// The file as the user named it.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file that has to be held whole is too large.
    #[error("{file} has {found} bytes; legal are at most {limit} (split the bundle, or export NDJSON)")]
    FileTooLarge {
        /// The file as the user named it.
        file: String,
        /// Its size.
        found: u64,
        /// The most that is read.
        limit: u64,
    },
    /// A line is too long.
    #[error("{place}: the line has more than {limit} bytes, which is the longest legal")]
    LineTooLong {
        /// File and line.
        place: Place,
        /// The longest legal.
        limit: usize,
    },
    /// What is held of an export for patients not yet complete is too much.
    #[error(
        "{file}: more than {limit} bytes are held for patients not complete; import fewer patients at a time"
    )]
    TooMuchHeld {
        /// The file that was being read.
        file: String,
        /// The most that is held.
        limit: u64,
    },
    /// Not JSON, or not UTF-8, or nested too deeply, or with a field twice.
    #[error("{place}: not JSON: {problem}")]
    NotJson {
        /// File and line or entry.
        place: Place,
        /// What the parser said, with its column.
        problem: String,
    },
    /// JSON, but not of the documented shape.
    #[error("{place}: {field} is {found}; legal: {legal}")]
    Shape {
        /// File and line or entry.
        place: Place,
        /// The field, as a dotted path.
        field: String,
        /// What was found, shortened.
        found: String,
        /// What is legal.
        legal: String,
    },
    /// The PHI gate refused the record.
    #[error("{place}: {refusal}")]
    Phi {
        /// File and line or entry.
        place: Place,
        /// Every suspicious place.
        refusal: PhiRefusal,
    },
    /// No format fits the path.
    #[error(
        "{file}: {problem}; legal: .json (FHIR bundle), .ndjson (FHIR export), .jsonl (cases, OSCE or mediQ), or a folder of these"
    )]
    Format {
        /// The path as the user named it.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Nothing was read at all.
    #[error("{paths}: no record in it")]
    Empty {
        /// The paths as the user named them.
        paths: String,
    },
}

impl ImportError {
    /// Whether only one record is bad, so that the import can go on without it.
    pub fn is_of_one_record(&self) -> bool {
        matches!(
            self,
            Self::LineTooLong { .. } | Self::NotJson { .. } | Self::Shape { .. } | Self::Phi { .. }
        )
    }

    /// The reason in a few words, for the account.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::LineTooLong { .. } => "line too long",
            Self::NotJson { .. } => "not JSON",
            Self::Shape { .. } => "not of the documented shape",
            Self::Phi { .. } => "refused by the PHI gate",
            _ => "could not be read",
        }
    }
}

/// A value as an error shows it: its kind, and its beginning where it is short and holds no text of a record.
pub(super) fn found(value: Option<&serde_json::Value>) -> String {
    use serde_json::Value;
    match value {
        None => "missing".to_owned(),
        Some(Value::Null) => "null".to_owned(),
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(Value::Number(number)) => number.to_string(),
        // Texts may identify somebody, and errors go into logs.
        Some(Value::String(text)) => format!("a text of {} bytes", text.len()),
        Some(Value::Array(items)) => format!("a list of {}", items.len()),
        Some(Value::Object(_)) => "an object".to_owned(),
    }
}
