//! The CPU kernels against the plain references and against f64, over shapes that fit no vector, and against
//! themselves: a row's bits must not depend on the rows beside it.

use std::ops::Range;

use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use half::bf16;
use osler::kernels::quantised::{Activations, BlockType, QuantisedMatrix};
use osler::kernels::{
    AttentionShape, AttentionSpan, BLOCK_TOKENS, KernelBackend, LinearWeights, Matrix, Segment, activation,
    attention, linear, norm, rotary,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Largest error against f64, relative to the sum of the magnitudes that were added up.
const TOLERANCE: f64 = 1e-5;

/// Numbers without a pattern: the same seed gives the same ones.
struct Noise(u64);

impl Noise {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.word() % end as u64) as usize
    }

    /// `count` values between `-scale` and `scale`.
    fn values(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| ((self.word() >> 40) as f32 * (-23.0f32).exp2() - 1.0) * scale).collect()
    }

    /// `count` whole numbers between `-most` and `most`.
    fn integers(&mut self, count: usize, most: usize) -> Vec<f32> {
        (0..count).map(|_| self.below(2 * most + 1) as f32 - most as f32).collect()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

fn tensor<const D: usize>(values: &[f32], dims: [usize; D]) -> Tensor<Flex, D> {
    Tensor::from_data(TensorData::new(values.to_vec(), dims), (&FlexDevice, DType::F32))
}

fn values<const D: usize>(x: Tensor<Flex, D>) -> Vec<f32> {
    assert_eq!(x.dtype(), DType::F32);
    x.into_data().to_vec().unwrap()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// An exact result and the magnitude that its rounding is measured by.
#[derive(Clone, Copy)]
struct Exact {
    value: f64,
    magnitude: f64,
}

fn check(what: &str, found: &[f32], exact: &[Exact]) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.len(), exact.len(), "{}", what);
    for (i, (found, exact)) in found.iter().zip(exact).enumerate() {
        let error = (f64::from(*found) - exact.value).abs();
        // Written so that NaN fails.
        let close = error <= TOLERANCE * exact.magnitude;
        prop_assert!(close, "{what}[{i}] is {found:e}, exactly {:e} of {:e}", exact.value, exact.magnitude);
    }
    Ok(())
}

fn run<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, rng).run(&strategy, test).unwrap();
}

/// Rows of a batch; 5, 7 and 13 leave a rest behind every tile height.
fn rows() -> impl Strategy<Value = usize> {
    prop_oneof![1usize..=70, prop::sample::select(vec![1usize, 5, 6, 7, 13])]
}

/// A weight matrix with its bias, as the kernel takes it and as exact numbers.
struct Exactly {
    weight: Matrix<Flex>,
    bias: Option<Tensor<Flex, 1>>,
    exact: Vec<f64>,
    exact_bias: Vec<f64>,
    out: usize,
}

impl Exactly {
    fn new(noise: &mut Noise, out: usize, k: usize, half: bool, bias: bool) -> Self {
        let raw = noise.values(out * k, 1.0);
        let (weight, exact) = if half {
            let rounded: Vec<bf16> = raw.iter().map(|&v| bf16::from_f32(v)).collect();
            let exact = rounded.iter().map(|v| v.to_f64()).collect();
            let data = TensorData::new(rounded, [out, k]);
            (Tensor::from_data(data, (&FlexDevice, DType::BF16)), exact)
        } else {
            (tensor(&raw, [out, k]), raw.iter().map(|&v| f64::from(v)).collect())
        };
        let raw_bias = noise.values(out, 2.0);
        let exact_bias = raw_bias.iter().map(|&b| if bias { f64::from(b) } else { 0.0 }).collect();
        let bias = bias.then(|| tensor(&raw_bias, [out]));
        Self { weight: Matrix::Float(weight), bias, exact, exact_bias, out }
    }

