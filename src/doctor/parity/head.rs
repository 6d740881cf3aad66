//! The output head's loss and what it is made of, beside the same in f64.

use burn::tensor::{DType, Tensor};

use super::{Expected, Parity};
use crate::doctor::exact::head::{self as exact, Inputs};
use crate::doctor::exact::log_probs;
use crate::doctor::exact::sums::add;
use crate::doctor::inputs::{Grain, Noise, host, tensor, wide};
use crate::kernels::head::{Derivative, HeadGradients, HeadInput, LowRankGradients, Reference, columns};
use crate::kernels::softmax::LogSum;
use crate::kernels::{AdaptedWeights, KernelBackend, LowRankWeights, Matrix};

/// Rows of the adapter's `A`.
pub(super) const RANK: usize = 4;
/// Columns of a part, of which a vocabulary has several, the last one ragged.
const COLUMNS: usize = 256;
/// A soft cap.
const CAP: f32 = 4.0;
/// About how large logits are that are extreme.
const EXTREME: f32 = 1e4;

/// What a head's loss has besides log-probs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    Nothing,
    /// Another head that it is compared with.
    Reference,
    /// A low-rank adapter.
    Adapter,
    /// An adapter, and a head without one that it is compared with: as adapters are trained.
    Both,
}

impl Beside {
    fn adapter(self) -> bool {
        matches!(self, Self::Adapter | Self::Both)
    }

    fn reference(self) -> bool {
        matches!(self, Self::Reference | Self::Both)
    }
}

/// What logits are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logits {
    Plain,
    /// Under a soft cap within what they reach.
    Capped,
    /// Beyond what `exp` holds.
    Extreme,
}

/// One batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    /// Rows, their width, and tokens of the vocabulary.
    pub dims: [usize; 3],
    pub beside: Beside,
    pub logits: Logits,
    /// Rows that count for nothing.
    pub ignored: Ignored,
    pub seed: u64,
}

/// Rows whose derivative by the log-prob is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ignored {
    /// A third of them, and of those each second by the divergence as well.
    Some,
    /// All.
    All,
}

impl Case {
    pub fn text(&self) -> String {
        let [n, width, vocab] = self.dims;
        let with = match self.beside {
            Beside::Nothing => "",
            Beside::Reference => ", with a reference",
            Beside::Adapter => ", with an adapter",
            Beside::Both => ", with an adapter and a reference",
        };
        let logits = match self.logits {
            Logits::Plain => "",
            Logits::Capped => ", capped",
            Logits::Extreme => ", logits to 1e4",
        };
        let ignored = if self.ignored == Ignored::All { ", all ignored" } else { "" };
        format!("{n} rows of {width} to {vocab}{with}{logits}{ignored}")
    }

    /// Numbers that the types of `grain` hold exactly.
    pub fn inputs(&self, grain: Grain) -> Inputs {
        let [n, width, vocab] = self.dims;
        let mut noise = Noise(self.seed);
        let (hidden, weight, bias) = if self.logits == Logits::Extreme {
            exact::exact_logits(self.dims, EXTREME, &mut noise)
        } else {
            let mut values = |count, scale| noise.values(count, scale, grain);
            (values(n * width, 1.0), values(vocab * width, 0.5), values(vocab, 1.0))
        };
        let mut slopes = noise.values(n, 2.0, Grain::Fine);
        let ignored = |row: usize| self.ignored == Ignored::All || row % 3 == 1;
        slopes.iter_mut().enumerate().filter(|(row, _)| ignored(*row)).for_each(|(_, slope)| *slope = 0.0);
        let targets = noise.below(n, vocab);
        let reference = self.beside.reference().then(|| exact::Reference {
            hidden: noise.values(n * width, 1.0, grain),
            weight: noise.values(vocab * width, 0.5, grain),
            bias: None,
            adapter: None,
            coefficients: {
                let mut coefficients = noise.values(n, 2.0, Grain::Fine);
                coefficients.iter_mut().skip(1).step_by(2).for_each(|coefficient| *coefficient = 0.0);
                coefficients
            },
        });
        let adapter = self.beside.adapter().then(|| exact::Adapter {
            a: noise.values(RANK * width, 0.5, grain),
            b: noise.values(vocab * RANK, 0.5, grain),
            scale: 2.0,
        });
        let soft_cap = (self.logits == Logits::Capped).then_some(CAP);
        // A power of two keeps exact logits exact.
        let temperature = if self.logits == Logits::Extreme { 0.5 } else { 0.75 };
        Inputs {
            hidden,
            weight,
            bias: Some(bias),
            adapter,
            targets,
            slopes,
            soft_cap,
            temperature,
            reference,
        }
    }
}

/// How the head's loss is asked for of all rows.
#[derive(Debug, Clone, Copy)]
struct Way {
    /// Parts of so many columns; `None` as the backend does it.
    columns: Option<usize>,
    /// Where they are wanted, GPUs walk rows a second time that count for nothing.
    entropies: bool,
}

