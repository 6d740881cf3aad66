//! One stored tensor, and decoding its rows into a float type.

use std::ops::Range;

use super::convert::{self, TooLarge};
use super::quants::{self, CHUNK};
use super::{FloatType, StoredType, WeightsError};

/// How the rows of a file relate to Hugging Face's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowOrder {
    /// The same order.
    Same,
    /// Within each of `heads` heads, row `2i + j` of the file is row `j * half + i` here (`half` = head size
    /// / 2): GGUF's `llama` keeps the two rows of a rotary pair side by side, Hugging Face half a head apart.
    InterleavedPairs {
        /// Heads that the rows are split into.
        heads: usize,
    },
}

impl RowOrder {
    /// The file's row that holds row `row` of `rows`.
    pub fn stored_row(self, row: usize, rows: usize) -> usize {
        match self {
            Self::Same => row,
            Self::InterleavedPairs { heads } => {
                let head_size = (rows / heads.max(1)).max(2);
                let (head, within) = (row / head_size, row % head_size);
                let half = head_size / 2;
                head * head_size + 2 * (within % half) + within / half
            }
        }
    }
}

/// A tensor as it lies in the file.
#[derive(Debug, Clone, Copy)]
pub struct StoredTensor<'a> {
    /// Hugging Face name.
    pub name: &'a str,
    /// Storage type.
    pub stored: StoredType,
    /// Hugging Face shape: `[rows, columns]`, or `[n]` for a norm or a bias (then each value is a row).
    pub shape: &'a [usize],
    /// Order of the rows in `data`.
    pub row_order: RowOrder,
    /// The stored bytes, little-endian, row after row in `row_order`.
    pub data: &'a [u8],
}

impl<'a> StoredTensor<'a> {
    /// Rows: the first dimension.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Values in one row: the product of the other dimensions.
    pub fn columns(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    /// Bytes of one stored row.
    pub fn row_bytes(&self) -> usize {
        self.columns() / self.stored.block_size() * self.stored.block_bytes()
    }

    /// The stored bytes of Hugging Face row `row`, whatever the file's order; `None` past the end.
    pub fn row(&self, row: usize) -> Option<&'a [u8]> {
        if row >= self.rows() {
            return None;
        }
        let at = self.row_order.stored_row(row, self.rows()) * self.row_bytes();
        self.data.get(at..at + self.row_bytes())
    }

    /// Decodes all rows into `out`: `[rows, columns]` little-endian values of `target`, in Hugging Face
    /// order.
    pub fn decode_into(&self, target: FloatType, out: &mut [u8]) -> Result<(), WeightsError> {
        self.decode_rows_into(0..self.rows(), target, out)
    }

    /// Decodes some rows into `out`: `[rows.len(), columns]` little-endian values of `target`, in Hugging
    /// Face order.
    pub fn decode_rows_into(
        &self,
        rows: Range<usize>,
        target: FloatType,
        out: &mut [u8],
    ) -> Result<(), WeightsError> {
        if rows.start > rows.end || rows.end > self.rows() {
            let (tensor, legal) = (self.name.to_owned(), self.rows());
            return Err(WeightsError::RowRange { tensor, found: rows, rows: legal });
        }
        let row_out = self.columns() * target.bytes();
        let expected = rows.len() * row_out;
        if out.len() != expected {
            return Err(WeightsError::BufferLength {
                tensor: self.name.to_owned(),
                found: out.len(),
                expected,
            });
        }
        if expected == 0 {
            return Ok(());
        }
        let decoded = match self.row_order {
            RowOrder::Same => {
                let bytes = self.row_bytes();
                self.decode_run(&self.data[rows.start * bytes..rows.end * bytes], target, out)
            }
            RowOrder::InterleavedPairs { .. } => {
                rows.zip(out.chunks_exact_mut(row_out)).try_for_each(|(row, out)| {
                    let at = self.row_order.stored_row(row, self.rows()) * self.row_bytes();
                    self.decode_run(&self.data[at..at + self.row_bytes()], target, out)
                })
            }
        };
        decoded.map_err(|TooLarge(value)| WeightsError::TooLarge {
            tensor: self.name.to_owned(),
            value,
            target,
        })
    }

    /// Decodes whole rows that lie one after another, a chunk at a time through a small buffer.
    fn decode_run(&self, src: &[u8], target: FloatType, out: &mut [u8]) -> Result<(), TooLarge> {
        if self.stored.float() == Some(target) {
            out.copy_from_slice(src);
            return Ok(());
        }
        let chunk_src = CHUNK / self.stored.block_size() * self.stored.block_bytes();
        let mut values = [0f32; CHUNK];
        for (src, out) in src.chunks(chunk_src).zip(out.chunks_mut(CHUNK * target.bytes())) {
            let values = &mut values[..out.len() / target.bytes()];
            quants::to_f32(self.stored, src, values);
            convert::from_f32(target, values, out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interleaved_pairs_are_put_half_a_head_apart() {
        // Two heads of four rows; the file holds pairs (0, 2), (1, 3) of each head side by side.
        let file: Vec<u8> =
            [0f32, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let tensor = StoredTensor {
            name: "q",
            stored: StoredType::F32,
            shape: &[8, 1],
            row_order: RowOrder::InterleavedPairs { heads: 2 },
            data: &file,
        };
        let mut out = [0; 32];
        tensor.decode_into(FloatType::F32, &mut out).unwrap();
        let values: Vec<f32> = out.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        assert_eq!(values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        assert_eq!(tensor.row(5), Some(&5f32.to_le_bytes()[..]));
        let mut two = [0; 8];
        tensor.decode_rows_into(2..4, FloatType::F32, &mut two).unwrap();
        assert_eq!(two, out[8..16]);
    }

    #[test]
    fn wrong_ranges_and_buffers_are_refused() {
        let data = [0; 16];
        let tensor = StoredTensor {
            name: "t",
            stored: StoredType::F32,
            shape: &[2, 2],
            row_order: RowOrder::Same,
            data: &data,
        };
        let mut out = [0; 8];
        let range = tensor.decode_rows_into(1..3, FloatType::F32, &mut out);
        assert!(matches!(range, Err(WeightsError::RowRange { rows: 2, .. })), "{range:?}");
        let length = tensor.decode_into(FloatType::BF16, &mut out[..6]);
        assert!(
            matches!(length, Err(WeightsError::BufferLength { found: 6, expected: 8, .. })),
            "{length:?}"
        );
    }
}
