//! An append-only log of JSON objects, one a line.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::RunError;
use crate::train::checkpoint::{Disk, DiskError, disk::DiskFile};

/// A log that grows by whole records: what was not written whole is taken back or dropped when the run is resumed.
#[derive(Debug)]
pub struct JsonLog {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    /// Bytes of whole lines in the file.
    bytes: u64,
    /// Lines that wait for [`Self::commit`].
    waiting: Vec<u8>,
    /// Whether the file may have more than `bytes`.
    torn: bool,
}

impl JsonLog {
    /// Opens the log, cut to its first `bytes` bytes; [`check`] has found that they are whole lines.
    pub(super) fn open(disk: &dyn Disk, path: &Path, bytes: u64) -> Result<Self, DiskError> {
        let mut file = disk.append(path).map_err(DiskError::on(path, "opened"))?;
        file.truncate(bytes).map_err(DiskError::on(path, "cut to what the checkpoint covers"))?;
        Ok(Self { path: path.to_owned(), file, bytes, waiting: Vec::new(), torn: false })
    }

    /// Adds a record to those that wait to be written.
    pub fn push(&mut self, record: &impl Serialize) -> Result<(), RunError> {
        let before = self.waiting.len();
        if let Err(source) = serde_json::to_writer(&mut self.waiting, record) {
            self.waiting.truncate(before);
            return Err(RunError::Record { file: self.path.clone(), source });
        }
        self.waiting.push(b'\n');
        Ok(())
    }

    /// Writes the records that wait, all or none. After an error they wait on, so that this can be called again once
    /// there is room.
    pub fn commit(&mut self) -> Result<(), DiskError> {
        if self.torn {
            self.take_back()?;
        }
        if self.waiting.is_empty() {
            return Ok(());
        }
        if let Err(source) = self.file.write(&self.waiting) {
            self.torn = true;
            // The first error is the one to tell; should this fail too, the next call tries again.
            let _ = self.take_back();
            return Err(DiskError { file: self.path.clone(), action: "written", source });
        }
        self.bytes += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }

    /// Writes one record now, or leaves the log as it was.
    pub fn append(&mut self, record: &impl Serialize) -> Result<(), RunError> {
        let before = self.waiting.len();
        self.push(record)?;
        let written = self.commit();
        if written.is_err() {
            self.waiting.truncate(before);
        }
        Ok(written?)
    }

    /// Makes what was written survive a power cut.
    pub fn sync(&mut self) -> Result<(), DiskError> {
        self.file.sync().map_err(DiskError::on(&self.path, "flushed to disk"))
    }

    /// Bytes of whole lines in the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn take_back(&mut self) -> Result<(), DiskError> {
        self.file.truncate(self.bytes).map_err(DiskError::on(&self.path, "cut to its last whole line"))?;
        self.torn = false;
        Ok(())
    }
}

/// Checks that the first `expected` bytes of a log are there and end with a line. An absent log is an empty one.
pub(super) fn check(path: &Path, expected: u64, checkpoint: &Path) -> Result<(), RunError> {
    let failed = || DiskError::on(path, "read");
    let (found, last) = match File::open(path) {
        Ok(mut file) => {
            let found = file.metadata().map_err(failed())?.len();
            let mut last = [b'\n'];
            if (1..=found).contains(&expected) {
                file.seek(SeekFrom::Start(expected - 1)).map_err(failed())?;
                file.read_exact(&mut last).map_err(failed())?;
            }
            (found, last)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => (0, [b'\n']),
        Err(error) => return Err(failed()(error).into()),
    };
    let what = match (found < expected, last) {
        (true, _) => "it is too short",
        (false, [b'\n']) => return Ok(()),
        (false, _) => "they end in the middle of a line",
    };
    let (file, checkpoint) = (path.to_owned(), checkpoint.to_owned());
    Err(RunError::Log { file, found, expected, checkpoint, what })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::train::checkpoint::disk::RealDisk;
    use crate::train::checkpoint::faulty::FaultyDisk;

    #[test]
    fn grows_by_whole_lines_and_is_cut_where_it_is_reopened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = JsonLog::open(&RealDisk, &path, 0).unwrap();
        log.push(&"a\nb").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        log.append(&2).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "\"a\\nb\"\n2\n");
        let bytes = log.bytes();
        log.append(&3).unwrap();
        log.sync().unwrap();
        let mut log = JsonLog::open(&RealDisk, &path, bytes).unwrap();
        log.append(&4).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "\"a\\nb\"\n2\n4\n");
    }

    #[test]
    fn what_has_no_json_form_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = JsonLog::open(&RealDisk, &dir.path().join("log"), 0).unwrap();
        let keyed_by_a_list = std::collections::BTreeMap::from([(vec![1], 1)]);
        assert!(matches!(log.push(&(1, keyed_by_a_list)), Err(RunError::Record { .. })));
        log.append(&1).unwrap();
        assert_eq!(log.bytes(), 2);
    }

    #[test]
    fn a_record_that_did_not_fit_is_not_written_twice_later() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let disk = FaultyDisk::with_room(5);
        let mut log = JsonLog::open(&disk, &path, 0).unwrap();
        log.append(&1).unwrap();
        assert!(log.append(&"too long").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n");
        disk.make_room();
        log.append(&"too long").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n\"too long\"\n");
    }

    #[test]
    fn a_shorter_log_and_one_cut_within_a_line_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let checkpoint = Path::new("checkpoints/step-000002");
        check(&path, 0, checkpoint).unwrap();
        let refused = |expected| check(&path, expected, checkpoint).unwrap_err().to_string();
        assert!(refused(1).contains("too short"));
        fs::write(&path, "12\n34\n5").unwrap();
        for (expected, good) in
            [(0, true), (1, false), (3, true), (5, false), (6, true), (7, false), (8, false)]
        {
            assert_eq!(check(&path, expected, checkpoint).is_ok(), good, "{expected}");
        }
        assert!(refused(5).contains("in the middle of a line"));
        assert!(refused(u64::MAX).contains("too short"));
        assert!(refused(8).contains("step-000002"));
    }

    proptest! {
        #[test]
        fn a_full_disk_leaves_whole_lines_and_loses_none(
            records in prop::collection::vec(prop::collection::vec(".{0,9}", 0..4), 1..8),
            room in 0u64..120,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("log");
            let disk = FaultyDisk::with_room(room);
            let mut log = JsonLog::open(&disk, &path, 0).unwrap();
            let mut expected = String::new();
            for step in &records {
                for record in step {
                    log.push(record).unwrap();
                    expected.push_str(&serde_json::to_string(record).unwrap());
                    expected.push('\n');
                }
                let committed = log.commit();
                let text = fs::read_to_string(&path).unwrap();
                prop_assert!(expected.starts_with(&text) && (text.is_empty() || text.ends_with('\n')));
                prop_assert_eq!(text.len() as u64, log.bytes());
                prop_assert_eq!(committed.is_ok(), text == expected);
            }
            disk.make_room();
            log.commit().unwrap();
            prop_assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        }
    }
}
