//! The loss of hidden rows under an output head, for an objective that may want entropies and divergences.

use burn::tensor::Tensor;

use crate::kernels::head::{HeadGradients, HeadInput, Reference, mask};
use crate::kernels::{AdaptedWeights, KernelBackend};
use crate::train::Objective;

/// [`KernelBackend::head_loss`] for an objective, which sees the rows that `mask` `[n]` keeps, in their order, and all where there is
/// none: it is asked for derivatives and given entropies and divergences of these. Whether there are any is the objective's to say, not
/// `input`'s. Rows left out cost nothing, and all that is returned of them is 0.
///
/// `compared` is the reference of an objective that has [`Objective::kl_coefficients`]: its hidden rows `[n, its width]` and its head.
///
/// # Panics
/// If the mask is not as long as the targets, the objective has targets or coefficients for another number of rows than are kept, or
/// as [`KernelBackend::head_loss`].
pub fn loss<B: KernelBackend>(
    input: HeadInput<'_, B>,
    compared: Option<(Tensor<B, 2>, AdaptedWeights<'_, B>)>,
    mask: Option<&[bool]>,
    objective: &mut dyn Objective,
) -> HeadGradients<B> {
    let n = input.targets.len();
    assert!(mask.is_none_or(|mask| mask.len() == n), "rows of the mask and targets");
    let kept: Vec<usize> = (0..n).filter(|&row| mask.is_none_or(|mask| mask[row])).collect();
    if let Some(targets) = objective.targets() {
        assert_eq!(targets, kept.len(), "targets of the objective and rows that are kept");
    }
    let coefficients = objective.kl_coefficients().map(|of_kept| {
        assert_eq!(of_kept.len(), kept.len(), "coefficients of the objective and rows that are kept");
        let mut all = vec![0.0; n];
        kept.iter().zip(of_kept).for_each(|(&row, coefficient)| all[row] = coefficient);
        all
    });
    let reference = compared.zip(coefficients.as_deref()).map(|((hidden, head), coefficients)| Reference {
        hidden,
        head,
        coefficients,
    });
    let entropies = objective.wants_entropies();
    let input = HeadInput { entropies, reference, ..input };
    let found = match mask {
        Some(mask) => mask::loss(input, mask, &mut objective.derivative()),
        None => B::head_loss(input, &mut objective.derivative()),
    };
    let of_kept = |all: &[f32]| kept.iter().map(|&row| all[row]).collect::<Vec<f32>>();
    if entropies {
        objective.entropies(&of_kept(&found.entropies));
    }
    if !found.kls.is_empty() {
        objective.kls(&of_kept(&found.kls));
    }
    found
}
