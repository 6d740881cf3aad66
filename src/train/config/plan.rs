//! What a run would take, worked out before anything is loaded: what `--dry-run` prints.

use std::path::PathBuf;

use serde::Serialize;
use thiserror::Error;

use super::built::{NotBuilt, not_built};
use super::memory::{Memory, of_stage, trained_parameters};
use super::model::Shape;
use super::rl::Grpo;
use super::role_plan::RolePlan;
use super::roles::Role;
use super::run::RunConfig;
use super::stage::{Sft, Stage};
use crate::model::config::ModelConfig;

/// Tokens of a scripted consultation. Of 2,000 with patients of the bundled bank, doctors of all qualities and at most 12
/// messages of the doctor, the mean is 258 with ChatML around each message, under a byte-pair tokenizer of 2,048 entries
/// trained on them (7.8 exchanges; the longest has 482).
const CONSULTATION_TOKENS: u64 = 260;

/// Who plays whom where models play patients.
const PLAYED: &str = "models play them in reinforcement and in held-out consultations; those that supervised stages and the vocabulary learn \
                      from are with the rule-based patient";

/// Why no plan could be made.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PlanError {
    /// Nothing says how large the model is.
    #[error(
        "the model {path} has not been read and the run does not say how large it is: give a path that is there, or the \
         sizes in [model.shape]"
    )]
    NoShape {
        /// `model.path`.
        path: PathBuf,
    },
    /// The model's files say one thing and the run another.
    #[error("the model's files and [model.shape] differ:{}", list(.problems))]
    Differs {
        /// Each names the field, what the run says and what the files say.
        problems: Vec<String>,
    },
}

fn list(problems: &[String]) -> String {
    problems.iter().map(|problem| format!("\n  - {problem}")).collect()
}

/// Where the sizes of the model are known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShapeSource {
    /// The headers of the model's files.
    Files,
    /// `[model.shape]` of a model whose files were not read.
    Expected,
    /// `[model.shape]` of a model made from scratch.
    Scratch,
}

/// What one stage would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StagePlan {
    /// Its kind.
    pub kind: &'static str,
    /// Steps; `None` where they depend on files that have not been read.
    pub steps: Option<u64>,
    /// Optimizer steps, likewise.
    pub optimizer_steps: Option<u64>,
    /// Prompts that are replied to, at most.
    pub prompts: u64,
    /// Replies that are sampled, at most.
    pub replies: u64,
    /// Tokens: of a supervised stage those that are read, of reinforcement learning those that are sampled, at most.
    pub tokens: Option<u64>,
    /// Whether steps and tokens are estimates, because consultations have yet to be held.
    pub estimated: bool,
    /// How its rubrics change; absent where they do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rubric: Option<RubricPlan>,
    /// Its memory on each device.
    pub memory: Memory,
}

/// How the rubrics of a stage change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RubricPlan {
    /// Most criteria that are admitted or on trial.
    pub most: usize,
    /// The model that looks for flaws beside the rules, and once in how many groups it is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<(String, u64)>,
}

/// What a run would take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// The run's name.
    pub name: String,
    /// The device.
    pub device: String,
    /// How many of them.
    pub ranks: usize,
    /// The model's class, e.g. `Qwen2ForCausalLM`.
    pub architecture: &'static str,
    /// Values in the model's tensors; a tied head counts once.
    pub parameters: u64,
    /// Values that are trained.
    pub trained_parameters: u64,
    /// Where the sizes are known from.
    pub shape_source: ShapeSource,
    /// The stages, in order.
    pub stages: Vec<StagePlan>,
    /// Memory of the stage that takes most, in bytes on each device, with what models in roles take there.
    pub peak_bytes: u64,
    /// Memory of the models of this process that play roles on the run's device, in bytes; 0 where there are none or their files were not
    /// read.
    #[serde(skip_serializing_if = "is_none")]
    pub role_models_bytes: u64,
    /// `limits.memory`.
    pub limit_bytes: Option<u64>,
    /// Roles that models play, and what they are shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RolePlan>,
    /// Where patients are played by rules all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patients: Option<&'static str>,
    /// What the run needs that is not built.
    pub not_built: Vec<NotBuilt>,
}

impl Plan {
    /// The plan of a run. `files` is what the headers in `model.path` say, where they have been read.
    pub fn new(config: &RunConfig, files: Option<&ModelConfig>) -> Result<Self, PlanError> {
        let (model, shape_source) = match (files, config.model_config()) {
            (Some(files), _) => {
                let vocabulary = config.tokenizer.vocab_size;
                config.model.shape.as_ref().map_or(Ok(()), |shape| agree(shape, vocabulary, files))?;
                (files.clone(), ShapeSource::Files)
            }
            (None, Some(model)) if config.model.path.is_some() => (model, ShapeSource::Expected),
            (None, Some(model)) => (model, ShapeSource::Scratch),
            (None, None) => {
                return Err(PlanError::NoShape { path: config.model.path.clone().unwrap_or_default() });
            }
        };
        let stages: Vec<StagePlan> = config.stage.iter().map(|stage| plan(config, &model, stage)).collect();
        Ok(Self {
            name: config.name.clone(),
            device: config.device.to_string(),
            ranks: config.ranks,
            architecture: model.architecture.class_name(),
            parameters: model.num_parameters(),
            trained_parameters: trained_parameters(config, &model),
            shape_source,
            peak_bytes: stages.iter().map(|stage| stage.memory.total()).max().unwrap_or(0),
            role_models_bytes: 0,
            limit_bytes: config.limits.memory.map(|bytes| bytes.0),
            roles: config.roles.plan_in_training(),
            patients: config.roles.play_patients().then_some(PLAYED),
            not_built: not_built(config),
            stages,
        })
    }

