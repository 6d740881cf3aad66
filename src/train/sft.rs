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
        let fits = all.last().is_some_and(|last| last.tokens.len() + len <= tokens);
        if !fits {
            all.push(PackedBatch::default());
        }
        if let Some(last) = all.last_mut() {
            // The last target, commonly the end of the last turn, is no token of the sequence.
            let learned = (0..len).filter(|i| packed.mask[start + i]).map(|i| (i, packed.targets[start + i]));
            last.push_predicting(&packed.tokens[start..start + len], learned);
        }
        start += len;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The end of a dialogue's last turn was once left out, so that a model never learned to end its last message.
    #[test]
    fn every_target_that_trains_is_learned_the_last_one_too() {
        let packed = Packed {
            tokens: vec![1, 2, 3, 4, 5],
            targets: vec![2, 3, 9, 5, 8],
            mask: vec![false, true, true, false, true],
            segments: vec![3, 2],
            sources: vec![0, 1],
        };
        for micro in [1, 3, 100] {
            let batches = micro_batches(&packed, micro);
            assert_eq!(batches.len(), if micro == 100 { 1 } else { 2 });
            let found: Vec<(u32, u32)> = batches
                .iter()
                .flat_map(|batch| batch.targets.iter().map(|target| (batch.tokens[target.row], target.token)))
                .collect();
            assert_eq!(found, [(2, 3), (3, 9), (5, 8)]);
        }
    }
}
