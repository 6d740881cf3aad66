//! The decoder: embedding, layers, final norm, output head. Qwen2, Qwen3 and Llama differ only in which
//! biases and head norms are there.
//!
//! Batches are packed: the tokens of all sequences stand one after another, `[n, hidden]`, and nothing is ever
//! padded. The same walk serves a full forward (scoring, training) and a cached one (generation).

use burn::tensor::{DType, Int, Tensor, TensorData, backend::Backend};

use crate::kernels::attention::positions;
use crate::kernels::{KernelBackend, Matrix, Segment};
use crate::model::cache::{CacheBatch, KvCache, attention_shape};
use crate::model::config::{ModelConfig, RopeFrequencies};
use crate::model::layer::{DecoderLayer, Linear, Projected};
use crate::model::residual::Residual;
use crate::model::rotary::RotaryTables;

/// A decoder-only transformer with its weights. A clone shares them until one of both is changed.
#[derive(Debug, Clone)]
pub struct Decoder<B: Backend> {
    /// Sizes and switches.
    pub config: ModelConfig,
    /// `[vocab, hidden]`
    pub embed_tokens: Matrix<B>,
    /// First to last.
    pub layers: Vec<DecoderLayer<B>>,
    /// `[hidden]`
    pub norm: Tensor<B, 1>,
    /// `[vocab, hidden]`; `None` where the embedding serves as head.
    pub lm_head: Option<Linear<B>>,
    frequencies: RopeFrequencies,
    compute: DType,
    device: B::Device,
}

/// The weights of a decoder without what is derived from its configuration.
#[derive(Debug)]
pub struct DecoderWeights<B: Backend> {
    /// `[vocab, hidden]`
    pub embed_tokens: Matrix<B>,
    /// First to last.
    pub layers: Vec<DecoderLayer<B>>,
    /// `[hidden]`
    pub norm: Tensor<B, 1>,
    /// `[vocab, hidden]`; `None` where the embedding serves as head.
    pub lm_head: Option<Linear<B>>,
}

impl<B: KernelBackend> Decoder<B> {
    /// Puts weights under a configuration; `compute` is the type of the activations.
    pub fn new(config: ModelConfig, weights: DecoderWeights<B>, compute: DType, device: B::Device) -> Self {
        let frequencies = config.rope_frequencies();
        let DecoderWeights { embed_tokens, layers, norm, lm_head } = weights;
        Self { config, embed_tokens, layers, norm, lm_head, frequencies, compute, device }
    }

    /// The device the weights are on.
    pub fn device(&self) -> &B::Device {
        &self.device
    }

    /// The type of the activations.
    pub fn compute_dtype(&self) -> DType {
        self.compute
    }

    /// The residual stream `[n, hidden]` after the last layer, of packed sequences that each attend to
    /// themselves; `segments` are their lengths, adding up to `tokens.len()`.
    ///
    /// # Panics
    /// If a token is not below `vocab_size` or the lengths do not add up: callers check.
    pub fn forward(&self, tokens: &[u32], segments: &[usize]) -> Tensor<B, 2> {
        self.forward_segments(tokens, &Segment::all(segments))
    }

    /// [`Self::forward`] of sequences with continuations: what is shared is computed once.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn forward_segments(&self, tokens: &[u32], segments: &[Segment]) -> Tensor<B, 2> {
        let covered: usize = segments.iter().map(|segment| segment.len).sum();
        assert_eq!(covered, tokens.len(), "segments do not cover the tokens");
        let positions = positions(segments);
        let shape = attention_shape(&self.config);
        self.walk(tokens, &positions, |_, Projected { q, k, v }| {
            B::attention_packed(q, k, v, segments, shape).out
        })
    }

    /// The residual stream `[n, hidden]` of new tokens whose sequences' earlier tokens are in `cache`; theirs
    /// are added to it.
    ///
    /// # Panics
    /// If a token, slot or block is out of range: the scheduler keeps them in range.
    pub fn forward_cached(
        &self,
        tokens: &[u32],
        positions: &[u32],
        batch: &CacheBatch,
        cache: &mut KvCache<B>,
    ) -> Tensor<B, 2> {
        self.walk(tokens, positions, |layer, projected| cache.attend(layer, projected, batch))
    }

    /// Rotary tables of packed sequences and their continuations.
    pub(crate) fn rotary_tables(&self, segments: &[Segment]) -> RotaryTables<B> {
        RotaryTables::new(&self.frequencies, &positions(segments), &self.device)
    }

    fn walk(
        &self,
        tokens: &[u32],
        positions: &[u32],
        mut attend: impl FnMut(usize, Projected<B>) -> Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        let tables = RotaryTables::new(&self.frequencies, positions, &self.device);
        let mut x = Residual::new(self.embed(tokens));
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x, &self.config, &tables, |projected| attend(index, projected));
        }
        x.sum()
    }

    /// Embeddings of `tokens` `[n]`: `[n, hidden]`.
    pub(crate) fn embed(&self, tokens: &[u32]) -> Tensor<B, 2> {
        let rows = match &self.embed_tokens {
            Matrix::Float(table) => {
                let ids: Vec<i32> = tokens.iter().map(|&t| t as i32).collect();
                let ids = Tensor::<B, 1, Int>::from_data(TensorData::new(ids, [tokens.len()]), &self.device);
                table.clone().select(0, ids)
            }
            Matrix::Blocks(table) => {
                let values = table.decode_rows(tokens.iter().map(|&t| t as usize));
                let data = TensorData::new(values, [tokens.len(), self.config.hidden_size]);
                Tensor::from_data(data, (&self.device, DType::F32))
            }
            Matrix::DeviceBlocks(table) => B::decode_rows(table, tokens, self.compute),
        };
        rows.cast(self.compute)
    }

    /// Logits `[n, vocab]` in f32 of residual rows `[n, hidden]`.
    pub fn logits(&self, hidden: Tensor<B, 2>) -> Tensor<B, 2> {
        let normed = B::rms_norm(hidden, &self.norm, self.config.rms_norm_eps as f32);
        let logits = match &self.lm_head {
            Some(head) => head.forward(normed),
            None => Linear::new(self.embed_tokens.clone(), None).forward(normed),
        };
        logits.cast(DType::F32)
    }
}
