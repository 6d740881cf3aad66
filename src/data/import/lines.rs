//! Lines of a file, one at a time and never longer than allowed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde_json::Value;

use super::ImportError;
use super::strict::Strict;
use crate::data::phi::Place;

/// Reads a file line by line.
pub(super) struct Lines<R> {
    reader: R,
    name: String,
    number: u64,
    longest: usize,
}

impl Lines<BufReader<File>> {
    /// Opens `path`.
    pub fn open(path: &Path, longest: usize) -> Result<Self, ImportError> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|source| ImportError::Read { file: name.clone(), source })?;
        Ok(Self::new(BufReader::new(file), name, longest))
    }
}

impl<R: BufRead> Lines<R> {
    /// Lines of `reader`, which errors call `name`.
    pub fn new(reader: R, name: String, longest: usize) -> Self {
        Self { reader, name, number: 0, longest }
    }

    /// The next line that is not blank, as JSON with its place; `None` at the end.
    ///
    /// A line that is too long or no JSON is an error, and the one after it can still be read.
    pub fn next(&mut self) -> Result<Option<(Place, Value)>, ImportError> {
        let mut line = Vec::new();
        loop {
            line.clear();
            self.number += 1;
            let place = Place::new(self.name.as_str(), self.number);
            let read = |source| ImportError::Read { file: self.name.clone(), source };
            let limit = self.longest as u64 + 1;
            let count = (&mut self.reader).take(limit).read_until(b'\n', &mut line).map_err(read)?;
            if count == 0 {
                return Ok(None);
            }
            if line.last() != Some(&b'\n') && line.len() > self.longest {
                let read = |source| ImportError::Read { file: self.name.clone(), source };
                skip_line(&mut self.reader).map_err(read)?;
                return Err(ImportError::LineTooLong { place, limit: self.longest });
            }
            let trimmed = line.trim_ascii();
            // A byte order mark stands before the first line of files from some systems.
            let trimmed = trimmed.strip_prefix(b"\xef\xbb\xbf").unwrap_or(trimmed);
            if trimmed.is_empty() {
                continue;
            }
            let Strict(value) = serde_json::from_slice(trimmed)
                .map_err(|error| ImportError::NotJson { place: place.clone(), problem: error.to_string() })?;
            return Ok(Some((place, value)));
        }
    }
}

/// Passes over the rest of a line without holding it.
fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|&b| b == b'\n');
        let used = end.map_or(buffer.len(), |at| at + 1);
        reader.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_refused_and_the_next_one_read() {
        let text = format!("{{\"a\":\"{}\"}}\n\n[1]\n{{", "x".repeat(100));
        let mut lines = Lines::new(text.as_bytes(), "t".into(), 50);
        assert!(
            matches!(lines.next(), Err(ImportError::LineTooLong { place, limit: 50 }) if place.record == 1)
        );
        let (place, value) = lines.next().unwrap().unwrap();
        assert_eq!((place.record, value), (3, serde_json::json!([1])));
        assert!(matches!(lines.next(), Err(ImportError::NotJson { place, .. }) if place.record == 4));
        assert!(lines.next().unwrap().is_none());
    }

    #[test]
    fn deep_nesting_is_an_error() {
        let text = "[".repeat(100_000);
        let mut lines = Lines::new(text.as_bytes(), "t".into(), 1 << 20);
        assert!(matches!(lines.next(), Err(ImportError::NotJson { .. })));
    }
}
