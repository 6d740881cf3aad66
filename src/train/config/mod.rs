//! The configuration of a run: one TOML file, checked as a whole.
//!
//! A file is read into a tree that knows its lines (`tree`), `--set` values are put over it (`overrides`), and the tree is
//! read field by field into [`RunConfig`] (`section` declares fields, `part` reads their types). Whatever is wrong is
//! collected (`findings`), what does not fit together too (`check`), and all of it is reported at once. [`Plan`] says
//! what the run would take. [`Roles`] are those of its sections that may have a file to themselves: models, and the roles they play. `docs/config.md` is made from the same declarations ([`reference()`]).

mod addresses;
mod built;
mod check;
mod data;
mod evolution;
mod file;
mod findings;
mod initiative;
mod legal;
mod memory;
mod model;
mod models;
mod near;
mod overrides;
mod part;
mod plan;
mod plan_text;
mod problem;
mod reference;
mod rl;
mod role_plan;
mod roles;
mod run;
mod secrets;
mod section;
mod stage;
mod tree;
mod writer;

#[cfg(test)]
pub(crate) mod least;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_files;
#[cfg(test)]
mod tests_properties;
#[cfg(test)]
mod tests_roles;

use std::path::Path;

pub use addresses::Addresses;
pub use built::NotBuilt;
pub use data::{Data, Phi};
pub use evolution::Evolution;
pub use memory::Memory;
pub use model::{Adapter, Lora, Model, Shape, Tokenizer};
pub use models::{LocalModel, ModelSource, Models, ReplySettings, ServedModel};
pub use part::Bytes;
pub use plan::{Plan, PlanError, RubricPlan, ShapeSource, StagePlan};
pub use problem::{ConfigErrors, Place, Problem};
pub use reference::reference;
pub use rl::{
    AdvantageScale, CarryOn, Detector, Grpo, KlForm, LengthReward, Noise, PolicyObjective, Rl, RubricRl,
    RuleRl,
};
pub use role_plan::RolePlan;
pub use roles::{Cast, JudgeTemplates, Player, Role, RoleOptions, Roles};
pub use run::{Checkpoint, Evaluation, Limits, Optimizer, RunConfig};
pub use secrets::KeyVariable;
pub use stage::{Doctors, KINDS, MidTraining, Mix, Sft, Stage, Update};

use crate::model::config::ModelConfig;
use section::Section;
use writer::Writer;

impl RunConfig {
    /// Reads a run's file with `--set` values (`key=value`) over it. Every problem of the file and the values comes back
    /// together.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self, ConfigErrors> {
        Self::parse(&file::read(path)?, path, overrides)
    }

    /// Reads a run's TOML text; `name` stands for the file in messages.
    pub fn parse(text: &str, name: &Path, overrides: &[String]) -> Result<Self, ConfigErrors> {
        file::parse(text, name, overrides, reference::paths(), |config: &mut Self, found| {
            for stage in &mut config.stage {
                if let Stage::Sft(sft) = stage
                    && sft.steps.is_none()
                    && sft.epochs.is_none()
                {
                    sft.epochs = Some(1);
                }
            }
            check::check(config, found);
        })
    }

    /// The whole configuration, defaults and overrides included, as TOML that reads back as the same.
    pub fn resolved(&self) -> String {
        let mut out = Writer::default();
        self.write_fields(&mut out);
        out.finish()
    }

    /// The decoder that the file describes; `None` where it only names a model's files.
    pub fn model_config(&self) -> Option<ModelConfig> {
        let shape = self.model.shape.as_ref()?;
        Some(shape.config(shape.vocab_size.or(self.tokenizer.vocab_size)?))
    }

    /// The weight decay of a stage.
    pub fn weight_decay(&self, stage: &Stage) -> f64 {
        stage.update().weight_decay.unwrap_or(self.optimizer.weight_decay)
    }
}
