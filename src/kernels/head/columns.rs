//! The head's loss in parts of columns: each part of `dW` is made once and whole, logits twice.
//!
//! A first walk over the vocabulary keeps a running peak and sum of each row (Milakov and Gimelshein 2018, "Online normalizer
//! calculation for softmax") and each target's logit; the second one makes the logits again and turns them into gradients
//! in place.

use burn::tensor::{DType, Tensor};

use super::rows::floats;
use super::unfused::{self, Operations};
use super::{Derivative, HeadGradients, HeadInput, PART, cap};
use crate::kernels::KernelBackend;

/// Columns of a part are a multiple of this, so that products fill their tiles.
const GRAIN: usize = 256;

/// Columns of a part of `rows` rows.
pub fn part_columns(rows: usize) -> usize {
    (PART / rows.max(1) / GRAIN).max(1) * GRAIN
}

/// A log-softmax's state on the device, row by row: what the columns so far give.
#[derive(Debug)]
pub struct Running<B: KernelBackend> {
    /// The largest logit, `[n]`.
    pub peaks: Tensor<B, 1>,
    /// `sum exp(x - peak)`, `[n]`.
    pub sums: Tensor<B, 1>,
    /// The target's logit, `[n]`.
    pub hits: Tensor<B, 1>,
}

impl<B: KernelBackend> Running<B> {
    /// Once all columns were seen: `(log p, log sum exp)` of the rows, `[n]`, on the host.
    pub fn finish(self) -> (Vec<f32>, Vec<f32>) {
        let Self { peaks, sums, hits } = self;
        let rest = sums.log();
        // In this order digits of a log-prob are not lost to a large peak.
        (host(hits - peaks.clone() - rest.clone()), host(peaks + rest))
    }
}

/// The head in parts of columns.
struct Walk<'a, B: KernelBackend> {
    hidden: Tensor<B, 2>,
    weight: &'a Tensor<B, 2>,
    bias: Option<&'a Tensor<B, 1>>,
    soft_cap: Option<f32>,
    temperature: f32,
    columns: usize,
}

impl<B: KernelBackend> Walk<'_, B> {
    fn parts(&self) -> impl Iterator<Item = (usize, usize)> + use<B> {
        let [vocab, _] = self.weight.dims();
        let columns = self.columns;
        (0..vocab).step_by(columns).map(move |first| (first, vocab.min(first + columns)))
    }

    fn weights(&self, (first, end): (usize, usize)) -> Tensor<B, 2> {
        self.weight.clone().slice([first..end])
    }

    /// `[n, end - first]` in f32.
    fn logits(&self, part: (usize, usize)) -> Tensor<B, 2> {
        let weight = self.weights(part).cast(self.hidden.dtype());
        let mut logits = B::wide_product(self.hidden.clone(), weight.transpose());
        if let Some(bias) = self.bias {
            logits = logits + bias.clone().slice([part.0..part.1]).cast(DType::F32).unsqueeze_dim(0);
        }
        cap::scaled(logits, self.soft_cap, self.temperature)
    }
}

/// The loss's gradients, in parts of `columns`; see [`part_columns`].
///
/// # Panics
/// If there are no targets, or the head is quantised.
pub fn loss<B: KernelBackend>(
    input: HeadInput<'_, B>,
    columns: usize,
    derivative: &mut Derivative<'_>,
) -> HeadGradients<B> {
    let [vocab, width] = input.head.weight.dims();
    if columns >= vocab {
        // Logits that fit in one part are kept in between.
        return unfused::by(&Operations::OWN, input, derivative);
    }
    let HeadInput { hidden, head, targets, soft_cap, temperature, entropies: wanted, trained } = input;
    let weight = floats(head.weight);
    let device = hidden.device();
    let walk = Walk { hidden, weight, bias: head.bias, soft_cap, temperature, columns };
    let mut state: Option<Running<B>> = None;
    for part in walk.parts() {
        state = Some(B::log_sums(walk.logits(part), targets, part.0, state));
    }
    let state = state.unwrap_or_else(|| unreachable!("a vocabulary has columns"));
    let (log_probs, sums) = state.finish();
    let slopes = derivative.divided(0, &log_probs, temperature);

    let mut entropies = if wanted { vec![0.0; targets.len()] } else { Vec::new() };
    let float = (&device, DType::F32);
    let mut dweight = trained.then(|| Tensor::<B, 2>::empty([vocab, width], float));
    let mut dbias = head.bias.filter(|_| trained).map(|_| Tensor::<B, 1>::empty([vocab], float));
    let mut dhidden: Option<Tensor<B, 2>> = None;
    for part in walk.parts() {
        let (first, end) = part;
        let logits = walk.logits(part);
        if wanted {
            // The sum of all columns is at hand by now, so each part's share only has to be added.
            entropies.iter_mut().zip(B::entropies(&logits, &sums)).for_each(|(all, part)| *all += part);
        }
        let bends = cap::slopes(&logits, soft_cap, temperature);
        let dlogits = B::log_sums_backward(logits, targets, first, &sums, &slopes);
        let dlogits = cap::through(dlogits, bends);
        dbias = dbias.map(|all| all.slice_assign([first..end], dlogits.clone().sum_dim(0).squeeze_dim(0)));
        // In the type of the hidden rows, so that tensor cores take them.
        let dlogits = dlogits.cast(walk.hidden.dtype());
        let product = B::wide_product(dlogits.clone(), walk.weights(part).cast(walk.hidden.dtype()));
        dhidden = Some(match dhidden {
            Some(before) => before + product,
            None => product,
        });
        dweight = dweight.map(|all| {
            let part = B::wide_product(dlogits.transpose(), walk.hidden.clone());
            all.slice_assign([first..end, 0..width], part)
        });
    }
    HeadGradients {
        log_probs,
        entropies,
        hidden: dhidden.unwrap_or_else(|| unreachable!("a vocabulary has columns")),
        weight: dweight,
        bias: dbias,
    }
}

fn host<B: KernelBackend>(x: Tensor<B, 1>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}
