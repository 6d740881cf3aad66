//! The head's loss as plain tensor operations have it: all logits `[n, vocab]` at once. Nothing trains with it; it is what the
//! other ways are measured against.

use burn::tensor::{DType, Tensor};

use super::rows::floats;
use super::{Derivative, HeadGradients, HeadInput, cap};
use crate::kernels::KernelBackend;
use crate::kernels::softmax::log_prob;

/// The loss's gradients. Products are in the type of the hidden rows, as autodiff has them; the softmax is in f32.
///
/// # Panics
/// If there are no targets, or the head is quantised.
pub fn loss<B: KernelBackend>(input: HeadInput<'_, B>, derivative: &mut Derivative<'_>) -> HeadGradients<B> {
    let HeadInput { hidden, head, targets, soft_cap, temperature, entropies: wanted } = input;
    let dtype = hidden.dtype();
    let weight = floats(head.weight).clone().cast(dtype);
    let mut logits = B::product(hidden.clone(), weight.clone().transpose()).cast(DType::F32);
    if let Some(bias) = head.bias {
        logits = logits + bias.clone().cast(DType::F32).unsqueeze_dim::<2>(0);
    }
    let logits = cap::scaled(logits, soft_cap, temperature);
    let (log_probs, sums) = log_prob::reference(&logits, targets);
    let slopes = derivative.divided(0, &log_probs, temperature);
    let entropies = if wanted { B::entropies(&logits, &sums) } else { Vec::new() };
    let bends = cap::slopes(&logits, soft_cap, temperature);
    let dlogits = cap::through(log_prob::reference_backward(logits, targets, &sums, &slopes), bends);
    let bias: Option<Tensor<B, 1>> = head.bias.map(|_| dlogits.clone().sum_dim(0).squeeze_dim(0));
    let dlogits = dlogits.cast(dtype);
    HeadGradients {
        log_probs,
        entropies,
        hidden: B::product(dlogits.clone(), weight).cast(DType::F32),
        weight: B::product(dlogits.transpose(), hidden).cast(DType::F32),
        bias,
    }
}
