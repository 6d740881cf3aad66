//! Linear layers: floats, quantised blocks, biases. Their products in f64; the values of blocks are those that
//! [`QuantisedMatrix::decode_rows`] gives.

use burn::tensor::{DType, Tensor};
use bytes::Bytes;

use super::{Expected, HALF, Parity};
use crate::doctor::exact::sums::product;
use crate::doctor::inputs::{Grain, Noise, host, tensor};
use crate::kernels::quantised::{Activations, BlockType, QuantisedMatrix};
use crate::kernels::{KernelBackend, LinearWeights, Matrix};

/// Rows, inputs, and outputs of two layers of a group: few rows, some, and enough for whole tiles.
const SHAPES: [(usize, usize, [usize; 2]); 5] =
    [(1, 64, [33, 7]), (5, 72, [35, 300]), (16, 128, [65, 48]), (67, 192, [130, 64]), (257, 264, [384, 256])];

impl<B: KernelBackend> Parity<'_, B> {
    pub(super) fn products(&mut self) {
        for (seed, (n, k, outs)) in (300..).zip(SHAPES) {
            let case = format!("{n} rows of {k} to {} and {}", outs[0], outs[1]);
            for (grain, dtypes) in self.grains() {
                let mut noise = Noise(seed);
                let x = noise.values(n * k, 1.0, grain);
                let weights = outs.map(|out| noise.values(out * k, 1.0, grain));
                // Only the first has one.
                let bias = noise.values(outs[0], 1.0, grain);
                let mut first = product(&x, &weights[0], k);
                for row in first.chunks_exact_mut(outs[0]) {
                    row.iter_mut().zip(&bias).for_each(|(y, &bias)| *y += f64::from(bias));
                }
                let expected = [
                    Expected::rows("with bias", first, outs[0]),
                    Expected::rows("without", product(&x, &weights[1], k), outs[1]),
                ];
                for dtype in dtypes {
                    self.check_product("linear_group", &case, dtype, &expected, |device| {
                        let matrix =
                            |i: usize| Matrix::Float(tensor(&weights[i], [outs[i], k], device, dtype));
                        let (first, second) = (matrix(0), matrix(1));
                        let bias = tensor::<B, 1>(&bias, [outs[0]], device, dtype);
                        let parts = [
                            LinearWeights { weight: &first, bias: Some(&bias) },
                            LinearWeights { weight: &second, bias: None },
                        ];
                        let x: Tensor<B, 2> = tensor(&x, [n, k], device, dtype);
                        B::linear_group(x, &parts).into_iter().map(host).collect()
                    });
                }
            }
        }
        for block in BlockType::ALL {
            self.blocks(block);
        }
    }

    /// A matrix in blocks of 8 bits to Q6_K's 210 bytes: exact, and with its input rounded, which costs up to half a 127th of the
    /// largest of 32 values.
    fn blocks(&mut self, block: BlockType) {
        let (n, k, out) = (5, 512, 33);
        let mut noise = Noise(400 + block as u64);
        let matrix = quantised(block, out, k, &mut noise);
        let x = noise.values(n * k, 1.0, Grain::Fine);
        let values = product(&x, &matrix.decode_rows(0..out), k);
        let expected = [Expected::rows("y", values, out)];
        for (how, activations) in [("", Activations::Exact), (", 8-bit input", Activations::Q8)] {
            let case = format!("{n} rows of {k} to {out} in {block}{how}");
            let weight = Matrix::Blocks(matrix.clone().with_activations(activations));
            let run = |device: &B::Device| {
                let parts = [LinearWeights { weight: &weight, bias: None }];
                let x: Tensor<B, 2> = tensor(&x, [n, k], device, DType::F32);
                B::linear_group(x, &parts).into_iter().map(host).collect()
            };
            match activations {
                Activations::Exact => self.check_product("linear_group", &case, DType::F32, &expected, run),
                Activations::Q8 => {
                    self.check_within(HALF, "linear_group", &case, DType::F32, &expected, run);
                }
            }
        }
    }
}

/// A matrix of blocks whose bits are noise and whose scales are small numbers.
fn quantised(block: BlockType, rows: usize, columns: usize, noise: &mut Noise) -> QuantisedMatrix {
    let count = columns / block.values() * rows;
    let mut bytes: Vec<u8> = (0..count * block.bytes()).map(|_| noise.word() as u8).collect();
    for bytes in bytes.chunks_exact_mut(block.bytes()) {
        // Where the type keeps its f16 numbers.
        let at: &[usize] = match block {
            BlockType::Q4_0 | BlockType::Q5_0 | BlockType::Q8_0 => &[0],
            BlockType::Q4_1 | BlockType::Q5_1 | BlockType::Q4_K | BlockType::Q5_K => &[0, 2],
            BlockType::Q6_K => &[208],
        };
        for &at in at {
            let number = half::f16::from_f32((noise.word() % 64 + 1) as f32 / 1024.0);
            bytes[at..at + 2].copy_from_slice(&number.to_le_bytes());
        }
    }
    QuantisedMatrix::new(block, rows, columns, Bytes::from(bytes)).expect("whole blocks of every row")
}
