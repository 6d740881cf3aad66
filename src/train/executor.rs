//! One forward and backward of a decoder over a packed batch, for any loss on the log-probs of given tokens.
//!
//! The forward keeps each layer's input; the head is walked in chunks of rows, forward and backward at once, so no
//! `[tokens, vocab]` tensor is ever held; the backward walks the layers from the last, each computed again.

use burn::tensor::{DType, Int, Tensor, TensorData};

use crate::kernels::KernelBackend;
use crate::kernels::parallel::on_pool;
use crate::model::decoder::Decoder;
use crate::model::layer::Linear;
use crate::train::gradients::Gradients;
use crate::train::layer::{self, LayerContext, linear_backward};

/// Rows of the head computed at once: with a vocabulary of 152k they take 300 MB.
const HEAD_ROWS: usize = 512;

/// Packed sequences and the tokens whose log-probs count.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PackedBatch {
    /// Tokens of all sequences, one after another.
    pub tokens: Vec<u32>,
    /// Their lengths.
    pub segments: Vec<usize>,
    /// Positions in `tokens` of the tokens to be predicted, ascending; none is the first of its sequence.
    pub targets: Vec<usize>,
}

impl PackedBatch {
    /// Appends a sequence; `trained` are positions within it, none of them 0.
    ///
    /// # Panics
    /// If a position is 0 or outside the sequence.
    pub fn push(&mut self, tokens: &[u32], trained: impl IntoIterator<Item = usize>) {
        let start = self.tokens.len();
        for position in trained {
            assert!(
                position > 0 && position < tokens.len(),
                "position {position} of {} tokens",
                tokens.len()
            );
            self.targets.push(start + position);
        }
        self.tokens.extend_from_slice(tokens);
        self.segments.push(tokens.len());
    }
}

/// A decoder's loss on one batch: the log-prob of each target, and what its gradient is to be.
pub trait Objective: Send {
    /// The derivative of the loss by the log-prob `log_prob` of target `index`.
    fn derivative(&mut self, index: usize, log_prob: f32) -> f32;
}

impl<F: FnMut(usize, f32) -> f32 + Send> Objective for F {
    fn derivative(&mut self, index: usize, log_prob: f32) -> f32 {
        self(index, log_prob)
    }
}

/// The log-probs `[targets]` of the batch's targets under `softmax(logits / temperature)`, without a gradient.
pub fn log_probs<B: KernelBackend>(decoder: &Decoder<B>, batch: &PackedBatch, temperature: f32) -> Vec<f32> {
    if batch.targets.is_empty() {
        return Vec::new();
    }
    let hidden = decoder.forward(&batch.tokens, &batch.segments);
    let mut all = Vec::with_capacity(batch.targets.len());
    for targets in batch.targets.chunks(HEAD_ROWS) {
        let rows = hidden.clone().select(0, rows::<B>(targets, decoder));
        let logits = decoder.logits(rows) / temperature;
        all.extend(B::log_probs(&logits, &wanted(batch, targets)).0);
    }
    all
}

/// Computes the log-probs of the batch's targets, asks `objective` for the loss's derivative by each, and adds the
/// gradients of all tensors to `gradients`. Returns the log-probs `[targets]`.
pub fn forward_backward<B: KernelBackend>(
    decoder: &Decoder<B>,
    batch: &PackedBatch,
    temperature: f32,
    objective: &mut dyn Objective,
    gradients: &mut Gradients<B>,
) -> Vec<f32> {
    if batch.targets.is_empty() {
        return Vec::new();
    }
    on_pool(|| walk(decoder, batch, temperature, objective, gradients))
}

/// [`forward_backward`] of a batch with targets.
fn walk<B: KernelBackend>(
    decoder: &Decoder<B>,
    batch: &PackedBatch,
    temperature: f32,
    objective: &mut dyn Objective,
    gradients: &mut Gradients<B>,
) -> Vec<f32> {
    let PackedBatch { tokens, segments, targets } = batch;
    let config = &decoder.config;
    let tables = decoder.rotary_tables(segments);
    let context = LayerContext { config, tables: &tables, segments };
    let mut inputs = Vec::with_capacity(decoder.layers.len());
    let mut x = decoder.embed(tokens);
    for layer in &decoder.layers {
        inputs.push(x.clone());
        x = layer.forward(x, config, &tables, |p| {
            B::attention_packed(p.q, p.k, p.v, segments, crate::model::cache::attention_shape(config))
        });
    }

    let eps = config.rms_norm_eps as f32;
    let (name, head) = match &decoder.lm_head {
        Some(head) => ("lm_head", head.clone()),
        None => ("model.embed_tokens", Linear { weight: decoder.embed_tokens.clone(), bias: None }),
    };
    let mut log_probs = Vec::with_capacity(targets.len());
    let mut dx = Tensor::zeros([tokens.len(), config.hidden_size], (decoder.device(), DType::F32));
    for part in targets.chunks(HEAD_ROWS) {
        let index = rows::<B>(part, decoder);
        let residual = x.clone().select(0, index.clone());
        let normed = B::rms_norm(residual.clone(), &decoder.norm, eps);
        let logits = head.forward(normed.clone()).cast(DType::F32) / temperature;
        let wanted = wanted(batch, part);
        let (found, sums) = B::log_probs(&logits, &wanted);
        let first = log_probs.len();
        let derivatives: Vec<f32> = found
            .iter()
            .enumerate()
            .map(|(i, &p)| objective.derivative(first + i, p) / temperature)
            .collect();
        log_probs.extend(found);
        let dlogits = B::log_probs_backward(logits, &wanted, &sums, &derivatives);
        let dnormed = linear_backward(name, &head, normed, dlogits, gradients);
        let (dresidual, dw) = B::rms_norm_backward(residual, &decoder.norm, eps, dnormed);
        gradients.add("model.norm.weight".into(), dw);
        dx = dx.select_assign(0, index, dresidual, burn::tensor::IndexingUpdateOp::Add);
    }

    for (index, (layer, input)) in decoder.layers.iter().zip(inputs).enumerate().rev() {
        dx = layer::backward(index, layer, &context, input, dx, gradients);
    }
    gradients.add("model.embed_tokens.weight".into(), embedding(tokens, dx, config.vocab_size));
    log_probs
}

/// The rows whose logits predict `targets`: one before each.
fn rows<B: KernelBackend>(targets: &[usize], decoder: &Decoder<B>) -> Tensor<B, 1, Int> {
    let rows: Vec<i32> = targets.iter().map(|&t| t as i32 - 1).collect();
    Tensor::from_data(TensorData::new(rows, [targets.len()]), decoder.device())
}

fn wanted(batch: &PackedBatch, targets: &[usize]) -> Vec<u32> {
    targets.iter().map(|&t| batch.tokens[t]).collect()
}

/// The gradient of the embedding table: each token's row gets the sum of its places, in their order.
fn embedding<B: KernelBackend>(tokens: &[u32], dx: Tensor<B, 2>, vocab: usize) -> Tensor<B, 2> {
    let ids: Vec<i32> = tokens.iter().map(|&t| t as i32).collect();
    let index = Tensor::from_data(TensorData::new(ids, [tokens.len()]), &dx.device());
    let zeros = Tensor::zeros([vocab, dx.dims()[1]], (&dx.device(), DType::F32));
    zeros.select_assign(0, index, dx, burn::tensor::IndexingUpdateOp::Add)
}