/// What the head's loss of `inputs` gives in `dtype`, in the order of what is expected.
fn found<B: KernelBackend>(
    inputs: &Inputs,
    Way { columns, entropies }: Way,
    device: &B::Device,
    dtype: DType,
) -> Vec<Vec<f32>> {
    let found = asked::<B>(inputs, entropies, device, dtype, |input| {
        let mut derivative = Derivative::each(|index, _| inputs.slopes[index]);
        match columns {
            Some(columns) => columns::loss(input, columns, &mut derivative),
            None => B::head_loss(input, &mut derivative),
        }
    });
    let (weight, bias) = (found.weight.map(host), found.bias.map(host));
    let [weight, bias] = [weight, bias].map(Option::unwrap_or_default);
    let mut all = vec![found.log_probs, host(found.hidden), weight, bias];
    if entropies {
        all.push(found.entropies);
    }
    if inputs.reference.is_some() {
        all.push(found.kls);
    }
    if let Some(LowRankGradients { a, b }) = found.adapter {
        all.extend([host(a), host(b)]);
    }
    all
}

/// What `loss` makes of `inputs` in `dtype`.
pub(super) fn asked<B: KernelBackend>(
    inputs: &Inputs,
    entropies: bool,
    device: &B::Device,
    dtype: DType,
    loss: impl FnOnce(HeadInput<'_, B>) -> HeadGradients<B>,
) -> HeadGradients<B> {
    let (n, width, vocab) = inputs.dims();
    let head = |weight: &[f32]| Matrix::Float(tensor(weight, [vocab, width], device, dtype));
    let rows = |x: &[f32]| -> Tensor<B, 2> { tensor(x, [n, width], device, dtype) };
    let matrix = head(&inputs.weight);
    let bias: Option<Tensor<B, 1>> = inputs.bias.as_ref().map(|it| tensor(it, [vocab], device, dtype));
    let matrices = inputs.adapter.as_ref().map(|it| {
        let a = tensor(&it.a, [RANK, width], device, DType::F32);
        let b = tensor(&it.b, [vocab, RANK], device, DType::F32);
        (Matrix::Float(a), Matrix::Float(b), it.scale)
    });
    let adapter = matrices.as_ref().map(|(a, b, scale)| LowRankWeights { a, b, scale: *scale });
    let other = inputs.reference.as_ref().map(|it| head(&it.weight));
    let reference = inputs.reference.as_ref().zip(other.as_ref()).map(|(it, weight)| Reference {
        hidden: rows(&it.hidden),
        head: AdaptedWeights { weight, bias: None, adapter: None },
        coefficients: &it.coefficients,
    });
    loss(HeadInput {
        hidden: rows(&inputs.hidden),
        head: AdaptedWeights { weight: &matrix, bias: bias.as_ref(), adapter },
        targets: &inputs.targets,
        soft_cap: inputs.soft_cap,
        temperature: inputs.temperature,
        entropies,
        reference,
        trained: true,
    })
}

impl<B: KernelBackend> Parity<'_, B> {
    pub(super) fn head(&mut self) {
        const ALL: [Beside; 3] = [Beside::Nothing, Beside::Reference, Beside::Adapter];
        // The last has more rows than are done at once, and sides that products take by whole tiles.
        for (seed, dims) in (600..).zip([[1, 8, 5], [67, 96, 1031], [600, 256, 304]]) {
            for beside in ALL {
                self.head_loss(Case { dims, beside, logits: Logits::Plain, ignored: Ignored::Some, seed });
            }
        }
        let unlike = [
            (Beside::Nothing, Logits::Capped, Ignored::Some),
            (Beside::Reference, Logits::Capped, Ignored::Some),
            (Beside::Nothing, Logits::Extreme, Ignored::Some),
            (Beside::Adapter, Logits::Plain, Ignored::All),
            (Beside::Both, Logits::Plain, Ignored::Some),
        ];
        for (seed, (beside, logits, ignored)) in (603..).zip(unlike) {
            self.head_loss(Case { dims: [67, 96, 1031], beside, logits, ignored, seed });
        }
        for (seed, (n, out, width)) in (610..).zip([(1, 7, 5), (67, 130, 192)]) {
            self.add_products(n, out, width, seed);
        }
        for (seed, (n, cuts)) in (620..).zip([(3, [0, 1, 33, 40]), (67, [0, 512, 1024, 1100])]) {
            self.log_sums(n, cuts, seed);
        }
    }

    /// As the backend does it, and in parts of columns: GPUs take these only where logits take more than 64 MiB. These also without
    /// entropies, so that rows are left out.
    fn head_loss(&mut self, case: Case) {
        let [_, width, vocab] = case.dims;
        let whole = case.text();
        let parts = format!("{whole}, {COLUMNS} columns at once");
        let counting = format!("{parts}, without entropies");
        for (grain, dtypes) in self.grains() {
            let inputs = case.inputs(grain);
            let exact = exact::head(&inputs);
            let logarithms = self.logarithms(grain);
            let expected = |entropies: bool| {
                let mut expected = vec![
                    logarithms("log p", exact.log_probs.clone()),
                    Expected::gradient("dhidden", exact.hidden.clone(), width, exact.terms.hidden),
                    Expected::gradient("dweight", exact.weight.clone(), width, exact.terms.weight),
                    Expected::whole("dbias", exact.bias.clone()),
                ];
                if entropies {
                    expected.push(logarithms("entropy", exact.entropies.clone()));
                }
                if inputs.reference.is_some() {
                    expected.push(logarithms("kl", exact.kls.clone()));
                }
                if inputs.adapter.is_some() {
                    expected.push(Expected::gradient("dA", exact.a.clone(), width, exact.terms.a));
                    expected.push(Expected::gradient("dB", exact.b.clone(), RANK, exact.terms.b));
                }
                expected
            };
            let mut ways = vec![(&whole, Way { columns: None, entropies: true })];
            if vocab > COLUMNS {
                let columns = Some(COLUMNS);
                ways.push((&parts, Way { columns, entropies: true }));
                ways.push((&counting, Way { columns, entropies: false }));
            }
            for (text, way) in ways {
                let expected = expected(way.entropies);
                for &dtype in &dtypes {
                    self.check_product("head_loss", text, dtype, &expected, |device| {
                        found::<B>(&inputs, way, device, dtype)
                    });
                }
            }
        }
    }

    /// How log-probs and the like under a head are measured: of rounded logits one near 0 has their error, not its own.
    pub(super) fn logarithms(&self, grain: Grain) -> fn(&'static str, Vec<f64>) -> Expected {
        if self.tf32 && grain == Grain::Fine { Expected::whole } else { Expected::logarithms }
    }

    fn add_products(&mut self, n: usize, out: usize, width: usize, seed: u64) {
        let case = format!("{n} rows of {out} and {width}");
        for (grain, dtypes) in self.grains() {
            let mut noise = Noise(seed);
            let (a, b) = (noise.values(n * out, 1.0, grain), noise.values(n * width, 1.0, grain));
            let to = noise.values(out * width, 1.0, grain);
            let mut sum = wide(&to);
            for (a, b) in wide(&a).chunks_exact(out).zip(wide(&b).chunks_exact(width)) {
                a.iter().zip(sum.chunks_exact_mut(width)).for_each(|(&a, sum)| add(sum, a, b));
            }
            let expected = [Expected::rows("sum", sum, width)];
            for dtype in dtypes {
                self.check_product("add_products", &case, dtype, &expected, |device| {
                    let on = |x: &[f32], dims| -> Tensor<B, 2> { tensor(x, dims, device, dtype) };
                    let (to, a, b) = (on(&to, [out, width]), on(&a, [n, out]), on(&b, [n, width]));
                    vec![host(B::add_products(to, a, b))]
                });
            }
        }
    }

    /// Logits whose columns come in three parts; those between two of `cuts` are one.
    fn log_sums(&mut self, n: usize, cuts: [usize; 4], seed: u64) {
        let vocab = cuts[3];
        let mut noise = Noise(seed);
        let logits = noise.values(n * vocab, 8.0, Grain::Fine);
        let coefficients = noise.values(n, 2.0, Grain::Fine);
        let mut targets = noise.below(n, vocab);
        // The first and the last of a part.
        (targets[0], targets[n - 1]) = (cuts[1] as u32, cuts[2] as u32 - 1);
        let exact = log_probs::log_probs(&logits, &targets, &coefficients);
        let kept = exact.log_sums();
        let forward = [("log p", exact.log_probs), ("sums", exact.sums)];
        let forward = forward.map(|(output, values)| Expected::logarithms(output, values));
        let backward = [Expected::rows("dlogits", exact.gradient, vocab)];
        let case = format!("{n} rows of {vocab} in 3 parts");
        let part = |at: usize, device: &B::Device| -> Tensor<B, 2> {
            let all = tensor::<B, 2>(&logits, [n, vocab], device, DType::F32);
            all.slice([0..n, cuts[at]..cuts[at + 1]])
        };
        self.check("log_sums", &case, DType::F32, &forward, |device| {
            let mut running = None;
            for at in 0..3 {
                running = Some(B::log_sums(part(at, device), &targets, cuts[at], running));
            }
            let Some(running) = running else { return Vec::new() };
            let (log_probs, sums) = running.finish();
            vec![log_probs, sums.into_iter().map(LogSum::total).collect()]
        });
        self.check("log_sums_backward", &case, DType::F32, &backward, |device| {
            let part = |at| B::log_sums_backward(part(at, device), &targets, cuts[at], &kept, &coefficients);
            vec![host(Tensor::cat((0..3).map(part).collect(), 1))]
        });
    }
}
