//! The configuration of a run: one TOML file, checked as a whole.
//!
//! A file is read into a tree that knows its lines (`tree`), `--set` values are put over it (`overrides`), and the tree is
//! read field by field into [`RunConfig`] (`section` declares fields, `part` reads their types). Whatever is wrong is
//! collected (`findings`), what does not fit together too (`check`), and all of it is reported at once. [`Plan`] says
//! what the run would take. `docs/config.md` is made from the same declarations ([`reference()`]).

mod built;
mod check;
mod data;
mod findings;
mod legal;
mod memory;
mod model;
mod near;
mod overrides;
mod part;
mod plan;
mod plan_text;
mod problem;
mod reference;
mod rl;
mod run;
mod section;
mod stage;
mod tree;
mod writer;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_files;
#[cfg(test)]
mod tests_properties;

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use built::NotBuilt;
pub use data::{Data, Phi};
pub use memory::Memory;
pub use model::{Adapter, Lora, Model, Shape, Tokenizer};
pub use part::Bytes;
pub use plan::{Plan, PlanError, ShapeSource, StagePlan};
pub use problem::{ConfigErrors, Place, Problem};
pub use reference::reference;
pub use rl::{
    AdvantageScale, CarryOn, Detector, Grpo, KlForm, LengthReward, Noise, PolicyObjective, Rl, RubricRl,
    RuleRl,
};
pub use run::{Checkpoint, Evaluation, Limits, Optimizer, RunConfig};
pub use stage::{Doctors, KINDS, MidTraining, Mix, Sft, Stage, Update};

use crate::model::config::ModelConfig;
use findings::Findings;
use section::Section;
use tree::Table;
use writer::Writer;

/// The longest file that is read, in bytes.
const MOST_BYTES: u64 = 1 << 20;

impl RunConfig {
    /// Reads a run's file with `--set` values (`key=value`) over it. Every problem of the file and the values comes back
    /// together.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self, ConfigErrors> {
        let failed = |source| ConfigErrors::Read { file: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let mut bytes = Vec::new();
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MOST_BYTES {
            let bytes = std::fs::metadata(path).map_or(bytes.len() as u64, |data| data.len());
            return Err(ConfigErrors::TooLong { file: path.to_owned(), bytes, most: MOST_BYTES });
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            failed(std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error()))
        })?;
        Self::parse(&text, path, overrides)
    }

    /// Reads a run's TOML text; `name` stands for the file in messages.
    pub fn parse(text: &str, name: &Path, overrides: &[String]) -> Result<Self, ConfigErrors> {
        let refuse = |problems| ConfigErrors::Problems { file: name.to_owned(), problems };
        let mut root = tree::parse(text).map_err(refuse)?;
        let failed: Vec<Problem> =
            overrides.iter().filter_map(|given| overrides::apply(&mut root, given).err()).collect();
        let (config, problems) = Self::from_table(&root);
        let problems: Vec<Problem> = failed.into_iter().chain(problems).collect();
        if problems.is_empty() { Ok(config) } else { Err(refuse(problems)) }
    }

    fn from_table(root: &Table) -> (Self, Vec<Problem>) {
        let mut found = Findings::new(reference::paths());
        let names: Vec<&str> = Self::knobs().iter().map(|knob| knob.name).collect();
        found.unknown("", root, &names);
        let mut config = Self::read_fields(&mut found, "", root);
        for stage in &mut config.stage {
            if let Stage::Sft(sft) = stage
                && sft.steps.is_none()
                && sft.epochs.is_none()
            {
                sft.epochs = Some(1);
            }
        }
        check::check(&config, &mut found);
        (config, found.into_problems())
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
