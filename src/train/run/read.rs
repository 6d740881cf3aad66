//! Reading `metrics.jsonl` and its like: for reports, and to compare two runs.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::error::RunError;
use super::metrics::StepMetrics;
use crate::train::checkpoint::DiskError;

/// Where the part of a line begins that differs from run to run; [`StepMetrics`] writes it last.
const TIMING: &str = ",\"timing\":";

/// The steps of a log. A last line without an end was being written when its process ended, and is left out.
pub fn read_metrics(path: &Path) -> Result<Vec<StepMetrics>, RunError> {
    read_lines(path)
}

/// The records of a log, likewise.
pub fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, RunError> {
    let text = read(path)?;
    let lines = whole_lines(&text).enumerate();
    lines
        .map(|(i, line)| serde_json::from_str(line).map_err(|e| not_as_written(path, i, e.to_string())))
        .collect()
}

/// The first place where two logs differ in what must be the same bit for bit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which line, from 1.
    pub line: usize,
    /// The fields of the first log there; `None` where it has ended.
    pub first: Option<String>,
    /// The fields of the second.
    pub second: Option<String>,
}

/// Compares two logs without their timings; `None` where they are the same.
pub fn first_difference(first: &Path, second: &Path) -> Result<Option<Difference>, RunError> {
    let (first_text, second_text) = (read(first)?, read(second)?);
    let (mut lines, mut others) = (whole_lines(&first_text), whole_lines(&second_text));
    for index in 0.. {
        let (a, b) = (lines.next(), others.next());
        if a.is_none() && b.is_none() {
            break;
        }
        let values = |line: Option<&str>, path| line.map(|line| values(line, path, index)).transpose();
        let (a, b) = (values(a, first)?, values(b, second)?);
        if a != b {
            return Ok(Some(Difference { line: index + 1, first: a, second: b }));
        }
    }
    Ok(None)
}

/// The line up to its timing. Floats are written so that equal text is equal bits, so text is compared.
fn values(line: &str, path: &Path, index: usize) -> Result<String, RunError> {
    match line.split_once(TIMING) {
        Some((values, _)) => Ok(values.to_owned()),
        None => Err(not_as_written(path, index, "it has no timing".to_owned())),
    }
}

fn read(path: &Path) -> Result<String, RunError> {
    let bytes = std::fs::read(path).map_err(DiskError::on(path, "read"))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = valid.iter().filter(|byte| **byte == b'\n').count();
        not_as_written(path, line, "it is not UTF-8".to_owned())
    })
}

fn whole_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'))
}

fn not_as_written(path: &Path, index: usize, reason: String) -> RunError {
    RunError::Line { file: path.to_owned(), line: index + 1, reason }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;

    fn log(dir: &tempfile::TempDir, name: &str, losses: &[f64]) -> PathBuf {
        let path = dir.path().join(name);
        let lines: Vec<String> = (1..)
            .zip(losses)
            .map(|(step, &loss)| {
                let mut metrics = StepMetrics { step, loss, ..StepMetrics::default() };
                metrics.timing.seconds = name.len() as f64;
                serde_json::to_string(&metrics).unwrap() + "\n"
            })
            .collect();
        fs::write(&path, lines.concat()).unwrap();
        path
    }

    #[test]
    fn timings_do_not_count_and_everything_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let a = log(&dir, "a", &[1.0, f64::NAN, 3.0]);
        assert_eq!(first_difference(&a, &log(&dir, "bb", &[1.0, f64::NAN, 3.0])).unwrap(), None);
        let next = f64::from_bits(3.0f64.to_bits() + 1);
        let difference = first_difference(&a, &log(&dir, "cc", &[1.0, f64::NAN, next])).unwrap().unwrap();
        assert_eq!(difference.line, 3);
        assert!(difference.second.unwrap().contains("3.0000000000000004"));
        let shorter = log(&dir, "d", &[1.0]);
        let difference = first_difference(&a, &shorter).unwrap().unwrap();
        assert_eq!((difference.line, difference.second), (2, None));
        assert!(first_difference(&shorter, &a).unwrap().unwrap().first.is_none());
        assert!(first_difference(&a, &dir.path().join("none")).is_err());
    }

    #[test]
    fn a_torn_last_line_is_left_out_and_a_damaged_one_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = log(&dir, "a", &[1.0, 2.0, 3.0]);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 4]).unwrap();
        assert_eq!(read_metrics(&path).unwrap().len(), 2);
        fs::write(&path, text.replacen("\"loss\":2.0", "\"loss\":two", 1)).unwrap();
        let message = read_metrics(&path).unwrap_err().to_string();
        assert!(message.contains("line 2 is not as it was written: expected"), "{message}");
        fs::write(&path, b"\n\xff\n").unwrap();
        assert!(
            read_metrics(&path)
                .unwrap_err()
                .to_string()
                .contains("line 2 is not as it was written: it is not UTF-8")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[{}\",:a-z0-9\n]{0,60}") {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("log");
            for contents in [bytes, text.into_bytes()] {
                fs::write(&path, contents).unwrap();
                let _ = read_metrics(&path);
                if let Ok(found) = first_difference(&path, &path) {
                    prop_assert_eq!(found, None);
                }
            }
        }
    }
}
