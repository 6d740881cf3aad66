//! What an engine will take at its peak, before it takes anything.

use burn::tensor::DType;
use serde::Serialize;

use crate::engine::core::EngineOptions;
use crate::engine::device::Device;
use crate::engine::error::EngineError;
use crate::kernels::KernelBackend;
use crate::model::cache::KvCache;
use crate::model::config::ModelConfig;

/// Logit rows computed at once; more samples than this go through the head in turns.
pub const LOGIT_ROWS: usize = 64;

/// Main memory that can be had without swapping; GPU memory is not known here.
pub fn available_memory(device: Device) -> Option<u64> {
    if device != Device::Cpu {
        return None;
    }
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    Some(system.available_memory()).filter(|&bytes| bytes > 0)
}

/// Predicted peak use, in bytes, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MemoryPlan {
    /// The weights as kept (a memory-mapped file counts in full) and, on a GPU, what products decode of quantised ones at a time.
    pub weights: u64,
    /// The key/value cache.
    pub cache: u64,
    /// Activations of the largest step.
    pub activations: u64,
    /// Logits and the copies sampling works on.
    pub logits: u64,
}

impl MemoryPlan {
    /// The plan of an engine whose weights take `weights` bytes.
    pub fn of_engine<B: KernelBackend>(
        config: &ModelConfig,
        weights: u64,
        compute: DType,
        options: EngineOptions,
    ) -> Self {
        // Live at once in a layer: the residual stream, its sum and norm, and either q, k, v with rotated copies
        // and the attention's result, or gate and up; plus the row copies kernels make of odd widths.
        let (hidden, query, key_value) = (config.hidden_size, config.query_size(), config.key_value_size());
        let attention = 3 * query + 4 * key_value;
        let mlp = 3 * config.intermediate_size;
        let row = 4 * hidden + attention.max(mlp);
        let tokens = options.batch_tokens as u64;
        let rows = options.batch_tokens.clamp(1, LOGIT_ROWS);
        // The head's rows and their copies as data and on the host, two of which the allocator was seen to keep from the step
        // before; and the scores, their order and a sorted copy a thread.
        let logits = 4 * rows + 3 * rayon::current_num_threads().min(rows);
        Self {
            weights,
            cache: KvCache::<B>::block_bytes(config, compute)
                .saturating_mul(KvCache::<B>::blocks_for(options.cache_tokens) as u64),
            activations: ((row * compute.size()) as u64).saturating_mul(tokens),
            logits: (logits * config.vocab_size * 4) as u64,
        }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        [self.cache, self.activations, self.logits].into_iter().fold(self.weights, u64::saturating_add)
    }

    /// Refuses a plan over `limit` bytes.
    pub fn check(&self, limit: Option<u64>) -> Result<(), EngineError> {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        match limit {
            Some(limit) if self.total() > limit => Err(EngineError::OverMemory {
                needed: mib(self.total()),
                weights: mib(self.weights),
                cache: mib(self.cache),
                activations: mib(self.activations.saturating_add(self.logits)),
                limit: mib(limit),
            }),
            _ => Ok(()),
        }
    }
}
