//! How runs and checkpoints are kept on a disk: what a write must survive, and what is said where one is refused.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::files::{self, Disk, Fsync, Mode, Options, ReplaceError, Writers};

/// A file operation that the operating system refused.
#[derive(Debug, Error)]
#[error("{} could not be {action}: {source}.{}", .file.display(), advice(.source))]
pub struct DiskError {
    /// Which file or folder.
    pub file: PathBuf,
    /// What was being done to it, e.g. `written`.
    pub action: &'static str,
    /// What the operating system said.
    pub source: io::Error,
}

impl DiskError {
    /// For `map_err`: names the file and what was being done to it.
    pub(crate) fn on(file: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |source| Self { file, action, source }
    }
}

impl From<ReplaceError> for DiskError {
    fn from(ReplaceError { path, action, source }: ReplaceError) -> Self {
        Self { file: path, action, source }
    }
}

/// What can be done about it, as a sentence with a space before it; empty where there is nothing to add.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull => {
            " The disk is full: free some space, or choose a folder on another disk with --out. Everything up to \
             the last checkpoint is kept, so the run can be resumed."
        }
        ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            " A limit on your files is reached: remove some, or choose another folder with --out. Everything up to \
             the last checkpoint is kept, so the run can be resumed."
        }
        ErrorKind::ReadOnlyFilesystem => {
            " The file system takes no writes: choose a folder elsewhere with --out."
        }
        ErrorKind::PermissionDenied => {
            " You may not write there: change the folder's permissions, or choose another with --out."
        }
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists | ErrorKind::IsADirectory => {
            " Something else of that name is in the way: move it, or choose another folder with --out."
        }
        _ => "",
    }
}

/// What a finished write must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The end of the process, however sudden. Costs no waiting for the disk; after a power cut the newest
    /// checkpoints may be damaged, which is found out when they are loaded.
    Process,
    /// A power cut: every file is on the disk before its name is.
    #[default]
    PowerCut,
    /// The end of the process always, and a power cut but for the checkpoints of this much time before it: one is flushed
    /// to the disk when the last that was lies so far back, and stays until another is. What else is written is flushed.
    Within(Duration),
}

impl Durability {
    /// Whether what is not written every moment is flushed to the disk.
    pub(crate) fn flushes(self) -> bool {
        self != Self::Process
    }
}

/// Replaces a whole file: whatever happens, either the old contents are there or the new ones.
///
/// Only one process may write `path` at a time; the lock of the run directory sees to that.
pub(crate) fn write_atomically(
    disk: &dyn Disk,
    durability: Durability,
    path: &Path,
    contents: &[u8],
) -> Result<(), DiskError> {
    let fsync = if durability.flushes() { Fsync::FileAndFolder } else { Fsync::Nothing };
    let options = Options { fsync, mode: Mode::Open, writers: Writers::One };
    Ok(files::replace_on(disk, path, options, contents)?)
}

/// Makes the name of `path` survive what `durability` says.
fn sync_parent(disk: &dyn Disk, durability: Durability, path: &Path) -> Result<(), DiskError> {
    match path.parent() {
        Some(parent) if durability.flushes() => sync_dir(disk, parent),
        _ => Ok(()),
    }
}

/// Makes the names in a folder survive a power cut, naming the folder in the error.
pub(crate) fn sync_dir(disk: &dyn Disk, dir: &Path) -> Result<(), DiskError> {
    Ok(files::sync_folder(disk, dir)?)
}

/// Writes a file under its own name.
pub(crate) fn write_file(
    disk: &dyn Disk,
    durability: Durability,
    path: &Path,
    contents: &[u8],
) -> Result<(), DiskError> {
    let mut file = disk.create(path, files::OPEN).map_err(DiskError::on(path, "created"))?;
    file.write(contents).map_err(DiskError::on(path, "written"))?;
    if durability.flushes() {
        file.sync().map_err(DiskError::on(path, "flushed to disk"))?;
    }
    Ok(())
}

/// Makes a folder and those above it that are missing.
pub(crate) fn create_dir_all(disk: &dyn Disk, durability: Durability, path: &Path) -> Result<(), DiskError> {
    if path.is_dir() || path.as_os_str().is_empty() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_dir_all(disk, durability, parent)?;
    }
    match disk.create_dir(path) {
        // Another process may have made it since.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        made => made.map_err(DiskError::on(path, "created"))?,
    }
    sync_parent(disk, durability, path)
}

/// Reads a whole file that is not expected to be longer than `most` bytes; a longer one is cut there, so its caller
/// must compare lengths.
pub(crate) fn read_at_most(path: &Path, most: u64) -> Result<Vec<u8>, DiskError> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map_err(DiskError::on(path, "read"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::files::RealDisk;

    #[test]
    fn a_file_is_replaced_and_what_is_in_the_way_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write_atomically(&RealDisk, Durability::PowerCut, &path, b"old").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        write_atomically(&RealDisk, Durability::Process, &path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        // A folder stands where the file should be.
        let taken = dir.path().join("folder");
        fs::create_dir(&taken).unwrap();
        let error = write_atomically(&RealDisk, Durability::PowerCut, &taken, b"new").unwrap_err();
        assert_eq!((error.file.as_path(), error.action), (taken.as_path(), "put in place"));
        let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["file", "folder"], "the temporary file is gone");
    }

    #[test]
    fn folders_are_made_and_a_file_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        create_dir_all(&RealDisk, Durability::PowerCut, &deep).unwrap();
        create_dir_all(&RealDisk, Durability::PowerCut, &deep).unwrap();
        assert!(deep.is_dir());
        fs::write(dir.path().join("file"), "").unwrap();
        let error = create_dir_all(&RealDisk, Durability::PowerCut, &dir.path().join("file/d")).unwrap_err();
        assert!(error.to_string().contains("--out"), "{error}");
        let error = create_dir_all(&RealDisk, Durability::PowerCut, &dir.path().join("file")).unwrap_err();
        assert!(error.to_string().contains("in the way"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_as_one() {
        let full = Path::new("/dev/full");
        if !full.exists() {
            eprintln!("skipped: there is no /dev/full here");
            return;
        }
        let error = write_file(&RealDisk, Durability::Process, full, b"anything").unwrap_err();
        assert_eq!(error.source.kind(), ErrorKind::StorageFull);
        let message = error.to_string();
        for part in ["/dev/full could not be written", "disk is full", "free some space", "resumed"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn refusals_say_what_to_do() {
        for kind in [ErrorKind::ReadOnlyFilesystem, ErrorKind::PermissionDenied, ErrorKind::QuotaExceeded] {
            let source = io::Error::from(kind);
            let error = DiskError { file: "runs/a/001/metrics.jsonl".into(), action: "written", source };
            let message = error.to_string();
            assert!(message.starts_with("runs/a/001/metrics.jsonl could not be written: "), "{message}");
            assert!(message.contains("--out"), "{message}");
        }
    }
}
