//! A file that takes the place of another at once: written under a temporary name beside it, then renamed.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

use super::disk::{Disk, DiskFile, OPEN, RealDisk};

/// How many names are tried for a temporary file. Those that are taken were left by killed processes of the same number.
const MOST_TRIES: usize = 1000;
/// Read and written by its owner alone.
const PRIVATE: u32 = 0o600;

/// How a file is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// What is waited for.
    pub fsync: Fsync,
    /// Who may do what with the new file.
    pub mode: Mode,
    /// Who else may be writing it.
    pub writers: Writers,
}

/// What is flushed to the disk before a file counts as written. Whatever it is, the end of the process leaves a whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fsync {
    /// Nothing: after a power cut the file may be empty or torn.
    #[default]
    Nothing,
    /// Its contents: after a power cut it is whole, and may be the one before.
    File,
    /// Its contents, then its name: a power cut changes nothing.
    FileAndFolder,
}

/// Who may read and write the new file. Systems without Unix modes know only whether it is writable at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Whom the umask lets.
    #[default]
    Open,
    /// Its owner.
    Private,
    /// Whoever may with the file that it replaces; where there is none, as [`Mode::Open`].
    Kept,
}

/// Who may be writing one file at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Writers {
    /// Any number of threads and processes: each has a temporary name of its own, and the last one's file stays.
    #[default]
    Any,
    /// One, which its caller sees to by a lock. The temporary name is always the same, so the next write takes away what a
    /// killed one left.
    One,
}

/// Why a file was not replaced, or may not survive a power cut.
#[derive(Debug, Error)]
#[error("{} could not be {action}: {source}", .path.display())]
pub struct ReplaceError {
    /// The file that was to be replaced, or its folder where that could not be flushed.
    pub path: PathBuf,
    /// What was being done to it, e.g. `written`.
    pub action: &'static str,
    /// What the operating system said.
    pub source: io::Error,
}

impl ReplaceError {
    /// For `map_err`: names the file and what was being done to it.
    fn on(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { path, action, source }
    }
}

/// Replaces a file, or makes it: whatever happens, either the old contents are there or the new ones. A link is replaced
/// itself, not what it points to.
///
/// # Errors
///
/// What the operating system refused. The old file is as it was, but where the error names the folder: then the new one is in place
/// and a power cut may undo that.
pub fn replace(path: &Path, options: Options, contents: &[u8]) -> Result<(), ReplaceError> {
    replace_on(&RealDisk, path, options, contents)
}

/// As [`replace`], on a disk that may be one of tests.
///
/// # Errors
///
/// As [`replace`].
pub fn replace_on(
    disk: &dyn Disk,
    path: &Path,
    options: Options,
    contents: &[u8],
) -> Result<(), ReplaceError> {
    let kept = match options.mode {
        Mode::Kept => fs::metadata(path).ok().map(|there| there.permissions()),
        Mode::Open | Mode::Private => None,
    };
    // What will get the permissions of another is not to be read before.
    let mode = if options.mode == Mode::Private || kept.is_some() { PRIVATE } else { OPEN };
    let (temporary, file) =
        create_beside(disk, path, options.writers, mode).map_err(ReplaceError::on(path, "created"))?;
    let placed = fill(path, file, options.fsync, kept, contents)
        .and_then(|()| disk.rename(&temporary, path).map_err(ReplaceError::on(path, "put in place")));
    if placed.is_err() {
        // The first error is the one to tell.
        let _ = disk.remove_file(&temporary);
        return placed;
    }
    match path.parent() {
        Some(folder) if options.fsync == Fsync::FileAndFolder => sync_folder(disk, folder),
        _ => Ok(()),
    }
}

/// Whether [`replace`] can make its temporary file, which is taken away again: for what takes long to find out.
///
/// # Errors
///
/// As [`replace`].
pub fn probe(path: &Path) -> Result<(), ReplaceError> {
    let made = create_beside(&RealDisk, path, Writers::Any, PRIVATE);
    let (temporary, file) = made.map_err(ReplaceError::on(path, "created"))?;
    // Some systems remove no open file.
    drop(file);
    fs::remove_file(&temporary).map_err(ReplaceError::on(&temporary, "removed"))
}

