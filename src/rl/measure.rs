//! How long a GRPO step takes, by its parts, on made-up weights and prompts.

use std::time::Instant;

use serde::Serialize;
use thiserror::Error;

use crate::data::bpe::{self, BpeOptions, LEAST_VOCABULARY};
use crate::data::consultation::{Consultation, DOCTOR_PROMPT};
use crate::data::conversation::{ConversationError, DialogueFormat};
use crate::data::{ChatTemplate, TemplateError, TokenizerError};
use crate::engine::measure::MadeUpWeights;
use crate::engine::memory::MemoryPlan;
use crate::engine::open::Precision;
use crate::engine::{Engine, EngineError, EngineOptions};
use crate::kernels::{BLOCK_TOKENS, KernelBackend};
use crate::model::adapter::{LowRankOptions, Projection};
use crate::model::config::{FloatType, ModelConfig};
use crate::model::decoder::{Decoder, DecoderWeights};
use crate::rl::fragments::{FragmentError, fragment};
use crate::rl::objective::{Clip, PolicyLoss};
use crate::rl::policy::{Policy, ReplySampling};
use crate::rl::update::{UpdateOptions, update};
use crate::train::config::{AdvantageScale, PolicyObjective};
use crate::train::init::adapter_values;
use crate::train::{AdamW, AdamWOptions};

/// Tokens of one step of the engine.
const BATCH_TOKENS: usize = 512;
/// Replies of a step at most.
const MOST_REPLIES: usize = 1 << 20;
/// The largest rank, as in a run's configuration.
const MOST_RANK: usize = 4096;

/// Which model a step trains.
#[derive(Debug, Clone, Copy)]
pub struct StepModel<'a> {
    /// Its sizes.
    pub config: &'a ModelConfig,
    /// The type of its matrices.
    pub matrices: FloatType,
    /// How it is computed with.
    pub precision: Precision,
    /// The rank of the adapters that are trained; without, all weights are.
    pub lora_rank: Option<usize>,
    /// Whether the output head has one, too, beside every projection of the layers.
    pub lora_head: bool,
}

/// What a step works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StepShape {
    /// Prompts, each different.
    pub prompts: usize,
    /// Replies to each.
    pub group_size: usize,
    /// Tokens of a prompt.
    pub prompt_tokens: usize,
    /// Tokens of a reply, but for the few that end by chance.
    pub new_tokens: usize,
    /// Tokens of a micro-batch.
    pub micro_batch_tokens: usize,
}

/// Seconds of one step.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct StepSeconds {
    /// All of it.
    pub step: f64,
    /// Sampling.
    pub rollout: f64,
    /// Forward and backward.
    pub forward_backward: f64,
    /// The optimizer.
    pub optimizer: f64,
}

