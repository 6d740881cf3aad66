//! One forward and backward of a decoder over a packed batch, for any loss on the log-probs of given tokens.
//!
//! The forward keeps each layer's input, and of small models its inside; the head is walked in parts, forward and
//! backward at once, so no `[tokens, vocab]` tensor is ever held; the backward walks the layers from the last.

use burn::tensor::{DType, Int, Tensor, TensorData};

use crate::kernels::head::{Derivative, HeadInput, LowRankGradients, rows};
use crate::kernels::parallel::on_pool;
use crate::kernels::{KernelBackend, Segment};
use crate::model::adapter::{a_name, b_name};
use crate::model::config::ModelConfig;
use crate::model::decoder::Decoder;
use crate::model::layer::{DecoderLayer, Linear};
use crate::model::parameters::HEAD;
use crate::model::residual::Residual;
use crate::train::gradients::Gradients;
use crate::train::head;
use crate::train::layer::{self, Forward, LayerContext};

/// Packed sequences and the tokens whose log-probs count.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PackedBatch {
    /// Tokens of all sequences, one after another.
    pub tokens: Vec<u32>,
    /// The sequences, and continuations of them.
    pub segments: Vec<Segment>,
    /// What is to be predicted, and from where.
    pub targets: Vec<Target>,
}

/// A token to be predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The place in [`PackedBatch::tokens`] of the token before it, whose logits predict it.
    pub row: usize,
    /// The token.
    pub token: u32,
}

impl PackedBatch {
    /// Appends a sequence and returns its place among the segments; `trained` are positions within it, none of them 0.
    ///
    /// # Panics
    /// If a position is 0 or outside the sequence.
    pub fn push(&mut self, tokens: &[u32], trained: impl IntoIterator<Item = usize>) -> usize {
        self.add(tokens, None, 0, trained)
    }

    /// Appends a sequence; each of `targets` is a place in it and the token that follows there, which for the last place
    /// is not in the sequence itself.
    ///
    /// # Panics
    /// If a place is outside the sequence.
    pub fn push_predicting(&mut self, tokens: &[u32], targets: impl IntoIterator<Item = (usize, u32)>) {
        let start = self.tokens.len();
        for (place, token) in targets {
            assert!(place < tokens.len(), "place {place} of {} tokens", tokens.len());
            self.targets.push(Target { row: start + place, token });
        }
        self.tokens.extend_from_slice(tokens);
        self.segments.push(Segment::alone(tokens.len()));
    }

    /// Appends a continuation of segment `parent`, so that several can share it; `trained` are positions within the
    /// continuation, from 0, which the parent's last token predicts.
    ///
    /// # Panics
    /// If `parent` is empty, is no segment or is a continuation itself, or a position lies outside the continuation.
    pub fn push_after(
        &mut self,
        parent: usize,
        tokens: &[u32],
        trained: impl IntoIterator<Item = usize>,
    ) -> usize {
        let Segment { len, after } = self.segments[parent];
        assert!(len > 0 && after.is_none(), "segment {parent} cannot be continued");
        let end = self.segments[..=parent].iter().map(|segment| segment.len).sum::<usize>();
        self.add(tokens, Some(parent), end, trained)
    }

    /// `before` is the row after the parent's last.
    fn add(
        &mut self,
        tokens: &[u32],
        after: Option<usize>,
        before: usize,
        trained: impl IntoIterator<Item = usize>,
    ) -> usize {
        let start = self.tokens.len();
        for position in trained {
            assert!(
                position < tokens.len() && (position > 0 || after.is_some()),
                "position {position} of {} tokens",
                tokens.len()
            );
            let row = if position == 0 { before } else { start + position } - 1;
            self.targets.push(Target { row, token: tokens[position] });
        }
        self.tokens.extend_from_slice(tokens);
        self.segments.push(Segment { len: tokens.len(), after });
        self.segments.len() - 1
    }
}

/// What the insides of all layers may take to be kept from the forward for the backward; beyond, each is computed again,
/// which costs a third more arithmetic and keeps one.
pub const KEPT_BYTES: u64 = 1 << 30;

/// Bytes that the insides of all layers take for `tokens` tokens, in f32.
pub fn inside_bytes(config: &ModelConfig, tokens: usize) -> u64 {
    let values = (layer::kept_values(config) * config.num_hidden_layers) as u64;
    values.saturating_mul(4).saturating_mul(tokens as u64)
}

/// Whether a batch of `tokens` tokens keeps the insides of all layers.
pub fn keeps_inside(config: &ModelConfig, tokens: usize) -> bool {
    inside_bytes(config, tokens) <= KEPT_BYTES
}

