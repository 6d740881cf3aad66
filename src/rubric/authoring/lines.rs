//! Files of JSON lines: read with their numbers, written whole or not at all.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::files::{self, Fsync, Options};
use crate::rubric::json_line;

/// The longest legal line, in bytes.
pub const LONGEST: usize = 16 << 20;

/// Why a file cannot be read or written.
#[derive(Debug, Error)]
pub enum FileError {
    /// The system said no.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line that is not what it should be.
    #[error("{path}, line {line}: {problem}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: u64,
        /// What is wrong.
        problem: String,
    },
}

impl FileError {
    /// Says which file an error of the system is about.
    pub fn on(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// A line with its number in the file, from 1.
pub type Numbered = (u64, Vec<u8>);

/// The lines of a file that are not blank, with their numbers, and whether the last one is ended.
///
/// # Errors
/// The file cannot be read, or a line is longer than [`LONGEST`].
pub fn lines(path: &Path) -> Result<(Vec<Numbered>, bool), FileError> {
    let mut reader = BufReader::new(File::open(path).map_err(FileError::on(path))?);
    let (mut lines, mut ended) = (Vec::new(), true);
    for number in 1.. {
        let mut line = Vec::new();
        let limit = LONGEST as u64 + 1;
        let count = (&mut reader).take(limit).read_until(b'\n', &mut line).map_err(FileError::on(path))?;
        if count == 0 {
            break;
        }
        ended = line.last() == Some(&b'\n');
        if !ended && line.len() > LONGEST {
            let problem = format!("it is longer than {LONGEST} bytes");
            return Err(FileError::Line { path: path.to_owned(), line: number, problem });
        }
        let trimmed = line.trim_ascii();
        // A byte order mark stands before the first line of files from some systems.
        let trimmed = trimmed.strip_prefix(b"\xef\xbb\xbf").unwrap_or(trimmed);
        if !trimmed.is_empty() {
            lines.push((number, trimmed.to_vec()));
        }
    }
    Ok((lines, ended))
}

/// Reads a file of one JSON value a line.
///
/// # Errors
/// The file cannot be read, or the first line that is not such a value.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, FileError> {
    let (lines, _) = lines(path)?;
    let value = |(line, text): (u64, Vec<u8>)| {
        value(&text).map_err(|problem| FileError::Line { path: path.to_owned(), line, problem })
    };
    lines.into_iter().map(value).collect()
}

/// One line as a value, or what is wrong with it, with the field.
pub fn value<T: DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    json_line::parse(line)
}

/// Values as lines.
///
/// # Errors
/// A value that JSON cannot hold.
pub fn text<T: Serialize>(values: &[T]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for value in values {
        serde_json::to_writer(&mut text, value)?;
        text.push(b'\n');
    }
    Ok(text)
}

/// Writes a file whole or not at all, and flushes it to the disk.
///
/// # Errors
/// The file as it was before stays.
pub fn write_atomically(path: &Path, contents: &[u8]) -> Result<(), FileError> {
    let options = Options { fsync: Fsync::File, ..Options::default() };
    files::replace(path, options, contents).map_err(|error| FileError::on(path)(error.source))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn lines_keep_their_numbers_and_errors_name_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        write_atomically(&path, b"\xef\xbb\xbf1\n\n  2\r\n\"x\"").unwrap();
        let (found, ended) = lines(&path).unwrap();
        assert_eq!(found, [(1, b"1".to_vec()), (3, b"2".to_vec()), (4, b"\"x\"".to_vec())]);
        assert!(!ended);
        let error = read::<u32>(&path).unwrap_err().to_string();
        assert!(error.contains("a.jsonl, line 4: "), "{error}");
        assert_eq!(read::<serde_json::Value>(&path).unwrap().len(), 3);
        assert!(value::<u32>(b"1 2").is_err());
        assert!(matches!(read::<u32>(&folder.path().join("none")), Err(FileError::Io { .. })));
        // No temporary file is left.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
