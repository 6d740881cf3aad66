//! The head's loss of the rows that a mask keeps.

use burn::tensor::{DType, IndexingUpdateOp, Int, Tensor, TensorData};

use super::{Derivative, HeadGradients, HeadInput, Reference, at};
use crate::kernels::KernelBackend;

/// [`KernelBackend::head_loss`] of the rows that `mask` `[n]` keeps. The others cost nothing: no logits of theirs are made, and their
/// log-probs, entropies, divergences and gradients are 0.
///
/// The loss sees the rows that are kept alone: it is asked for their derivatives by their places among them, and not at all where
/// there are none. The reference's coefficients are of all rows. [`train::head::loss`](crate::train::head::loss) is the same for an
/// objective that sees the kept rows throughout.
///
/// # Panics
/// If the mask is not as long as the targets, or as [`KernelBackend::head_loss`].
pub fn loss<B: KernelBackend>(
    input: HeadInput<'_, B>,
    mask: &[bool],
    derivative: &mut Derivative<'_>,
) -> HeadGradients<B> {
    let n = input.targets.len();
    assert_eq!(mask.len(), n, "rows of the mask and targets");
    // Targets of rows that are left out need not be tokens.
    input.check_sizes();
    let kept: Vec<usize> = (0..n).filter(|&row| mask[row]).collect();
    if kept.len() == n && n > 0 {
        return B::head_loss(input, derivative);
    }
    let device = input.hidden.device();
    if kept.is_empty() {
        let left_out = HeadGradients::zeros(&input.head, n, input.trained, &device);
        let zeros = |wanted: bool| vec![0.0; if wanted { n } else { 0 }];
        let (entropies, kls) = (zeros(input.entropies), zeros(input.reference.is_some()));
        return HeadGradients { log_probs: zeros(true), entropies, kls, ..left_out };
    }
    let left_out = Tensor::<B, 2>::zeros([n, input.hidden.dims()[1]], (&device, DType::F32));
    let values: Vec<i32> = kept.iter().map(|&row| row as i32).collect();
    let places = Tensor::<B, 1, Int>::from_data(TensorData::new(values, [kept.len()]), &device);
    let targets = at(input.targets, &kept);
    let coefficients = input.reference.as_ref().map(|it| at(it.coefficients, &kept)).unwrap_or_default();
    let reference = input.reference.map(|Reference { hidden, head, .. }| Reference {
        hidden: hidden.select(0, places.clone()),
        head,
        coefficients: &coefficients,
    });
    let hidden = input.hidden.select(0, places.clone());
    let found = B::head_loss(HeadInput { hidden, targets: &targets, reference, ..input }, derivative);
    let all = |values: Vec<f32>| {
        let mut all = vec![0.0; if values.is_empty() { 0 } else { n }];
        kept.iter().zip(values).for_each(|(&row, value)| all[row] = value);
        all
    };
    HeadGradients {
        log_probs: all(found.log_probs),
        entropies: all(found.entropies),
        kls: all(found.kls),
        hidden: left_out.select_assign(0, places, found.hidden, IndexingUpdateOp::Add),
        ..found
    }
}
