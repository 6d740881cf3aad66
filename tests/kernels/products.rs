//! Products, with weights in floats and in blocks.

use super::*;

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

/// Numbers of input rows that take every path of the widest registers that this machine has: blocks in
/// registers, a decoded chunk in the near cache, and one in the far. Narrower ones are tested beside the
/// kernel.
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
    // Also where they were put on the device, from which they come back.
    let held = DeviceBlocks::upload(&blocks, &FlexDevice);
    let rows = Flex::decode_rows(&held, &[2, 0], DType::F32);
    assert_eq!(bits(&values(rows)), bits(&blocks.decode_rows([2, 0].into_iter())));
    let held = Matrix::DeviceBlocks(held);
    assert_eq!(bits(&product(&held)), bits(&product(&floats)));
    let grouped = Flex::linear_group(x.clone(), &[LinearWeights { weight: &held, bias: None }]).remove(0);
    let alone = Flex::linear_group(x.clone(), &[LinearWeights { weight: &floats, bias: None }]).remove(0);
    assert_eq!(bits(&values(grouped)), bits(&values(alone)));
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
