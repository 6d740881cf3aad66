//! What a run is begun or taken up with.

use std::path::Path;

use crate::train::checkpoint::Checkpoint;
use crate::train::run::{Resumed, RunDirectory, RunError};

/// What a run is begun or taken up with.
#[derive(Debug)]
pub enum Start {
    /// A folder with nothing in it yet.
    New(RunDirectory),
    /// A run that is to go on.
    Again(Resumed),
}

impl Start {
    /// The run's folder.
    pub fn dir(&self) -> &Path {
        match self {
            Self::New(run) => run.dir(),
            Self::Again(resumed) => resumed.dir(),
        }
    }

    /// Where a run that goes on stands.
    pub(super) fn checkpoint(&self) -> Option<&Checkpoint> {
        match self {
            Self::New(_) => None,
            Self::Again(resumed) => resumed.checkpoint(),
        }
    }

    /// The folder to write in. Of a run that goes on, what lies beyond its checkpoint is removed.
    pub(super) fn take_up(self) -> Result<RunDirectory, RunError> {
        match self {
            Self::New(run) => Ok(run),
            Self::Again(resumed) => resumed.take_up(),
        }
    }
}