/// A decoder's loss on one batch: the log-prob of each target, and what its gradient is to be.
pub trait Objective: Send {
    /// How many targets it is a loss of; `None` where it takes any number.
    fn targets(&self) -> Option<usize> {
        None
    }

    /// How it is asked for the derivatives by the batch's log-probs. One that looks at whole sequences is asked with all at once.
    fn derivative(&mut self) -> Derivative<'_>;

    /// Whether it is to be told [`Objective::entropies`].
    fn wants_entropies(&self) -> bool {
        false
    }

    /// Takes the entropy of each target's distribution in nats, after the derivatives.
    fn entropies(&mut self, _: &[f32]) {}

    /// What the loss has the KL divergence of each target's distribution from the reference's times; `None` where it has none.
    fn kl_coefficients(&self) -> Option<Vec<f32>> {
        None
    }

    /// Takes those divergences in nats, after the derivatives.
    fn kls(&mut self, _: &[f32]) {}
}

impl<F: FnMut(usize, f32) -> f32 + Send> Objective for F {
    fn derivative(&mut self) -> Derivative<'_> {
        Derivative::each(self)
    }
}

/// The log-probs `[targets]` of the batch's targets under `softmax(logits / temperature)`, without a gradient.
pub fn log_probs<B: KernelBackend>(decoder: &Decoder<B>, batch: &PackedBatch, temperature: f32) -> Vec<f32> {
    if batch.targets.is_empty() {
        return Vec::new();
    }
    let hidden = predicting(decoder, batch);
    let (_, head) = head_of(decoder);
    let targets = wanted(&batch.targets);
    rows::log_probs(&HeadInput {
        hidden,
        head: head.weights(),
        targets: &targets,
        soft_cap: None,
        temperature,
        entropies: false,
        reference: None,
        trained: false,
    })
}

/// The normed residual rows `[targets, hidden]` whose logits predict the batch's targets.
fn predicting<B: KernelBackend>(decoder: &Decoder<B>, batch: &PackedBatch) -> Tensor<B, 2> {
    let hidden = decoder.forward_segments(&batch.tokens, &batch.segments);
    let rows: Vec<usize> = batch.targets.iter().map(|target| target.row).collect();
    let rows = hidden.select(0, places::<B>(&rows, decoder));
    B::rms_norm(rows, &decoder.norm, decoder.config.rms_norm_eps as f32)
}

/// The output head with its name: the embedding's where they are tied.
fn head_of<B: KernelBackend>(decoder: &Decoder<B>) -> (&'static str, Linear<B>) {
    match &decoder.lm_head {
        Some(head) => (HEAD, head.clone()),
        None => ("model.embed_tokens", Linear::new(decoder.embed_tokens.clone(), None)),
    }
}

/// Computes the log-probs of the batch's targets, asks `objective` for the loss's derivative by each, and adds the
/// gradients of all that is trained to `gradients`: of all tensors, or of the adapters where there are any. Returns the
/// log-probs `[targets]`.
pub fn forward_backward<B: KernelBackend>(
    decoder: &Decoder<B>,
    batch: &PackedBatch,
    temperature: f32,
    objective: &mut dyn Objective,
    gradients: &mut Gradients<B>,
) -> Vec<f32> {
    forward_backward_beside(decoder, None, batch, temperature, objective, gradients)
}

/// [`forward_backward`] with a `reference` of the same vocabulary, whose distributions an objective that has
/// [`Objective::kl_coefficients`] is held to. Nothing is learned by it.
pub fn forward_backward_beside<B: KernelBackend>(
    decoder: &Decoder<B>,
    reference: Option<&Decoder<B>>,
    batch: &PackedBatch,
    temperature: f32,
    objective: &mut dyn Objective,
    gradients: &mut Gradients<B>,
) -> Vec<f32> {
    if batch.targets.is_empty() {
        return Vec::new();
    }
    on_pool(|| walk(decoder, reference, batch, temperature, objective, gradients))
}