    fn part(&self) -> LinearWeights<'_, Flex> {
        LinearWeights { weight: &self.weight, bias: self.bias.as_ref() }
    }

    fn product(&self, x: &[f32], k: usize) -> Vec<Exact> {
        let row = |x: &[f32], o: usize| {
            let start = Exact { value: self.exact_bias[o], magnitude: self.exact_bias[o].abs() };
            x.iter().zip(&self.exact[o * k..(o + 1) * k]).fold(start, |sum, (&x, w)| {
                let term = f64::from(x) * w;
                Exact { value: sum.value + term, magnitude: sum.magnitude + term.abs() }
            })
        };
        x.chunks_exact(k).flat_map(|x| (0..self.out).map(move |o| row(x, o))).collect()
    }
}

#[test]
fn linear_groups_agree_with_the_reference_in_any_shape() {
    let k = prop_oneof![1usize..=70, 71usize..=1100];
    let out = prop_oneof![1usize..=70, prop::sample::select(vec![1usize, 2, 3, 5, 7, 13, 17, 33])];
    let parts = prop::collection::vec((out, any::<bool>(), any::<bool>()), 1..4);
    run(120, (rows(), k, parts, any::<u64>(), any::<u64>()), |(n, k, parts, seed, pick)| {
        let mut noise = Noise(seed);
        let x = noise.values(n * k, 3.0);
        let matrices: Vec<Exactly> =
            parts.iter().map(|&(out, half, bias)| Exactly::new(&mut noise, out, k, half, bias)).collect();
        let group: Vec<_> = matrices.iter().map(Exactly::part).collect();
        let product = |x: &[f32]| -> Vec<Vec<f32>> {
            let results = Flex::linear_group(tensor(x, [x.len() / k, k]), &group);
            results.into_iter().map(values).collect()
        };
        let together = product(&x);
        for (matrix, found) in matrices.iter().zip(&together) {
            let exact = matrix.product(&x, k);
            check("kernel", found, &exact)?;
            check(
                "reference",
                &values(linear::reference::linear(tensor(&x, [n, k]), &matrix.part())),
                &exact,
            )?;
        }
        // One row alone, and a run of rows that starts and ends anywhere.
        let mut noise = Noise(pick);
        let first = noise.below(n);
        let last = first + 1 + noise.below(n - first);
        for rows in [first..first + 1, last - 1..last, first..last] {
            for (i, found) in product(&x[rows.start * k..rows.end * k]).iter().enumerate() {
                let out = matrices[i].out;
                prop_assert_eq!(
                    bits(found),
                    bits(&together[i][rows.start * out..rows.end * out]),
                    "{:?}",
                    rows
                );
            }
        }
        // A product does not depend on what shares its input.
        let alone = Flex::linear_group(tensor(&x, [n, k]), &group[..1]).remove(0);
        prop_assert_eq!(bits(&values(alone)), bits(&together[0]));
        Ok(())
    });
}

/// A matrix of random blocks. Their scales and minima are random but small; the rest is any bytes, all of which mean
/// something.
fn random_blocks(noise: &mut Noise, block: BlockType, rows: usize, columns: usize) -> QuantisedMatrix {
    let halves: &[usize] = match block {
        BlockType::Q4_0 | BlockType::Q5_0 | BlockType::Q8_0 => &[0],
        BlockType::Q4_1 | BlockType::Q5_1 | BlockType::Q4_K | BlockType::Q5_K => &[0, 2],
        BlockType::Q6_K => &[208],
    };
    let mut bytes = Vec::new();
    for _ in 0..rows * columns / block.values() {
        let start = bytes.len();
        bytes.extend((0..block.bytes()).map(|_| noise.word() as u8));
        for &at in halves {
            let scale = half::f16::from_f32(noise.values(1, 0.1)[0]);
            bytes[start + at..start + at + 2].copy_from_slice(&scale.to_le_bytes());
        }
    }
    QuantisedMatrix::new(block, rows, columns, bytes.into()).expect("whole blocks")
}

