//! Writing checkpoints so that at every moment the newest complete one can be found and read.
//!
//! ```text
//! 1  .partial-step-000123/  made, its files written            (each flushed to disk, where it is time)
//! 2  step-000123            removed to .replaced-step-000123   only if it is there: the same step saved again
//! 3  .partial-step-000123   renamed to step-000123             from here on it is the newest
//! 4  latest                 replaced
//! 5  older than the newest K  renamed to .removed-..., then removed; not the last one that was flushed
//! ```
//!
//! A process that ends between any two of these leaves hidden names only, which [`CheckpointWriter::clean`] puts
//! right.

use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::checksums::{self, CHECKSUMS, Checksum};
use super::disk::{DiskError, Durability, create_dir_all, sync_dir, write_atomically, write_file};
use super::error::CheckpointError;
use super::folder::{LATEST, PARTIAL, REMOVED, REPLACED, STATE, TENSORS, folder_name, list, names, step_of};
use super::layout::{TensorSpec, header};
use super::state::State;
use crate::files::{self, Disk, DiskFile, RealDisk};

/// Writes the checkpoints of one run. Only one process may do so at a time; the run directory's lock sees to that.
#[derive(Debug, Clone)]
pub struct CheckpointWriter {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    keep: NonZeroUsize,
    durability: Durability,
    /// The newest checkpoint that is known to survive a power cut. One mutex for all clones.
    flushed: Arc<Mutex<Option<Flushed>>>,
}

/// A checkpoint that survives a power cut.
#[derive(Debug, Clone, Copy)]
struct Flushed {
    step: u64,
    at: Instant,
}

impl CheckpointWriter {
    /// Writes into the folder `dir`, which is made when it is needed, and keeps the newest `keep` checkpoints.
    pub fn new(dir: impl Into<PathBuf>, keep: NonZeroUsize) -> Self {
        Self {
            disk: Arc::new(RealDisk),
            dir: dir.into(),
            keep,
            durability: Durability::default(),
            flushed: Arc::default(),
        }
    }

    /// The same with another disk.
    pub fn on_disk(self, disk: Arc<dyn Disk>) -> Self {
        Self { disk, ..self }
    }

    /// The same with another durability.
    pub fn durability(self, durability: Durability) -> Self {
        Self { durability, ..self }
    }

    /// The folder of the checkpoints.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Begins the checkpoint after `step` steps. Its tensors are pushed next, in the order of `tensors`.
    pub fn begin(&self, step: u64, tensors: &[TensorSpec]) -> Result<PendingCheckpoint, CheckpointError> {
        let target = self.dir.join(folder_name(step));
        let refused = |what| CheckpointError::Layout { folder: target.clone(), what };
        let header = header(tensors).map_err(refused)?;
        let values = tensors.iter().filter_map(TensorSpec::values).sum();
        create_dir_all(&*self.disk, self.durability, &self.dir)?;
        let temporary = self.dir.join(format!("{PARTIAL}{}", folder_name(step)));
        // What an earlier attempt left; that one may also have been stopped by a full disk.
        self.remove_folder(&temporary)?;
        self.disk.create_dir(&temporary).map_err(DiskError::on(&temporary, "created"))?;
        // From here on a drop removes the folder.
        let path = temporary.join(TENSORS);
        let mut pending = PendingCheckpoint {
            writer: self.clone(),
            step,
            temporary,
            target,
            flush: self.is_due(step),
            file: None,
            crc: crc32fast::Hasher::new(),
            bytes: 0,
            values_left: values,
            done: false,
        };
        pending.file = Some(self.disk.create(&path, files::OPEN).map_err(DiskError::on(&path, "created"))?);
        pending.write(&header)?;
        Ok(pending)
    }

    /// Begins the checkpoint after `step` steps with all its tensors, which are in memory.
    pub fn filled(
        &self,
        step: u64,
        tensors: &[(String, Vec<usize>, &[f32])],
    ) -> Result<PendingCheckpoint, CheckpointError> {
        let specs: Vec<TensorSpec> =
            tensors.iter().map(|(name, shape, _)| TensorSpec::new(name.as_str(), shape.as_slice())).collect();
        for (spec, (_, _, values)) in specs.iter().zip(tensors) {
            if spec.values() != Some(values.len()) {
                let folder = self.dir.join(folder_name(step));
                let what =
                    format!("`{}` has the shape {:?} and {} values", spec.name, spec.shape, values.len());
                return Err(CheckpointError::Layout { folder, what });
            }
        }
        let mut pending = self.begin(step, &specs)?;
        for (_, _, values) in tensors {
            pending.push(values)?;
        }
        Ok(pending)
    }

