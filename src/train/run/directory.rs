//! The folder of one run while it is being written.

use std::fs;
use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::attempt;
use super::error::RunError;
use super::lock::RunLock;
use super::log::JsonLog;
use super::metrics::StepMetrics;
use super::summary::{SUMMARY, Summary};
use crate::files::{self, Disk, RealDisk};
use crate::train::checkpoint::checksums::Checksum;
use crate::train::checkpoint::disk::{create_dir_all, sync_dir, write_atomically};
use crate::train::checkpoint::{
    CheckpointWriter, Covered, DiskError, Durability, PendingCheckpoint, Progress, State, TensorSpec,
};

/// The resolved configuration.
pub(super) const CONFIG: &str = "config.toml";
pub(super) const METRICS: &str = "metrics.jsonl";
pub(super) const ROLLOUTS: &str = "rollouts.jsonl";
/// What patients did; not there where rules play them.
pub(super) const PATIENTS: &str = "patients.jsonl";
/// How rubrics changed; not there where they do not change.
pub(super) const RUBRIC: &str = "rubric.jsonl";
/// The folder of the checkpoints.
pub(super) const CHECKPOINTS: &str = "checkpoints";

/// How a run is kept on disk.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// How many of the newest checkpoints stay. With one, there is none to go back to should it be damaged.
    pub keep_checkpoints: NonZeroUsize,
    /// What checkpoints and the logs they cover must survive.
    pub durability: Durability,
    /// What is written to.
    pub disk: Arc<dyn Disk>,
}

impl Default for RunOptions {
    /// Two checkpoints, safe from a power cut.
    fn default() -> Self {
        let two = NonZeroUsize::MIN.saturating_add(1);
        Self { keep_checkpoints: two, durability: Durability::default(), disk: Arc::new(RealDisk) }
    }
}

/// A run's folder, written by this process alone.
///
/// Its contents are in one order at every moment: a step's rollouts (with turns of patients and changes of rubrics) are written before its line of metrics, and all
/// before a checkpoint that covers them. So whenever the process ends, the newest checkpoint and as much of the logs
/// as it covers are one state of the run; what is in the logs beyond that is cut off when the run goes on.
#[derive(Debug)]
pub struct RunDirectory {
    dir: PathBuf,
    lock: RunLock,
    options: RunOptions,
    config_hash: String,
    checkpoints: CheckpointWriter,
    metrics: JsonLog,
    rollouts: JsonLog,
    /// Made with its first record: only runs whose patients models play have it.
    patients: Option<JsonLog>,
    /// Likewise of runs whose rubrics change.
    rubric: Option<JsonLog>,
}

impl RunDirectory {
    /// Begins the next attempt at the run `name`, in `base/name/001` or the next free number, with the resolved
    /// configuration `config`.
    pub fn create(base: &Path, name: &str, config: &str, options: RunOptions) -> Result<Self, RunError> {
        let dir = attempt::create(&*options.disk, options.durability, base, name)?;
        Self::create_in(&dir, config, options)
    }

    /// Begins a run in the folder `dir` itself, which must be new or empty.
    pub fn create_in(dir: &Path, config: &str, options: RunOptions) -> Result<Self, RunError> {
        create_dir_all(&*options.disk, options.durability, dir)?;
        let lock = RunLock::take(dir)?;
        check_empty(dir)?;
        // Before the configuration, which makes the folder a run: a run without this one has lost it.
        create_dir_all(&*options.disk, options.durability, &dir.join(CHECKPOINTS))?;
        write_atomically(&*options.disk, options.durability, &dir.join(CONFIG), config.as_bytes())?;
        Self::open(dir, lock, options, config, Covered::default())
    }

    /// Whether a run may begin in the folder `dir`, as far as that shows without making anything: for what takes long before it.
    ///
    /// # Errors
    ///
    /// As [`RunDirectory::create_in`].
    pub fn check_in(dir: &Path) -> Result<(), RunError> {
        if dir.is_dir() {
            check_empty(dir)?;
        }
        check_writable(dir)
    }