/// Numbers of input rows that take every path: registers, a decoded chunk in the near cache, and one in the far.
#[test]
fn products_with_quantised_blocks_equal_those_with_their_f32_values_to_the_last_bit() {
    let block = prop::sample::select(BlockType::ALL.to_vec());
    let n = prop_oneof![1usize..=9, Just(33usize)];
    run(
        150,
        (block, n, 1usize..=70, 1usize..=5, any::<bool>(), any::<u64>()),
        |(block, n, out, k, bias, seed)| {
            let (mut noise, k) = (Noise(seed), k * 256);
            let blocks = random_blocks(&mut noise, block, out, k);
            let floats = Matrix::Float(tensor(&blocks.decode_rows(0..out), [out, k]));
            let blocks = Matrix::Blocks(blocks);
            let bias = bias.then(|| tensor(&noise.values(out, 2.0), [out]));
            let x = noise.values(n * k, 3.0);
            let product = |weight: &Matrix<Flex>| {
                let part = LinearWeights { weight, bias: bias.as_ref() };
                values(Flex::linear_group(tensor(&x, [n, k]), &[part]).remove(0))
            };
            prop_assert_eq!(bits(&product(&blocks)), bits(&product(&floats)), "{}", block);
            Ok(())
        },
    );
}

/// In one group with a product of the same input in f32, which must not see the rounding.
#[test]
fn products_with_rounded_input_agree_with_the_reference_and_do_not_see_their_neighbours() {
    let block = prop::sample::select(BlockType::ALL.to_vec());
    let shape = (1usize..=20, 1usize..=70, 1usize..=5, any::<bool>(), any::<u64>());
    run(100, (block, shape), |(block, (n, out, k, bias, seed))| {
        let (mut noise, k) = (Noise(seed), k * block.values());
        let blocks = random_blocks(&mut noise, block, out, k);
        let rounded = Matrix::Blocks(blocks.clone().with_activations(Activations::Q8));
        let exact = Matrix::Blocks(blocks);
        let bias = bias.then(|| tensor(&noise.values(out, 2.0), [out]));
        let x = noise.values(n * k, 3.0);
        let part = |weight| LinearWeights { weight, bias: bias.as_ref() };
        let products = |x: &[f32]| -> Vec<Vec<f32>> {
            let group = [part(&rounded), part(&exact)];
            let results = Flex::linear_group(tensor(x, [x.len() / k, k]), &group);
            results.into_iter().map(values).collect()
        };
        let all = products(&x);
        let reference = values(linear::reference::linear(tensor(&x, [n, k]), &part(&rounded)));
        let most = reference.iter().fold(1.0f32, |most, v| most.max(v.abs()));
        for (found, reference) in all[0].iter().zip(&reference) {
            prop_assert!((found - reference).abs() <= 1e-4 * most, "{block}: {found} is not {reference}");
        }
        let alone = Flex::linear_group(tensor(&x, [n, k]), &[part(&exact)]).remove(0);
        prop_assert_eq!(bits(&all[1]), bits(&values(alone)), "{}", block);
        for (row, x) in x.chunks_exact(k).enumerate() {
            let one = products(x);
            prop_assert_eq!(
                bits(&one[0]),
                bits(&all[0][row * out..(row + 1) * out]),
                "{} row {}",
                block,
                row
            );
        }
        Ok(())
    });
}

/// What a device without kernels for blocks runs.
#[test]
fn the_reference_reads_quantised_blocks_too() {
    let mut noise = Noise(7);
    let blocks = random_blocks(&mut noise, BlockType::Q5_K, 3, 512);
    let floats = Matrix::Float(tensor(&blocks.decode_rows(0..3), [3, 512]));
    let x = tensor(&noise.values(2 * 512, 1.0), [2, 512]);
    let product = |weight: &Matrix<Flex>| {
        values(linear::reference::linear(x.clone(), &LinearWeights { weight, bias: None }))
    };
    assert_eq!(bits(&product(&Matrix::Blocks(blocks))), bits(&product(&floats)));
}

