//! Quantised blocks in a device's memory.

use burn::tensor::{DType, Int, Tensor, TensorData, backend::Backend};
use bytes::Bytes;

use super::{BlockType, QuantisedMatrix};

/// Bytes of a weight's values that a product of many rows decodes at a time.
const PART_BYTES: usize = 64 << 20;
/// Rows of such a part come in multiples of this, which fills the tiles of a product.
const PART_ROWS: usize = 256;

/// Rows of `columns` values of `size` bytes that a product decodes at a time.
pub fn part_rows(columns: usize, size: usize) -> usize {
    (PART_BYTES / (columns * size).max(1) / PART_ROWS * PART_ROWS).max(PART_ROWS)
}

/// A [`QuantisedMatrix`] in a device's memory, its bytes as they are. Cloning shares them.
#[derive(Debug, Clone)]
pub struct DeviceBlocks<B: Backend> {
    block: BlockType,
    rows: usize,
    columns: usize,
    words: Tensor<B, 1, Int>,
}

impl<B: Backend> DeviceBlocks<B> {
    /// A copy of `matrix` on `device`, in 32-bit words and with one more at the end: what begins in the middle of a word may be
    /// read as parts of two.
    pub fn upload(matrix: &QuantisedMatrix, device: &B::Device) -> Self {
        let bytes = matrix.bytes();
        let mut words = vec![0i32; bytes.len().div_ceil(4) + 1];
        bytemuck::cast_slice_mut::<_, u8>(&mut words)[..bytes.len()].copy_from_slice(bytes);
        let len = words.len();
        let words = Tensor::from_data(TensorData::new(words, [len]), (device, DType::I32));
        let [rows, columns] = matrix.dims();
        Self { block: matrix.block(), rows, columns, words }
    }

    /// The matrix on the host again.
    ///
    /// # Panics
    /// If the device does not give back what it was given.
    pub fn download(&self) -> QuantisedMatrix {
        let words: Vec<i32> = self.words.to_data().iter::<i32>().collect();
        let len = self.columns / self.block.values() * self.block.bytes() * self.rows;
        let bytes = Bytes::copy_from_slice(&bytemuck::cast_slice(&words)[..len]);
        QuantisedMatrix::new(self.block, self.rows, self.columns, bytes).expect("all blocks of every row")
    }

    /// How its rows are cut.
    pub fn block(&self) -> BlockType {
        self.block
    }

    /// `[rows, columns]`.
    pub fn dims(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// All blocks, row after row, with a word behind them.
    pub fn words(&self) -> &Tensor<B, 1, Int> {
        &self.words
    }
}