/// Makes the names in a folder survive a power cut.
///
/// # Errors
///
/// The folder, where that is refused.
pub fn sync_folder(disk: &dyn Disk, folder: &Path) -> Result<(), ReplaceError> {
    // The parent of a bare name is the empty path, which is the working folder.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    disk.sync_dir(folder).map_err(ReplaceError::on(folder, "flushed to disk"))
}

/// Opens the temporary file that will take the place of `path`. It stands in the same folder, so that renaming never crosses
/// file systems.
fn create_beside(
    disk: &dyn Disk,
    path: &Path,
    writers: Writers,
    mode: u32,
) -> io::Result<(PathBuf, Box<dyn DiskFile>)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "not a file name"))?;
    if writers == Writers::One {
        let temporary = path.with_file_name(hidden(name, "partial"));
        return Ok((temporary.clone(), disk.create(&temporary, mode)?));
    }
    let mut tries = 1;
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_file_name(hidden(name, &format!("{}.{count}", process::id())));
        match disk.create_new(&temporary, mode) {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && tries < MOST_TRIES => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

/// A name that begins with a point, of a file that will be called `name`.
fn hidden(name: &OsStr, ending: &str) -> OsString {
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".");
    hidden.push(ending);
    hidden
}

/// Writes what is to be in `path` into its temporary file, and closes that.
fn fill(
    path: &Path,
    mut file: Box<dyn DiskFile>,
    fsync: Fsync,
    permissions: Option<Permissions>,
    contents: &[u8],
) -> Result<(), ReplaceError> {
    file.write(contents).map_err(ReplaceError::on(path, "written"))?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions).map_err(ReplaceError::on(path, "given its permissions"))?;
    }
    match fsync {
        Fsync::Nothing => Ok(()),
        Fsync::File | Fsync::FileAndFolder => file.sync().map_err(ReplaceError::on(path, "flushed to disk")),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use proptest::prelude::*;

    use super::*;
    use crate::files::faulty::FaultyDisk;

    const SAFE: Options = Options { fsync: Fsync::FileAndFolder, mode: Mode::Open, writers: Writers::Any };

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn any_options() -> impl Strategy<Value = Options> {
        let fsync = prop::sample::select(vec![Fsync::Nothing, Fsync::File, Fsync::FileAndFolder]);
        let mode = prop::sample::select(vec![Mode::Open, Mode::Private, Mode::Kept]);
        let writers = prop::sample::select(vec![Writers::Any, Writers::One]);
        (fsync, mode, writers).prop_map(|(fsync, mode, writers)| Options { fsync, mode, writers })
    }

    #[test]
    fn what_is_in_the_way_is_named_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let taken = dir.path().join("folder");
        fs::create_dir(&taken).unwrap();
        let error = replace(&taken, SAFE, b"new").unwrap_err();
        assert_eq!((error.path.as_path(), error.action), (taken.as_path(), "put in place"));
        assert!(error.to_string().starts_with(&format!("{} could not be put", taken.display())), "{error}");
        let nowhere = dir.path().join("none/file");
        for error in [replace(&nowhere, SAFE, b"new").unwrap_err(), probe(&nowhere).unwrap_err()] {
            assert_eq!((error.path.as_path(), error.action), (nowhere.as_path(), "created"));
            assert_eq!(error.source.kind(), ErrorKind::NotFound);
        }
        let error = replace(Path::new(".."), SAFE, b"new").unwrap_err();
        assert_eq!(error.source.kind(), ErrorKind::InvalidInput);
        assert_eq!(names(dir.path()), ["folder"], "a temporary file was left");
    }

    #[test]
    fn a_folder_that_takes_no_files_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "old").unwrap();
        probe(&path).unwrap();
        assert_eq!(names(dir.path()), ["file"], "the probe was left");
        let writable = fs::metadata(dir.path()).unwrap().permissions();
        let mut locked = writable.clone();
        locked.set_readonly(true);
        fs::set_permissions(dir.path(), locked).unwrap();
        if fs::write(dir.path().join("other"), "").is_ok() {
            eprintln!("skipped: this user writes to folders that take no files");
        } else {
            for error in [replace(&path, SAFE, b"new").unwrap_err(), probe(&path).unwrap_err()] {
                assert_eq!((error.path.as_path(), error.action), (path.as_path(), "created"));
                assert_eq!(error.source.kind(), ErrorKind::PermissionDenied);
            }
            assert_eq!(fs::read(&path).unwrap(), b"old");
            assert_eq!(names(dir.path()), ["file"]);
        }
        fs::set_permissions(dir.path(), writable).unwrap();
    }

    #[test]
    fn of_many_writers_each_file_is_whole() {
        const WRITERS: u8 = 8;
        const LENGTH: usize = 1 << 15;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let options = Options::default();
        replace(&path, options, &[0; LENGTH]).unwrap();
        let whole = || {
            let found = fs::read(&path).unwrap();
            assert_eq!(found.len(), LENGTH);
            assert!(found[0] <= WRITERS && found.iter().all(|byte| *byte == found[0]));
        };
        thread::scope(|scope| {
            for writer in 1..=WRITERS {
                let (path, whole) = (&path, &whole);
                scope.spawn(move || {
                    for _ in 0..20 {
                        replace(path, options, &[writer; LENGTH]).unwrap();
                        whole();
                    }
                });
            }
        });
        whole();
        assert_eq!(names(dir.path()), ["file"]);
    }

    #[test]
    fn one_writer_takes_away_what_a_killed_one_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let options = Options { writers: Writers::One, ..SAFE };
        // Stopped in the middle of writing: nothing could be removed any more.
        let dying = FaultyDisk::dying_at(1);
        assert_eq!(replace_on(&dying, &path, options, b"contents").unwrap_err().action, "written");
        assert_eq!(names(dir.path()), [".file.partial"]);
        replace(&path, options, b"new").unwrap();
        assert_eq!(names(dir.path()), ["file"]);
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[cfg(unix)]
    #[test]
    fn the_mode_is_as_asked() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let (path, plain) = (dir.path().join("file"), dir.path().join("plain"));
        fs::write(&plain, "").unwrap();
        for writers in [Writers::Any, Writers::One] {
            let write = |mode| replace(&path, Options { mode, writers, ..SAFE }, b"new").unwrap();
            write(Mode::Private);
            assert_eq!(mode(&path), 0o600);
            write(Mode::Open);
            assert_eq!(mode(&path), mode(&plain));
            fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
            write(Mode::Kept);
            assert_eq!(mode(&path), 0o640);
            fs::remove_file(&path).unwrap();
            write(Mode::Kept);
            assert_eq!(mode(&path), mode(&plain));
        }
    }

    proptest! {
        /// `at` reaches beyond the last operation: there are six at most.
        #[test]
        fn a_process_that_ends_anywhere_leaves_one_of_both(
            options in any_options(),
            old in prop::collection::vec(any::<u8>(), 0..50),
            new in prop::collection::vec(any::<u8>(), 0..50),
            at in 0u64..8,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("file");
            fs::write(&path, &old).unwrap();
            let disk = FaultyDisk::dying_at(at);
            let replaced = replace_on(&disk, &path, options, &new);
            prop_assert_eq!(replaced.is_err(), disk.is_dead());
            if options.fsync != Fsync::Nothing {
                disk.cut_power();
            }
            let found = fs::read(&path).unwrap();
            if replaced.is_ok() {
                prop_assert_eq!(found, new);
            } else {
                prop_assert!(found == old || found == new);
            }
        }

        #[test]
        fn a_disk_that_fills_anywhere_keeps_the_old_file_and_no_other(
            options in any_options(),
            old in prop::option::of(prop::collection::vec(any::<u8>(), 0..50)),
            new in prop::collection::vec(any::<u8>(), 0..50),
            room in 0u64..60,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("file");
            if let Some(old) = &old {
                fs::write(&path, old).unwrap();
            }
            let replaced = replace_on(&FaultyDisk::with_room(room), &path, options, &new);
            let fits = new.len() as u64 <= room;
            prop_assert_eq!(replaced.is_ok(), fits);
            let expected = if fits { Some(new) } else { old };
            if let Err(error) = replaced {
                prop_assert_eq!((error.path.as_path(), error.action), (path.as_path(), "written"));
                prop_assert_eq!(error.source.kind(), ErrorKind::StorageFull);
            }
            prop_assert_eq!(fs::read(&path).ok(), expected.clone());
            prop_assert_eq!(names(dir.path()).len(), usize::from(expected.is_some()));
        }
    }
}
