//! The output head's loss.

use burn::tensor::{DType, Tensor};
pub use osler::doctor::exact::head::{self as exact, Adapter, Inputs, Reference, Results};
use osler::doctor::inputs::{Grain, Noise, host, tensor};
use osler::kernels::head::{self as kernel, Derivative, HeadGradients, HeadInput, LowRankGradients};
use osler::kernels::{AdaptedWeights, KernelBackend, LowRankWeights, Matrix};
use proptest::prelude::*;

use super::{Held, Wanted, rows};

/// One batch.
#[derive(Debug, Clone)]
pub struct Case {
    pub rows: usize,
    pub width: usize,
    pub vocab: usize,
    pub bias: bool,
    pub temperature: f32,
    /// Logits of about this size, made of numbers whose sums are exact in f32; otherwise any numbers, of logits up to 10.
    pub exactly: Option<f32>,
    /// What the distributions are compared with.
    pub compared: Option<Compared>,
    pub seed: u64,
}

/// How a reference comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// From the head itself, changed a little.
    Near,
    /// From nothing of the head's, and of another width.
    Far,
}

/// What cases are made of.
#[derive(Debug, Clone)]
pub struct Limits {
    pub rows: Vec<usize>,
    pub widths: Vec<usize>,
    pub vocabs: Vec<usize>,
    /// Whether logits of up to 1e4 and more occur.
    pub extreme: bool,
    /// Whether all are compared with a reference, or none.
    pub compared: bool,
}

/// Batches within `limits`.
pub fn cases(limits: &Limits) -> impl Strategy<Value = Case> + use<> {
    let select = |values: &Vec<usize>| prop::sample::select(values.clone());
    let dims = (select(&limits.rows), select(&limits.widths), select(&limits.vocabs));
    let extreme = limits.extreme;
    let size = prop::sample::select(vec![1e4f32, 1e4, 1e4, 500.0, 1.0, 1e-2]);
    let exactly = prop::option::weighted(0.5, size).prop_map(move |size| size.filter(|_| extreme));
    let temperature =
        (prop::sample::select(vec![0.5f32, 1.0, 2.0]), prop_oneof![Just(None), (0.5f32..2.0).prop_map(Some)]);
    let kinds = if limits.compared { vec![Some(Compared::Near), Some(Compared::Far)] } else { vec![None] };
    (dims, any::<bool>(), temperature, exactly, prop::sample::select(kinds), any::<u64>()).prop_map(
        |((rows, width, vocab), bias, (power, other), exactly, compared, seed)| {
            // A power of two keeps exact logits exact.
            let temperature = other.filter(|_| exactly.is_none()).unwrap_or(power);
            Case { rows, width, vocab, bias, temperature, exactly, compared, seed }
        },
    )
}

/// The power of two next to `x`.
fn power_of_two(x: f32) -> f32 {
    x.log2().round().exp2()
}

impl Case {
    /// Inputs whose hidden rows, weights and bias are numbers that `dtype` holds exactly.
    pub fn inputs(&self, dtype: DType) -> Inputs {
        let Self { rows: n, width, vocab, temperature, .. } = *self;
        let grain = Grain::of(dtype);
        let mut noise = Noise(self.seed);
        let root = (width as f32).sqrt();
        let (hidden, weight, bias);
        match self.exactly {
            None => {
                // Logits vary by 0.01, 0.3 or 1.3.
                let size = [0.03, 1.0, 4.0][noise.below(1, 3)[0] as usize];
                hidden = noise.values(n * width, 1.0, grain);
                weight = noise.values(vocab * width, power_of_two(size / root), grain);
                bias = noise.values(vocab, 1.0, grain);
            }
            Some(size) => {
                (hidden, weight, bias) = exact::exact_logits([n, width, vocab], size, &mut noise);
            }
        }
        let mut slopes = noise.values(n, 2.0, Grain::Fine);
        // Rows that count for nothing.
        for (slope, draw) in slopes.iter_mut().zip(noise.below(n, 4)) {
            if draw == 0 {
                *slope = 0.0;
            }
        }
        if self.seed % 16 == 7 {
            // All of them, but for what a reference adds.
            slopes.fill(0.0);
        }
        let targets = self.targets(&hidden, &weight, &mut noise);
        let bias = self.bias.then_some(bias);
        let reference = self.compared.map(|kind| self.reference(kind, (&hidden, &weight), dtype, &mut noise));
        let adapter = self.adapter(width, dtype);
        // A cap within what the logits reach, on one in four of those that need not be exact.
        let soft_cap = (self.exactly.is_none() && self.seed.is_multiple_of(4)).then_some(8.0);
        Inputs { hidden, weight, bias, adapter, targets, slopes, soft_cap, temperature, reference }
    }

