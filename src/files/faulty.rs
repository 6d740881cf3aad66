//! A disk for tests: it can stop the process in the middle of any operation, fill up at any byte, and lose what was
//! not flushed.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::disk::{Disk, DiskFile, writing};

/// Works on real files, and counts what it does. Clones share all but the files they have open.
#[derive(Debug, Clone, Default)]
pub struct FaultyDisk(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// Operations begun.
    operations: u64,
    /// The operation during which the process ends.
    dies_at: Option<u64>,
    dead: bool,
    /// Bytes that fit on the disk.
    room: Option<u64>,
    written: u64,
    /// Files with bytes that a power cut loses, and how many of their first bytes it does not.
    unsynced: BTreeMap<PathBuf, u64>,
}

impl FaultyDisk {
    /// One that ends the process during operation `at`, counted from 0: a write leaves a part, a removal of a folder
    /// leaves some files, anything else is not done. Every later operation fails, as those of a dead process do.
    pub fn dying_at(at: u64) -> Self {
        let disk = Self::default();
        disk.inner().dies_at = Some(at);
        disk
    }

    /// One with room for `bytes` more bytes.
    pub fn with_room(bytes: u64) -> Self {
        let disk = Self::default();
        disk.inner().room = Some(bytes);
        disk
    }

    /// Makes room for everything.
    pub fn make_room(&self) {
        self.inner().room = None;
    }

    pub fn operations(&self) -> u64 {
        self.inner().operations
    }

    pub fn written(&self) -> u64 {
        self.inner().written
    }

    pub fn is_dead(&self) -> bool {
        self.inner().dead
    }

    /// Takes away what was written and not flushed; the names of files stay.
    pub fn cut_power(&self) {
        for (path, kept) in &self.inner().unsynced {
            if path.is_file() {
                OpenOptions::new().write(true).open(path).unwrap().set_len(*kept).unwrap();
            }
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Begins an operation; tells whether the process ends during it.
    fn begin(&self) -> io::Result<bool> {
        let mut inner = self.inner();
        if inner.dead {
            return Err(gone());
        }
        let number = inner.operations;
        inner.operations += 1;
        inner.dead = inner.dies_at == Some(number);
        Ok(inner.dead)
    }

    fn whole(&self) -> io::Result<()> {
        if self.begin()? { Err(gone()) } else { Ok(()) }
    }

    /// A file that has nothing in it yet, so that a power cut loses all that comes.
    fn emptied(&self, path: &Path, file: File) -> Box<dyn DiskFile> {
        self.inner().unsynced.insert(path.to_owned(), 0);
        self.open(path, file)
    }

    fn open(&self, path: &Path, file: File) -> Box<dyn DiskFile> {
        Box::new(FaultyFile { disk: self.clone(), path: path.to_owned(), file })
    }
}

fn gone() -> io::Error {
    io::Error::other("the process was ended here by the test")
}

impl Disk for FaultyDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.whole()?;
        fs::create_dir(path)
    }

    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>> {
        self.whole()?;
        Ok(self.emptied(path, writing(mode).create(true).truncate(true).open(path)?))
    }

    fn create_new(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>> {
        self.whole()?;
        Ok(self.emptied(path, writing(mode).create_new(true).open(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.whole()?;
        Ok(self.open(path, OpenOptions::new().create(true).append(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.whole()?;
        fs::rename(from, to)?;
        let mut inner = self.inner();
        let moved: Vec<PathBuf> =
            inner.unsynced.keys().filter(|path| path.starts_with(from)).cloned().collect();
        for old in moved {
            if let (Some(kept), Ok(rest)) = (inner.unsynced.remove(&old), old.strip_prefix(from)) {
                // Joining the empty path would add a slash.
                let new = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
                inner.unsynced.insert(new, kept);
            }
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.whole()?;
        self.inner().unsynced.remove(path);
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        if !self.begin()? {
            self.inner().unsynced.retain(|file, _| !file.starts_with(path));
            return fs::remove_dir_all(path);
        }
        if let Ok(entries) = fs::read_dir(path) {
            for entry in entries.step_by(2) {
                fs::remove_file(entry.unwrap().path()).unwrap();
            }
        }
        Err(gone())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.whole()?;
        assert!(path.is_dir(), "{}", path.display());
        Ok(())
    }
}

#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    path: PathBuf,
    file: File,
}

impl DiskFile for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let dies = self.disk.begin()?;
        let before = self.file.metadata()?.len();
        let mut inner = self.disk.inner();
        inner.unsynced.entry(self.path.clone()).or_insert(before);
        // Any part of a write may be done; which, differs from operation to operation.
        let torn = (inner.operations as usize).wrapping_mul(7919) % (bytes.len() + 1);
        let room = usize::try_from(inner.room.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        let full = room < bytes.len();
        let part = if dies { torn } else { bytes.len() }.min(room);
        inner.written += part as u64;
        if let Some(room) = &mut inner.room {
            *room -= part as u64;
        }
        self.file.write_all(&bytes[..part])?;
        match (dies, full) {
            (true, _) => Err(gone()),
            (false, true) => Err(ErrorKind::StorageFull.into()),
            (false, false) => Ok(()),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.whole()?;
        self.disk.inner().unsynced.remove(&self.path);
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.disk.whole()?;
        self.file.set_len(length)?;
        if let Some(kept) = self.disk.inner().unsynced.get_mut(&self.path) {
            *kept = length.min(*kept);
        }
        Ok(())
    }

    fn set_permissions(&mut self, permissions: Permissions) -> io::Result<()> {
        self.disk.whole()?;
        self.file.set_permissions(permissions)
    }
}
