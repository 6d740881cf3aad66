//! Files of one JSON object a line, of which every bad line is told.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::rubric::json_line::parse;

/// The longest legal line, in bytes: HealthBench's longest row has some 60 KiB.
const LONGEST: usize = 8 << 20;
/// The most problems that are shown.
const SHOWN: usize = 20;

/// What is wrong with one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineProblem {
    /// Its number, from 1.
    pub line: usize,
    /// The field, what was found and what is legal.
    pub problem: String,
}

/// Why a file cannot be used.
#[derive(Debug, Error)]
pub enum LinesError {
    /// It cannot be read.
    #[error("{}: {source}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing is in it.
    #[error("{}: there is no line in it, legal is one JSON object a line", .file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// Some lines are not as they should be.
    #[error("{}", Problems { file, problems })]
    Lines {
        /// The file.
        file: PathBuf,
        /// All of them.
        problems: Vec<LineProblem>,
    },
}

struct Problems<'a> {
    file: &'a Path,
    problems: &'a [LineProblem],
}

impl fmt::Display for Problems<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, problems } = self;
        // One may have several problems.
        let bad = problems.iter().map(|it| it.line).collect::<BTreeSet<_>>().len();
        write!(f, "{}: {bad} bad {}", file.display(), if bad == 1 { "line" } else { "lines" })?;
        for LineProblem { line, problem } in problems.iter().take(SHOWN) {
            write!(f, "\n  line {line}: {problem}")?;
        }
        if problems.len() > SHOWN {
            write!(f, "\n  and {} more", problems.len() - SHOWN)?;
        }
        Ok(())
    }
}

/// Reads the lines of `file` that are not blank, with their numbers. `check` says what is wrong with one, of that number,
/// beyond its shape.
///
/// # Errors
///
/// A file that cannot be read or holds nothing, and all its bad lines together.
pub(super) fn read<T: DeserializeOwned>(
    file: &Path,
    mut check: impl FnMut(usize, &T) -> Vec<String>,
) -> Result<Vec<(usize, T)>, LinesError> {
    let failed = |source| LinesError::Read { file: file.to_owned(), source };
    let mut reader = BufReader::new(File::open(file).map_err(failed)?);
    let (mut all, mut problems, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for line in 1.. {
        bytes.clear();
        if (&mut reader).take(LONGEST as u64 + 1).read_until(b'\n', &mut bytes).map_err(failed)? == 0 {
            break;
        }
        if bytes.len() > LONGEST && bytes.last() != Some(&b'\n') {
            problems.push(LineProblem {
                line,
                problem: format!("has more than {LONGEST} bytes, which is the longest legal"),
            });
            // What follows cannot be told from the rest of this line.
            break;
        }
        let text = bytes.trim_ascii();
        if text.is_empty() {
            continue;
        }
        match parse::<T>(text) {
            Ok(value) => {
                let found = check(line, &value).into_iter();
                problems.extend(found.map(|problem| LineProblem { line, problem }));
                all.push((line, value));
            }
            Err(problem) => problems.push(LineProblem { line, problem }),
        }
    }
    if !problems.is_empty() {
        return Err(LinesError::Lines { file: file.to_owned(), problems });
    }
    if all.is_empty() {
        return Err(LinesError::Empty { file: file.to_owned() });
    }
    Ok(all)
}
