//! What can be wrong with a run directory.

use std::path::PathBuf;

use thiserror::Error;

use crate::train::checkpoint::{CheckpointError, DiskError};

/// Why a run could not be begun, written down or resumed.
#[derive(Debug, Error)]
pub enum RunError {
    /// The operating system refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A checkpoint was not written or not read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A name that is no folder's.
    #[error(
        "the run's name is {found:?}; legal: 1 to 100 letters, digits, `.`, `_` and `-`, the first a letter or digit"
    )]
    Name {
        /// The name.
        found: String,
    },
    /// Another process writes this run.
    #[error(
        "{} is being written by {}. Wait until it ends or stop it, or choose another folder with --out.",
        .folder.display(),
        process(.pid)
    )]
    Locked {
        /// The run's folder.
        folder: PathBuf,
        /// The process, where it is known.
        pid: Option<u32>,
    },
    /// The folder for a new run holds something.
    #[error("{} {what}; a new run needs a new or empty folder: {advice}.", .folder.display())]
    Taken {
        /// The folder.
        folder: PathBuf,
        /// What is there.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// The folder holds no run to resume.
    #[error("{} holds no run that can be resumed: {what}.", .folder.display())]
    NotARun {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        what: String,
    },
    /// The configuration is not the one the checkpoint was made under.
    #[error(
        "{} has the checksum {found}, and {} was made under {expected}. A run goes on under the configuration it began \
         with: undo the change, or start a new run.",
        .file.display(),
        .checkpoint.display()
    )]
    ConfigChanged {
        /// The configuration.
        file: PathBuf,
        /// Its checksum.
        found: String,
        /// The checkpoint.
        checkpoint: PathBuf,
        /// The checksum it holds.
        expected: String,
    },
    /// A log does not hold what the checkpoint says it does.
    #[error(
        "{} has {found} bytes, and the first {expected} of them should be what {} covers: {what}. Put the file back as \
         it was, or {}.",
        .file.display(),
        .checkpoint.display(),
        instead(.earlier)
    )]
    Log {
        /// The log.
        file: PathBuf,
        /// How long it is.
        found: u64,
        /// How much the checkpoint covers.
        expected: u64,
        /// The checkpoint.
        checkpoint: PathBuf,
        /// What is wrong.
        what: &'static str,
        /// The newest earlier checkpoint that covers what is there.
        earlier: Option<PathBuf>,
    },
    /// A line of a log that is not what was written there.
    #[error("{} line {line} is not as it was written: {reason}", .file.display())]
    Line {
        /// The log.
        file: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A record that has no JSON form.
    #[error("a record for {} cannot be written as JSON: {source}", .file.display())]
    Record {
        /// The file it was for.
        file: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

fn instead(earlier: &Option<PathBuf>) -> String {
    match earlier {
        Some(path) => {
            format!("resume from the earlier checkpoint whose part of it is whole: {}", path.display())
        }
        None => "start a new run: no earlier checkpoint covers what it holds".to_owned(),
    }
}

fn process(pid: &Option<u32>) -> String {
    match pid {
        Some(pid) => format!("the process {pid}"),
        None => "another process".to_owned(),
    }
}
