//! The folder of a run: one file a step, each written whole or gone on with.
//!
//! A step that works through a list appends a line for each item to `NAME.part`, and renames it to `NAME` when all are there. Whoever goes
//! on after a kill keeps the whole lines of the part and does the rest, so what comes out is the same as without the kill.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::lines::{self, FileError};

/// Steps, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Prompts are made.
    Prompts,
    /// Prompts that say the same are found.
    Duplicates,
    /// Prompts are marked.
    Assessments,
    /// Prompts are kept or left out.
    Filter,
    /// Candidate criteria are written.
    Candidates,
    /// Criteria are chosen.
    Selection,
    /// Criteria get their points.
    Weights,
    /// Prompts become several.
    Variants,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Prompts,
        Self::Duplicates,
        Self::Assessments,
        Self::Filter,
        Self::Candidates,
        Self::Selection,
        Self::Weights,
        Self::Variants,
    ];

    /// Its file.
    pub fn file(self) -> &'static str {
        match self {
            Self::Prompts => "1-prompts.jsonl",
            Self::Duplicates => "2-duplicates.jsonl",
            Self::Assessments => "3-assessments.jsonl",
            Self::Filter => "4-filter.jsonl",
            Self::Candidates => "5-candidates.jsonl",
            Self::Selection => "6-selection.jsonl",
            Self::Weights => "7-weights.jsonl",
            Self::Variants => "8-variants.jsonl",
        }
    }

    /// What it does, for whoever waits.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Prompts => "making prompts",
            Self::Duplicates => "finding duplicates",
            Self::Assessments => "marking prompts",
            Self::Filter => "filtering prompts",
            Self::Candidates => "writing candidates",
            Self::Selection => "choosing criteria",
            Self::Weights => "giving points",
            Self::Variants => "expanding",
        }
    }
}

/// Why a folder cannot be used.
#[derive(Debug, Error)]
pub enum FolderError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is a run in it already.
    #[error("{folder} holds a run already; --resume goes on with it, another folder begins anew")]
    Taken {
        /// The folder.
        folder: PathBuf,
    },
    /// It is there and holds other things.
    #[error("{folder} is not empty and holds no run; give a folder of its own")]
    Foreign {
        /// The folder.
        folder: PathBuf,
    },
    /// The run in it was begun otherwise.
    #[error("{folder} holds a run with other {what}; --resume needs the same, another folder begins anew")]
    Other {
        /// The folder.
        folder: PathBuf,
        /// What is other.
        what: String,
    },
    /// Another process works in it.
    #[error("another process works in {folder}; wait for it")]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// A file has more or fewer lines than the step before it gives.
    #[error(
        "{file} has {found} lines, the steps before it make {wanted}; remove it and later ones, and resume"
    )]
    Count {
        /// The file.
        file: PathBuf,
        /// Its lines.
        found: usize,
        /// Lines that there should be.
        wanted: usize,
    },
}

/// What a run was begun with: a hash for each thing that may be other.
pub type Fingerprint = std::collections::BTreeMap<String, String>;

/// What the run was begun with.
const BEGUN: &str = "run.json";
/// Held while a process works in the folder.
const LOCK: &str = ".lock";

/// A folder that this process works in.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    lock: File,
}

impl Folder {
    /// Begins a run in an empty folder, or, with `resume`, goes on with the one that is there, if there is one.
    ///
    /// # Errors
    /// Any of [`FolderError`] but [`FolderError::Count`].
    pub fn open(path: &Path, begun: &Fingerprint, resume: bool) -> Result<Self, FolderError> {
        fs::create_dir_all(path).map_err(FileError::on(path))?;
        let folder = || path.to_owned();
        let lock_path = path.join(LOCK);
        let lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&lock_path);
        let lock = lock.map_err(FileError::on(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderError::Locked { folder: folder() }),
            // Some network file systems lock nothing. A run there is the user's to keep alone.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(FileError::on(&lock_path)(error).into()),
        }
        let record = path.join(BEGUN);
        if record.exists() {
            if !resume {
                return Err(FolderError::Taken { folder: folder() });
            }
            let text = fs::read(&record).map_err(FileError::on(&record))?;
            let before: Fingerprint = lines::value(&text).map_err(|problem| FileError::Line {
                path: record.clone(),
                line: 1,
                problem,
            })?;
            let names: std::collections::BTreeSet<&String> = before.keys().chain(begun.keys()).collect();
            let other: Vec<&str> = names
                .into_iter()
                .filter(|name| before.get(*name) != begun.get(*name))
                .map(String::as_str)
                .collect();
            if !other.is_empty() {
                return Err(FolderError::Other { folder: folder(), what: other.join(", ") });
            }
        } else {
            for entry in fs::read_dir(path).map_err(FileError::on(path))? {
                if entry.map_err(FileError::on(path))?.file_name() != LOCK {
                    return Err(FolderError::Foreign { folder: folder() });
                }
            }
            let text =
                serde_json::to_vec_pretty(begun).map_err(|error| FileError::on(&record)(error.into()))?;
            lines::write_atomically(&record, &text)?;
        }
        Ok(Self { path: folder(), lock })
    }

    /// A file of the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes values as the lines of a file, whole or not at all.
    ///
    /// # Errors
    /// The file as it was stays.
    pub fn write<T: Serialize>(&self, name: &str, values: &[T]) -> Result<(), FolderError> {
        let path = self.file(name);
        let text = lines::text(values).map_err(FileError::on(&path))?;
        Ok(lines::write_atomically(&path, &text)?)
    }

    /// The lines of a step: those of its file where it is done, else those that `make` gives for 0 to `count - 1`, in turn, after those that
    /// an earlier process made. A failure of `make` ends it, and leaves what was made.
    ///
    /// # Errors
    /// The folder's, and those of `make`.
    pub fn each<T: Serialize + DeserializeOwned, E: From<FolderError>>(
        &self,
        step: Step,
        count: usize,
        mut make: impl FnMut(usize) -> Result<T, E>,
    ) -> Result<Vec<T>, E> {
        let path = self.file(step.file());
        if path.exists() {
            return Ok(counted(&path, lines::read(&path).map_err(FolderError::from)?, count)?);
        }
        let part = self.file(&format!("{}.part", step.file()));
        let mut made = if part.exists() { whole_lines(&part)? } else { Vec::new() };
        made.truncate(count);
        // What a kill tore off is taken away before anything is added.
        let text = lines::text(&made).map_err(|error| FolderError::from(FileError::on(&part)(error)))?;
        lines::write_atomically(&part, &text).map_err(FolderError::from)?;
        let failed = |error| FolderError::from(FileError::on(&part)(error));
        let mut file = OpenOptions::new().append(true).open(&part).map_err(failed)?;
        for at in made.len()..count {
            let value = make(at)?;
            let line = lines::text(std::slice::from_ref(&value)).map_err(failed)?;
            file.write_all(&line).map_err(failed)?;
            made.push(value);
        }
        file.sync_all().and_then(|()| fs::rename(&part, &path)).map_err(failed)?;
        Ok(made)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing can be done where this fails, and the end of the process frees it.
        let _ = self.lock.unlock();
    }
}

