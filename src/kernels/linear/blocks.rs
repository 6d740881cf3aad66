//! Products with quantised blocks: decoded in registers for up to 4 input rows (2 with AVX2), once a chunk
//! for more.
//!
//! Decoding gives the very f32 values of a dequantised copy and the sums keep the order of [`super::cpu`], so results are
//! those of the f32 copy bit for bit (any NaN for a NaN).

#[cfg(target_arch = "x86_64")]
use std::any::Any;
use std::cell::Cell;

use pulp::Simd;

use super::cpu::CHUNK_BYTES;
use super::rows::F32Rows;
#[cfg(target_arch = "x86_64")]
use super::rows::{BlockRows, Rows};
#[cfg(target_arch = "x86_64")]
use super::tiles::few;
use super::tiles::{Target, run};
use crate::kernels::quantised::BlockType;
#[cfg(target_arch = "x86_64")]
use crate::kernels::quantised::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use crate::kernels::quantised::avx512::Avx512;
#[cfg(target_arch = "x86_64")]
use crate::kernels::quantised::registers::{
    Blocks, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0, Registers,
};

/// Bytes of decoded rows that stay in the first-level cache.
const NEAR_BYTES: usize = 24 << 10;

/// `rows` rows of `k` values in `bytes` times all input rows.
#[inline(always)]
pub(super) fn product<S: Simd>(
    simd: S,
    block: BlockType,
    bytes: &[u8],
    k: usize,
    rows: usize,
    to: &Target<'_>,
) {
    #[cfg(target_arch = "x86_64")]
    {
        let (any, from) = (&simd as &dyn Any, (bytes, k, rows, to));
        if let Some(&simd) = any.downcast_ref::<pulp::x86::V4>() {
            return typed::<Avx512>(simd, block, from);
        }
        if let Some(&simd) = any.downcast_ref::<pulp::x86::V3>() {
            return typed::<Avx2>(simd, block, from);
        }
    }
    chunks(simd, &Plain { block, bytes }, k, rows, to);
}

/// What [`product`] takes beside the block type: bytes, values of a row, rows, and where they go.
#[cfg(target_arch = "x86_64")]
type Given<'a> = (&'a [u8], usize, usize, &'a Target<'a>);

/// As [`product`], in registers `R`.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn typed<R: Registers>(simd: R::Simd, block: BlockType, from: Given<'_>)
where
    Q4_0: Blocks<R>,
    Q4_1: Blocks<R>,
    Q5_0: Blocks<R>,
    Q5_1: Blocks<R>,
    Q8_0: Blocks<R>,
    Q4_K: Blocks<R>,
    Q5_K: Blocks<R>,
    Q6_K: Blocks<R>,
{
    match block {
        BlockType::Q4_0 => wide::<R, Q4_0>(simd, from),
        BlockType::Q4_1 => wide::<R, Q4_1>(simd, from),
        BlockType::Q5_0 => wide::<R, Q5_0>(simd, from),
        BlockType::Q5_1 => wide::<R, Q5_1>(simd, from),
        BlockType::Q8_0 => wide::<R, Q8_0>(simd, from),
        BlockType::Q4_K => wide::<R, Q4_K>(simd, from),
        BlockType::Q5_K => wide::<R, Q5_K>(simd, from),
        BlockType::Q6_K => wide::<R, Q6_K>(simd, from),
    }
}

/// As [`typed`], of blocks of one type.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn wide<R: Registers, F: Blocks<R>>(simd: R::Simd, (bytes, k, rows, to): Given<'_>) {
    let mut halves = vec![0.0; BlockRows::<R, F>::halves(k)];
    // SAFETY: `bytes` holds `rows` rows of whole blocks; below, up to four rows are made ready at a time, and
    // only they are used until the next are.
    let blocks = unsafe { BlockRows::<R, F>::new(simd, bytes, k, &mut halves) };
    // Of sixteen registers, the sums of 4 by 2 leave about as many as decoding needs.
    let many = R::Simd::REGISTER_COUNT >= 32;
    match to.input.rows {
        // Four rows at a time: one sum alone would wait for its own last addition.
        1 => few::<_, _, 4, 1>(simd, &blocks, rows, to),
        2 => few::<_, _, 4, 2>(simd, &blocks, rows, to),
        3 if many => few::<_, _, 4, 3>(simd, &blocks, rows, to),
        4 if many => few::<_, _, 4, 4>(simd, &blocks, rows, to),
        _ => chunks(simd, &blocks, k, rows, to),
    }
}

/// Rows that can be written out as f32. A trait and not a closure: only an inlined body is compiled with the caller's
/// vector instructions, and closures cannot be forced inline.
trait Decode {
    /// Writes the values of rows `first ..` of `k` values to `values`.
    fn decode<S: Simd>(&self, simd: S, first: usize, k: usize, values: &mut [f32]);
}

/// Blocks on a machine without registers made for them.
struct Plain<'a> {
    block: BlockType,
    bytes: &'a [u8],
}

impl Decode for Plain<'_> {
    #[inline(always)]
    fn decode<S: Simd>(&self, _: S, first: usize, k: usize, values: &mut [f32]) {
        let row_bytes = k / self.block.values() * self.block.bytes();
        let count = values.len() / k.max(1);
        self.block.decode(&self.bytes[first * row_bytes..(first + count) * row_bytes], values);
    }
}

#[cfg(target_arch = "x86_64")]
impl<R: Registers, F: Blocks<R>> Decode for BlockRows<'_, R, F> {
    #[inline(always)]
    fn decode<S: Simd>(&self, simd: S, first: usize, k: usize, values: &mut [f32]) {
        assert_eq!(k, self.k(), "rows of another length");
        assert!(self.hold(first + values.len() / k.max(1)), "rows beyond the last");
        for (row, out) in values.chunks_exact_mut(k.max(1)).enumerate() {
            // SAFETY: the row is there, as was looked at.
            unsafe { self.ready(first + row, 1) };
            for (step, out) in out.chunks_exact_mut(2 * S::F32_LANES).enumerate() {
                // SAFETY: the row is ready, `step` is below `k / (2 * lanes)`, and `out` is as long as two vectors.
                unsafe {
                    out.as_mut_ptr().cast::<[S::f32s; 2]>().write_unaligned(self.load(
                        simd,
                        first + row,
                        step,
                    ))
                };
            }
        }
    }
}

thread_local! {
    /// Decoded rows: kept, because its pages would be fetched from the system at every product otherwise.
    static DECODED: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Runs the f32 tiles over chunks of rows that `source` writes out.
#[inline(always)]
fn chunks<S: Simd>(simd: S, source: &impl Decode, k: usize, rows: usize, to: &Target<'_>) {
    // A chunk is read once for each tile of 8 input rows: few of them need it in the nearest cache, more in the second.
    let bytes = if to.input.rows <= 8 { NEAR_BYTES } else { CHUNK_BYTES };
    let step = (bytes / (4 * k.max(1)) / 12 * 12).max(12);
    let mut decoded = DECODED.take();
    decoded.resize(decoded.len().max(step.min(rows) * k), 0.0);
    for first in (0..rows).step_by(step) {
        let count = step.min(rows - first);
        let values = &mut decoded[..count * k];
        source.decode(simd, first, k, values);
        let weights = F32Rows { data: values, k, next: None };
        run(simd, &weights, count, &Target { first: to.first + first, ..*to });
    }
    DECODED.set(decoded);
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests;
