//! The bytes of one weight file: mapped from disk, or held in memory.

use std::fs::File;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use memmap2::Mmap;

use super::WeightsError;

/// A weight file's bytes and the path that names it in errors. Cloning shares the bytes.
///
/// A mapped file must not be shortened while it is in use: the operating system ends a process that reads
/// past the new end. Weight files are replaced by renaming (as the exporter does), never rewritten in place.
#[derive(Debug, Clone)]
pub struct FileImage {
    /// Where the bytes came from.
    pub path: PathBuf,
    /// All bytes of the file.
    pub bytes: Bytes,
}

impl FileImage {
    /// Bytes already in memory, under the name `path`.
    pub fn new(path: impl Into<PathBuf>, bytes: impl Into<Bytes>) -> Self {
        Self { path: path.into(), bytes: bytes.into() }
    }

    /// Maps a file read-only; pages are read as they are touched.
    pub fn map(path: &Path) -> Result<Self, WeightsError> {
        let failed = |source| WeightsError::Io { file: path.to_owned(), action: "opened", source };
        let file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.is_dir() {
            return Err(failed(std::io::Error::from(std::io::ErrorKind::IsADirectory)));
        }
        // SAFETY: the map is private to this process and only read. Another process shortening the file while
        // it is mapped would end this one with a signal, as the type's documentation says; no safe reader
        // avoids that without copying the model.
        let map = unsafe { Mmap::map(&file) }.map_err(failed)?;
        Ok(Self::new(path, Bytes::from_owner(map)))
    }

    /// Length of the file in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
}
