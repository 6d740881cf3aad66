//! The head's loss in parts of columns: each part of `dW` is made once and whole, logits twice.
//!
//! A first walk over the vocabulary keeps a running peak and sum of each row (Milakov and Gimelshein 2018, "Online normalizer
//! calculation for softmax") and each target's logit; the second one makes the logits again and turns them into gradients
//! in place. Rows that count for nothing are left out of the second one.
//!
//! Rows beyond [`ROWS`] are walked in blocks, so that a part stays a part of both; `dW` of a part's columns is the sum over the blocks.

use std::ops::Range;

use burn::tensor::{DType, IndexingUpdateOp, Int, Tensor, TensorData};

use super::low_rank::{Gathered, Narrow};
use super::magnitude::Magnitude;
use super::rows::{floats, host};
use super::unfused::{self, Operations};
use super::{Derivative, HeadGradients, HeadInput, LowRankGradients, PART, at, cap};
use crate::kernels::KernelBackend;
use crate::kernels::linear::AdaptedWeights;
use crate::kernels::softmax::{LogSum, kl};

/// Columns of a part are a multiple of this, so that products fill their tiles.
const GRAIN: usize = 256;

/// Rows of a block at most: with a grain of columns they fill [`PART`].
pub const ROWS: usize = PART / GRAIN;

/// Columns of a part of `rows` rows, or of [`ROWS`] where there are more: as many grains as [`PART`] holds.
pub fn part_columns(rows: usize) -> usize {
    PART / rows.clamp(1, ROWS) / GRAIN * GRAIN
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

/// Columns of a part: the first one and the end.
type Part = (usize, usize);

/// Rows that are walked together.
struct Block<'a, B: KernelBackend> {
    range: Range<usize>,
    own: Walk<'a, B>,
    /// Those of the reference.
    beside: Option<Walk<'a, B>>,
}

impl<B: KernelBackend> Block<'_, B> {
    /// The rows `range` of `hidden`, or all of it.
    fn of(hidden: &Tensor<B, 2>, range: &Range<usize>) -> Tensor<B, 2> {
        let [n, _] = hidden.dims();
        if range.len() == n { hidden.clone() } else { hidden.clone().slice([range.clone()]) }
    }

    /// What the first walk finds, over all columns in `parts`; `targets` are those of the block.
    fn found(&self, parts: impl Iterator<Item = Part>, targets: &[u32]) -> kl::Found {
        let own = &self.own;
        match &self.beside {
            Some(beside) => {
                let next = |before, part: Part| {
                    Some(B::kl_sums(&own.logits(part), &beside.logits(part), targets, part.0, before))
                };
                parts.fold(None, next).unwrap_or_else(|| unreachable!("a vocabulary has columns")).finish()
            }
            None => {
                let next = |before, part: Part| Some(B::log_sums(own.logits(part), targets, part.0, before));
                let state: Running<B> =
                    parts.fold(None, next).unwrap_or_else(|| unreachable!("a vocabulary has columns"));
                let (log_probs, sums) = state.finish();
                kl::Found { log_probs, sums, reference_sums: Vec::new(), kls: Vec::new() }
            }
        }
    }
}

/// Those rows of a block that count, in the second walk.
struct Learning<'a, B: KernelBackend> {
    own: Walk<'a, B>,
    beside: Option<Walk<'a, B>>,
    /// Where in the block they are, if not everywhere.
    places: Option<Tensor<B, 1, Int>>,
    targets: Vec<u32>,
    found: kl::Found,
    slopes: Vec<f32>,
    coefficients: Option<Vec<f32>>,
    entropies: Option<Tensor<B, 1>>,
    dhidden: Option<Tensor<B, 2>>,
    dadapter: Option<Gathered<B>>,
}

impl<'a, B: KernelBackend> Learning<'a, B> {
    /// The rows `kept` of `block`, counted from its first one, of all `targets`, `slopes` and `coefficients`; the block found `found`.
    fn new(
        block: Block<'a, B>,
        kept: &[usize],
        found: &kl::Found,
        targets: &[u32],
        slopes: &[f32],
        coefficients: Option<&[f32]>,
        entropies: bool,
    ) -> Self {
        let Block { range, own, beside } = block;
        let places = (kept.len() < range.len()).then(|| {
            let places: Vec<i32> = kept.iter().map(|&row| row as i32).collect();
            Tensor::<B, 1, Int>::from_data(TensorData::new(places, [kept.len()]), &own.hidden.device())
        });
        let (own, beside) = match &places {
            Some(places) => (own.rows(places), beside.map(|beside| beside.rows(places))),
            None => (own, beside),
        };
        let float = (&own.hidden.device(), DType::F32);
        let entropies = entropies.then(|| Tensor::zeros([kept.len()], float));
        let found = kl::Found {
            log_probs: at(&found.log_probs, kept),
            sums: at(&found.sums, kept),
            reference_sums: at(&found.reference_sums, kept),
            kls: at(&found.kls, kept),
        };
        Self {
            dadapter: own.adapter.as_ref().map(Narrow::gathered),
            own,
            beside,
            places,
            targets: at(&targets[range.clone()], kept),
            found,
            slopes: at(&slopes[range.clone()], kept),
            coefficients: coefficients.map(|all| at(&all[range], kept)),
            entropies,
            dhidden: None,
        }
    }

