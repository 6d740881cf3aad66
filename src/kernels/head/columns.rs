//! The head's loss in parts of columns: each part of `dW` is made once and whole, logits twice.
//!
//! A first walk over the vocabulary keeps a running peak and sum of each row (Milakov and Gimelshein 2018, "Online normalizer
//! calculation for softmax") and each target's logit; the second one makes the logits again and turns them into gradients
//! in place. Rows that count for nothing are left out of the second one.

use burn::tensor::{DType, IndexingUpdateOp, Int, Tensor, TensorData};

use super::low_rank::Narrow;
use super::rows::floats;
use super::unfused::{self, Operations};
use super::{Derivative, HeadGradients, HeadInput, LowRankGradients, PART, cap};
use crate::kernels::KernelBackend;
use crate::kernels::linear::AdaptedWeights;
use crate::kernels::softmax::{LogSum, kl};

/// Columns of a part are a multiple of this, so that products fill their tiles.
const GRAIN: usize = 256;

/// Columns of a part of `rows` rows: as many as [`PART`] holds, but a grain at least, which beyond 65,536 rows is more than that.
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
    pub fn finish(self) -> (Vec<f32>, Vec<LogSum>) {
        let [peaks, rests, hits] = [self.peaks, self.sums.log(), self.hits].map(host);
        let sums: Vec<LogSum> =
            peaks.into_iter().zip(rests).map(|(peak, rest)| LogSum { peak, rest }).collect();
        (hits.into_iter().zip(&sums).map(|(hit, sum)| sum.log_prob(hit)).collect(), sums)
    }
}

/// A head in parts of columns.
struct Walk<'a, B: KernelBackend> {
    hidden: Tensor<B, 2>,
    weight: &'a Tensor<B, 2>,
    bias: Option<&'a Tensor<B, 1>>,
    adapter: Option<Narrow<'a, B>>,
    soft_cap: Option<f32>,
    temperature: f32,
}

impl<'a, B: KernelBackend> Walk<'a, B> {
    fn new(
        hidden: Tensor<B, 2>,
        head: &AdaptedWeights<'a, B>,
        soft_cap: Option<f32>,
        temperature: f32,
    ) -> Self {
        let adapter = head.adapter.as_ref().map(|adapter| Narrow::new(B::wide_product, adapter, &hidden));
        Self { hidden, weight: floats(head.weight), bias: head.bias, adapter, soft_cap, temperature }
    }

    /// The rows at `places` alone.
    fn rows(self, places: &Tensor<B, 1, Int>) -> Self {
        let hidden = self.hidden.select(0, places.clone());
        Self { hidden, adapter: self.adapter.map(|adapter| adapter.at(places)), ..self }
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
        if let Some(adapter) = &self.adapter {
            logits = logits + adapter.logits(part.0..part.1);
        }
        cap::scaled(logits, self.soft_cap, self.temperature)
    }
}

