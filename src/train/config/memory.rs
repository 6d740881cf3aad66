//! How much memory a stage takes at its peak, by kind, before it takes any.

use serde::Serialize;

use super::data::Data;
use super::model::{Adapter, Lora};
use super::run::RunConfig;
use super::stage::Stage;
use crate::engine::Device;
use crate::kernels::linear::widened;
use crate::model::config::ModelConfig;
use crate::train::executor::{KEPT_BYTES, inside_bytes};

/// Rows of logits that are held at once; the loss never has them all.
const LOGIT_ROWS: u64 = 256;
/// A patient in memory: of the bundled bank's, 40,000 more took 13.0 KiB each.
const CASE_BYTES: u64 = 13 << 10;
/// A consultation to learn from, as text and as ids: 20,000 more of the quickstart's took 8.2 KiB each.
const CONSULTATION_BYTES: u64 = 8 << 10;

/// Predicted peak use of one device, in bytes, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// The weights, in the type they are kept in, with adapters where there are any.
    pub weights: u64,
    /// Gradients of what is trained, f32.
    pub gradients: u64,
    /// Both moments of what is trained, f32, and f32 master weights where the weights are not.
    pub optimizer: u64,
    /// The frozen model that a stage with a KL term is held to, as large as the weights without adapters.
    pub reference: u64,
    /// What backward needs, an estimate: each layer's input, one layer's graph, and a block of logits.
    pub activations: u64,
    /// Keys and values of everything that is sampled at once.
    pub cache: u64,
    /// Patients, and the consultations a stage learns from, where the device is the CPU; elsewhere they take no memory of
    /// the device's.
    pub data: u64,
}

impl Memory {
    /// All of it.
    pub fn total(&self) -> u64 {
        let parts = [self.gradients, self.optimizer, self.reference, self.activations, self.cache, self.data];
        parts.into_iter().fold(self.weights, u64::saturating_add)
    }
}

