//! What a configuration may say that no code does yet. Whoever builds one of these removes its line here.

use serde::Serialize;

use super::run::RunConfig;
use super::stage::{Stage, prefixes};
use crate::engine::Device;
use crate::model::config::FloatType;

/// Something the run needs that is not built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotBuilt {
    /// The field that asks for it, as `--set` takes it.
    pub field: String,
    /// What is missing.
    pub name: String,
    /// What can be done about it.
    pub instead: String,
}

impl NotBuilt {
    fn new(field: impl Into<String>, name: impl Into<String>, instead: impl Into<String>) -> Self {
        Self { field: field.into(), name: name.into(), instead: instead.into() }
    }
}

/// Everything the run needs that is not built, in the order of the file.
pub(super) fn not_built(config: &RunConfig) -> Vec<NotBuilt> {
    let mut missing = Vec::new();
    let device = config.device;
    let (present, feature) = match device {
        Device::Cpu => (true, ""),
        Device::Wgpu => (cfg!(feature = "wgpu"), "wgpu"),
        Device::Cuda(_) => (cfg!(feature = "cuda"), "cuda"),
    };
    if !present {
        missing.push(NotBuilt::new(
            "device",
            format!("device {device} in this build"),
            format!("rebuild with `cargo build --release --features {feature}`, or set device=cpu"),
        ));
    }
    if config.ranks > 1 {
        missing.push(NotBuilt::new(
            "ranks",
            format!("weights split over {} devices", config.ranks),
            "set ranks=1 and a model that fits on one",
        ));
    }
    if config.model.dtype == FloatType::BF16 && device == Device::Wgpu {
        missing.push(NotBuilt::new(
            "model.dtype",
            "bf16 on wgpu, whose language has none",
            "set model.dtype=f32",
        ));
    }
    let names = prefixes(config.stage.iter().map(|stage| Some(stage.kind())));
    for (stage, name) in config.stage.iter().zip(names) {
        let unbuilt = match stage {
            Stage::MidTraining(_) => "mid-training",
            Stage::RuleRl(_) => "rule-based reinforcement learning",
            Stage::RubricRl(_) => "single-turn reinforcement learning by rubric",
            Stage::Sft(sft) if !sft.files.is_empty() => {
                missing.push(NotBuilt::new(
                    format!("stage.{name}.files"),
                    "supervised training on files of conversations",
                    "leave files out; consultations of scripted doctors are made by the run",
                ));
                continue;
            }
            Stage::Sft(_) | Stage::Rl(_) => continue,
        };
        let kind = stage.kind();
        missing.push(NotBuilt::new(
            format!("stage.{name}"),
            format!("stage {kind} ({unbuilt})"),
            "take the stage out of the file",
        ));
    }
    missing
}