#[test]
fn blocks_that_do_not_fill_their_rows_are_refused() {
    let bytes = |n: usize| bytes::Bytes::from(vec![0u8; n]);
    assert!(QuantisedMatrix::new(BlockType::Q4_1, 2, 64, bytes(80)).is_some());
    assert!(QuantisedMatrix::new(BlockType::Q4_1, 2, 64, bytes(79)).is_none());
    assert!(QuantisedMatrix::new(BlockType::Q4_1, 2, 48, bytes(80)).is_none());
    assert!(QuantisedMatrix::new(BlockType::Q4_K, usize::MAX, 256, bytes(80)).is_none());
}

#[test]
fn a_group_without_products_gives_none() {
    assert!(Flex::linear_group(tensor(&[1.0, 2.0], [1, 2]), &[]).is_empty());
}

#[test]
fn rms_norm_agrees_with_the_reference() {
    let scale = prop::sample::select(vec![0.0f32, 1e-4, 1.0, 1e4]);
    let width = prop_oneof![1usize..=70, 71usize..=1100];
    let eps = prop::sample::select(vec![1e-6f32, 1e-5]);
    run(50, (rows(), width, scale, eps, any::<u64>()), |(n, d, scale, eps, seed)| {
        let mut noise = Noise(seed);
        let (x, weight) = (noise.values(n * d, scale), noise.values(d, 2.0));
        let exact: Vec<Exact> = x
            .chunks_exact(d)
            .flat_map(|row| {
                let mean = row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / d as f64;
                let factor = 1.0 / (mean + f64::from(eps)).sqrt();
                let value = move |(&x, &w): (&f32, &f32)| f64::from(x) * factor * f64::from(w);
                row.iter().zip(&weight).map(value)
            })
            .map(|value| Exact { value, magnitude: value.abs() })
            .collect();
        let weight = tensor(&weight, [d]);
        let found = values(Flex::rms_norm(tensor(&x, [n, d]), &weight, eps));
        check("kernel", &found, &exact)?;
        check("reference", &values(norm::reference::rms_norm(tensor(&x, [n, d]), &weight, eps)), &exact)?;
        for row in [0, n / 2, n - 1].map(|row| row * d..(row + 1) * d) {
            let alone = values(Flex::rms_norm(tensor(&x[row.clone()], [1, d]), &weight, eps));
            prop_assert_eq!(bits(&alone), bits(&found[row]));
        }
        Ok(())
    });
}

#[test]
fn rotary_agrees_with_the_reference() {
    run(50, (rows(), 1usize..=9, 1usize..=48, any::<u64>()), |(n, heads, half, seed)| {
        let head_dim = 2 * half;
        let mut noise = Noise(seed);
        let x = noise.values(n * heads * head_dim, 100.0);
        let angles = noise.values(n * half, 500.0);
        let cos: Vec<f32> = angles.iter().map(|a| a.cos()).collect();
        let sin: Vec<f32> = angles.iter().map(|a| a.sin()).collect();
        let exact: Vec<Exact> = (0..x.len())
            .map(|i| {
                let (row, d) = (i / (heads * head_dim), i % head_dim);
                let angle = row * half + d % half;
                let (c, s) = (f64::from(cos[angle]), f64::from(sin[angle]));
                let other = if d < half { -f64::from(x[i + half]) } else { f64::from(x[i - half]) };
                let (own, other) = (f64::from(x[i]) * c, other * s);
                Exact { value: own + other, magnitude: own.abs() + other.abs() }
            })
            .collect();
        let rotate = |rows: Range<usize>| {
            let x = tensor(
                &x[rows.start * heads * head_dim..rows.end * heads * head_dim],
                [rows.len(), heads, head_dim],
            );
            let table = |t: &[f32]| tensor(&t[rows.start * half..rows.end * half], [rows.len(), half]);
            (x, table(&cos), table(&sin))
        };
        let (all, c, s) = rotate(0..n);
        let found = values(Flex::rotary(all.clone(), &c, &s));
        check("kernel", &found, &exact)?;
        check("reference", &values(rotary::reference::rotary(all, &c, &s)), &exact)?;
        let (last, c, s) = rotate(n - 1..n);
        prop_assert_eq!(
            bits(&values(Flex::rotary(last, &c, &s))),
            bits(&found[(n - 1) * heads * head_dim..])
        );
        Ok(())
    });
}