/// [`forward_backward_beside`] of a batch with targets.
fn walk<B: KernelBackend>(
    decoder: &Decoder<B>,
    reference: Option<&Decoder<B>>,
    batch: &PackedBatch,
    temperature: f32,
    objective: &mut dyn Objective,
    gradients: &mut Gradients<B>,
) -> Vec<f32> {
    let PackedBatch { tokens, segments, targets } = batch;
    let config = &decoder.config;
    // Before the policy's own walk, so that what that keeps is not there yet.
    let compared = reference
        .filter(|_| objective.kl_coefficients().is_some())
        .map(|decoder| (predicting(decoder, batch), head_of(decoder).1));
    let tables = decoder.rotary_tables(segments);
    let adapted = decoder.is_adapted();
    let context = LayerContext { config, tables: &tables, segments, adapted };
    let keep = keeps_inside(config, tokens.len());
    let predicting = PredictingRows::new(targets);
    let rows_of = |layer: usize| {
        let narrow = layer + 1 == decoder.layers.len() && predicting.rows.len() < tokens.len();
        narrow.then(|| places::<B>(&predicting.rows, decoder))
    };
    let mut inputs = Vec::with_capacity(decoder.layers.len());
    let mut residual = Residual::new(decoder.embed(tokens));
    for (index, layer) in decoder.layers.iter().enumerate() {
        let Forward { x, kept, y } = layer::forward(layer, &context, residual, rows_of(index));
        inputs.push((x, keep.then_some(kept)));
        residual = y;
    }
    let x = residual.sum();

    let eps = config.rms_norm_eps as f32;
    let (name, head) = head_of(decoder);
    // Where every row predicts, the last layer's rows are the predicting ones as they are.
    let computed = x.dims()[0];
    let index = places::<B>(&predicting.of_targets, decoder);
    let residual = x.select(0, index.clone());
    let normed = B::rms_norm(residual.clone(), &decoder.norm, eps);
    let wanted = wanted(targets);
    let input = HeadInput {
        hidden: normed,
        head: head.weights(),
        targets: &wanted,
        soft_cap: None,
        temperature,
        entropies: false,
        reference: None,
        trained: !adapted,
    };
    let compared = compared.as_ref().map(|(hidden, head)| (hidden.clone(), head.weights()));
    let loss = head::loss(input, compared, None, objective);
    if let Some(weight) = loss.weight {
        gradients.add(format!("{name}.weight"), weight);
    }
    if let Some(bias) = loss.bias {
        gradients.add(format!("{name}.bias"), bias);
    }
    if let Some(LowRankGradients { a, b }) = loss.adapter {
        gradients.add(a_name(name), a);
        gradients.add(b_name(name), b);
    }
    if adapted && !decoder.layers.iter().any(DecoderLayer::is_adapted) {
        // Nothing below the head is trained.
        return loss.log_probs;
    }
    let (dresidual, dw) = B::rms_norm_backward(residual, &decoder.norm, eps, loss.hidden);
    if !adapted {
        gradients.add("model.norm.weight".into(), dw);
    }
    let dx = Tensor::zeros([computed, config.hidden_size], (decoder.device(), DType::F32));
    let mut dx = dx.select_assign(0, index, dresidual, burn::tensor::IndexingUpdateOp::Add);

    for (index, (layer, (input, kept))) in decoder.layers.iter().zip(inputs).enumerate().rev() {
        let again = || layer::forward(layer, &context, Residual::new(input.clone()), rows_of(index)).kept;
        let kept = kept.unwrap_or_else(again);
        dx = layer::backward(index, layer, &context, input, kept, dx, gradients);
    }
    if !adapted {
        gradients.add("model.embed_tokens.weight".into(), embedding(tokens, dx, config.vocab_size));
    }
    loss.log_probs
}

/// The rows whose logits predict something.
struct PredictingRows {
    /// In their order, each once.
    rows: Vec<usize>,
    /// For each target the place of its row among them.
    of_targets: Vec<usize>,
}

impl PredictingRows {
    fn new(targets: &[Target]) -> Self {
        let mut rows: Vec<usize> = targets.iter().map(|target| target.row).collect();
        rows.sort_unstable();
        rows.dedup();
        // Every target's row is among them.
        let of_targets = targets.iter().map(|target| rows.partition_point(|&row| row < target.row)).collect();
        Self { rows, of_targets }
    }
}

/// Places as a tensor `[n]` to select by.
fn places<B: KernelBackend>(places: &[usize], decoder: &Decoder<B>) -> Tensor<B, 1, Int> {
    let values: Vec<i32> = places.iter().map(|&place| place as i32).collect();
    Tensor::from_data(TensorData::new(values, [places.len()]), decoder.device())
}

fn wanted(targets: &[Target]) -> Vec<u32> {
    targets.iter().map(|target| target.token).collect()
}

/// The gradient of the embedding table: each token's row gets the sum of its places, in their order.
fn embedding<B: KernelBackend>(tokens: &[u32], dx: Tensor<B, 2>, vocab: usize) -> Tensor<B, 2> {
    let ids: Vec<i32> = tokens.iter().map(|&t| t as i32).collect();
    let index = Tensor::from_data(TensorData::new(ids, [tokens.len()]), &dx.device());
    let zeros = Tensor::zeros([vocab, dx.dims()[1]], (&dx.device(), DType::F32));
    zeros.select_assign(0, index, dx, burn::tensor::IndexingUpdateOp::Add)
}
