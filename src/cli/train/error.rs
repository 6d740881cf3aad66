//! How a run ends that is not finished, and why one is not begun.

use std::path::PathBuf;

use thiserror::Error;

use crate::train::run::RunError;

/// A run that ended early and is saved.
#[derive(Debug, Error)]
#[error(
    "stopped {why}; {step} steps are saved. Go on with:\n  osler train --resume {}",
    .folder.display()
)]
pub struct StoppedEarly {
    pub(super) why: &'static str,
    pub(super) step: u64,
    pub(super) folder: PathBuf,
    /// The exit status.
    pub status: u8,
}

/// Why a run is not begun, or not gone on with.
#[derive(Debug, Error)]
pub(super) enum UsageError {
    #[error(
        "there is no run in {}: nothing to resume. Only folders NAME/001, 002 .. are looked for there; name any other, as \
         --out made it",
        .0.display()
    )]
    NoRun(PathBuf),
    #[error(
        "{} is not the configuration that {} began with. A run goes on under its own: undo the change, or begin a new run \
         without --resume",
        .config.display(), .run.display()
    )]
    OtherConfig { config: PathBuf, run: PathBuf },
    #[error(
        "--resume {} and --out {} name two folders: a run goes on in its own. Leave --out away",
        .resume.display(), .out.display()
    )]
    TwoFolders { resume: PathBuf, out: PathBuf },
    #[error("--resume takes a run's folder, one of its checkpoints' folders or a configuration (.toml), and {} is none", .0.display())]
    NoFolder(PathBuf),
    #[error(
        "{} has no checkpoint, though its metrics.jsonl has {logged} steps and one is saved every {every}: put the folder \
         `checkpoints` back as it was, or start a new run",
        .run.display()
    )]
    CheckpointsGone { run: PathBuf, logged: usize, every: u64 },
    #[error("{source}. Remove that file: --resume then makes it again")]
    Summary { source: RunError },
    #[error(
        "`model.path` is {}, and nothing is there. Put the files config.json, generation_config.json, tokenizer.json, tokenizer_config.json and \
         *.safetensors (with model.safetensors.index.json where there are several) from {place} into that folder, or name a folder or GGUF file that you \
         have with --set model.path=PATH",
        .path.display()
    )]
    NoModel { path: PathBuf, place: String },
    #[error("the run cannot be started: {0}")]
    CannotRun(String),
}