#[test]
fn swiglu_agrees_with_the_reference_up_to_extreme_gates() {
    let scale = prop::sample::select(vec![1.0f32, 20.0, 100.0, 1e4]);
    run(50, (rows(), 1usize..=300, scale, any::<u64>()), |(n, d, scale, seed)| {
        let mut noise = Noise(seed);
        let (gate, up) = (noise.values(n * d, scale), noise.values(n * d, scale));
        let exact: Vec<Exact> = gate
            .iter()
            .zip(&up)
            .map(|(&g, &u)| {
                let (g, u) = (f64::from(g), f64::from(u));
                let value = g / (1.0 + (-g).exp()) * u;
                // Below gates of -87 an f32 has no room for the result, which then may be a zero.
                Exact { value, magnitude: value.abs() + 1e-28 * u.abs() }
            })
            .collect();
        let pair = |rows: Range<usize>| {
            let part = |x: &[f32]| tensor(&x[rows.start * d..rows.end * d], [rows.len(), d]);
            (part(&gate), part(&up))
        };
        let (g, u) = pair(0..n);
        let found = values(Flex::swiglu(g.clone(), u.clone()));
        check("kernel", &found, &exact)?;
        check("reference", &values(activation::reference::swiglu(g, u)), &exact)?;
        let (g, u) = pair(n / 2..n / 2 + 1);
        prop_assert_eq!(bits(&values(Flex::swiglu(g, u))), bits(&found[n / 2 * d..(n / 2 + 1) * d]));
        Ok(())
    });
}

/// Head counts and the kind of numbers of an attention case.
#[derive(Debug, Clone, Copy)]
struct Heads {
    kv_heads: usize,
    group: usize,
    half: usize,
    /// Logits up to 1e4 and more, from whole numbers, whose dot products are exact in f32.
    extreme: bool,
}

impl Heads {
    fn shape(self) -> AttentionShape {
        let Self { kv_heads, group, half, extreme } = self;
        let head_dim = 2 * half;
        let scale = if extreme { 0.5 } else { (head_dim as f32).sqrt().recip() };
        AttentionShape { heads: kv_heads * group, kv_heads, head_dim, scale }
    }

    fn inputs(self, noise: &mut Noise, count: usize) -> Vec<f32> {
        if self.extreme { noise.integers(count, 64) } else { noise.values(count, 2.0) }
    }
}

fn heads() -> impl Strategy<Value = Heads> {
    let counts = (1usize..=3, 1usize..=7, 3usize..=48, prop::bool::weighted(0.3));
    counts.prop_map(|(kv_heads, group, half, extreme)| Heads { kv_heads, group, half, extreme })
}

/// Attention in f64 of one query `[heads, head_dim]` over `keys` rows of `k` and `v` `[keys, kv_heads, head_dim]`.
fn exact_attention(q: &[f32], k: &[f32], v: &[f32], keys: usize, shape: AttentionShape) -> Vec<Exact> {
    let AttentionShape { heads, kv_heads, head_dim, scale } = shape;
    let mut out = Vec::with_capacity(heads * head_dim);
    for (h, q) in q.chunks_exact(head_dim).enumerate() {
        let at = |j: usize| (j * kv_heads + h / (heads / kv_heads)) * head_dim;
        let dot = |j: usize| -> f64 {
            q.iter().zip(&k[at(j)..at(j) + head_dim]).map(|(&q, &k)| f64::from(q) * f64::from(k)).sum()
        };
        let scores: Vec<f64> = (0..keys).map(|j| dot(j) * f64::from(scale)).collect();
        let peak = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|s| (s - peak).exp()).collect();
        let total: f64 = weights.iter().sum();
        for d in 0..head_dim {
            let mut sum = Exact { value: 0.0, magnitude: 0.0 };
            for (j, weight) in weights.iter().enumerate() {
                let term = weight / total * f64::from(v[at(j) + d]);
                sum = Exact { value: sum.value + term, magnitude: sum.magnitude + term.abs() };
            }
            out.push(sum);
        }
    }
    out
}