    /// The same for the next attempt at the run `name`, as [`RunDirectory::create`] begins it.
    ///
    /// # Errors
    ///
    /// As [`RunDirectory::create`].
    pub fn check(base: &Path, name: &str) -> Result<(), RunError> {
        check_writable(&attempt::folder(base, name)?)
    }

    pub(super) fn open(
        dir: &Path,
        lock: RunLock,
        options: RunOptions,
        config: &str,
        logs: Covered,
    ) -> Result<Self, RunError> {
        let disk = &*options.disk;
        let metrics = JsonLog::open(disk, &dir.join(METRICS), logs.metrics)?;
        let rollouts = JsonLog::open(disk, &dir.join(ROLLOUTS), logs.rollouts)?;
        let made = |name: &str, covered| {
            let path = dir.join(name);
            path.exists().then(|| JsonLog::open(disk, &path, covered)).transpose()
        };
        let (patients, rubric) = (made(PATIENTS, logs.patients)?, made(RUBRIC, logs.rubric)?);
        if options.durability.flushes() {
            // The logs' own names: what is later flushed in them must be found again.
            sync_dir(disk, dir)?;
        }
        Ok(Self {
            metrics,
            rollouts,
            patients,
            rubric,
            checkpoints: checkpoint_writer(dir, &options),
            dir: dir.to_owned(),
            lock,
            options,
            config_hash: config_hash(config),
        })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The log of steps.
    pub fn metrics_path(&self) -> PathBuf {
        self.dir.join(METRICS)
    }

    /// The log of how rubrics changed.
    pub fn rubric_path(&self) -> PathBuf {
        self.dir.join(RUBRIC)
    }

    /// The log of rollouts.
    pub fn rollouts_path(&self) -> PathBuf {
        self.dir.join(ROLLOUTS)
    }

    /// Whether the file system keeps other processes out of the folder; where not, only care does.
    pub fn is_locked(&self) -> bool {
        self.lock.is_enforced()
    }

    /// Adds a line to `rollouts.jsonl`, written when the step is.
    pub fn rollout(&mut self, record: &impl Serialize) -> Result<(), RunError> {
        self.rollouts.push(record)
    }

    /// Adds a line to `patients.jsonl`, written when the step is.
    pub fn patient(&mut self, record: &impl Serialize) -> Result<(), RunError> {
        let log = match self.patients.take() {
            Some(log) => log,
            None => self.late_log(PATIENTS)?,
        };
        self.patients.insert(log).push(record)
    }

    /// Adds a line to `rubric.jsonl`, written when the step is.
    pub fn rubric_change(&mut self, record: &impl Serialize) -> Result<(), RunError> {
        let log = match self.rubric.take() {
            Some(log) => log,
            None => self.late_log(RUBRIC)?,
        };
        self.rubric.insert(log).push(record)
    }

    /// A log that is made with its first record, of which nothing is there yet.
    fn late_log(&self, name: &str) -> Result<JsonLog, RunError> {
        let disk = &*self.options.disk;
        let log = JsonLog::open(disk, &self.dir.join(name), Checksum::default())?;
        if self.options.durability.flushes() {
            sync_dir(disk, &self.dir)?;
        }
        Ok(log)
    }

    /// Those of such logs that are there.
    fn late_logs(&mut self) -> impl Iterator<Item = &mut JsonLog> {
        [&mut self.patients, &mut self.rubric].into_iter().flatten()
    }

    /// Writes down a finished step: its rollouts, what patients did in it and how rubrics changed, then its metrics. After an error (a full disk, say) it can be
    /// called again with the same metrics.
    pub fn step(&mut self, metrics: &StepMetrics) -> Result<(), RunError> {
        self.rollouts.commit()?;
        self.late_logs().try_for_each(JsonLog::commit)?;
        self.metrics.append(metrics)
    }

    /// Saves a checkpoint of tensors in memory that covers the logs as they are; returns its folder.
    pub fn save(
        &mut self,
        progress: Progress,
        tensors: &[(String, Vec<usize>, &[f32])],
    ) -> Result<PathBuf, RunError> {
        let pending = self.checkpoints.filled(progress.step, tensors)?;
        self.finish_save(pending, progress)
    }

    /// Begins a checkpoint whose tensors are pushed part by part. [`Self::finish_save`] ends it.
    pub fn begin_save(&self, step: u64, tensors: &[TensorSpec]) -> Result<PendingCheckpoint, RunError> {
        Ok(self.checkpoints.begin(step, tensors)?)
    }

    /// Ends a checkpoint begun by [`Self::begin_save`]: it covers the logs as they are. Returns its folder.
    pub fn finish_save(
        &mut self,
        pending: PendingCheckpoint,
        progress: Progress,
    ) -> Result<PathBuf, RunError> {
        if pending.is_flushed() {
            self.rollouts.sync()?;
            self.late_logs().try_for_each(JsonLog::sync)?;
            self.metrics.sync()?;
        }
        let late = |log: &Option<JsonLog>| log.as_ref().map(JsonLog::written).unwrap_or_default();
        let logs = Covered {
            metrics: self.metrics.written(),
            rollouts: self.rollouts.written(),
            patients: late(&self.patients),
            rubric: late(&self.rubric),
        };
        Ok(pending.finish(&State::new(self.config_hash.as_str(), logs, progress))?)
    }

    /// Writes `summary.json`.
    pub fn write_summary(&self, summary: &Summary) -> Result<(), RunError> {
        let mut json = serde_json::to_vec_pretty(summary)
            .map_err(|source| RunError::Record { file: self.dir.join(SUMMARY), source })?;
        json.push(b'\n');
        self.write_file(SUMMARY, &json)
    }

    /// Writes another file of the run, e.g. `report.html`, whole or not at all.
    pub fn write_file(&self, name: &str, contents: &[u8]) -> Result<(), RunError> {
        let (disk, durability) = (&*self.options.disk, self.options.durability);
        Ok(write_atomically(disk, durability, &self.dir.join(name), contents)?)
    }
}

pub(super) fn checkpoint_writer(dir: &Path, options: &RunOptions) -> CheckpointWriter {
    CheckpointWriter::new(dir.join(CHECKPOINTS), options.keep_checkpoints)
        .on_disk(Arc::clone(&options.disk))
        .durability(options.durability)
}

pub(super) fn config_hash(config: &str) -> String {
    format!("crc32:{:08x}", Checksum::of(config.as_bytes()).crc)
}

/// That something can be made in a folder, or in the nearest above it that is there.
fn check_writable(dir: &Path) -> Result<(), RunError> {
    // A bare name has the empty path above it, which is the working folder.
    let there = |it: &&Path| it.as_os_str().is_empty() || it.symlink_metadata().is_ok();
    let above = dir.ancestors().find(there).filter(|it| !it.as_os_str().is_empty());
    let above = above.unwrap_or(Path::new("."));
    if !above.is_dir() {
        return Err(DiskError::on(above, "used as a folder")(ErrorKind::NotADirectory.into()).into());
    }
    files::probe(&above.join(CONFIG)).map_err(|error| DiskError::on(above, "written to")(error.source))?;
    Ok(())
}

/// A new run takes no folder with anything in it, but for what one leaves that ended as it began: hidden files and an
/// empty folder of checkpoints.
fn check_empty(dir: &Path) -> Result<(), RunError> {
    let taken = |what, advice| Err(RunError::Taken { folder: dir.to_owned(), what, advice });
    if dir.join(CONFIG).exists() {
        return taken("holds a run already", "resume it with --resume, or choose another folder with --out");
    }
    let failed = || DiskError::on(dir, "listed");
    for entry in fs::read_dir(dir).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let name = entry.file_name();
        let begun = name == CHECKPOINTS && fs::read_dir(entry.path()).is_ok_and(|mut it| it.next().is_none());
        if !begun && !name.to_string_lossy().starts_with('.') {
            return taken("is not empty", "choose another with --out");
        }
    }
    Ok(())
}
