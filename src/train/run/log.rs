//! An append-only log of JSON objects, one a line.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::RunError;
use crate::files::{Disk, DiskFile};
use crate::train::checkpoint::DiskError;
use crate::train::checkpoint::checksums::Checksum;

/// How much of a log is read at a time, in bytes.
const PART: usize = 1 << 16;

/// A log that grows by whole records: what was not written whole is taken back or dropped when the run is resumed.
#[derive(Debug)]
pub struct JsonLog {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    /// The whole lines in the file.
    written: Checksum,
    /// Lines that wait for [`Self::commit`].
    waiting: Vec<u8>,
    /// Whether the file may have more than `written`.
    torn: bool,
}

impl JsonLog {
    /// Opens the log, cut to what `written` is the checksum of; [`check`] has found it there.
    pub(super) fn open(disk: &dyn Disk, path: &Path, written: Checksum) -> Result<Self, DiskError> {
        let mut file = disk.append(path).map_err(DiskError::on(path, "opened"))?;
        file.truncate(written.bytes).map_err(DiskError::on(path, "cut to what the checkpoint covers"))?;
        Ok(Self { path: path.to_owned(), file, written, waiting: Vec::new(), torn: false })
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
        self.written = self.written.followed_by(&self.waiting);
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

    /// Length and checksum of the whole lines in the file.
    pub fn written(&self) -> Checksum {
        self.written
    }

    fn take_back(&mut self) -> Result<(), DiskError> {
        self.file
            .truncate(self.written.bytes)
            .map_err(DiskError::on(&self.path, "cut to its last whole line"))?;
        self.torn = false;
        Ok(())
    }
}

/// Checks that the log begins with what `expected` is the checksum of. An absent log is an empty one.
pub(super) fn check(path: &Path, expected: Checksum, checkpoint: &Path) -> Result<(), RunError> {
    let failed = || DiskError::on(path, "read");
    let mut begin = Checksum::default();
    let (mut found, mut missing) = (0, false);
    match File::open(path) {
        Ok(file) => {
            found = file.metadata().map_err(failed())?.len();
            let mut file = file.take(expected.bytes);
            let mut part = vec![0; PART];
            loop {
                match file.read(&mut part) {
                    Ok(0) => break,
                    Ok(read) => begin = begin.followed_by(&part[..read]),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(failed()(error).into()),
                }
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => missing = true,
        Err(error) => return Err(failed()(error).into()),
    }
    let what = match begin {
        begin if begin == expected => return Ok(()),
        _ if missing => "it is missing",
        begin if begin.bytes < expected.bytes => "it is too short",
        _ => "they were changed since",
    };
    let (file, checkpoint) = (path.to_owned(), checkpoint.to_owned());
    Err(RunError::Log { file, found, expected: expected.bytes, checkpoint, what, earlier: None })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::files::RealDisk;
    use crate::files::faulty::FaultyDisk;

    #[test]
    fn grows_by_whole_lines_and_is_cut_where_it_is_reopened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = JsonLog::open(&RealDisk, &path, Checksum::default()).unwrap();
        log.push(&"a\nb").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        log.append(&2).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "\"a\\nb\"\n2\n");
        let written = log.written();
        log.append(&3).unwrap();
        log.sync().unwrap();
        let mut log = JsonLog::open(&RealDisk, &path, written).unwrap();
        log.append(&4).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "\"a\\nb\"\n2\n4\n");
    }

    #[test]
    fn what_has_no_json_form_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = JsonLog::open(&RealDisk, &dir.path().join("log"), Checksum::default()).unwrap();
        let keyed_by_a_list = std::collections::BTreeMap::from([(vec![1], 1)]);
        assert!(matches!(log.push(&(1, keyed_by_a_list)), Err(RunError::Record { .. })));
        log.append(&1).unwrap();
        assert_eq!(log.written(), Checksum::of(b"1\n"));
    }

    #[test]
    fn a_record_that_did_not_fit_is_not_written_twice_later() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let disk = FaultyDisk::with_room(5);
        let mut log = JsonLog::open(&disk, &path, Checksum::default()).unwrap();
        log.append(&1).unwrap();
        assert!(log.append(&"too long").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n");
        disk.make_room();
        log.append(&"too long").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n\"too long\"\n");
    }

    #[test]
    fn a_shorter_log_and_one_that_was_changed_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let check = |expected: &[u8]| {
            check(&path, Checksum::of(expected), Path::new("checkpoints/step-000002"))
                .map_err(|error| error.to_string())
        };
        check(b"").unwrap();
        assert!(check(b"1").unwrap_err().contains("missing"));
        let text = b"12\n34\n5";
        fs::write(&path, text).unwrap();
        for end in 0..=text.len() {
            check(&text[..end]).unwrap();
            for at in 0..end {
                let mut other = text.to_vec();
                other[at] ^= 1;
                assert!(check(&other[..end]).unwrap_err().contains("changed"), "{at} of {end}");
            }
        }
        let refused = check(b"12\n34\n56").unwrap_err();
        assert!(refused.contains("too short") && refused.contains("step-000002"), "{refused}");
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
            let mut log = JsonLog::open(&disk, &path, Checksum::default()).unwrap();
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
                prop_assert_eq!(Checksum::of(text.as_bytes()), log.written());
                prop_assert_eq!(committed.is_ok(), text == expected);
            }
            disk.make_room();
            log.commit().unwrap();
            prop_assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        }
    }
}