#[test]
fn a_continuation_sees_what_it_continues_and_gets_the_bits_of_the_whole_sequence() {
    let lengths = (1usize..=70, prop::collection::vec(1usize..=40, 1..4));
    run(40, (lengths, heads(), any::<u64>()), |((before, replies), heads, seed)| {
        let shape = heads.shape();
        let (row, kv_row) = (shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim);
        let n = before + replies.iter().sum::<usize>();
        let mut noise = Noise(seed);
        let (q, k) = (heads.inputs(&mut noise, n * row), heads.inputs(&mut noise, n * kv_row));
        let v = noise.values(n * kv_row, 5.0);
        let cube = |x: &[f32], heads: usize| {
            let width = heads * shape.head_dim;
            tensor(x, [x.len() / width, heads, shape.head_dim])
        };
        let mut segments = vec![Segment::alone(before)];
        segments.extend(replies.iter().map(|&len| Segment { len, after: Some(0) }));
        let inputs = || (cube(&q, shape.heads), cube(&k, shape.kv_heads), cube(&v, shape.kv_heads));
        let (tq, tk, tv) = inputs();
        let found = values(Flex::attention_packed(tq, tk, tv, &segments, shape));
        let (tq, tk, tv) = inputs();
        let reference = values(attention::reference::packed(tq, tk, tv, &segments, shape));
        let mut start = before;
        for &len in &replies {
            let whole = |x: &[f32], width: usize| {
                [&x[..before * width], &x[start * width..(start + len) * width]].concat()
            };
            let (q, k, v) = (whole(&q, row), whole(&k, kv_row), whole(&v, kv_row));
            for i in 0..len {
                let exact = exact_attention(&q[(before + i) * row..][..row], &k, &v, before + i + 1, shape);
                check("kernel", &found[(start + i) * row..][..row], &exact)?;
                check("reference", &reference[(start + i) * row..][..row], &exact)?;
            }
            let (q, k, v) = (cube(&q, shape.heads), cube(&k, shape.kv_heads), cube(&v, shape.kv_heads));
            let alone = values(Flex::attention_packed(q, k, v, &[Segment::alone(before + len)], shape));
            prop_assert_eq!(bits(&alone[before * row..]), bits(&found[start * row..(start + len) * row]));
            start += len;
        }
        Ok(())
    });
}

#[test]
fn packed_attention_agrees_with_the_reference_and_does_not_see_its_neighbours() {
    let length = prop_oneof![Just(1usize), 2usize..=20, 60usize..=70, 120usize..=135];
    let segments = prop::collection::vec(length, 1..5);
    run(70, (segments, heads(), any::<u64>()), |(segments, heads, seed)| {
        let shape = heads.shape();
        let (row, kv_row) = (shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim);
        let n: usize = segments.iter().sum();
        let mut noise = Noise(seed);
        let (q, k) = (heads.inputs(&mut noise, n * row), heads.inputs(&mut noise, n * kv_row));
        let v = noise.values(n * kv_row, 5.0);
        let part = |x: &[f32], rows: &Range<usize>, heads: usize| {
            let width = heads * shape.head_dim;
            tensor(&x[rows.start * width..rows.end * width], [rows.len(), heads, shape.head_dim])
        };
        let inputs = |rows: Range<usize>| {
            (part(&q, &rows, shape.heads), part(&k, &rows, shape.kv_heads), part(&v, &rows, shape.kv_heads))
        };
        let (tq, tk, tv) = inputs(0..n);
        let found = values(Flex::attention_packed(
            tq.clone(),
            tk.clone(),
            tv.clone(),
            &Segment::all(&segments),
            shape,
        ));
        let reference = values(attention::reference::packed(tq, tk, tv, &Segment::all(&segments), shape));
        let mut start = 0;
        for &len in &segments {
            let (k, v) = (&k[start * kv_row..], &v[start * kv_row..]);
            for i in 0..len {
                let at = (start + i) * row..(start + i + 1) * row;
                let exact = exact_attention(&q[at.clone()], k, v, i + 1, shape);
                check("kernel", &found[at.clone()], &exact)?;
                check("reference", &reference[at], &exact)?;
            }
            let (q, k, v) = inputs(start..start + len);
            let alone = values(Flex::attention_packed(q, k, v, &[Segment::alone(len)], shape));
            prop_assert_eq!(bits(&alone), bits(&found[start * row..(start + len) * row]));
            start += len;
        }
        Ok(())
    });
}

