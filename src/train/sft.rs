//! Supervised training: the mean negative log-prob of the tokens that are learned.

use crate::data::conversation::Packed;
use crate::kernels::KernelBackend;
use crate::model::decoder::Decoder;
use crate::train::executor::{PackedBatch, forward_backward};
use crate::train::gradients::Gradients;
use crate::train::optimizer::AdamW;

/// What a step saw.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SftReport {
    /// Mean negative log-prob of a learned token, in nats.
    pub loss: f64,
    /// Global norm of the gradient before clipping.
    pub grad_norm: f64,
    /// All tokens.
    pub tokens: usize,
    /// Learned tokens.
    pub learned: usize,
    /// Seconds of forward and backward.
    pub forward_backward: f64,
    /// Seconds of the optimizer.
    pub optimizer: f64,
}

/// One step on `packed`, cut into micro-batches of whole sequences of about `micro_batch_tokens`. One denominator, the
/// learned tokens of the step, serves them all.
pub fn step<B: KernelBackend>(
    decoder: &mut Decoder<B>,
    optimizer: &mut AdamW<B>,
    packed: &Packed,
    micro_batch_tokens: usize,
    lr: f64,
) -> SftReport {
    let learned = packed.trainable();
    let mut report = SftReport { tokens: packed.tokens.len(), learned, ..SftReport::default() };
    if learned == 0 {
        return report;
    }
    let scale = -1.0 / learned as f32;
    let mut gradients = Gradients::default();
    let mut sum = 0.0;
    let start = std::time::Instant::now();
    for batch in micro_batches(packed, micro_batch_tokens) {
        let found = forward_backward(decoder, &batch, 1.0, &mut |_: usize, _: f32| scale, &mut gradients);
        sum += found.iter().map(|&p| f64::from(p)).sum::<f64>();
    }
    report.forward_backward = start.elapsed().as_secs_f64();
    report.loss = -sum / learned as f64;
    let start = std::time::Instant::now();
    report.grad_norm = optimizer.step(decoder, gradients, lr);
    report.optimizer = start.elapsed().as_secs_f64();
    report
}

fn micro_batches(packed: &Packed, tokens: usize) -> Vec<PackedBatch> {
    let mut all: Vec<PackedBatch> = Vec::new();
    let mut start = 0;
    for &len in &packed.segments {
        let sequence = &packed.tokens[start..start + len];
        // The mask stands where a token predicts; what is predicted is the next one.
        let learned = (0..len.saturating_sub(1)).filter(|i| packed.mask[start + i]).map(|i| i + 1);
        match all.last_mut() {
            Some(last) if last.tokens.len() + len <= tokens => last.push(sequence, learned),
            _ => {
                let mut batch = PackedBatch::default();
                batch.push(sequence, learned);
                all.push(batch);
            }
        }
        start += len;
    }
    all
}