    /// The same with models in roles that take so many bytes on the run's device, all the time.
    pub fn with_role_models(mut self, bytes: u64) -> Self {
        self.role_models_bytes = bytes;
        self.peak_bytes = self.peak_bytes.saturating_add(bytes);
        self
    }

    /// Whether it takes more memory than `limits.memory`.
    pub fn over_memory(&self) -> bool {
        self.limit_bytes.is_some_and(|limit| self.peak_bytes > limit)
    }

    /// Whether the run can be started: all it needs is built and it stays within its limit.
    pub fn can_run(&self) -> bool {
        self.not_built.is_empty() && !self.over_memory()
    }
}

fn is_none(bytes: &u64) -> bool {
    *bytes == 0
}

/// Refuses a shape that is not the files' own.
fn agree(shape: &Shape, vocabulary: Option<usize>, files: &ModelConfig) -> Result<(), PlanError> {
    let said = shape.config(shape.vocab_size.or(vocabulary).unwrap_or(files.vocab_size));
    let pairs = [
        ("hidden_size", said.hidden_size, files.hidden_size),
        ("layers", said.num_hidden_layers, files.num_hidden_layers),
        ("heads", said.num_attention_heads, files.num_attention_heads),
        ("kv_heads", said.num_key_value_heads, files.num_key_value_heads),
        ("head_dim", said.head_dim, files.head_dim),
        ("intermediate_size", said.intermediate_size, files.intermediate_size),
        ("max_positions", said.max_position_embeddings, files.max_position_embeddings),
        ("vocab_size", said.vocab_size, files.vocab_size),
    ];
    let mut problems: Vec<String> = pairs
        .into_iter()
        .filter(|(_, said, files)| said != files)
        .map(|(field, said, files)| format!("`model.shape.{field}` is {said}; the files have {files}"))
        .collect();
    let mut differ = |field: &str, same: bool, said: String, files: String| {
        if !same {
            problems.push(format!("`model.shape.{field}` is {said}; the files have {files}"));
        }
    };
    let class = |model: &ModelConfig| model.architecture.class_name().to_owned();
    differ("architecture", said.architecture == files.architecture, class(&said), class(files));
    let (tied, theirs) = (said.tie_word_embeddings, files.tie_word_embeddings);
    differ("tie_embeddings", tied == theirs, tied.to_string(), theirs.to_string());
    differ(
        "rope_theta",
        said.rope_theta == files.rope_theta,
        said.rope_theta.to_string(),
        files.rope_theta.to_string(),
    );
    // GGUF keeps this one in 32 bits.
    let same = said.rms_norm_eps as f32 == files.rms_norm_eps as f32;
    differ("rms_norm_eps", same, said.rms_norm_eps.to_string(), files.rms_norm_eps.to_string());
    if problems.is_empty() { Ok(()) } else { Err(PlanError::Differs { problems }) }
}

fn plan(config: &RunConfig, model: &ModelConfig, stage: &Stage) -> StagePlan {
    let memory = of_stage(config, model, stage);
    match stage {
        Stage::Sft(sft) => supervised(sft, memory),
        Stage::MidTraining(stage) => {
            let steps = Some(stage.tokens.div_ceil(stage.batch_tokens as u64));
            read("mid_training", steps, Some(stage.tokens), false, memory)
        }
        Stage::Rl(stage) => {
            let prompts = (stage.cases as u64).saturating_mul(stage.fragments as u64);
            let rubric = stage.evolution().map(|it| {
                let model = config.roles.model_of(Role::Rubric);
                RubricPlan { most: it.most, model: model.map(|name| (name.to_owned(), it.ask_every)) }
            });
            StagePlan { rubric, ..sampled("rl", &stage.grpo, prompts, memory) }
        }
        Stage::RuleRl(stage) => sampled("rule_rl", &stage.grpo, stage.prompts as u64, memory),
        Stage::RubricRl(stage) => sampled("rubric_rl", &stage.grpo, stage.prompts as u64, memory),
    }
}

fn supervised(sft: &Sft, memory: Memory) -> StagePlan {
    let batch = sft.batch_tokens as u64;
    if let Some(steps) = sft.steps {
        return read("sft", Some(steps), Some(steps.saturating_mul(batch)), false, memory);
    }
    if !sft.files.is_empty() {
        return read("sft", None, None, false, memory);
    }
    let passes = sft.consultations.saturating_mul(sft.epochs.unwrap_or(1));
    let tokens = passes.saturating_mul(CONSULTATION_TOKENS);
    read("sft", Some(tokens.div_ceil(batch)), Some(tokens), true, memory)
}

fn read(
    kind: &'static str,
    steps: Option<u64>,
    tokens: Option<u64>,
    estimated: bool,
    memory: Memory,
) -> StagePlan {
    let (prompts, replies, rubric) = (0, 0, None);
    StagePlan { kind, steps, optimizer_steps: steps, prompts, replies, tokens, estimated, rubric, memory }
}

fn sampled(kind: &'static str, grpo: &Grpo, prompts_a_step: u64, memory: Memory) -> StagePlan {
    let prompts = grpo.steps.saturating_mul(prompts_a_step);
    let replies = prompts.saturating_mul(grpo.group_size as u64);
    StagePlan {
        kind,
        steps: Some(grpo.steps),
        optimizer_steps: Some(grpo.steps.saturating_mul(grpo.updates)),
        prompts,
        replies,
        tokens: Some(replies.saturating_mul(grpo.max_new_tokens as u64)),
        estimated: false,
        rubric: None,
        memory,
    }
}