/// Sequences in a cache whose blocks lie in no order; the newest few tokens of each are queries.
struct Cached {
    shape: AttentionShape,
    spans: Vec<AttentionSpan>,
    /// `[keys, kv_heads, head_dim]` a sequence.
    k: Vec<Vec<f32>>,
    v: Vec<Vec<f32>>,
    q: Vec<f32>,
    blocks: usize,
    /// A block that no sequence holds.
    spare: u32,
    /// Sequence, position and slot of every token, in the order they are written.
    tokens: Vec<(usize, usize, u32)>,
}

impl Cached {
    fn new(sequences: &[(usize, usize)], heads: Heads, noise: &mut Noise) -> Self {
        let shape = heads.shape();
        let used: usize = sequences.iter().map(|(keys, _)| keys.div_ceil(BLOCK_TOKENS)).sum();
        let blocks = used + 1 + noise.below(5);
        let mut order: Vec<u32> = (0..blocks as u32).collect();
        noise.shuffle(&mut order);
        let (mut spans, mut k, mut v, mut tokens, mut rows) = (vec![], vec![], vec![], vec![], 0);
        for (index, &(keys, queries)) in sequences.iter().enumerate() {
            let own = order.split_off(order.len() - keys.div_ceil(BLOCK_TOKENS));
            let kv = keys * shape.kv_heads * shape.head_dim;
            k.push(heads.inputs(noise, kv));
            v.push(noise.values(kv, 5.0));
            let slot = |p: usize| own[p / BLOCK_TOKENS] * BLOCK_TOKENS as u32 + (p % BLOCK_TOKENS) as u32;
            tokens.extend((0..keys).map(|p| (index, p, slot(p))));
            let queries = queries.min(keys);
            spans.push(AttentionSpan { queries: rows..rows + queries, keys, blocks: own });
            rows += queries;
        }
        noise.shuffle(&mut tokens);
        let q = heads.inputs(noise, rows * shape.heads * shape.head_dim);
        Self { shape, spans, k, v, q, blocks, spare: order[0], tokens }
    }

    /// The tokens' rows of `x`, and their slots.
    fn rows(&self, x: &[Vec<f32>], tokens: &[(usize, usize, u32)]) -> Tensor<Flex, 3> {
        let AttentionShape { kv_heads, head_dim, .. } = self.shape;
        let row = kv_heads * head_dim;
        let flat: Vec<f32> =
            tokens.iter().flat_map(|&(s, p, _)| x[s][p * row..(p + 1) * row].iter().copied()).collect();
        tensor(&flat, [tokens.len(), kv_heads, head_dim])
    }

    /// Pools with every token written, in two calls, over what earlier tenants of the blocks left.
    fn kernel_pools(&self) -> (Tensor<Flex, 2>, Tensor<Flex, 2>) {
        let AttentionShape { kv_heads, head_dim, .. } = self.shape;
        let (keys, values) = Flex::cache_block_elements(kv_heads, head_dim);
        let stale = |elements: usize| tensor(&vec![1e30; self.blocks * elements], [self.blocks, elements]);
        let mut pools = (stale(keys), stale(values));
        let (first, second) = self.tokens.split_at(self.tokens.len() / 2);
        for part in [first, second].into_iter().filter(|part| !part.is_empty()) {
            let slots: Vec<u32> = part.iter().map(|t| t.2).collect();
            pools = Flex::cache_write(pools, self.rows(&self.k, part), self.rows(&self.v, part), &slots);
        }
        pools
    }

