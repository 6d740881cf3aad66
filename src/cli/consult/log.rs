//! What happened in each turn, a line of JSON each.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::sim::TurnLog;

/// A file that lines are added to, each whole.
pub struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Opens a file to add to, which is made where it is not there.
    pub fn open(path: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let file = OpenOptions::new().append(true).create(true).open(path);
        let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Adds a turn.
    pub fn add(&mut self, turn: &TurnLog) -> Result<(), Box<dyn std::error::Error>> {
        // It is one write to the end of the file, so that a line is never torn by another.
        let written = turn.write_line(&mut self.file);
        written.map_err(|error| format!("{}: {error}", self.path.display()).into())
    }
}