    /// The gradients of the logits of a part, in f32; adds up the entropies.
    fn dlogits(&mut self, part: Part, soft_cap: Option<f32>, temperature: f32) -> Tensor<B, 2> {
        let logits = self.own.logits(part);
        if let Some(entropies) = &mut self.entropies {
            // The sum of all columns is at hand by now, so each part's share only has to be added.
            *entropies = entropies.clone() + B::entropies(&logits, &self.found.sums);
        }
        let bends = cap::slopes(&logits, soft_cap, temperature);
        let Self { targets, found, slopes, .. } = &*self;
        let dlogits = match (&self.beside, &self.coefficients) {
            (Some(beside), Some(coefficients)) => {
                let rows = kl::Rows {
                    sums: &found.sums,
                    reference_sums: &found.reference_sums,
                    slopes,
                    coefficients,
                    kls: &found.kls,
                };
                B::kl_backward(logits, &beside.logits(part), targets, part.0, &rows)
            }
            _ => B::log_sums_backward(logits, targets, part.0, &found.sums, slopes),
        };
        cap::through(dlogits, bends)
    }

    /// Joins the gradients of a part's logits, in the type of the hidden rows and multiplied by the magnitude, to those of hidden rows and adapter.
    fn join(&mut self, part: Part, dlogits: &Tensor<B, 2>) {
        let weight = self.own.weights(part).cast(self.own.hidden.dtype());
        self.dhidden = plus(self.dhidden.take(), B::wide_product(dlogits.clone(), weight));
        if let (Some(adapter), Some(before)) = (&self.own.adapter, self.dadapter.take()) {
            self.dadapter = Some(adapter.gather(before, part.0..part.1, dlogits.clone()));
        }
    }

    /// Once all columns were joined: the gradients of the block's `count` hidden rows, and of the adapter.
    fn finish(self, count: usize) -> (Tensor<B, 2>, Option<LowRankGradients<B>>) {
        let Self { own, places, dhidden, dadapter, .. } = self;
        let mut dhidden = dhidden.unwrap_or_else(|| unreachable!("a vocabulary has columns"));
        let mut adapter = None;
        if let (Some(narrow), Some(gathered)) = (&own.adapter, dadapter) {
            let (found, more) = narrow.finish(gathered, own.hidden.clone());
            dhidden = dhidden + more;
            adapter = Some(found);
        }
        if let Some(places) = places {
            let [_, width] = dhidden.dims();
            let none = Tensor::<B, 2>::zeros([count, width], (&dhidden.device(), DType::F32));
            dhidden = none.select_assign(0, places, dhidden, IndexingUpdateOp::Add);
        }
        (dhidden, adapter)
    }
}

/// The loss's gradients, in parts of `columns`; see [`part_columns`].
///
/// # Panics
/// If there are no targets, one is not below `vocab`, a head is quantised, or the reference has other rows or another vocabulary.
pub fn loss<B: KernelBackend>(
    input: HeadInput<'_, B>,
    columns: usize,
    derivative: &mut Derivative<'_>,
) -> HeadGradients<B> {
    in_blocks(input, [ROWS, columns], derivative)
}