fn counted<T>(file: &Path, values: Vec<T>, wanted: usize) -> Result<Vec<T>, FolderError> {
    let found = values.len();
    if found == wanted {
        Ok(values)
    } else {
        Err(FolderError::Count { file: file.to_owned(), found, wanted })
    }
}

/// The values of a part. A last line without its end was torn; any other that is no value is an error.
fn whole_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, FolderError> {
    let (mut lines, ended) = lines::lines(path)?;
    if !ended {
        lines.pop();
    }
    let value = |(line, text): (u64, Vec<u8>)| -> Result<T, FolderError> {
        let wrong = |problem| FileError::Line { path: path.to_owned(), line, problem };
        Ok(lines::value(&text).map_err(wrong)?)
    };
    lines.into_iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn begun(seed: &str) -> Fingerprint {
        [("seed".to_owned(), seed.to_owned())].into()
    }

    #[test]
    fn a_folder_is_begun_once_and_gone_on_with_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let folder = Folder::open(&path, &begun("1"), false).unwrap();
        assert!(matches!(Folder::open(&path, &begun("1"), true), Err(FolderError::Locked { .. })));
        drop(folder);
        assert!(matches!(Folder::open(&path, &begun("1"), false), Err(FolderError::Taken { .. })));
        let error = Folder::open(&path, &begun("2"), true).unwrap_err().to_string();
        assert!(error.contains("other seed"), "{error}");
        assert!(Folder::open(&path, &begun("1"), true).is_ok());
        std::fs::write(dir.path().join("x"), "").unwrap();
        assert!(matches!(Folder::open(dir.path(), &begun("1"), true), Err(FolderError::Foreign { .. })));
    }

    #[test]
    fn a_file_of_another_length_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path(), &begun("1"), false).unwrap();
        folder.each::<usize, FolderError>(Step::Prompts, 3, Ok).unwrap();
        let error = folder.each::<usize, FolderError>(Step::Prompts, 4, Ok).unwrap_err().to_string();
        assert!(error.contains("3 lines") && error.contains("make 4"), "{error}");
    }

    proptest! {
        #[test]
        fn a_part_that_is_cut_anywhere_is_gone_on_with(count in 0usize..12, stop in 0usize..12, cut in 0usize..40) {
            let dir = tempfile::tempdir().unwrap();
            let folder = Folder::open(dir.path(), &begun("1"), false).unwrap();
            let value = |at: usize| "x".repeat(at);
            let path = folder.file(Step::Prompts.file());
            let stopped = folder.each(Step::Prompts, count, |at| {
                if at == stop { Err(FolderError::Locked { folder: PathBuf::new() }) } else { Ok(value(at)) }
            });
            let part = folder.file(&format!("{}.part", Step::Prompts.file()));
            prop_assert_eq!(stopped.is_err(), stop < count);
            prop_assert_eq!(part.exists(), stop < count);
            if part.exists() {
                let mut text = std::fs::read(&part).unwrap();
                text.truncate(text.len().saturating_sub(cut));
                std::fs::write(&part, text).unwrap();
            }
            let mut asked = 0;
            let made = folder.each::<_, FolderError>(Step::Prompts, count, |at| { asked += 1; Ok(value(at)) }).unwrap();
            prop_assert_eq!(made, (0..count).map(value).collect::<Vec<_>>());
            prop_assert!(asked <= count);
            prop_assert_eq!(std::fs::read(&path).unwrap(), lines::text(&(0..count).map(value).collect::<Vec<_>>()).unwrap());
            prop_assert!(!part.exists());
        }
    }
}
