//! One optimizer step on groups of replies.

use crate::kernels::KernelBackend;
use crate::rl::fragments::Fragment;
use crate::rl::objective::{Clip, token_loss};
use crate::rl::policy::Policy;
use crate::rl::trace::Trace;
use crate::train::{AdamW, Gradients, PackedBatch, forward_backward};

/// Numbers of an update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UpdateOptions {
    /// The clip of the ratio.
    pub clip: Clip,
    /// The constant that divides the loss, the longest reply.
    pub l_max: usize,
    /// Temperature of sampling and training.
    pub temperature: f32,
    /// Tokens of one micro-batch; a longer sequence is one of its own.
    pub micro_batch_tokens: usize,
    /// Learning rate.
    pub lr: f64,
}

/// What an update saw.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UpdateReport {
    /// The loss, divided as it is trained.
    pub loss: f64,
    /// Global norm of the gradient before clipping.
    pub grad_norm: f64,
    /// `(sampler, trainer)` log-probs of every trained token.
    pub pairs: Vec<(f32, f32)>,
    /// Tokens the clip held from below.
    pub clipped_low: usize,
    /// Tokens the clip held from above.
    pub clipped_high: usize,
    /// Tokens of all sequences that went through.
    pub tokens: usize,
    /// Seconds of forward and backward.
    pub forward_backward: f64,
    /// Seconds of the optimizer.
    pub optimizer: f64,
}

/// Trains `policy` on `fragments` by one step. The loss has one denominator, replies times `l_max`, over all micro-batches.
/// Replies without an advantage add exactly nothing and are passed over.
pub fn update<B: KernelBackend>(
    policy: &mut Policy<B>,
    optimizer: &mut AdamW<B>,
    fragments: &[Fragment],
    options: &UpdateOptions,
) -> UpdateReport {
    let replies: usize = fragments.iter().map(|f| f.replies.len()).sum();
    let denominator = (replies * options.l_max) as f32;
    let mut report = UpdateReport::default();
    let mut gradients = Gradients::default();
    let start = std::time::Instant::now();
    for micro in micro_batches(fragments, options.micro_batch_tokens) {
        let mut batch = PackedBatch::default();
        let mut tokens = Vec::new();
        for Tree { prompt, replies } in micro {
            // Replies to one prompt share it: it is computed once for all of them.
            let parent = batch.push(prompt, []);
            for (trace, advantage) in replies {
                let ids: Vec<u32> = trace.ids().skip(prompt.len()).collect();
                batch.push_after(parent, &ids, trace.trainable().map(|token| token.position - prompt.len()));
                tokens.extend(trace.trainable().map(|token| (token.log_prob, advantage)));
            }
        }
        report.tokens += batch.tokens.len();
        let mut objective = |index: usize, log_prob: f32| {
            let (old, advantage) = tokens[index];
            let token = token_loss(log_prob, old, advantage, options.clip);
            report.loss += f64::from(token.loss / denominator);
            report.clipped_low += usize::from(token.clipped_low);
            report.clipped_high += usize::from(token.clipped_high);
            report.pairs.push((old, log_prob));
            token.derivative / denominator
        };
        forward_backward(policy.decoder(), &batch, options.temperature, &mut objective, &mut gradients);
    }
    report.forward_backward = start.elapsed().as_secs_f64();
    let start = std::time::Instant::now();
    report.grad_norm = policy.update(|decoder| optimizer.step(decoder, gradients, options.lr));
    report.optimizer = start.elapsed().as_secs_f64();
    report
}

/// A prompt with some of the replies to it and their advantages.
struct Tree<'a> {
    prompt: &'a [u32],
    replies: Vec<(&'a Trace, f32)>,
}

/// The traces with an advantage, in order, as many together as have room. A group that is larger than a micro-batch is
/// continued in the next one, with its prompt once more.
fn micro_batches(fragments: &[Fragment], tokens: usize) -> Vec<Vec<Tree<'_>>> {
    let mut all: Vec<Vec<Tree<'_>>> = Vec::new();
    let mut filled = 0;
    for fragment in fragments {
        let prompt = fragment.group.prompt();
        let mut open = false;
        for (trace, reply) in fragment.group.traces().iter().zip(&fragment.replies) {
            if reply.advantage == 0.0 {
                continue;
            }
            let reply = (trace, reply.advantage as f32);
            let own = trace.len() - prompt.len();
            let len = if open { own } else { trace.len() };
            match all.last_mut() {
                Some(last) if filled + len <= tokens => {
                    match last.last_mut().filter(|_| open) {
                        Some(tree) => tree.replies.push(reply),
                        None => last.push(Tree { prompt, replies: vec![reply] }),
                    }
                    filled += len;
                }
                _ => {
                    all.push(vec![Tree { prompt, replies: vec![reply] }]);
                    filled = trace.len();
                }
            }
            open = true;
        }
    }
    all
}
