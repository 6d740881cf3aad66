//! `osler export`

use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;

use crate::cli::options::{Runtime, Size};
use crate::cli::terminal::Progress;
use crate::cli::{CommandResult, output, terminal};
use crate::engine::ModelBundle;
use crate::model::config::FloatType;
use crate::model::weights::export::{ExportOptions, write_folder};

/// Write a model as a Hugging Face folder
///
/// From a GGUF file or a folder to safetensors, config, generation config and tokenizer files that transformers and
/// vLLM load as they are. Written beside the target and renamed into place, so a target is never half written.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  osler export --model SmolLM2-135M-Instruct.gguf --to smollm2
  osler export --model ./my-model --to ./my-model-bf16 --dtype bf16 --max-shard-size 2GB

JSON: {\"folder\", \"files\": [\"config.json\", ..], \"bytes\", \"parameters\"}")]
pub struct Arguments {
    /// Hugging Face folder, .safetensors file beside its config.json, or .gguf file
    #[arg(long, value_name = "PATH")]
    model: PathBuf,

    /// Folder to write
    #[arg(long, value_name = "DIR")]
    to: PathBuf,

    /// Type of the written weights
    #[arg(long, value_enum, default_value_t = ExportDtype::Keep, value_name = "TYPE")]
    dtype: ExportDtype,

    /// Most bytes of weights in one file
    #[arg(long, default_value = "5GB", value_name = "SIZE")]
    max_shard_size: Size,

    /// Replace the folder if it holds a model already
    #[arg(long)]
    overwrite: bool,

    #[command(flatten)]
    runtime: Runtime,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
enum ExportDtype {
    /// As stored; quantised tensors become f32
    Keep,
    /// 32-bit floats
    F32,
    /// bfloat16
    Bf16,
    /// 16-bit IEEE floats
    F16,
}

#[derive(Serialize)]
struct Report {
    folder: String,
    files: Vec<String>,
    bytes: u64,
    parameters: u64,
}

pub fn run(arguments: Arguments) -> CommandResult {
    let Arguments { model, to, dtype, max_shard_size: Size(max_shard_size), overwrite, runtime } = arguments;
    runtime.start()?;
    let bundle = ModelBundle::open(&model)?;
    if let (Ok(from), Ok(into)) = (model.canonicalize(), to.canonicalize())
        && from != into
        && from.starts_with(&into)
    {
        let (from, into) = (model.display(), to.display());
        return Err(format!(
            "--to {into} holds the model {from}, which replacing it would remove: name another"
        )
        .into());
    }
    if let Some(reason) = &bundle.tokenizer_problem {
        terminal::line(&format!(
            "note: the export has no tokenizer files: that of {} is not supported ({reason})",
            model.display()
        ));
    }
    let extra_files = bundle.made_tokenizer_files();
    let dtype = match dtype {
        ExportDtype::Keep => None,
        ExportDtype::F32 => Some(FloatType::F32),
        ExportDtype::Bf16 => Some(FloatType::BF16),
        ExportDtype::F16 => Some(FloatType::F16),
    };
    let options = ExportOptions { dtype, max_shard_size, overwrite, extra_files };
    let progress = Progress::bytes("exporting");
    write_folder(&bundle.files, &to, &options, &mut |done, all| progress.set(done, all))?;
    progress.finish();

    let mut files = Vec::new();
    let mut bytes = 0;
    for entry in std::fs::read_dir(&to)? {
        let entry = entry?;
        bytes += entry.metadata()?.len();
        files.push(entry.file_name().to_string_lossy().into_owned());
    }
    files.sort();
    let parameters = bundle.files.config().num_parameters();
    let report = Report { folder: to.display().to_string(), files, bytes, parameters };
    if runtime.json {
        output::json(&report)?;
    } else {
        output::text(&format!("{}: {}, {}\n", report.folder, report.files.join(", "), output::bytes(bytes)))?;
    }
    Ok(())
}
