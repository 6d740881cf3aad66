//! The trained adapters as a folder that peft loads: `adapter_config.json` and `adapter_model.safetensors`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use burn::tensor::TensorData;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

use super::error::PipelineError;
use super::prepare::Prepared;
use crate::kernels::KernelBackend;
use crate::rl::Policy;
use crate::train::checkpoint::DiskError;
use crate::train::config::Lora;
use crate::train::run::{RunDirectory, RunError};

/// The folder in a run's that adapters are exported to. It is not the model's own: transformers takes a folder with an
/// adapter in it for the adapter alone.
pub const ADAPTER: &str = "adapter";
/// What peft calls the model that adapters are put on.
const PREFIX: &str = "base_model.model.";

/// Writes the adapters of `policy` into the run's folder, each file whole or not at all, the configuration last.
pub(super) fn export_adapter<B: KernelBackend>(
    prepared: &Prepared,
    policy: &mut Policy<B>,
    run: &RunDirectory,
) -> Result<(), PipelineError> {
    let folder = run.dir().join(ADAPTER);
    let failed = |action| DiskError::on(&folder, action);
    fs::create_dir_all(&folder).map_err(failed("created")).map_err(RunError::from)?;
    let mut tensors = Vec::new();
    policy.visit_trained(&mut |name, parameter| {
        tensors.push((format!("{PREFIX}{name}"), parameter.dims(), bytes(parameter.flat().into_data())));
    });
    let views = tensors.iter().map(|(name, dims, bytes)| {
        TensorView::new(Dtype::F32, dims.clone(), bytes).map(|view| (name.as_str(), view))
    });
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let file = views
        .collect::<Result<Vec<_>, _>>()
        .and_then(|views| safetensors::serialize(views, Some(format)))
        .map_err(|error| RunError::from(failed("written")(std::io::Error::other(error))))?;
    let at = |name: &str| format!("{ADAPTER}/{name}");
    run.write_file(&at("adapter_model.safetensors"), &file)?;
    let config = &prepared.config.model;
    run.write_file(&at("adapter_config.json"), peft_config(&config.lora, config.path.as_deref()).as_bytes())?;
    Ok(())
}

/// peft's own configuration of such adapters; `base` is the model they belong on, where it has files.
fn peft_config(lora: &Lora, base: Option<&Path>) -> String {
    let targets: Vec<&str> = lora.targets.iter().map(|target| target.name()).collect();
    let config = json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base.map(|path| path.to_string_lossy()),
        "r": lora.rank,
        "lora_alpha": lora.alpha,
        "lora_dropout": 0.0,
        "target_modules": targets,
        "bias": "none",
        "fan_in_fan_out": false,
        "use_rslora": false,
        "use_dora": false,
        "modules_to_save": null,
        "inference_mode": true,
    });
    format!("{config:#}\n")
}

fn bytes(data: TensorData) -> Vec<u8> {
    let data = data.convert::<f32>();
    // Converted a line ago, so it is f32.
    data.as_slice::<f32>().unwrap_or_default().iter().flat_map(|value| value.to_le_bytes()).collect()
}