/// The loss's gradients, in parts of `columns`; see [`part_columns`].
///
/// # Panics
/// If there are no targets, a head is quantised, or the reference has other rows or another vocabulary.
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
    let HeadInput { hidden, head, targets, soft_cap, temperature, entropies: wanted, reference, trained } =
        input;
    let device = hidden.device();
    let walk = Walk::new(hidden, &head, soft_cap, temperature);
    let coefficients = reference.as_ref().map(|reference| reference.divided(temperature));
    let beside =
        reference.map(|reference| Walk::new(reference.hidden, &reference.head, soft_cap, temperature));
    let parts = || (0..vocab).step_by(columns).map(move |first| (first, vocab.min(first + columns)));
    let kl::Found { log_probs, sums, reference_sums, kls } = match &beside {
        Some(beside) => {
            let next = |before, part: (usize, usize)| {
                Some(B::kl_sums(&walk.logits(part), &beside.logits(part), targets, part.0, before))
            };
            parts().fold(None, next).unwrap_or_else(|| unreachable!("a vocabulary has columns")).finish()
        }
        None => {
            let next =
                |before, part: (usize, usize)| Some(B::log_sums(walk.logits(part), targets, part.0, before));
            let state: Running<B> =
                parts().fold(None, next).unwrap_or_else(|| unreachable!("a vocabulary has columns"));
            let (log_probs, sums) = state.finish();
            kl::Found { log_probs, sums, reference_sums: Vec::new(), kls: Vec::new() }
        }
    };
    let slopes = derivative.divided(0, &log_probs, temperature);
    let counts = |row: usize| slopes[row] != 0.0 || coefficients.iter().any(|it| it[row] != 0.0);
    // The second walk may be asked for the entropies of all rows.
    let kept: Vec<usize> = (0..targets.len()).filter(|&row| wanted || counts(row)).collect();
    let float = (&device, DType::F32);
    if kept.is_empty() {
        return HeadGradients {
            hidden: Tensor::zeros([targets.len(), width], float),
            weight: trained.then(|| Tensor::zeros([vocab, width], float)),
            bias: head.bias.filter(|_| trained).map(|_| Tensor::zeros([vocab], float)),
            adapter: head.adapter.as_ref().map(LowRankGradients::zeros),
            entropies: Vec::new(),
            log_probs,
            kls,
        };
    }
    let count = targets.len();
    let places = (kept.len() < count).then(|| {
        let places: Vec<i32> = kept.iter().map(|&row| row as i32).collect();
        Tensor::<B, 1, Int>::from_data(TensorData::new(places, [kept.len()]), &device)
    });
    let (walk, beside) = match &places {
        Some(places) => (walk.rows(places), beside.map(|beside| beside.rows(places))),
        None => (walk, beside),
    };
    let (targets, sums, slopes) = (&at(targets, &kept)[..], at(&sums, &kept), at(&slopes, &kept));
    let reference_sums = at(&reference_sums, &kept);
    let coefficients = coefficients.map(|it| at(&it, &kept));
    let kept_kls = at(&kls, &kept);

    let mut entropies = if wanted { vec![0.0; targets.len()] } else { Vec::new() };
    let mut dweight = trained.then(|| Tensor::<B, 2>::empty([vocab, width], float));
    let mut dbias = head.bias.filter(|_| trained).map(|_| Tensor::<B, 1>::empty([vocab], float));
    let mut dadapter = walk.adapter.as_ref().map(Narrow::gathered);
    let mut dhidden: Option<Tensor<B, 2>> = None;
    for part in parts() {
        let (first, end) = part;
        let logits = walk.logits(part);
        if wanted {
            // The sum of all columns is at hand by now, so each part's share only has to be added.
            entropies.iter_mut().zip(B::entropies(&logits, &sums)).for_each(|(all, part)| *all += part);
        }
        let bends = cap::slopes(&logits, soft_cap, temperature);
        let dlogits = match (&beside, &coefficients) {
            (Some(beside), Some(coefficients)) => {
                let rows = kl::Rows {
                    sums: &sums,
                    reference_sums: &reference_sums,
                    slopes: &slopes,
                    coefficients,
                    kls: &kept_kls,
                };
                B::kl_backward(logits, &beside.logits(part), targets, first, &rows)
            }
            _ => B::log_sums_backward(logits, targets, first, &sums, &slopes),
        };
        let dlogits = cap::through(dlogits, bends);
        dbias = dbias.map(|all| all.slice_assign([first..end], dlogits.clone().sum_dim(0).squeeze_dim(0)));
        // In the type of the hidden rows, so that tensor cores take them.
        let dlogits = dlogits.cast(walk.hidden.dtype());
        let product = B::wide_product(dlogits.clone(), walk.weights(part).cast(walk.hidden.dtype()));
        dhidden = Some(match dhidden {
            Some(before) => before + product,
            None => product,
        });
        if let (Some(adapter), Some(before)) = (&walk.adapter, dadapter.take()) {
            dadapter = Some(adapter.gather(before, first..end, dlogits.clone()));
        }
        dweight = dweight.map(|all| {
            let part = B::wide_product(dlogits.transpose(), walk.hidden.clone());
            all.slice_assign([first..end, 0..width], part)
        });
    }
    let mut dhidden = dhidden.unwrap_or_else(|| unreachable!("a vocabulary has columns"));
    let mut adapter = None;
    if let (Some(narrow), Some(gathered)) = (&walk.adapter, dadapter) {
        let (found, more) = narrow.finish(gathered, walk.hidden.clone());
        dhidden = dhidden + more;
        adapter = Some(found);
    }
    if let Some(places) = places {
        let none = Tensor::<B, 2>::zeros([count, width], float);
        dhidden = none.select_assign(0, places, dhidden, IndexingUpdateOp::Add);
    }
    HeadGradients { log_probs, entropies, kls, hidden: dhidden, weight: dweight, bias: dbias, adapter }
}

/// What belongs to the rows `kept`; nothing where there is nothing.
fn at<T: Copy>(all: &[T], kept: &[usize]) -> Vec<T> {
    if all.is_empty() { Vec::new() } else { kept.iter().map(|&row| all[row]).collect() }
}

fn host<B: KernelBackend>(x: Tensor<B, 1>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}
