//! The head's loss in parts of rows: logits are made once, `dW` is added up over the parts.

use burn::tensor::{DType, Tensor};

use super::{Derivative, HeadGradients, HeadInput, part_rows};
use crate::kernels::KernelBackend;
use crate::kernels::linear::{LinearWeights, Matrix};

/// Logits `[rows, vocab]` in f32 of `hidden` `[rows, hidden]`.
fn logits<B: KernelBackend>(
    hidden: Tensor<B, 2>,
    head: &LinearWeights<'_, B>,
    temperature: f32,
) -> Tensor<B, 2> {
    let part = LinearWeights { weight: head.weight, bias: head.bias };
    let logits = B::linear_group(hidden, &[part]).swap_remove(0).cast(DType::F32);
    if temperature == 1.0 { logits } else { logits / temperature }
}

/// Log-probs of the targets `[n]`.
pub fn log_probs<B: KernelBackend>(input: HeadInput<'_, B>) -> Vec<f32> {
    let HeadInput { hidden, head, targets, temperature } = input;
    let rows = part_rows(head.weight.dims()[0]);
    let mut all = Vec::with_capacity(targets.len());
    for (part, first) in targets.chunks(rows).zip((0..).step_by(rows)) {
        let hidden = hidden.clone().slice([first..first + part.len()]);
        all.extend(B::log_probs(&logits(hidden, &head, temperature), part).0);
    }
    all
}

/// The loss's gradients, in parts of `rows`; see [`part_rows`].
///
/// # Panics
/// If there are no targets, or the head is quantised.
pub fn loss<B: KernelBackend>(
    input: HeadInput<'_, B>,
    rows: usize,
    derivative: &mut Derivative<'_>,
) -> HeadGradients<B> {
    let HeadInput { hidden, head, targets, temperature } = input;
    let weight = floats(head.weight).clone().cast(DType::F32);
    let [vocab, width] = weight.dims();
    let mut log_probs = Vec::with_capacity(targets.len());
    let mut dhidden = Vec::new();
    let mut dweight: Option<Tensor<B, 2>> = None;
    let mut dbias: Option<Tensor<B, 2>> = None;
    for part in targets.chunks(rows) {
        let first = log_probs.len();
        let hidden = hidden.clone().slice([first..first + part.len()]);
        let logits = logits(hidden.clone(), &head, temperature);
        let (found, sums) = B::log_probs(&logits, part);
        let slopes: Vec<f32> =
            found.iter().enumerate().map(|(i, &p)| derivative(first + i, p) / temperature).collect();
        log_probs.extend(found);
        let dlogits = B::log_probs_backward(logits, part, &sums, &slopes);
        if head.bias.is_some() {
            let sum = dlogits.clone().sum_dim(0);
            dbias = Some(dbias.map_or_else(|| sum.clone(), |before| before + sum.clone()));
        }
        dhidden.push(B::product(dlogits.clone(), weight.clone()));
        let before = dweight.take().unwrap_or_else(|| Tensor::zeros([vocab, width], &dlogits.device()));
        dweight = Some(B::add_products(before, dlogits, hidden.cast(DType::F32)));
    }
    HeadGradients {
        log_probs,
        hidden: Tensor::cat(dhidden, 0),
        weight: dweight.unwrap_or_else(|| unreachable!("there are targets")),
        bias: dbias.map(|sum| sum.squeeze_dim(0)),
    }
}

/// The head's weights.
///
/// # Panics
/// If they are quantised.
pub(super) fn floats<B: KernelBackend>(matrix: &Matrix<B>) -> &Tensor<B, 2> {
    match matrix {
        Matrix::Float(weight) => weight,
        Matrix::Blocks(_) => panic!("a quantised matrix has no gradient"),
    }
}
