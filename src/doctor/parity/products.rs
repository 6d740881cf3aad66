//! Linear layers: floats, quantised blocks, biases. Their products in f64; the values of blocks are those that
//! [`QuantisedMatrix::decode_rows`](crate::kernels::quantised::QuantisedMatrix::decode_rows) gives.

use burn::tensor::{DType, Tensor};

use super::{Expected, HALF, Parity};
use crate::doctor::exact::sums::product;
use crate::doctor::inputs::{Grain, Noise, host, quantised, tensor};
use crate::engine::backend::caught;
use crate::kernels::quantised::{Activations, BlockType};
use crate::kernels::{KernelBackend, LinearWeights, Matrix};

/// Rows, inputs, and outputs of two layers of a group: few rows, some, and enough for whole tiles.
const SHAPES: [(usize, usize, [usize; 2]); 5] =
    [(1, 64, [33, 7]), (5, 72, [35, 300]), (16, 128, [65, 48]), (67, 192, [130, 64]), (257, 264, [384, 256])];

/// Rows that every device has a kernel of osler's own for: the shared memory of all is large enough for the sums of so many.
const FEW: usize = 8;

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
                    self.check_layer(n, &case, dtype, &expected, |device| {
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

    /// A layer of `n` rows, of which only more than [`FEW`] are left to the device's matrix product.
    fn check_layer(
        &mut self,
        n: usize,
        case: &str,
        dtype: DType,
        expected: &[Expected],
        run: impl FnOnce(&B::Device) -> Vec<Vec<f32>>,
    ) {
        if n <= FEW {
            self.check("linear_group", case, dtype, expected, run);
        } else {
            self.check_product("linear_group", case, dtype, expected, run);
        }
    }

    /// A matrix in blocks: few rows and many, in every type; and with the input rounded, which costs up to half a 127th of the largest
    /// of 32 values.
    fn blocks(&mut self, block: BlockType) {
        // Where blocks allow it, a row that the eight values of 32 units do not divide.
        let (k, out) = (if block.values() == 32 { 352 } else { 768 }, 37);
        let mut noise = Noise(400 + block as u64);
        let matrix = quantised(block, out, k, &mut noise);
        let values = matrix.decode_rows(0..out);
        for n in [5, 40] {
            let case = format!("{n} rows of {k} to {out} in {block}");
            for (grain, dtypes) in self.grains() {
                let x = noise.values(n * k, 1.0, grain);
                let expected = [Expected::rows("y", product(&x, &values, k), out)];
                let run = |activations, dtype| {
                    let (x, matrix) = (&x, matrix.clone().with_activations(activations));
                    move |device: &B::Device| {
                        let weight = B::blocks(matrix, device);
                        let parts = [LinearWeights { weight: &weight, bias: None }];
                        let x: Tensor<B, 2> = tensor(x, [n, k], device, dtype);
                        B::linear_group(x, &parts).into_iter().map(host).collect::<Vec<_>>()
                    }
                };
                for dtype in dtypes {
                    let run = run(Activations::Exact, dtype);
                    self.check_layer(n, &case, dtype, &expected, run);
                }
                if n == 5 && grain == Grain::Fine {
                    let (case, run) = (format!("{case}, 8-bit input"), run(Activations::Q8, DType::F32));
                    self.check_within(HALF, "linear_group", &case, DType::F32, &expected, run);
                }
            }
        }
        let device = self.device.clone();
        let Ok(Matrix::DeviceBlocks(held)) = caught(|| B::blocks(matrix.clone(), &device)) else { return };
        let rows = noise.below(9, out);
        let listed = matrix.decode_rows(rows.iter().map(|&row| row as usize));
        let expected = [Expected::rows("values", listed.into_iter().map(f64::from).collect(), k)];
        let case = format!("9 rows of {k} in {block}");
        self.check("decode_rows", &case, DType::F32, &expected, |_| {
            vec![host(B::decode_rows(&held, &rows, DType::F32))]
        });
    }
}
