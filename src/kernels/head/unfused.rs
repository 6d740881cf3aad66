//! The head's loss with all logits `[n, vocab]` at once.
//!
//! In plain tensor operations it is the reference: what `--kernels reference` trains with, and what the other ways are measured
//! against. With a backend's own kernels it is what [`columns`](super::columns) does where all columns fit in one part.

use burn::tensor::{DType, Tensor};

use super::low_rank::{Narrow, Product};
use super::magnitude::Magnitude;
use super::rows::{floats, host};
use super::{Derivative, HeadGradients, HeadInput, cap};
use crate::kernels::KernelBackend;
use crate::kernels::linear::AdaptedWeights;
use crate::kernels::softmax::{LogSum, kl, log_prob};

/// `(log p, log sum exp)` of the targets `[n]` under rows of logits.
type LogProbs<B> = fn(&Tensor<B, 2>, &[u32]) -> (Vec<f32>, Vec<LogSum>);
/// Gradients of the logits, from targets, log-sum-exps and those of the log-probs.
type LogProbsBackward<B> = fn(Tensor<B, 2>, &[u32], &[LogSum], &[f32]) -> Tensor<B, 2>;
/// What rows of logits and a reference's give for the targets.
type Compared<B> = fn(&Tensor<B, 2>, &Tensor<B, 2>, &[u32]) -> kl::Found;
/// Gradients of logits with a reference's, from targets, the first column's place and what belongs to the rows.
type KlBackward<B> = fn(Tensor<B, 2>, &Tensor<B, 2>, &[u32], usize, &kl::Rows<'_>) -> Tensor<B, 2>;

/// What the loss is made of.
pub(super) struct Operations<B: KernelBackend> {
    /// `a b` of matrices of one type, in f32.
    product: Product<B>,
    /// As [`KernelBackend::log_probs`].
    log_probs: LogProbs<B>,
    /// As [`KernelBackend::log_probs_backward`].
    log_probs_backward: LogProbsBackward<B>,
    /// Log-probs, log-sum-exps and divergences.
    compared: Compared<B>,
    /// As [`KernelBackend::kl_backward`].
    kl_backward: KlBackward<B>,
}

impl<B: KernelBackend> Operations<B> {
    /// The backend's kernels.
    pub const OWN: Self = Self {
        product: B::wide_product,
        log_probs: B::log_probs,
        log_probs_backward: B::log_probs_backward,
        // In one walk over both.
        compared: |logits, beside, targets| B::kl_sums(logits, beside, targets, 0, None).finish(),
        kl_backward: B::kl_backward,
    };

    /// Plain ones: products in the type of the hidden rows, as autodiff has them, the softmax in f32.
    const PLAIN: Self = Self {
        product: |a, b| B::product(a, b).cast(DType::F32),
        log_probs: log_prob::reference,
        log_probs_backward: log_prob::reference_backward,
        compared: |logits, beside, targets| {
            let (log_probs, sums) = log_prob::reference(logits, targets);
            let (_, reference_sums) = log_prob::reference(beside, targets);
            let kls = kl::reference(logits, beside, &sums, &reference_sums);
            kl::Found { log_probs, sums, reference_sums, kls }
        },
        kl_backward: kl::reference_backward,
    };

    /// Logits `[n, vocab]` in f32.
    fn logits(
        &self,
        hidden: &Tensor<B, 2>,
        head: &AdaptedWeights<'_, B>,
        soft_cap: Option<f32>,
        temperature: f32,
    ) -> Tensor<B, 2> {
        let weight = floats(head.weight).clone().cast(hidden.dtype());
        let mut logits = (self.product)(hidden.clone(), weight.transpose());
        if let Some(bias) = head.bias {
            logits = logits + bias.clone().cast(DType::F32).unsqueeze_dim::<2>(0);
        }
        if let Some(adapter) = &head.adapter {
            let [_, vocab] = logits.dims();
            logits = logits + Narrow::new(self.product, adapter, hidden).logits(0..vocab);
        }
        cap::scaled(logits, soft_cap, temperature)
    }
}

/// The loss's gradients in plain tensor operations.
///
/// # Panics
/// If there are no targets, one is not below `vocab`, a head is quantised, or the reference has other rows or another vocabulary.
pub fn loss<B: KernelBackend>(input: HeadInput<'_, B>, derivative: &mut Derivative<'_>) -> HeadGradients<B> {
    by(&Operations::PLAIN, input, derivative)
}

/// [`loss`] by other operations.
pub(super) fn by<B: KernelBackend>(
    operations: &Operations<B>,
    input: HeadInput<'_, B>,
    derivative: &mut Derivative<'_>,
) -> HeadGradients<B> {
    input.check();
    let Operations { product, log_probs, log_probs_backward, compared, kl_backward } = operations;
    let HeadInput { hidden, head, targets, soft_cap, temperature, entropies: wanted, reference, trained } =
        input;
    let dtype = hidden.dtype();
    let logits = operations.logits(&hidden, &head, soft_cap, temperature);
    let beside = reference.as_ref().map(|it| operations.logits(&it.hidden, &it.head, soft_cap, temperature));
    let kl::Found { log_probs, sums, reference_sums, kls } = match &beside {
        Some(beside) => compared(&logits, beside, targets),
        None => {
            let (log_probs, sums) = log_probs(&logits, targets);
            kl::Found { log_probs, sums, reference_sums: Vec::new(), kls: Vec::new() }
        }
    };
    let slopes = derivative.divided(0, &log_probs, temperature);
    let entropies = if wanted { host(B::entropies(&logits, &sums)) } else { Vec::new() };
    let coefficients = reference.as_ref().map(|reference| reference.divided(temperature));
    if slopes.iter().chain(coefficients.iter().flatten()).all(|&factor| factor == 0.0) {
        let zeros = HeadGradients::zeros(&head, targets.len(), trained, &hidden.device());
        return HeadGradients { log_probs, entropies, kls, ..zeros };
    }
    let bends = cap::slopes(&logits, soft_cap, temperature);
    let magnitude = Magnitude::of(dtype, &slopes, coefficients.as_deref());
    let dlogits = match beside.zip(coefficients) {
        Some((beside, coefficients)) => {
            let rows = kl::Rows {
                sums: &sums,
                reference_sums: &reference_sums,
                slopes: &slopes,
                coefficients: &coefficients,
                kls: &kls,
            };
            kl_backward(logits, &beside, targets, 0, &rows)
        }
        None => log_probs_backward(logits, targets, &sums, &slopes),
    };
    let dlogits = cap::through(dlogits, bends);
    let bias: Option<Tensor<B, 1>> =
        head.bias.filter(|_| trained).map(|_| dlogits.clone().sum_dim(0).squeeze_dim(0));
    // In the type of the hidden rows, so that tensor cores take them.
    let dlogits = magnitude.rounded(dlogits, dtype);
    let weight = floats(head.weight).clone().cast(dtype);
    let mut dhidden = product(dlogits.clone(), weight);
    let mut dadapter = None;
    if let Some(adapter) = &head.adapter {
        let [_, vocab] = dlogits.dims();
        let narrow = Narrow::new(*product, adapter, &hidden);
        let gathered = narrow.gather(narrow.gathered(), 0..vocab, dlogits.clone());
        let (found, more) = narrow.finish(gathered, hidden.clone());
        dhidden = dhidden + more;
        dadapter = Some(found.undone(magnitude));
    }
    let dweight = trained.then(|| magnitude.undone(product(dlogits.transpose(), hidden)));
    HeadGradients {
        log_probs,
        entropies,
        kls,
        hidden: magnitude.undone(dhidden),
        weight: dweight,
        bias,
        adapter: dadapter,
    }
}
