//! What can be wrong with a checkpoint.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

use super::disk::DiskError;
use crate::model::weights::list;

/// Why a checkpoint was not written or not read.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The operating system refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A file of it is not as it was written.
    #[error("{} is damaged: {what}. {}", .file.display(), fallback(.previous))]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
        /// The newest sound checkpoint before it, if there is one.
        previous: Option<PathBuf>,
    },
    /// The folder holds no checkpoint.
    #[error("{} is not a checkpoint: {what}. {}", .folder.display(), other(.newest))]
    NotACheckpoint {
        /// Which folder.
        folder: PathBuf,
        /// What is missing.
        what: &'static str,
        /// The newest checkpoint beside it, if there is one.
        newest: Option<PathBuf>,
    },
    /// Written in a form that this version does not know.
    #[error(
        "{} has the form {found}, written by osler {version}; this version reads form {legal}. Resume with that \
         version.",
        .file.display()
    )]
    Format {
        /// Which file.
        file: PathBuf,
        /// Its form.
        found: u64,
        /// The form that is read here.
        legal: u32,
        /// The version that wrote it.
        version: String,
    },
    /// Tensors that do not match what is to be trained, all of them at once.
    #[error("{} does not fit the model, in {} tensor(s):{}", .file.display(), .problems.len(), list(.problems))]
    Tensors {
        /// Which file.
        file: PathBuf,
        /// What is wrong, a tensor a line.
        problems: Vec<TensorProblem>,
    },
    /// Tensors that cannot be written as given.
    #[error("the checkpoint {} cannot be written: {what}.", .folder.display())]
    Layout {
        /// Which checkpoint.
        folder: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// One tensor that is not what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TensorProblem {
    /// It is not in the checkpoint.
    Missing {
        /// Its name.
        tensor: String,
    },
    /// It is in the checkpoint only.
    Unexpected {
        /// Its name.
        tensor: String,
    },
    /// It has another shape.
    Shape {
        /// Its name.
        tensor: String,
        /// In the checkpoint.
        found: Vec<usize>,
        /// In what is to be trained.
        expected: Vec<usize>,
    },
}

impl fmt::Display for TensorProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { tensor } => write!(f, "`{tensor}` is missing"),
            Self::Unexpected { tensor } => write!(f, "`{tensor}` is not part of what is trained"),
            Self::Shape { tensor, found, expected } => {
                write!(f, "`{tensor}` has the shape {found:?}; expected: {expected:?}")
            }
        }
    }
}

fn fallback(previous: &Option<PathBuf>) -> String {
    match previous {
        Some(path) => format!("Resume from the newest sound one before it instead: {}", path.display()),
        None => {
            "No earlier checkpoint is sound; put the file back as it was, or start the run anew.".to_owned()
        }
    }
}

fn other(newest: &Option<PathBuf>) -> String {
    match newest {
        Some(path) => format!("The newest one there is {}", path.display()),
        None => "There is none beside it either.".to_owned(),
    }
}