    /// Rows that a mask keeps: none in one case of five, all in another, any in the others.
    pub fn mask(&self) -> Vec<bool> {
        // Numbers of its own, so that the inputs are what they are without it.
        let mut noise = Noise(self.seed.rotate_left(32));
        let kind = noise.below(1, 5)[0];
        let kept = |draw: u32| match kind {
            0 => false,
            1 => true,
            _ => draw == 1,
        };
        noise.below(self.rows, 2).into_iter().map(kept).collect()
    }

    /// The adapter of a head of `width`, on one in three; with exact logits it keeps them so, and the two tokens of a pair alike. f16
    /// has not the digits for what such an adapter makes of a hidden row, which GPUs hold in its type.
    fn adapter(&self, width: usize, dtype: DType) -> Option<Adapter> {
        let grain = Grain::of(dtype);
        if self.seed % 3 != 1 || self.exactly.is_some() && dtype == DType::F16 {
            return None;
        }
        let mut noise = Noise(!self.seed);
        let rank = [1, 2, 4, 7][noise.below(1, 4)[0] as usize];
        let scale = [1.0, 2.0][noise.below(1, 2)[0] as usize];
        if self.exactly.is_none() {
            let a = noise.values(rank * width, power_of_two((width as f32).sqrt().recip()), grain);
            return Some(Adapter { a, b: noise.values(self.vocab * rank, 0.5, grain), scale });
        }
        let (a, mut b) = (noise.integers(rank * width, 1), noise.integers(self.vocab * rank, 1));
        for pair in b.chunks_exact_mut(2 * rank) {
            let (first, second) = pair.split_at_mut(rank);
            second.copy_from_slice(first);
        }
        Some(Adapter { a, b, scale })
    }

    /// What the head of `hidden` and `weight` is compared with.
    fn reference(
        &self,
        kind: Compared,
        (hidden, weight): (&[f32], &[f32]),
        dtype: DType,
        noise: &mut Noise,
    ) -> Reference {
        let Self { rows: n, width, vocab, .. } = *self;
        let grain = Grain::of(dtype);
        let mut coefficients = noise.values(n, 2.0, Grain::Fine);
        for coefficient in coefficients.iter_mut().step_by(3) {
            *coefficient = 0.0;
        }
        let adapter = match kind {
            Compared::Near => self.adapter(width, dtype),
            Compared::Far => self.adapter(width + 3, dtype),
        };
        let with = |hidden, weight, bias| Reference { hidden, weight, bias, adapter, coefficients };
        match (kind, self.exactly) {
            (Compared::Near, None) => {
                // A sixteenth of each value, which 8 bits hold where they held the value itself.
                let moved = |x: &f32| x - x / 16.0;
                let rounded =
                    |x: f32| if grain == Grain::Fine { x } else { half::bf16::from_f32(x).to_f32() };
                let weight = weight.iter().enumerate();
                let weight = weight.map(|(i, x)| if i % 3 == 0 { rounded(moved(x)) } else { *x }).collect();
                with(hidden.to_vec(), weight, None)
            }
            (Compared::Near, Some(_)) => {
                // Small whole numbers beside the first column, which tells tokens of a pair apart.
                let mut weight = weight.to_vec();
                let changes = noise.integers(vocab, 1);
                weight.chunks_exact_mut(width).zip(changes).for_each(|(row, change)| row[0] += change);
                with(hidden.to_vec(), weight, Some(noise.integers(vocab, 1)))
            }
            (Compared::Far, None) => {
                let root = ((width + 3) as f32).sqrt();
                let hidden = noise.values(n * (width + 3), 1.0, grain);
                let weight = noise.values(vocab * (width + 3), power_of_two(2.0 / root), grain);
                with(hidden, weight, Some(noise.values(vocab, 1.0, grain)))
            }
            (Compared::Far, Some(size)) => {
                let (hidden, weight, _) = exact::exact_logits([n, width + 3, vocab], size, noise);
                with(hidden, weight, None)
            }
        }
    }

