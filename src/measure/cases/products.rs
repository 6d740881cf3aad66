//! Products of matrices, compared with burn's own.

use burn::tensor::{DType, Tensor};
use bytes::Bytes;

use super::super::bench::{Bench, Case, Work};
use super::copy;
use crate::kernels::linear::reference;
use crate::kernels::quantised::{BlockType, QuantisedMatrix};
use crate::kernels::{KernelBackend, LinearWeights, Matrix};

/// Block types whose products are timed, those of 256 values where a row is whole blocks.
const BLOCKS: [BlockType; 8] = [
    BlockType::Q4_0,
    BlockType::Q4_1,
    BlockType::Q5_0,
    BlockType::Q5_1,
    BlockType::Q8_0,
    BlockType::Q4_K,
    BlockType::Q5_K,
    BlockType::Q6_K,
];
/// Every byte of made-up blocks: as half of an f16 scale it makes 0.048.
const BLOCK_BYTE: u8 = 0x2a;

impl<B: KernelBackend> Bench<'_, B> {
    /// Rows and weight are read, outputs written.
    pub(super) fn linear(&self, [n, width, out]: [usize; 3], dtype: DType) {
        let x: Tensor<B, 2> = self.noise([n, width], dtype);
        let plain: Tensor<B, 2> = self.noise([out, width], dtype);
        let weight = Matrix::Float(plain.clone());
        let bytes = ((n * width + width * out + n * out) * dtype.size()) as f64;
        let work =
            Work { flops: 2.0 * (n * width * out) as f64, bytes, written: (n * out * dtype.size()) as f64 };
        self.compare(
            Case { op: "linear_group", case: format!("{n} rows of {width} to {out}"), dtype, work },
            || x.clone(),
            |x| B::linear_group(x, &[LinearWeights { weight: &weight, bias: None }]),
            0,
            |x| x.matmul(plain.clone().transpose()),
        );
    }

    /// Compared with decoding the whole weight to f32 for each product, as the plain reference does. In f32 only.
    pub(super) fn quantised(&self, [n, width, out]: [usize; 3], dtype: DType) {
        let x: Tensor<B, 2> = self.noise([n, width], dtype);
        for block in BLOCKS.into_iter().filter(|it| width.is_multiple_of(it.values())) {
            let size = width / block.values() * block.bytes() * out;
            let blocks = QuantisedMatrix::new(block, out, width, Bytes::from(vec![BLOCK_BYTE; size]));
            let Some(blocks) = blocks else { panic!("rows of {width} are not whole blocks of {block}") };
            let plain = Matrix::Blocks(blocks.clone());
            let weight = B::blocks(blocks, self.device);
            let bytes = (size + (n * width + n * out) * dtype.size()) as f64;
            let written = (n * out * dtype.size()) as f64;
            let work = Work { flops: 2.0 * (n * width * out) as f64, bytes, written };
            let case = format!("{n} rows of {width} to {out}, {block}");
            self.compare(
                Case { op: "linear_group, quantised", case, dtype, work },
                || x.clone(),
                |x| B::linear_group(x, &[LinearWeights { weight: &weight, bias: None }]),
                0,
                |x| reference::linear(x, &LinearWeights { weight: &plain, bias: None }),
            );
        }
    }

    pub(super) fn products(&self, [n, out, width]: [usize; 3], dtype: DType) {
        let a: Tensor<B, 2> = self.noise([n, out], dtype);
        let b: Tensor<B, 2> = self.noise([n, width], dtype);
        let to: Tensor<B, 2> = self.noise([out, width], dtype);
        // The sum is read and written.
        let bytes = ((n * (out + width) + 2 * out * width) * dtype.size()) as f64;
        let written = (out * width * dtype.size()) as f64;
        let work = Work { flops: 2.0 * (n * out * width) as f64, bytes, written };
        let case = format!("{n} rows of {out} and {width}");
        self.compare(
            Case { op: "add_products", case, dtype, work },
            || (copy(&to), a.clone(), b.clone()),
            |(to, a, b)| B::add_products(to, a, b),
            0,
            |(to, a, b)| to + a.transpose().matmul(b),
        );
    }
}
