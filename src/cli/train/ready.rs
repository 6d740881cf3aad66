//! What has to be there before a run begins or goes on: the model, its checkpoints, memory, all that its stages need.

use std::fmt::Write as _;
use std::path::Path;

use super::error::UsageError;
use crate::cli::options::available_memory;
use crate::cli::output;
use crate::engine::ModelBundle;
use crate::pipeline::{ADAPTER, MODEL, REPORT};
use crate::train::config::{Adapter, Plan, RunConfig};
use crate::train::run::Resumed;

/// What a finished run has lost.
pub(super) fn missing(folder: &Path) -> Option<&'static str> {
    let model = folder.join(MODEL);
    let whole = ModelBundle::open(&model).is_ok_and(|bundle| bundle.tokenizer().is_ok());
    if !whole || !model.join("tokenizer_config.json").is_file() {
        Some("model")
    } else if !folder.join(REPORT).is_file() {
        Some("report")
    } else if adapts(folder) && !folder.join(ADAPTER).join("adapter_config.json").is_file() {
        Some("adapter")
    } else {
        None
    }
}

/// Whether the run in `folder` trains adapters.
fn adapts(folder: &Path) -> bool {
    let config = RunConfig::load(&folder.join("config.toml"), &[]);
    config.is_ok_and(|config| config.model.adapter == Adapter::Lora)
}

/// That a run without a checkpoint has not come as far as its first.
pub(super) fn checkpoints_are_there(
    resumed: &Resumed,
    config: &RunConfig,
) -> Result<(), Box<dyn std::error::Error>> {
    let every = config.checkpoint.every;
    if resumed.checkpoint().is_some() {
        return Ok(());
    }
    let logged = resumed.logged_steps()?;
    if logged as u64 > every {
        let run = resumed.dir().to_owned();
        return Err(UsageError::CheckpointsGone { run, logged, every }.into());
    }
    Ok(())
}

/// That the files of the model which is trained are there.
pub(super) fn model_is_there(config: &RunConfig) -> Result<(), UsageError> {
    match &config.model.path {
        Some(path) if !path.exists() => {
            Err(UsageError::NoModel { path: path.to_owned(), place: hub_page(path) })
        }
        _ => Ok(()),
    }
}

/// Where the model that a path is called after can be got.
fn hub_page(path: &Path) -> String {
    /// The models of the configurations that come with osler, and whose they are on the hub.
    const OWNERS: [(&str, &str); 3] = [
        ("SmolLM2-135M-Instruct", "HuggingFaceTB"),
        ("Qwen2.5-7B-Instruct", "Qwen"),
        ("Qwen2.5-32B", "Qwen"),
    ];
    let known = OWNERS.iter().find(|(model, _)| path.file_name().is_some_and(|name| name == *model));
    match known {
        Some((model, owner)) => format!("https://huggingface.co/{owner}/{model}"),
        None => "the model's page on https://huggingface.co".to_owned(),
    }
}

/// That everything a run needs is built, and that there is memory for it.
pub(super) fn can_run(config: &RunConfig, plan: &Plan) -> Result<(), UsageError> {
    let mut why = String::new();
    for missing in &plan.not_built {
        // Writing to a string cannot fail.
        let _ =
            write!(why, "\n  - {} is not built yet (`{}`): {}", missing.name, missing.field, missing.instead);
    }
    why.extend(too_large(config, plan));
    if why.is_empty() { Ok(()) } else { Err(UsageError::CannotRun(why)) }
}

/// What is wrong with a run that needs more memory than it may take, or, where no limit is set, than is free.
pub(super) fn too_large(config: &RunConfig, plan: &Plan) -> Option<String> {
    let (limit, of) = match plan.limit_bytes {
        Some(limit) => (limit, "limits.memory allows"),
        None => (available_memory(config.device)?, "is free"),
    };
    (plan.peak_bytes > limit).then(|| {
        let (needs, limit) = (output::bytes(plan.peak_bytes), output::bytes(limit));
        format!(
            "\n  - it needs about {needs} of memory and {limit} {of}: lower cases, group_size, max_new_tokens, \
             micro_batch_tokens, data.train or consultations, or take a smaller model"
        )
    })
}