    /// Any token, the likeliest, or the one beside that.
    fn targets(&self, hidden: &[f32], weight: &[f32], noise: &mut Noise) -> Vec<u32> {
        let drawn = noise.below(self.rows, self.vocab).into_iter().zip(noise.below(self.rows, 4));
        let target = |(h, (any, kind)): (&[f32], (u32, u32))| {
            if kind > 1 {
                return any;
            }
            let mut best = (0u32, f32::NEG_INFINITY);
            for (token, w) in (0..).zip(weight.chunks_exact(self.width)) {
                let logit = h.iter().zip(w).map(|(h, w)| h * w).sum::<f32>();
                if logit > best.1 {
                    best = (token, logit);
                }
            }
            (best.0 ^ kind).min(self.vocab as u32 - 1)
        };
        hidden.chunks_exact(self.width).zip(drawn).map(target).collect()
    }
}

/// The matrices of an adapter, which are in f32 whatever a head is held in.
fn matrices<B: KernelBackend>(
    adapter: &Adapter,
    [width, vocab]: [usize; 2],
    device: &B::Device,
) -> (Matrix<B>, Matrix<B>, f32) {
    let (rank, f32) = (adapter.a.len() / width, DType::F32);
    let a = Matrix::Float(tensor(&adapter.a, [rank, width], device, f32));
    (a, Matrix::Float(tensor(&adapter.b, [vocab, rank], device, f32)), adapter.scale)
}

fn borrowed<B: KernelBackend>(
    matrices: &Option<(Matrix<B>, Matrix<B>, f32)>,
) -> Option<LowRankWeights<'_, B>> {
    matrices.as_ref().map(|(a, b, scale)| LowRankWeights { a, b, scale: *scale })
}

/// Whether the entropies are asked for: of each second batch. Where they are not, GPUs leave rows out that count for nothing.
pub fn wants_entropies(inputs: &Inputs) -> bool {
    // Whether the sum of the targets is even, which may be larger than any u32.
    inputs.targets.iter().fold(0u32, |bits, target| bits ^ target).is_multiple_of(2)
}

/// `inputs` through a head that is held in `dtype`, from hidden rows in `rows`: `loss` is given what a kernel takes.
pub fn found<B: KernelBackend>(
    inputs: &Inputs,
    device: &B::Device,
    [rows, dtype]: [DType; 2],
    loss: impl FnOnce(HeadInput<'_, B>, &mut Derivative<'_>) -> HeadGradients<B>,
) -> HeadGradients<B> {
    let (n, width, vocab) = inputs.dims();
    let weight = Matrix::Float(tensor(&inputs.weight, [vocab, width], device, dtype));
    let bias: Option<Tensor<B, 1>> = inputs.bias.as_ref().map(|bias| tensor(bias, [vocab], device, dtype));
    let other = inputs.reference.as_ref().map(|it| {
        let width = it.hidden.len() / n;
        let weight: Matrix<B> = Matrix::Float(tensor(&it.weight, [vocab, width], device, dtype));
        let bias: Option<Tensor<B, 1>> = it.bias.as_ref().map(|bias| tensor(bias, [vocab], device, dtype));
        let hidden: Tensor<B, 2> = tensor(&it.hidden, [n, width], device, rows);
        let adapter = it.adapter.as_ref().map(|adapter| matrices(adapter, [width, vocab], device));
        (weight, bias, hidden, adapter)
    });
    let pair = inputs.reference.as_ref().zip(other.as_ref());
    let reference = pair.map(|(it, (weight, bias, hidden, adapter))| kernel::Reference {
        hidden: hidden.clone(),
        head: AdaptedWeights { weight, bias: bias.as_ref(), adapter: borrowed(adapter) },
        coefficients: &it.coefficients,
    });
    let adapter = inputs.adapter.as_ref().map(|adapter| matrices(adapter, [width, vocab], device));
    let input = HeadInput {
        hidden: tensor(&inputs.hidden, [n, width], device, rows),
        head: AdaptedWeights { weight: &weight, bias: bias.as_ref(), adapter: borrowed(&adapter) },
        targets: &inputs.targets,
        soft_cap: inputs.soft_cap,
        temperature: inputs.temperature,
        entropies: wants_entropies(inputs),
        reference,
        trained: true,
    };
    loss(input, &mut Derivative::each(|index, _| inputs.slopes[index]))
}

