//! Matrices kept in GGUF's quantised blocks, and the values they stand for.
//!
//! A product with such a matrix reads a quarter to an eighth of what its f32 copy would take from memory. Values are
//! decoded exactly (the f32 that ggml's own dequantisation gives), so results equal those of the f32 copy.

use std::fmt;

use bytes::Bytes;

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(in crate::kernels) mod cube;
mod decode;
mod device;
pub(crate) mod integers;
#[cfg(target_arch = "x86_64")]
pub(crate) mod registers;
#[cfg(target_arch = "x86_64")]
pub(crate) mod vnni;

pub(crate) use decode::half_to_f32;
pub use device::{DeviceBlocks, part_rows};

/// How a row is cut into blocks and what a block holds. Names are ggml's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(non_camel_case_types)] // the names every other tool prints
pub enum BlockType {
    /// 4 bits and a scale for 32 values.
    Q4_0,
    /// 4 bits, a scale and a minimum for 32 values.
    Q4_1,
    /// 5 bits and a scale for 32 values.
    Q5_0,
    /// 5 bits, a scale and a minimum for 32 values.
    Q5_1,
    /// 8 bits and a scale for 32 values.
    Q8_0,
    /// 4 bits, with 6-bit scales and minima for each 32 of 256 values.
    Q4_K,
    /// 5 bits, with 6-bit scales and minima for each 32 of 256 values.
    Q5_K,
    /// 6 bits, with an 8-bit scale for each 16 of 256 values.
    Q6_K,
}

impl BlockType {
    /// Every block type.
    pub const ALL: [Self; 8] =
        [Self::Q4_0, Self::Q4_1, Self::Q5_0, Self::Q5_1, Self::Q8_0, Self::Q4_K, Self::Q5_K, Self::Q6_K];

    /// Values in one block.
    pub const fn values(self) -> usize {
        match self {
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => 32,
            Self::Q4_K | Self::Q5_K | Self::Q6_K => 256,
        }
    }

    /// Bytes of one block.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Q4_0 => 2 + 16,
            Self::Q4_1 => 2 + 2 + 16,
            Self::Q5_0 => 2 + 4 + 16,
            Self::Q5_1 => 2 + 2 + 4 + 16,
            Self::Q8_0 => 2 + 32,
            Self::Q4_K => 2 + 2 + 12 + 128,
            Self::Q5_K => 2 + 2 + 12 + 32 + 128,
            Self::Q6_K => 128 + 64 + 16 + 2,
        }
    }

    /// Decodes whole blocks: `src` holds exactly the blocks of `out`'s values.
    #[inline(always)]
    pub fn decode(self, src: &[u8], out: &mut [f32]) {
        decode::decode(self, src, out);
    }
}

impl fmt::Display for BlockType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// How a product with a quantised matrix takes its input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Activations {
    /// As it is, in f32: the product is that with the f32 values of the matrix.
    #[default]
    Exact,
    /// Rounded to 8 bits, 32 values to a scale, and multiplied in integers: faster, and not the same numbers.
    Q8,
}

impl fmt::Display for Activations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact => "exact",
            Self::Q8 => "q8",
        })
    }
}

/// A matrix `[rows, columns]` of quantised blocks, row after row. Cloning shares the bytes.
#[derive(Debug, Clone)]
pub struct QuantisedMatrix {
    block: BlockType,
    rows: usize,
    columns: usize,
    bytes: Bytes,
    activations: Activations,
}

impl QuantisedMatrix {
    /// A matrix over `bytes`; `None` where a row is not whole blocks or `bytes` is not all rows.
    pub fn new(block: BlockType, rows: usize, columns: usize, bytes: Bytes) -> Option<Self> {
        let whole = columns.is_multiple_of(block.values());
        let expected = (columns / block.values()).checked_mul(block.bytes())?.checked_mul(rows)?;
        let activations = Activations::Exact;
        (whole && bytes.len() == expected).then_some(Self { block, rows, columns, bytes, activations })
    }

    /// The same matrix whose products take their input so.
    pub fn with_activations(self, activations: Activations) -> Self {
        Self { activations, ..self }
    }

    /// How products take their input.
    pub fn activations(&self) -> Activations {
        self.activations
    }

    /// How its rows are cut.
    pub fn block(&self) -> BlockType {
        self.block
    }

    /// `[rows, columns]`.
    pub fn dims(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// All blocks.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The values of `rows` `[rows.len(), columns]`.
    ///
    /// # Panics
    /// If a row is not below the number of rows.
    pub fn decode_rows(&self, rows: impl ExactSizeIterator<Item = usize>) -> Vec<f32> {
        let row_bytes = self.columns / self.block.values() * self.block.bytes();
        let mut values = vec![0.0; rows.len() * self.columns];
        if self.columns > 0 {
            for (row, out) in rows.zip(values.chunks_exact_mut(self.columns)) {
                self.block.decode(&self.bytes[row * row_bytes..(row + 1) * row_bytes], out);
            }
        }
        values
    }
}
