//! The file of grades. A line is added as soon as a verdict is there, so a run that is stopped, or killed, goes on where it was.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::grade::{Grade, GradeKey};
use crate::rubric::criterion::Verdict;
use crate::rubric::json_line::parse;

/// Why a file of grades cannot be used.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// The operating system refused.
    #[error("{}: {source}", .file.display())]
    Disk {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line that is no grade.
    #[error("{}, line {line}: {problem}; legal is a grade as this command writes it, choose another file", .file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// Grades of another judge.
    #[error(
        "{}, line {line}: this grade is by judge {found}, this run's is {legal}; choose another file, \
         or the model, protocol and settings it was made with",
        .file.display()
    )]
    OtherJudge {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Whose grade it is.
        found: String,
        /// Who judges now.
        legal: String,
    },
}

/// A file of grades, open to be added to.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: File,
    grades: HashMap<GradeKey, Grade>,
}

impl Ledger {
    /// Opens `path`, which may not be there yet. A last line without its end is what a killed run left: it is cut off.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or written, a line that is no grade, and grades by another judge than `judge`.
    pub fn open(path: &Path, judge: &str) -> Result<Self, LedgerError> {
        let disk = |source| LedgerError::Disk { file: path.to_owned(), source };
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(disk(error)),
        };
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let mut grades = HashMap::new();
        let lines = bytes.get(..whole).unwrap_or_default().split(|&byte| byte == b'\n');
        for (line, text) in (1..).zip(lines).filter(|(_, text)| !text.trim_ascii().is_empty()) {
            let file = || path.to_owned();
            let grade: Grade =
                parse(text).map_err(|problem| LedgerError::Line { file: file(), line, problem })?;
            if grade.judge != judge {
                let legal = judge.to_owned();
                return Err(LedgerError::OtherJudge { file: file(), line, found: grade.judge, legal });
            }
            // A later line is a second try at what was not judged before.
            grades.insert(grade.key.clone(), grade);
        }
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(disk)?;
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(disk)?;
        }
        Ok(Self { path: path.to_owned(), file, grades })
    }

    /// The grade of `key`, where there is one.
    pub fn get(&self, key: &GradeKey) -> Option<&Grade> {
        self.grades.get(key)
    }

    /// Whether `key` was judged. What was tried and not judged is tried again.
    pub fn is_judged(&self, key: &GradeKey) -> bool {
        self.get(key).is_some_and(|grade| grade.verdict != Verdict::NotJudged)
    }

    /// Adds grades, in one write, so that a reader meets whole lines.
    ///
    /// # Errors
    ///
    /// A file that cannot be written.
    pub fn add(&mut self, grades: Vec<Grade>) -> Result<(), LedgerError> {
        let disk = |source| LedgerError::Disk { file: self.path.clone(), source };
        let text = text(grades.iter()).map_err(|error| disk(error.into()))?;
        self.file.write_all(&text).map_err(disk)?;
        self.grades.extend(grades.into_iter().map(|grade| (grade.key.clone(), grade)));
        Ok(())
    }

    /// The lines of the grades of `keys`, in that order, for the finished file.
    ///
    /// # Errors
    ///
    /// Never in practice: grades are plain data.
    pub fn finished<'a>(
        &self,
        keys: impl Iterator<Item = &'a GradeKey>,
    ) -> Result<Vec<u8>, serde_json::Error> {
        text(keys.filter_map(|key| self.get(key)))
    }
}

fn text<'a>(grades: impl Iterator<Item = &'a Grade>) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::new();
    for grade in grades {
        serde_json::to_writer(&mut out, grade)?;
        out.push(b'\n');
    }
    Ok(out)
}