/// That the loss of the rows that `mask` keeps is right, where the others hold no numbers and tokens that there are none of: all that is
/// returned of these is 0, and the rest is what it is where they count for nothing.
pub fn check_masked<B: KernelBackend>(
    inputs: &Inputs,
    mask: &[bool],
    device: &B::Device,
    types: [DType; 2],
    held: Held,
) -> Result<(), TestCaseError> {
    let (n, width, _) = inputs.dims();
    let (kept, left_out): (Vec<usize>, Vec<usize>) = (0..n).partition(|&row| mask[row]);
    let (counted, given) = (inputs.silenced(mask), inputs.spoiled(mask));
    let mut exact = exact::head(&counted);
    for all in [&mut exact.log_probs, &mut exact.entropies, &mut exact.kls] {
        left_out.iter().for_each(|&row| all.get_mut(row).into_iter().for_each(|value| *value = 0.0));
    }
    let slopes: Vec<f32> = kept.iter().map(|&row| inputs.slopes[row]).collect();
    let (entropies, mut asked) = (wants_entropies(&counted), Vec::new());
    let found = found(&given, device, types, |input: HeadInput<'_, B>, _: &mut Derivative<'_>| {
        let mut derivative = Derivative::each(|place, _| {
            asked.push(place);
            slopes[place]
        });
        kernel::mask::loss(HeadInput { entropies, ..input }, mask, &mut derivative)
    });
    prop_assert_eq!(asked, (0..kept.len()).collect::<Vec<usize>>(), "asked for derivatives of kept rows");
    let hidden: Vec<f32> = host(found.hidden.clone());
    for &row in &left_out {
        let results = [&found.log_probs, &found.entropies, &found.kls];
        let results = results.into_iter().filter_map(|all| all.get(row));
        let nothing = results.chain(&hidden[row * width..][..width]).all(|&x| x == 0.0);
        prop_assert!(nothing, "row {row} is left out and has results");
    }
    check("kept rows", &counted, &exact, found, held)
}

/// That what `by` found is right.
pub fn check<B: KernelBackend>(
    by: &str,
    inputs: &Inputs,
    exact: &Results,
    found: HeadGradients<B>,
    held: Held,
) -> Result<(), TestCaseError> {
    let (n, width, vocab) = inputs.dims();
    Wanted::logarithms("log p", &exact.log_probs).check(by, &found.log_probs, held.bound)?;
    if wants_entropies(inputs) {
        Wanted::logarithms("entropy", &exact.entropies).check(by, &found.entropies, held.bound)?;
    } else {
        prop_assert!(found.entropies.is_empty(), "{by}: entropies that nobody asked for");
    }
    let bound = held.bound;
    let (hidden, weight) = (host(found.hidden), found.weight.map(host).unwrap_or_default());
    let coefficient = |row: usize| inputs.reference.as_ref().map_or(0.0, |it| it.coefficients[row]);
    for (i, (row, &slope)) in hidden.chunks_exact(width).zip(&inputs.slopes).enumerate() {
        let counts = slope != 0.0 || coefficient(i) != 0.0;
        prop_assert!(counts || row.iter().all(|&x| x == 0.0), "{by}: a row that counts for nothing");
    }
    prop_assert_eq!(found.kls.len(), exact.kls.len(), "{}", by);
    if !found.kls.is_empty() {
        Wanted::logarithms("kl", &exact.kls).check(by, &found.kls, held.bound)?;
    }
    let (wanted, terms) = (Wanted::gradient, exact.terms);
    wanted("dhidden", &exact.hidden, rows(n, width), terms.hidden).check(by, &hidden, bound)?;
    wanted("dweight", &exact.weight, rows(vocab, width), terms.weight).check(by, &weight, bound)?;
    prop_assert_eq!(found.bias.is_some(), inputs.bias.is_some(), "{}", by);
    if let Some(bias) = found.bias {
        wanted("dbias", &exact.bias, Vec::new(), terms.bias).check(by, &host(bias), bound)?;
    }
    prop_assert_eq!(found.adapter.is_some(), inputs.adapter.is_some(), "{}", by);
    if let Some(LowRankGradients { a, b }) = found.adapter {
        let [rank, _] = a.dims();
        wanted("dA", &exact.a, rows(rank, width), terms.a).check(by, &host(a), bound)?;
        wanted("dB", &exact.b, rows(vocab, rank), terms.b).check(by, &host(b), bound)?;
    }
    Ok(())
}
