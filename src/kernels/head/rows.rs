//! The head's loss in parts of rows: logits are made once, `dW` is added up over the parts.

use burn::tensor::{DType, Tensor};

use super::{Derivative, HeadGradients, HeadInput, LowRankGradients, cap, part_rows};
use crate::kernels::KernelBackend;
use crate::kernels::linear::{AdaptedWeights, Matrix, low_rank};
use crate::kernels::softmax::kl;

/// Logits `[rows, vocab]` in f32 of `hidden` `[rows, hidden]`.
fn logits<B: KernelBackend>(
    hidden: Tensor<B, 2>,
    head: &AdaptedWeights<'_, B>,
    soft_cap: Option<f32>,
    temperature: f32,
) -> Tensor<B, 2> {
    let [logits] = low_rank::products(hidden, [head]);
    cap::scaled(logits.cast(DType::F32), soft_cap, temperature)
}

/// Log-probs of the targets `[n]`.
///
/// # Panics
/// If the targets are not as many as rows, or one is not below `vocab`.
pub fn log_probs<B: KernelBackend>(input: &HeadInput<'_, B>) -> Vec<f32> {
    input.check();
    in_parts(input, part_rows(input.head.weight.dims()[0]))
}

/// [`log_probs`] in parts of `rows`.
fn in_parts<B: KernelBackend>(input: &HeadInput<'_, B>, rows: usize) -> Vec<f32> {
    let mut all = Vec::with_capacity(input.targets.len());
    for (part, first) in input.targets.chunks(rows).zip((0..).step_by(rows)) {
        let hidden = input.hidden.clone().slice([first..first + part.len()]);
        all.extend(B::log_probs(&logits(hidden, &input.head, input.soft_cap, input.temperature), part).0);
    }
    all
}

/// The loss's gradients, in parts of `rows`; see [`part_rows`].
///
/// # Panics
/// If there are no targets, one is not below `vocab`, the head is quantised, or the reference has other rows or another vocabulary.
pub fn loss<B: KernelBackend>(
    input: HeadInput<'_, B>,
    rows: usize,
    derivative: &mut Derivative<'_>,
) -> HeadGradients<B> {
    input.check();
    let several = input.targets.len() > rows;
    let known = match derivative {
        Derivative::All(_) if several => {
            Some(derivative.divided(0, &in_parts(&input, rows), input.temperature))
        }
        _ => None,
    };
    let HeadInput { hidden, head, targets, soft_cap, temperature, entropies: wanted, reference, trained } =
        input;
    let coefficients = reference.as_ref().map(|reference| reference.divided(temperature));
    let weight = floats(head.weight);
    let [vocab, width] = weight.dims();
    let float = (&hidden.device(), DType::F32);
    let mut log_probs = Vec::with_capacity(targets.len());
    let (mut entropies, mut kls) = (Vec::new(), Vec::new());
    let mut dhidden = Vec::new();
    let mut dweight: Option<Tensor<B, 2>> = None;
    let mut dbias: Option<Tensor<B, 2>> = None;
    let mut dadapter = head.adapter.as_ref().map(LowRankGradients::zeros);
    for part in targets.chunks(rows) {
        let first = log_probs.len();
        let all = first..first + part.len();
        let hidden = hidden.clone().slice([all.clone()]);
        let logits = logits(hidden.clone(), &head, soft_cap, temperature);
        let (found, sums) = B::log_probs(&logits, part);
        let slopes = match &known {
            Some(known) => known[all.clone()].to_vec(),
            None => derivative.divided(first, &found, temperature),
        };
        log_probs.extend(found);
        if wanted {
            entropies.extend(host(B::entropies(&logits, &sums)));
        }
        let counts = slopes.iter().any(|&slope| slope != 0.0)
            || coefficients.iter().flat_map(|it| &it[all.clone()]).any(|&coefficient| coefficient != 0.0);
        let bends = cap::slopes(&logits, soft_cap, temperature);
        let dlogits = match (&reference, &coefficients) {
            (Some(reference), Some(coefficients)) => {
                let hidden = reference.hidden.clone().slice([all.clone()]);
                let beside = self::logits(hidden, &reference.head, soft_cap, temperature);
                let (_, reference_sums) = B::log_probs(&beside, part);
                let found = B::kls(&logits, &beside, &sums, &reference_sums);
                let coefficients = &coefficients[all];
                let rows = kl::Rows {
                    sums: &sums,
                    reference_sums: &reference_sums,
                    slopes: &slopes,
                    coefficients,
                    kls: &found,
                };
                let dlogits = counts.then(|| B::kl_backward(logits, &beside, part, 0, &rows));
                kls.extend(found);
                dlogits
            }
            _ => counts.then(|| B::log_probs_backward(logits, part, &sums, &slopes)),
        };
        // Where no row counts, products could only add zeros.
        let Some(dlogits) = dlogits else {
            dhidden.push(Tensor::zeros([part.len(), width], float));
            continue;
        };
        let dlogits = cap::through(dlogits, bends);
        if head.bias.is_some() && trained {
            let sum = dlogits.clone().sum_dim(0);
            dbias = Some(dbias.map_or_else(|| sum.clone(), |before| before + sum.clone()));
        }
        let mut dpart = B::mixed_product(dlogits.clone(), weight);
        if let (Some(adapter), Some(before)) = (&head.adapter, dadapter.take()) {
            let (found, more) = before.add_rows(adapter, hidden.clone(), dlogits.clone());
            dadapter = Some(found);
            dpart = dpart + more;
        }
        dhidden.push(dpart);
        if trained {
            let before = dweight.take().unwrap_or_else(|| Tensor::zeros([vocab, width], &dlogits.device()));
            dweight = Some(B::add_products(before, dlogits, hidden.cast(DType::F32)));
        }
    }
    HeadGradients {
        log_probs,
        entropies,
        kls,
        hidden: Tensor::cat(dhidden, 0),
        weight: trained.then(|| dweight.unwrap_or_else(|| Tensor::zeros([vocab, width], float))),
        bias: head.bias.filter(|_| trained).map(|_| match dbias {
            Some(sum) => sum.squeeze_dim(0),
            None => Tensor::zeros([vocab], float),
        }),
        adapter: dadapter,
    }
}

/// `x` `[n]` on the host.
pub(super) fn host<B: KernelBackend>(x: Tensor<B, 1>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

/// The head's weights.
///
/// # Panics
/// If they are quantised.
pub(in crate::kernels) fn floats<B: KernelBackend>(matrix: &Matrix<B>) -> &Tensor<B, 2> {
    match matrix {
        Matrix::Float(weight) => weight,
        Matrix::Blocks(_) | Matrix::DeviceBlocks(_) => panic!("a quantised matrix has no gradient"),
    }
}
