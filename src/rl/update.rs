//! One optimizer step on groups of replies.

use crate::kernels::KernelBackend;
use crate::model::decoder::Decoder;
use crate::rl::batch_loss::{BatchLoss, Seen};
use crate::rl::fragments::Fragment;
use crate::rl::objective::{PolicyLoss, StepSize};
use crate::rl::policy::Policy;
use crate::rl::trace::Trace;
use crate::train::config::KlForm;
use crate::train::{AdamW, Gradients, PackedBatch, forward_backward_beside, log_probs};

/// Numbers of an update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UpdateOptions {
    /// The loss.
    pub loss: PolicyLoss,
    /// Temperature of sampling and training.
    pub temperature: f32,
    /// Tokens of one micro-batch; a longer sequence is one of its own.
    pub micro_batch_tokens: usize,
    /// Learning rate.
    pub lr: f64,
    /// Whether the entropy of the trained tokens' distributions is wanted.
    pub entropy: bool,
}

/// What an update saw.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UpdateReport {
    /// Of the trained tokens.
    pub seen: Seen,
    /// Global norm of the gradient before clipping.
    pub grad_norm: f64,
    /// Tokens of all sequences that went through.
    pub tokens: usize,
    /// Seconds of forward and backward.
    pub forward_backward: f64,
    /// Seconds of the optimizer.
    pub optimizer: f64,
}

/// Trains `policy` on `fragments` by one step. What the loss is divided by belongs to the step and not to a micro-batch.
/// Replies without an advantage add exactly nothing and are passed over, unless the loss holds the policy to `reference`.
///
/// # Panics
/// If the loss has a divergence and there is no reference.
pub fn update<B: KernelBackend>(
    policy: &mut Policy<B>,
    reference: Option<&Decoder<B>>,
    optimizer: &mut AdamW<B>,
    fragments: &[Fragment],
    options: &UpdateOptions,
) -> UpdateReport {
    let mut report = UpdateReport::default();
    report.seen.entropies = options.entropy.then(Vec::new);
    let size = size(fragments);
    let mut gradients = Gradients::default();
    let start = std::time::Instant::now();
    let kl = options.loss.kl;
    assert!(kl.is_none() || reference.is_some(), "a divergence from nothing");
    for micro in micro_batches(fragments, options.micro_batch_tokens, kl.is_some()) {
        let mut batch = PackedBatch::default();
        let mut loss = BatchLoss::new(options.loss, size, &mut report.seen);
        for Tree { prompt, replies } in micro {
            // Replies to one prompt share it: it is computed once for all of them.
            let parent = batch.push(prompt, []);
            for (trace, advantage) in replies {
                let ids: Vec<u32> = trace.ids().skip(prompt.len()).collect();
                batch.push_after(parent, &ids, trace.trainable().map(|token| token.position - prompt.len()));
                loss.push(trace.trainable().map(|token| token.log_prob), advantage);
            }
        }
        report.tokens += batch.tokens.len();
        if let (Some(KlForm::K3), Some(reference)) = (kl.map(|kl| kl.form), reference) {
            loss.compare(log_probs(reference, &batch, options.temperature));
        }
        forward_backward_beside(
            policy.decoder(),
            reference,
            &batch,
            options.temperature,
            &mut loss,
            &mut gradients,
        );
    }
    report.forward_backward = start.elapsed().as_secs_f64();
    let start = std::time::Instant::now();
    report.grad_norm = policy.update(|decoder| optimizer.step(decoder, gradients, options.lr));
    report.optimizer = start.elapsed().as_secs_f64();
    report
}

/// The replies of a step and their tokens, those that are passed over included.
fn size(fragments: &[Fragment]) -> StepSize {
    let traces = || fragments.iter().flat_map(|fragment| fragment.group.traces());
    StepSize { replies: traces().count(), tokens: traces().map(Trace::trainable_len).sum() }
}

/// A prompt with some of the replies to it and their advantages.
struct Tree<'a> {
    prompt: &'a [u32],
    replies: Vec<(&'a Trace, f32)>,
}

/// The traces with an advantage, or `all` of them, in order, as many together as have room. A group that is larger than a
/// micro-batch is continued in the next one, with its prompt once more.
fn micro_batches(fragments: &[Fragment], tokens: usize, all: bool) -> Vec<Vec<Tree<'_>>> {
    let mut batches: Vec<Vec<Tree<'_>>> = Vec::new();
    let mut filled = 0;
    for fragment in fragments {
        let prompt = fragment.group.prompt();
        let mut open = false;
        for (trace, reply) in fragment.group.traces().iter().zip(&fragment.replies) {
            if reply.advantage == 0.0 && !all {
                continue;
            }
            let reply = (trace, reply.advantage as f32);
            let own = trace.len() - prompt.len();
            let len = if open { own } else { trace.len() };
            match batches.last_mut() {
                Some(last) if filled + len <= tokens => {
                    match last.last_mut().filter(|_| open) {
                        Some(tree) => tree.replies.push(reply),
                        None => last.push(Tree { prompt, replies: vec![reply] }),
                    }
                    filled += len;
                }
                _ => {
                    batches.push(vec![Tree { prompt, replies: vec![reply] }]);
                    filled = trace.len();
                }
            }
            open = true;
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::request::StopReason;
    use crate::rl::fragments::MarkedReply;
    use crate::rl::trace::{Group, TraceBuilder};
    use crate::sim::Mode;

    fn fragment(replies: &[(usize, f64)]) -> Fragment {
        let prompt: Arc<[u32]> = vec![1, 2, 3].into();
        let trace = |tokens: usize| {
            let mut trace = TraceBuilder::new(prompt.clone(), 0).unwrap();
            trace.sampled(&vec![5; tokens], &vec![-1.0; tokens]).unwrap();
            trace.finish(StopReason::Eos).unwrap()
        };
        let marked = |advantage| MarkedReply { reward: Some(0.0), advantage, ..MarkedReply::default() };
        Fragment {
            case: String::new(),
            turn: 0,
            turns: Vec::new(),
            mode: Mode::Proactive,
            heard: String::new(),
            group: Group::new(replies.iter().map(|(tokens, _)| trace(*tokens)).collect()).unwrap(),
            replies: replies.iter().map(|(_, advantage)| marked(*advantage)).collect(),
        }
    }

    #[test]
    fn replies_without_an_advantage_are_passed_over_unless_held_to_a_reference_and_count_in_the_divisor() {
        let fragments = [fragment(&[(4, 0.5), (6, -0.5)]), fragment(&[(3, 0.0), (5, 0.0)])];
        assert_eq!(size(&fragments), StepSize { replies: 4, tokens: 18 });
        for tokens in [1, 14, 1000] {
            for (all, wanted) in [(false, 2), (true, 4)] {
                let micro = micro_batches(&fragments, tokens, all);
                let replies: usize = micro.iter().flatten().map(|tree| tree.replies.len()).sum();
                assert_eq!(replies, wanted, "{tokens}");
            }
        }
    }
}
