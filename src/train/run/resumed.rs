//! A run that is to go on: first it is held and checked, then it is taken up.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::directory::{
    CHECKPOINTS, CONFIG, METRICS, PATIENTS, ROLLOUTS, RUBRIC, RunDirectory, RunOptions, checkpoint_writer,
    config_hash,
};
use super::error::RunError;
use super::lock::RunLock;
use super::log;
use super::read::read_metrics;
use super::summary::SUMMARY;
use crate::train::checkpoint::disk::read_at_most;
use crate::train::checkpoint::{
    Checkpoint, CheckpointError, Covered, DiskError, LATEST, folder_name, latest, previous,
};

/// Names of checkpoints are shorter.
const LONGEST_NAME: u64 = 100;

/// Where a resumed run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResumeFrom {
    /// After the newest checkpoint.
    #[default]
    Newest,
    /// After the checkpoint of this many steps; those after it are removed, as they will be made anew.
    Step(u64),
}

/// A run that is to go on, held by this process. Its own files have been checked. Until [`Self::take_up`] nothing is lost:
/// whoever wants to compare more than the run's own files can, and leave the run as it is.
#[derive(Debug)]
pub struct Resumed {
    dir: PathBuf,
    lock: RunLock,
    options: RunOptions,
    config: String,
    checkpoint: Option<Checkpoint>,
}

impl Resumed {
    /// Holds the run in `dir`, wherever it ended and by whatever cause.
    pub fn hold(dir: &Path, from: ResumeFrom, options: RunOptions) -> Result<Self, RunError> {
        let path = dir.join(CONFIG);
        // Looked for first, so that no lock file is left in a folder that is no run.
        if !path.is_file() {
            let what = if dir.is_dir() { "it has no config.toml" } else { "there is no such folder" };
            return Err(RunError::NotARun { folder: dir.to_owned(), what: what.to_owned() });
        }
        if !dir.join(CHECKPOINTS).is_dir() {
            let what = format!("its folder {CHECKPOINTS} is missing; put it back, or start a new run");
            return Err(RunError::NotARun { folder: dir.to_owned(), what });
        }
        if dir.join(CHECKPOINTS).join(LATEST).is_dir() {
            let what = format!(
                "{CHECKPOINTS}/{LATEST} is a folder, where a file names the newest checkpoint; remove it, and it is written \
                 again"
            );
            return Err(RunError::NotARun { folder: dir.to_owned(), what });
        }
        let lock = RunLock::take(dir)?;
        let config = fs::read_to_string(&path).map_err(DiskError::on(&path, "read"))?;
        let writer = checkpoint_writer(dir, &options);
        // Completes what was begun when the process ended, and takes back what was not: no checkpoint is lost by it.
        writer.clean()?;
        let folder = match from {
            ResumeFrom::Newest => latest(writer.dir()).map_err(CheckpointError::from)?,
            ResumeFrom::Step(step) => Some(writer.dir().join(folder_name(step))),
        };
        if let (None, Some(named)) = (&folder, named_latest(writer.dir())) {
            let what = format!(
                "{CHECKPOINTS} holds none, and {LATEST} in it names {named}; put that back, or start a new run"
            );
            return Err(RunError::NotARun { folder: dir.to_owned(), what });
        }
        let checkpoint = folder.as_deref().map(Checkpoint::load).transpose()?;
        if let Some(checkpoint) = &checkpoint {
            check_covers(dir, &config, checkpoint).map_err(|error| match error {
                RunError::Log { file, found, expected, checkpoint, what, .. } => {
                    let earlier = earlier(dir, &config, &checkpoint);
                    RunError::Log { file, found, expected, checkpoint, what, earlier }
                }
                other => other,
            })?;
        }
        Ok(Self { dir: dir.to_owned(), lock, options, config, checkpoint })
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its configuration, as it was written.
    pub fn config(&self) -> &str {
        &self.config
    }

    /// Where it goes on; `None` where it ended before its first checkpoint, so that it begins again.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref()
    }

    /// Steps that its log has, whether a checkpoint covers them or not.
    pub fn logged_steps(&self) -> Result<usize, RunError> {
        let path = self.dir.join(METRICS);
        if path.exists() { Ok(read_metrics(&path)?.len()) } else { Ok(0) }
    }

    /// Takes it up: it is no longer finished, later checkpoints are removed and the logs are cut back to what its
    /// checkpoint covers.
    pub fn take_up(self) -> Result<RunDirectory, RunError> {
        let Self { dir, lock, options, config, checkpoint } = self;
        // First: with its summary it would pass for finished, should it end again before its end.
        let summary = dir.join(SUMMARY);
        match options.disk.remove_file(&summary) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(DiskError { file: summary, action: "removed", source: error }.into());
            }
            _ => {}
        }
        let logs = match &checkpoint {
            Some(checkpoint) => {
                // Before the logs are cut: a checkpoint must never be left that covers more than there is.
                let step = checkpoint.state().progress.step;
                checkpoint_writer(&dir, &options).discard_after(step)?;
                checkpoint.state().logs
            }
            None => Covered::default(),
        };
        RunDirectory::open(&dir, lock, options, &config, logs)
    }
}

/// The checkpoint that `latest` in the folder of checkpoints names.
fn named_latest(checkpoints: &Path) -> Option<String> {
    let text = read_at_most(&checkpoints.join(LATEST), LONGEST_NAME).ok()?;
    Some(String::from_utf8(text).ok()?.trim().to_owned())
}

/// The newest checkpoint older than `checkpoint` whose logs are as it covers them.
fn earlier(dir: &Path, config: &str, checkpoint: &Path) -> Option<PathBuf> {
    previous(checkpoint, &|path| {
        Checkpoint::is_sound(path)
            && Checkpoint::load(path).is_ok_and(|older| check_covers(dir, config, &older).is_ok())
    })
}

/// That the checkpoint was made under this configuration, and the logs hold what it covers.
fn check_covers(dir: &Path, config: &str, checkpoint: &Checkpoint) -> Result<(), RunError> {
    let (state, found) = (checkpoint.state(), config_hash(config));
    if state.config_hash != found {
        return Err(RunError::ConfigChanged {
            file: dir.join(CONFIG),
            found,
            checkpoint: checkpoint.path().to_owned(),
            expected: state.config_hash.clone(),
        });
    }
    log::check(&dir.join(METRICS), state.logs.metrics, checkpoint.path())?;
    log::check(&dir.join(ROLLOUTS), state.logs.rollouts, checkpoint.path())?;
    log::check(&dir.join(PATIENTS), state.logs.patients, checkpoint.path())?;
    log::check(&dir.join(RUBRIC), state.logs.rubric, checkpoint.path())
}
