//! The paged key/value cache: one pool of keys and one of values a layer, in blocks of 16 tokens that any
//! sequence may hold, and several may share.

use burn::tensor::{DType, Tensor, backend::Backend};

use crate::kernels::{AttentionShape, AttentionSpan, BLOCK_TOKENS, KernelBackend};
use crate::model::config::ModelConfig;
use crate::model::layer::Projected;

/// Keys and values of every layer for `blocks * 16` tokens.
#[derive(Debug)]
pub struct KvCache<B: Backend> {
    // A pool is taken out while it is written, so that it is not shared and is written in place.
    layers: Vec<Option<(Tensor<B, 2>, Tensor<B, 2>)>>,
    blocks: usize,
    shape: AttentionShape,
}

/// Where the tokens of a packed batch are kept and what they attend to.
#[derive(Debug, Clone, Default)]
pub struct CacheBatch {
    /// One cache slot (`block * 16 + offset`) a token.
    pub slots: Vec<u32>,
    /// The sequences, covering the batch's rows in order.
    pub spans: Vec<AttentionSpan>,
}

impl<B: KernelBackend> KvCache<B> {
    /// An empty cache of `blocks` blocks for activations of type `compute`.
    pub fn new(config: &ModelConfig, blocks: usize, compute: DType, device: &B::Device) -> Self {
        let shape = attention_shape(config);
        let (keys, values) = B::cache_block_elements(shape.kv_heads, shape.head_dim);
        let dtype = B::cache_dtype(compute);
        let pool = |elements| Tensor::zeros([blocks, elements], (device, dtype));
        let layers = (0..config.num_hidden_layers).map(|_| Some((pool(keys), pool(values)))).collect();
        Self { layers, blocks, shape }
    }

    /// Bytes a block takes over all layers.
    pub fn block_bytes(config: &ModelConfig, compute: DType) -> u64 {
        let (keys, values) = B::cache_block_elements(config.num_key_value_heads, config.head_dim);
        ((keys + values) * B::cache_dtype(compute).size() * config.num_hidden_layers) as u64
    }

    /// Blocks in all.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// Blocks that hold `tokens` tokens.
    pub fn blocks_for(tokens: usize) -> usize {
        tokens.div_ceil(BLOCK_TOKENS)
    }

    /// Stores a layer's new keys and values, and attends: result `[n, heads * head_dim]`.
    pub fn attend(&mut self, layer: usize, projected: Projected<B>, batch: &CacheBatch) -> Tensor<B, 2> {
        let Projected { q, k, v } = projected;
        let pools = self.take(layer);
        let (keys, values) = B::cache_write(pools, k, v, &batch.slots);
        let attended = B::attention_cached(q, &keys, &values, &batch.spans, self.shape);
        self.layers[layer] = Some((keys, values));
        attended
    }

    /// Copies block `from` over block `to` in every layer.
    pub fn copy_block(&mut self, from: u32, to: u32) {
        for layer in 0..self.layers.len() {
            let pools = self.take(layer);
            self.layers[layer] = Some(B::cache_copy(pools, from, to));
        }
    }

    fn take(&mut self, layer: usize) -> (Tensor<B, 2>, Tensor<B, 2>) {
        // Every caller puts the pools back before it returns.
        self.layers[layer].take().unwrap_or_else(|| unreachable!("pools of layer {layer} are in use"))
    }
}

/// Head counts and scale of a model's attention.
pub fn attention_shape(config: &ModelConfig) -> AttentionShape {
    AttentionShape {
        heads: config.num_attention_heads,
        kv_heads: config.num_key_value_heads,
        head_dim: config.head_dim,
        scale: (config.head_dim as f32).sqrt().recip(),
    }
}