    /// Puts right what a process left that ended in the middle. To be called before the newest checkpoint is looked
    /// for.
    pub fn clean(&self) -> Result<(), CheckpointError> {
        for name in names(&self.dir)? {
            let path = self.dir.join(&name);
            let replaced = name.strip_prefix(REPLACED).filter(|rest| step_of(rest).is_some());
            if let Some(target) = replaced.map(|rest| self.dir.join(rest))
                && !target.exists()
            {
                // It ended between the two renames: the one that was to be replaced is still the newest.
                self.disk.rename(&path, &target).map_err(DiskError::on(&path, "put back in place"))?;
                continue;
            }
            let mut left = [PARTIAL, REMOVED].into_iter().filter_map(|prefix| name.strip_prefix(prefix));
            if replaced.is_some() || left.any(|rest| step_of(rest).is_some()) {
                self.remove_folder(&path)?;
            }
        }
        Ok(())
    }

    /// Removes every checkpoint of more than `step` steps: a run that goes on from an older one makes them anew.
    pub fn discard_after(&self, step: u64) -> Result<(), CheckpointError> {
        // Newest first, so that at every moment those there are one unbroken history.
        for (_, path) in list(&self.dir)?.into_iter().rev().filter(|(other, _)| *other > step) {
            // What follows (cutting the logs) must not survive a power cut that this does not.
            self.discard(&path, self.durability.flushes())?;
        }
        Ok(())
    }

    /// Removes all but the newest and the last one that was flushed; `flush` says whether that it is gone survives a power cut.
    fn prune(&self, flush: bool) -> Result<(), CheckpointError> {
        let all = list(&self.dir)?;
        let surplus = all.len().saturating_sub(self.keep.get());
        let flushed = self.flushed().map(|flushed| flushed.step);
        for (_, path) in all.into_iter().take(surplus).filter(|(step, _)| Some(*step) != flushed) {
            self.discard(&path, flush)?;
        }
        Ok(())
    }

    /// Takes a checkpoint's name away at once, then removes its files one by one.
    fn discard(&self, path: &Path, flush: bool) -> Result<(), CheckpointError> {
        let hidden = self.hidden(REMOVED, path);
        self.remove_folder(&hidden)?;
        self.disk.rename(path, &hidden).map_err(DiskError::on(path, "renamed"))?;
        if flush {
            sync_dir(&*self.disk, &self.dir)?;
        }
        self.remove_folder(&hidden)
    }

    fn remove_folder(&self, path: &Path) -> Result<(), CheckpointError> {
        match self.disk.remove_dir_all(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => Ok(removed.map_err(DiskError::on(path, "removed"))?),
        }
    }

    fn hidden(&self, prefix: &str, path: &Path) -> PathBuf {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        self.dir.join(format!("{prefix}{name}"))
    }

    /// Whether the checkpoint after `step` steps is to be flushed.
    fn is_due(&self, step: u64) -> bool {
        let within = match self.durability {
            Durability::Process => return false,
            Durability::PowerCut => Duration::ZERO,
            Durability::Within(time) => time,
        };
        // One that takes the place of the last that was flushed must be as safe.
        self.flushed().is_none_or(|last| last.step == step || last.at.elapsed() >= within)
    }

    fn flushed(&self) -> MutexGuard<'_, Option<Flushed>> {
        // It holds a plain value, which a panic elsewhere leaves whole.
        self.flushed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A checkpoint being written. Dropped before [`Self::finish`], it leaves nothing.
#[derive(Debug)]
pub struct PendingCheckpoint {
    writer: CheckpointWriter,
    step: u64,
    temporary: PathBuf,
    target: PathBuf,
    flush: bool,
    file: Option<Box<dyn DiskFile>>,
    crc: crc32fast::Hasher,
    bytes: u64,
    values_left: usize,
    done: bool,
}

impl PendingCheckpoint {
    /// The same, flushed to the disk before its time where it ever would be.
    pub fn flushed(mut self) -> Self {
        self.flush = self.writer.durability.flushes();
        self
    }