    fn reference_pool(&self, x: &[Vec<f32>]) -> Tensor<Flex, 2> {
        let row = self.shape.kv_heads * self.shape.head_dim;
        let elements = row * BLOCK_TOKENS;
        let pool = tensor(&vec![1e30; self.blocks * elements], [self.blocks, elements]);
        let slots: Vec<u32> = self.tokens.iter().map(|t| t.2).collect();
        let rows = self.rows(x, &self.tokens).reshape([self.tokens.len(), row]);
        attention::reference::write_cache(pool, rows, &slots)
    }

    fn queries(&self, rows: &Range<usize>) -> Tensor<Flex, 3> {
        let AttentionShape { heads, head_dim, .. } = self.shape;
        let row = heads * head_dim;
        tensor(&self.q[rows.start * row..rows.end * row], [rows.len(), heads, head_dim])
    }
}

#[test]
fn cached_attention_agrees_with_the_reference_wherever_its_blocks_lie() {
    let keys = prop_oneof![1usize..=20, 30usize..=34, 60usize..=70, 125usize..=200];
    let queries = prop_oneof![Just(1usize), 1usize..=20];
    let sequences = prop::collection::vec((keys, queries), 1..5);
    run(70, (sequences, heads(), any::<u64>()), |(sequences, heads, seed)| {
        let case = Cached::new(&sequences, heads, &mut Noise(seed));
        let shape = case.shape;
        let (row, kv_row) = (shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim);
        let all = 0..case.q.len() / row;
        let (keys, cached_values) = case.kernel_pools();
        let attend = |rows: &Range<usize>, spans: &[AttentionSpan]| {
            values(Flex::attention_cached(case.queries(rows), &keys, &cached_values, spans, shape))
        };
        let found = attend(&all, &case.spans);
        let (rk, rv) = (case.reference_pool(&case.k), case.reference_pool(&case.v));
        let reference =
            values(attention::reference::cached(case.queries(&all), &rk, &rv, &case.spans, shape));
        for (index, span) in case.spans.iter().enumerate() {
            for (i, query) in span.queries.clone().enumerate() {
                let at = query * row..(query + 1) * row;
                let visible = span.keys - span.queries.len() + i + 1;
                let exact =
                    exact_attention(&case.q[at.clone()], &case.k[index], &case.v[index], visible, shape);
                check("kernel", &found[at.clone()], &exact)?;
                check("reference", &reference[at], &exact)?;
            }
            let own = span.queries.start * row..span.queries.end * row;
            let alone = AttentionSpan { queries: 0..span.queries.len(), ..span.clone() };
            prop_assert_eq!(bits(&attend(&span.queries, &[alone])), bits(&found[own.clone()]), "span alone");
            let last = span.queries.end - 1..span.queries.end;
            let one = AttentionSpan { queries: 0..1, ..span.clone() };
            prop_assert_eq!(
                bits(&attend(&last, &[one])),
                bits(&found[own.end - row..own.end]),
                "query alone"
            );
            if span.queries.len() == span.keys {
                let whole = |x: &[f32]| tensor(x, [span.keys, shape.kv_heads, shape.head_dim]);
                prop_assert_eq!(case.k[index].len(), span.keys * kv_row);
                let (k, v) = (whole(&case.k[index]), whole(&case.v[index]));
                let packed = Flex::attention_packed(
                    case.queries(&span.queries),
                    k,
                    v,
                    &[Segment::alone(span.keys)],
                    shape,
                );
                prop_assert_eq!(bits(&values(packed)), bits(&found[own]), "uncached");
            }
        }
        // A sequence that goes on from a copied block reads the same.
        let first = &case.spans[0];
        let copied = Flex::cache_copy((keys.clone(), cached_values.clone()), first.blocks[0], case.spare);
        let mut moved = AttentionSpan { queries: 0..first.queries.len(), ..first.clone() };
        moved.blocks[0] = case.spare;
        let again =
            Flex::attention_cached(case.queries(&first.queries), &copied.0, &copied.1, &[moved], shape);
        prop_assert_eq!(bits(&values(again)), bits(&found[..first.queries.len() * row]), "copied block");
        Ok(())
    });
}