impl Memory {
    /// Tokens that the key/value cache of a run holds: what the hungriest stage samples at once, and at least one
    /// consultation of full length.
    pub fn cache_tokens(config: &RunConfig, model: &ModelConfig) -> usize {
        let stages = config.stage.iter().map(|stage| cache_tokens(model, stage));
        let most = stages.max().unwrap_or(0).max(model.max_position_embeddings as u64);
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    /// Bytes of the adapters of a run, which are f32; 0 where it trains all weights.
    pub fn adapter_bytes(config: &RunConfig, model: &ModelConfig) -> u64 {
        match config.model.adapter {
            Adapter::None => 0,
            Adapter::Lora => trained_parameters(config, model).saturating_mul(4),
        }
    }
}

/// Bytes of an activation, and of a cached key: on the CPU they are f32 whatever the weights are kept in.
fn compute_bytes(config: &RunConfig) -> u64 {
    if config.device == Device::Cpu { 4 } else { config.model.dtype.bytes() as u64 }
}

/// Values that are trained: all of the model, or the two matrices that LoRA adds to each projection that is its target.
pub(super) fn trained_parameters(config: &RunConfig, model: &ModelConfig) -> u64 {
    match config.model.adapter {
        Adapter::None => model.num_parameters(),
        Adapter::Lora => {
            let Lora { rank, targets, .. } = &config.model.lora;
            targets.iter().map(|target| target.adapter_parameters(*rank, model)).sum()
        }
    }
}

/// What is held in main memory besides the model.
fn data(config: &RunConfig, stage: &Stage) -> u64 {
    if config.device != Device::Cpu {
        return 0;
    }
    let Data { train, heldout_patients, heldout_presentations, .. } = config.data;
    let cases =
        (train as u64).saturating_add(heldout_patients as u64).saturating_add(heldout_presentations as u64);
    let consultations = match stage {
        Stage::Sft(stage) => stage.consultations,
        _ => 0,
    };
    cases.saturating_mul(CASE_BYTES).saturating_add(consultations.saturating_mul(CONSULTATION_BYTES))
}

/// The memory of one stage on each device.
pub(super) fn of_stage(config: &RunConfig, model: &ModelConfig, stage: &Stage) -> Memory {
    let ranks = config.ranks as u64;
    let float = config.model.dtype.bytes() as u64;
    let (all, trained) = (model.num_parameters(), trained_parameters(config, model));
    let adapters = Memory::adapter_bytes(config, model);
    let master = if adapters == 0 && float < 4 { 4 * trained } else { 0 };
    let share = |bytes: u64| bytes.div_ceil(ranks);
    Memory {
        weights: share(all * float + adapters),
        gradients: share(4 * trained),
        optimizer: share(8 * trained + master),
        // Frozen weights are the reference's as well.
        reference: match stage.keeps_reference() {
            true if adapters > 0 => share(adapters),
            true => share(all * float),
            false => 0,
        },
        activations: activations(config, model, stage),
        cache: share(
            cache_tokens(model, stage)
                .saturating_mul(2 * model.key_value_size() as u64 * model.num_hidden_layers as u64)
                .saturating_mul(compute_bytes(config)),
        ),
        data: data(config, stage),
    }
}

/// Backward goes layer by layer: of every layer the input is kept, of one the whole graph, half of which is gradients in f32.
fn activations(config: &RunConfig, model: &ModelConfig, stage: &Stage) -> u64 {
    let (float, compute) = (config.model.dtype.bytes() as u64, compute_bytes(config));
    let (hidden, layers) = (model.hidden_size as u64, model.num_hidden_layers as u64);
    let (query, key_value) = (model.query_size() as u64, model.key_value_size() as u64);
    // Two norms, the residual sums and their gradients; q, k, v before and after rotary with gradients; the MLP's gate, up,
    // product and their gradients.
    let graph = 8 * hidden + 6 * query + 8 * key_value + 6 * model.intermediate_size as u64;
    let longest = longest_sequence(model, stage);
    let tokens = stage.update().micro_batch_tokens.map_or(longest, |tokens| longest.max(tokens as u64));
    let kept = (layers + 1).saturating_mul(hidden);
    // Logits and their gradient, and a reference's.
    let matrices = if stage.keeps_reference() { 3 } else { 2 };
    let logits = LOGIT_ROWS.min(tokens).saturating_mul(matrices * 4 * model.vocab_size as u64);
    // A split model gathers one layer's weights before it runs and has its gradients before they are split again.
    let gathered =
        if config.ranks > 1 { (model.num_parameters() / layers.max(1)).saturating_mul(float + 4) } else { 0 };
    // The CPU widens a half-precision matrix `[rows, columns]` a part at a time to multiply with it backward.
    let widened = if config.device == Device::Cpu && float < 4 {
        let (hidden, mlp) = (model.hidden_size, model.intermediate_size);
        let query = model.query_size();
        let matrices =
            [(model.vocab_size, hidden), (mlp, hidden), (hidden, mlp), (query, hidden), (hidden, query)];
        matrices.map(|(rows, columns)| widened::part_bytes(rows, columns)).into_iter().max().unwrap_or(0)
    } else {
        0
    };
    // Small models keep what they would otherwise compute again.
    let inside = inside_bytes(model, usize::try_from(tokens).unwrap_or(usize::MAX));
    let inside = if inside <= KEPT_BYTES { inside } else { 0 };
    tokens
        .saturating_mul(kept * compute + graph * (compute + 4) / 2)
        .saturating_add(logits)
        .saturating_add(gathered + inside + widened)
}

/// Tokens of the longest sequence a stage works on.
pub(super) fn longest_sequence(model: &ModelConfig, stage: &Stage) -> u64 {
    let positions = model.max_position_embeddings;
    let tokens = match stage {
        Stage::Sft(stage) => stage.max_tokens.unwrap_or(positions),
        Stage::MidTraining(stage) => stage.max_tokens,
        Stage::Rl(stage) => stage.prompt_tokens(positions).saturating_add(stage.grpo.max_new_tokens),
        Stage::RuleRl(stage) => stage.max_prompt_tokens.saturating_add(stage.grpo.max_new_tokens),
        Stage::RubricRl(stage) => stage.max_prompt_tokens.saturating_add(stage.grpo.max_new_tokens),
    };
    tokens.min(positions) as u64
}

/// Each prompt is kept once for all replies to it, and each reply for itself.
fn cache_tokens(model: &ModelConfig, stage: &Stage) -> u64 {
    let (grpo, prompts) = match stage {
        Stage::Sft(_) | Stage::MidTraining(_) => return 0,
        Stage::Rl(stage) => (&stage.grpo, stage.cases as u64),
        Stage::RuleRl(stage) => (&stage.grpo, stage.prompts as u64),
        Stage::RubricRl(stage) => (&stage.grpo, stage.prompts as u64),
    };
    let reply = grpo.max_new_tokens as u64;
    let prompt = longest_sequence(model, stage).saturating_sub(reply);
    let group = grpo.group_size as u64;
    let all = prompts.saturating_mul(group);
    let replies = grpo.replies_at_once.map_or(all, |most| all.min(most as u64));
    replies.saturating_mul(reply).saturating_add(replies.div_ceil(group).saturating_mul(prompt))
}