    /// Whether it will survive a power cut. The logs that it covers must then be flushed before [`Self::finish`].
    pub fn is_flushed(&self) -> bool {
        self.flush
    }

    /// The next values, in the order of the tensors and within each row by row. Any number at a time, so that no
    /// tensor need be in memory whole.
    pub fn push(&mut self, values: &[f32]) -> Result<(), CheckpointError> {
        let Some(left) = self.values_left.checked_sub(values.len()) else {
            return Err(self.layout(format!(
                "its tensors have room for {} more values, and {} were given",
                self.values_left,
                values.len()
            )));
        };
        if cfg!(target_endian = "little") {
            self.write(bytemuck::cast_slice(values))?;
        } else {
            for part in values.chunks(1 << 14) {
                let bytes: Vec<u8> = part.iter().flat_map(|value| value.to_le_bytes()).collect();
                self.write(&bytes)?;
            }
        }
        self.values_left = left;
        Ok(())
    }

    /// Adds the rest of the state and puts the checkpoint in place; returns its folder.
    pub fn finish(mut self, state: &State) -> Result<PathBuf, CheckpointError> {
        if self.values_left > 0 {
            return Err(self.layout(format!("{} values of its tensors were not given", self.values_left)));
        }
        if state.progress.step != self.step {
            return Err(self.layout(format!(
                "it was begun after {} steps and its state says {}",
                self.step, state.progress.step
            )));
        }
        let mut json = serde_json::to_vec_pretty(state).map_err(|error| self.layout(error.to_string()))?;
        json.push(b'\n');
        let (writer, flush) = (self.writer.clone(), self.flush);
        let durability = if flush { Durability::PowerCut } else { Durability::Process };
        let disk = &*writer.disk;
        if let Some(mut file) = self.file.take()
            && flush
        {
            file.sync().map_err(DiskError::on(&self.temporary.join(TENSORS), "flushed to disk"))?;
        }
        let tensors = Checksum { crc: self.crc.clone().finalize(), bytes: self.bytes };
        let lines = checksums::render(&[(TENSORS, tensors), (STATE, Checksum::of(&json))]);
        write_file(disk, durability, &self.temporary.join(STATE), &json)?;
        write_file(disk, durability, &self.temporary.join(CHECKSUMS), lines.as_bytes())?;
        if flush {
            sync_dir(disk, &self.temporary)?;
        }
        let replaced = self.put_in_place()?;
        if flush {
            sync_dir(disk, &writer.dir)?;
            *writer.flushed() = Some(Flushed { step: self.step, at: Instant::now() });
        }
        let name = format!("{}\n", folder_name(self.step));
        write_atomically(disk, durability, &writer.dir.join(LATEST), name.as_bytes())?;
        if let Some(replaced) = replaced {
            writer.remove_folder(&replaced)?;
        }
        writer.prune(flush)?;
        Ok(self.target.clone())
    }

    /// Gives the checkpoint its name; returns where the one of that name is now, if there was one.
    fn put_in_place(&mut self) -> Result<Option<PathBuf>, CheckpointError> {
        let writer = &self.writer;
        let replaced = writer.hidden(REPLACED, &self.target);
        let was_there = self.target.exists();
        if was_there {
            writer.remove_folder(&replaced)?;
            writer.disk.rename(&self.target, &replaced).map_err(DiskError::on(&self.target, "renamed"))?;
        }
        if let Err(source) = writer.disk.rename(&self.temporary, &self.target) {
            if was_there {
                // Should this fail too, `clean` does it.
                let _ = writer.disk.rename(&replaced, &self.target);
            }
            return Err(DiskError { file: self.target.clone(), action: "put in place", source }.into());
        }
        self.done = true;
        Ok(was_there.then_some(replaced))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), CheckpointError> {
        let path = self.temporary.join(TENSORS);
        if let Some(file) = &mut self.file {
            file.write(bytes).map_err(DiskError::on(&path, "written"))?;
        }
        self.crc.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn layout(&self, what: String) -> CheckpointError {
        CheckpointError::Layout { folder: self.target.clone(), what }
    }
}

impl Drop for PendingCheckpoint {
    fn drop(&mut self) {
        if !self.done {
            // Closed first: some systems remove no open file. What remains, `clean` removes.
            self.file = None;
            let _ = self.writer.disk.remove_dir_all(&self.temporary);
        }
    }
}