/// [`loss`] in blocks of `rows`.
pub(super) fn in_blocks<B: KernelBackend>(
    input: HeadInput<'_, B>,
    [rows, columns]: [usize; 2],
    derivative: &mut Derivative<'_>,
) -> HeadGradients<B> {
    input.check();
    let [vocab, width] = input.head.weight.dims();
    if columns >= vocab && rows >= input.targets.len() {
        // Logits that fit in one part are kept in between.
        return unfused::by(&Operations::OWN, input, derivative);
    }
    let HeadInput { hidden, head, targets, soft_cap, temperature, entropies: wanted, reference, trained } =
        input;
    let (device, dtype, n) = (hidden.device(), hidden.dtype(), targets.len());
    let float = (&device, DType::F32);
    let coefficients = reference.as_ref().map(|reference| reference.divided(temperature));
    let parts = || (0..vocab).step_by(columns).map(move |first| (first, vocab.min(first + columns)));
    let blocks: Vec<Block<'_, B>> = (0..n)
        .step_by(rows)
        .map(|first| {
            let range = first..n.min(first + rows);
            let own = Walk::new(Block::of(&hidden, &range), &head, soft_cap, temperature);
            let beside = reference
                .as_ref()
                .map(|it| Walk::new(Block::of(&it.hidden, &range), &it.head, soft_cap, temperature));
            Block { range, own, beside }
        })
        .collect();
    // Blocks hold what they need of them.
    drop((hidden, reference));
    let found: Vec<kl::Found> =
        blocks.iter().map(|block| block.found(parts(), &targets[block.range.clone()])).collect();
    let log_probs = found.iter().flat_map(|it| it.log_probs.iter().copied()).collect::<Vec<f32>>();
    let kls = found.iter().flat_map(|it| it.kls.iter().copied()).collect();
    let slopes = derivative.divided(0, &log_probs, temperature);
    let magnitude = Magnitude::of(dtype, &slopes, coefficients.as_deref());
    let counts = |row: usize| slopes[row] != 0.0 || coefficients.iter().any(|it| it[row] != 0.0);
    let mut learning: Vec<(usize, Option<Learning<'_, B>>)> = blocks
        .into_iter()
        .zip(&found)
        .map(|(block, found)| {
            let (first, count) = (block.range.start, block.range.len());
            // The second walk may be asked for the entropies of all rows.
            let kept: Vec<usize> = (0..count).filter(|&row| wanted || counts(first + row)).collect();
            let coefficients = coefficients.as_deref();
            let learning = (!kept.is_empty())
                .then(|| Learning::new(block, &kept, found, targets, &slopes, coefficients, wanted));
            (count, learning)
        })
        .collect();

    let bias = head.bias.filter(|_| trained);
    if learning.iter().all(|(_, it)| it.is_none()) {
        return HeadGradients { log_probs, kls, ..HeadGradients::zeros(&head, n, trained, &device) };
    }
    let mut dweight = trained.then(|| Tensor::<B, 2>::empty([vocab, width], float));
    let mut dbias = bias.map(|_| Tensor::<B, 1>::empty([vocab], float));
    for part in parts() {
        let (first, end) = part;
        let (mut weight, mut bias) = (None, None);
        for block in learning.iter_mut().filter_map(|(_, it)| it.as_mut()) {
            let dlogits = block.dlogits(part, soft_cap, temperature);
            if dbias.is_some() {
                bias = plus::<B, 1>(bias, dlogits.clone().sum_dim(0).squeeze_dim(0));
            }
            // In the type of the hidden rows, so that tensor cores take them.
            let dlogits = magnitude.rounded(dlogits, dtype);
            block.join(part, &dlogits);
            if trained {
                weight = plus(weight, B::wide_product(dlogits.transpose(), block.own.hidden.clone()));
            }
        }
        dbias = dbias.zip(bias).map(|(all, part)| all.slice_assign([first..end], part));
        let weight = weight.map(|part| magnitude.undone(part));
        dweight = dweight.zip(weight).map(|(all, part)| all.slice_assign([first..end, 0..width], part));
    }
    let (mut entropies, mut adapter, mut dhidden) = (Vec::new(), None, Vec::new());
    for (count, block) in learning {
        let Some(mut block) = block else {
            dhidden.push(Tensor::zeros([count, width], float));
            continue;
        };
        entropies.extend(block.entropies.take().map(host).unwrap_or_default());
        let (rows, found) = block.finish(count);
        dhidden.push(magnitude.undone(rows));
        let found = found.map(|found| found.undone(magnitude));
        adapter = match (adapter, found) {
            (Some(before), Some(found)) => Some(LowRankGradients::plus(before, found)),
            (before, found) => before.or(found),
        };
    }
    let hidden = if dhidden.len() == 1 { dhidden.swap_remove(0) } else { Tensor::cat(dhidden, 0) };
    HeadGradients { log_probs, entropies, kls, hidden, weight: dweight, bias: dbias, adapter }
}

/// `before + more`.
fn plus<B: KernelBackend, const D: usize>(
    before: Option<Tensor<B, D>>,
    more: Tensor<B, D>,
) -> Option<Tensor<B, D>> {
    Some(match before {
        Some(before) => before + more,
        None => more,
    })
}