/// Why nothing was measured.
#[derive(Debug, Error)]
pub enum MeasureError {
    /// A model without room for the tokens.
    #[error("{field} is {found}, legal is {legal}")]
    Shape {
        /// Which number.
        field: &'static str,
        /// What it is.
        found: usize,
        /// What it may be.
        legal: String,
    },
    /// A step takes more than the limit.
    #[error(
        "needs {needed} MiB at its peak (weights {weights}, what trains them {training}, sampling {sampling}), there are {limit} MiB: {advice}"
    )]
    OverMemory {
        /// What is known of the peak, MiB.
        needed: u64,
        /// Of which weights.
        weights: u64,
        /// Of which gradients, moments, adapters and master weights.
        training: u64,
        /// Of which what sampling takes.
        sampling: u64,
        /// The limit, MiB.
        limit: u64,
        /// What makes the largest part smaller.
        advice: &'static str,
    },
    /// The engine could not be made.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The tokenizer could not be made.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The chat template could not be read.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The form of a consultation could not be made.
    #[error(transparent)]
    Conversation(#[from] ConversationError),
    /// Replies could not be sampled or recorded.
    #[error(transparent)]
    Fragment(#[from] FragmentError),
}

/// Measures `repeats` steps after one that is not counted. Rewards are given by lot, so no judge is measured.
///
/// # Errors
/// If the shape does not fit the model or makes no step, or the model, what trains it and its cache take more than `memory_limit` bytes.
pub fn measure_step<B: KernelBackend>(
    model: StepModel<'_>,
    shape: StepShape,
    repeats: usize,
    memory_limit: Option<u64>,
    device: B::Device,
    said: &mut dyn FnMut(usize),
) -> Result<Vec<StepSeconds>, MeasureError> {
    check(model, shape)?;
    let mut policy = policy::<B>(model, shape, memory_limit, device)?;
    let clip = Some(1.0);
    let mut optimizer = AdamW::new(AdamWOptions { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, clip });
    let mut all = Vec::new();
    for number in 0..=repeats {
        said(number);
        let seconds = step(&mut policy, &mut optimizer, model.config.vocab_size, shape, number as u64)?;
        if number > 0 {
            all.push(seconds);
        }
    }
    Ok(all)
}

fn check(model: StepModel<'_>, shape: StepShape) -> Result<(), MeasureError> {
    let config = model.config;
    let StepShape { prompts, group_size, prompt_tokens, new_tokens, micro_batch_tokens } = shape;
    let counts = [
        ("prompts", prompts),
        ("group_size", group_size),
        ("prompt_tokens", prompt_tokens),
        ("new_tokens", new_tokens),
        ("micro_batch_tokens", micro_batch_tokens),
    ];
    if group_size < 2 {
        let legal = "at least 2: one reply alone has no advantage, and nothing is learned from it".into();
        return Err(MeasureError::Shape { field: "group_size", found: group_size, legal });
    }
    if let Some(found) = model.lora_rank.filter(|rank| !(1..=MOST_RANK).contains(rank)) {
        return Err(MeasureError::Shape { field: "lora", found, legal: format!("1 to {MOST_RANK}") });
    }
    if let Some((field, found)) = counts.into_iter().find(|(_, count)| *count == 0) {
        return Err(MeasureError::Shape { field, found, legal: "at least 1".into() });
    }
    // No group is larger than all replies of a step.
    let groups = [("group_size", group_size, MOST_REPLIES), ("prompts", prompts, MOST_REPLIES / group_size)];
    if let Some((field, found, most)) = groups.into_iter().find(|(_, found, most)| found > most) {
        let legal = format!("at most {most}: a step has at most {MOST_REPLIES} replies");
        return Err(MeasureError::Shape { field, found, legal });
    }
    let (most, found) = (config.max_position_embeddings, prompt_tokens.saturating_add(new_tokens));
    if found > most {
        let legal = format!("at most {most}, the model's longest sequence");
        return Err(MeasureError::Shape { field: "prompt_tokens + new_tokens", found, legal });
    }
    if config.vocab_size < LEAST_VOCABULARY {
        let legal = format!("at least {LEAST_VOCABULARY}");
        return Err(MeasureError::Shape { field: "vocab_size", found: config.vocab_size, legal });
    }
    Ok(())
}

/// What is trained by adapters.
fn targets(lora_head: bool) -> Vec<Projection> {
    Projection::LAYER.into_iter().chain(lora_head.then_some(Projection::Head)).collect()
}

/// Bytes of the weights.
fn weight_bytes(model: StepModel<'_>) -> u64 {
    model.matrices.bytes() as u64 * model.config.num_parameters()
}

/// What an engine takes, and with its weights their gradients, moments, adapters and masters; not what the backward keeps beside them.
fn plan<B: KernelBackend>(model: StepModel<'_>, options: EngineOptions) -> MemoryPlan {
    let StepModel { config, matrices, precision, lora_rank, lora_head } = model;
    // Gradients and two moments in f32; adapters themselves, or masters of what is in half precision.
    let more = match lora_rank {
        Some(rank) => {
            16 * targets(lora_head).iter().map(|it| it.adapter_parameters(rank, config)).sum::<u64>()
        }
        None => config.num_parameters() * if matrices == FloatType::F32 { 12 } else { 16 },
    };
    MemoryPlan::of_engine::<B>(config, weight_bytes(model).saturating_add(more), precision.compute, options)
}

/// Refuses a plan over `limit` bytes for weights of `kept` bytes.
fn check_memory(plan: MemoryPlan, kept: u64, limit: Option<u64>) -> Result<(), MeasureError> {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let (training, sampling) = (plan.weights - kept, plan.total() - plan.weights);
    let advice = if sampling >= kept.max(training) {
        "ask for fewer prompts, replies or tokens"
    } else if training >= kept {
        "train adapters (--lora), or of a lower rank"
    } else {
        "take a smaller model, or weights in bf16"
    };
    match limit {
        Some(limit) if plan.total() > limit => Err(MeasureError::OverMemory {
            needed: mib(plan.total()),
            weights: mib(kept),
            training: mib(training),
            sampling: mib(sampling),
            limit: mib(limit),
            advice,
        }),
        _ => Ok(()),
    }
}

fn engine_options(shape: StepShape, memory_limit: Option<u64>) -> EngineOptions {
    let sequences = shape.prompts.saturating_mul(shape.group_size);
    // Blocks are whole, and a sequence may have a prompt's and its own partial one.
    let sequence = shape.prompt_tokens + shape.new_tokens + 2 * BLOCK_TOKENS;
    let cache_tokens = sequences.saturating_mul(sequence);
    EngineOptions { cache_tokens, batch_tokens: BATCH_TOKENS, memory_limit, prefix_reuse: false }
}

fn policy<B: KernelBackend>(
    model: StepModel<'_>,
    shape: StepShape,
    memory_limit: Option<u64>,
    device: B::Device,
) -> Result<Policy<B>, MeasureError> {
    // Refused before anything is made.
    let engine_options = engine_options(shape, memory_limit);
    check_memory(plan::<B>(model, engine_options), weight_bytes(model), memory_limit)?;
    let options = BpeOptions { vocab_size: LEAST_VOCABULARY, min_frequency: 2, system: None };
    let tokenizer = bpe::train(&[DOCTOR_PROMPT], &options)?;
    let template = ChatTemplate::new(&bpe::chat_template(None))?;
    let format = DialogueFormat::new(&tokenizer, &template, None)?;
    let StepModel { config, matrices, precision, lora_rank, lora_head } = model;
    let mut source = MadeUpWeights { matrices };
    let Ok(weights) = DecoderWeights::read(config, &mut source, &device);
    let mut decoder = Decoder::<B>::new(config.clone(), weights, precision.compute, device);
    if let Some(rank) = lora_rank {
        let options = LowRankOptions { rank, alpha: rank as f64 };
        decoder.adapt(options, &targets(lora_head), &mut |name, dims| adapter_values(1, name, dims));
    }
    let engine = Engine::new(decoder, weight_bytes(model), None, engine_options)?;
    Ok(Policy::new(engine, format))
}

fn step<B: KernelBackend>(
    policy: &mut Policy<B>,
    optimizer: &mut AdamW<B>,
    vocab_size: usize,
    shape: StepShape,
    number: u64,
) -> Result<StepSeconds, FragmentError> {
    let id = |prompt: usize, at: usize| {
        let spread = (number as usize * 8191 + prompt * 4099 + at * 613 + 7) % vocab_size;
        spread as u32
    };
    let prompts: Vec<Vec<u32>> = (0..shape.prompts)
        .map(|prompt| (0..shape.prompt_tokens).map(|at| id(prompt, at)).collect())
        .collect();
    let seeds: Vec<u64> = (0..shape.prompts as u64).map(|prompt| number << 32 | prompt).collect();
    let start = Instant::now();
    let sampling =
        ReplySampling { samples: shape.group_size, max_new_tokens: shape.new_tokens, temperature: 1.0 };
    let outputs = policy.replies(&prompts, &seeds, sampling)?;
    let rollout = start.elapsed().as_secs_f64();
    // Rewards that differ, so that every reply is trained on.
    let rewards: Vec<Option<f64>> = (0..shape.group_size).map(|reply| Some((reply * reply) as f64)).collect();
    let texts = vec![String::new(); shape.group_size];
    let nobody = Consultation {
        case_id: String::new(),
        opening: String::new(),
        found: None,
        turns: Vec::new(),
        ending: None,
    };
    let version = policy.version();
    let fragments = prompts
        .into_iter()
        .zip(&outputs)
        .map(|(prompt, outputs)| {
            fragment(&nobody, prompt, outputs, &texts, (&rewards, AdvantageScale::Mean), version)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let options = UpdateOptions {
        loss: PolicyLoss {
            objective: PolicyObjective::M2,
            clip: Clip { low: 0.2, high: 0.28 },
            l_max: shape.new_tokens,
            kl: None,
        },
        temperature: 1.0,
        micro_batch_tokens: shape.micro_batch_tokens,
        lr: 1e-6,
        entropy: false,
    };
    let report = update(policy, None, optimizer, &fragments, &options);
    let step = start.elapsed().as_secs_f64();
    let (forward_backward, optimizer) = (report.forward_backward, report.optimizer);
    Ok(StepSeconds { step, rollout, forward_backward, optimizer })
}

#[cfg(test)]
mod tests;
