//! The output head's loss and what it is made of, beside the same in f64.

use burn::tensor::{DType, Tensor};

use super::{Expected, Parity};
use crate::doctor::exact::head::{self as exact, Inputs};
use crate::doctor::exact::log_probs;
use crate::doctor::exact::sums::add;
use crate::doctor::inputs::{Grain, Noise, host, tensor, wide};
use crate::kernels::head::{Derivative, HeadInput, LowRankGradients, Reference};
use crate::kernels::softmax::LogSum;
use crate::kernels::{AdaptedWeights, KernelBackend, LowRankWeights, Matrix};

/// Rows of the adapter's `A`.
const RANK: usize = 4;

/// What a head's loss has besides log-probs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    /// Another head that it is compared with.
    Reference,
    /// A low-rank adapter.
    Adapter,
}

impl<B: KernelBackend> Parity<'_, B> {
    pub(super) fn head(&mut self) {
        // The last has more rows than are done at once, and sides that products take by whole tiles.
        for (seed, (n, width, vocab)) in (600..).zip([(1, 8, 5), (67, 96, 1031), (600, 256, 304)]) {
            self.head_loss(n, width, vocab, Beside::Nothing, seed);
            self.head_loss(n, width, vocab, Beside::Reference, seed);
            self.head_loss(n, width, vocab, Beside::Adapter, seed);
        }
        for (seed, (n, out, width)) in (610..).zip([(1, 7, 5), (67, 130, 192)]) {
            self.add_products(n, out, width, seed);
        }
        for (seed, (n, cuts)) in (620..).zip([(3, [0, 1, 33, 40]), (67, [0, 512, 1024, 1100])]) {
            self.log_sums(n, cuts, seed);
        }
    }

    fn head_loss(&mut self, n: usize, width: usize, vocab: usize, beside: Beside, seed: u64) {
        let temperature = 0.75f32;
        let (compared, adapted) = (beside == Beside::Reference, beside == Beside::Adapter);
        let with = match beside {
            Beside::Nothing => "",
            Beside::Reference => ", with a reference",
            Beside::Adapter => ", with an adapter",
        };
        let case = format!("{n} rows of {width} to {vocab}{with}");
        for (grain, dtypes) in self.grains() {
            let mut noise = Noise(seed);
            let (hidden, weight) =
                (noise.values(n * width, 1.0, grain), noise.values(vocab * width, 0.5, grain));
            let bias = noise.values(vocab, 1.0, grain);
            let slopes = noise.values(n, 2.0, Grain::Fine);
            let targets = noise.below(n, vocab);
            let reference = compared.then(|| exact::Reference {
                hidden: noise.values(n * width, 1.0, grain),
                weight: noise.values(vocab * width, 0.5, grain),
                bias: None,
                adapter: None,
                coefficients: noise.values(n, 2.0, Grain::Fine),
            });
            let adapter = adapted.then(|| exact::Adapter {
                a: noise.values(RANK * width, 0.5, grain),
                b: noise.values(vocab * RANK, 0.5, grain),
                scale: 2.0,
            });
            let inputs = Inputs {
                hidden,
                weight,
                bias: Some(bias),
                adapter,
                targets,
                slopes,
                soft_cap: None,
                temperature,
                reference,
            };
            let exact = exact::head(&inputs);
            let mut expected = vec![
                Expected::whole("log p", exact.log_probs),
                Expected::whole("entropy", exact.entropies),
                Expected::rows("dhidden", exact.hidden, width),
                Expected::rows("dweight", exact.weight, width),
                Expected::whole("dbias", exact.bias),
            ];
            if compared {
                expected.push(Expected::whole("kl", exact.kls));
            }
            if adapted {
                expected.push(Expected::rows("dA", exact.a, width));
                expected.push(Expected::rows("dB", exact.b, RANK));
            }
            let Inputs { hidden, weight, bias, adapter, targets, slopes, reference, .. } = inputs;
            let bias = bias.unwrap_or_default();
            for dtype in dtypes {
                self.check_product("head_loss", &case, dtype, &expected, |device| {
                    let matrix = Matrix::Float(tensor(&weight, [vocab, width], device, dtype));
                    let bias: Tensor<B, 1> = tensor(&bias, [vocab], device, dtype);
                    let matrices = adapter.as_ref().map(|it| {
                        let a = tensor(&it.a, [RANK, width], device, DType::F32);
                        let b = tensor(&it.b, [vocab, RANK], device, DType::F32);
                        (Matrix::Float(a), Matrix::Float(b), it.scale)
                    });
                    let adapter =
                        matrices.as_ref().map(|(a, b, scale)| LowRankWeights { a, b, scale: *scale });
                    let head = AdaptedWeights { weight: &matrix, bias: Some(&bias), adapter };
                    let hidden = tensor(&hidden, [n, width], device, dtype);
                    let other = reference
                        .as_ref()
                        .map(|it| Matrix::Float(tensor(&it.weight, [vocab, width], device, dtype)));
                    let pair = reference.as_ref().zip(other.as_ref());
                    let reference = pair.map(|(it, weight)| Reference {
                        hidden: tensor(&it.hidden, [n, width], device, dtype),
                        head: AdaptedWeights { weight, bias: None, adapter: None },
                        coefficients: &it.coefficients,
                    });
                    let input = HeadInput {
                        hidden,
                        head,
                        targets: &targets,
                        soft_cap: None,
                        temperature,
                        entropies: true,
                        reference,
                        trained: true,
                    };
                    let found = B::head_loss(input, &mut Derivative::each(|index, _| slopes[index]));
                    let (weight, bias) = (found.weight.map(host), found.bias.map(host));
                    let [weight, bias] = [weight, bias].map(Option::unwrap_or_default);
                    let mut all = vec![found.log_probs, found.entropies, host(found.hidden), weight, bias];
                    if compared {
                        all.push(found.kls);
                    }
                    if let Some(LowRankGradients { a, b }) = found.adapter {
                        all.extend([host(a), host(b)]);
                    }
                    all
                });
            }
        }
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
        let forward = [Expected::whole("log p", exact.log_probs), Expected::whole("sums", exact.sums)];
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
