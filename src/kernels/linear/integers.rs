//! Products in integers: quantised weights with input rows rounded to 8 bits.
//!
//! `y[n, o] = sum_b s[n, b] (d[o, b] sum_i q[n, i] w[o, i] + offset m[o, b] sum_i q[n, i])` over blocks `b` of 32 values `i`:
//! `q` and `s` are the input's integers and scales, `w`, `d` and `m` the weight's integers, scales and minima.
//!
//! **Batch-invariant, and the same with and without vectors.** The sums over `i` are exact. Sixteen lanes hold the f32 sums
//! over `b`, four lanes for each of four neighbouring blocks, each lane the products of 8 of its 32 values. Minima add up in eight
//! lanes of their own. [`Sums`] writes this down; the kernel for AVX-512 with VNNI does the same operations in the same order.
//!
//! **Cost.** One pass over the blocks for each 8 input rows; about 14 instructions for 128 weights at one row.

use pulp::{Simd, WithSimd};

use super::rounded::{InputQuad, Rounded};
use crate::kernels::parallel::SharedMut;
use crate::kernels::quantised::BlockType;
use crate::kernels::quantised::integers::{WeightQuad, quad};
use crate::kernels::simd;

/// Some rows of a weight matrix for all input rows.
pub(super) struct Rows<'a> {
    pub block: BlockType,
    /// Whole rows.
    pub bytes: &'a [u8],
    pub row_bytes: usize,
    pub input: &'a Rounded,
    /// Columns of the output.
    pub out_features: usize,
    /// The output column of the first weight row.
    pub first: usize,
    /// `[n, out_features]`; the caller alone owns the columns of its weight rows.
    pub out: SharedMut<f32>,
}

impl Rows<'_> {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.bytes.len().checked_div(self.row_bytes).unwrap_or(0)
    }
}

/// Computes the products of `rows`, with the fastest instructions that this machine has.
pub(super) fn product(rows: &Rows<'_>) {
    #[cfg(target_arch = "x86_64")]
    if super::vnni::available() {
        return super::vnni::product(rows);
    }
    portable(rows);
}

/// As [`product`], on any machine.
pub(super) fn portable(rows: &Rows<'_>) {
    simd::dispatch(Portable(rows));
}

struct Portable<'a>(&'a Rows<'a>);

impl WithSimd for Portable<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Rows { block, bytes, row_bytes, input, .. } = *self.0;
        let mut quads = Vec::with_capacity(input.width);
        for row in 0..self.0.count() {
            let bytes = &bytes[row * row_bytes..(row + 1) * row_bytes];
            quads.clear();
            for index in 0..input.width {
                quads.push(quad(block, bytes, index));
            }
            for i in 0..input.rows {
                let mut sums = Sums::ZERO;
                for (weight, x) in quads.iter().zip(&input.quads[i * input.width..]) {
                    sums.add(weight, x, block.has_half_scales());
                }
                let at = i * self.0.out_features + self.0.first + row;
                // SAFETY: the caller alone owns this column of `out`.
                unsafe { *self.0.out.get().add(at) = sums.total(block.offset()) };
            }
        }
    }
}

/// The sums of one output value.
struct Sums {
    products: [f32; 16],
    least: [f32; 8],
}

impl Sums {
    const ZERO: Self = Self { products: [0.0; 16], least: [0.0; 8] };

    #[inline(always)]
    fn add(&mut self, weight: &WeightQuad, x: &InputQuad, half_scales: bool) {
        let mut dots = [[0i32; 16]; 2];
        for (half, dots) in dots.iter_mut().enumerate() {
            for (lane, dot) in dots.iter_mut().enumerate() {
                for i in 0..4 {
                    let at = 64 * half + 4 * lane + i;
                    *dot += i32::from(weight.values[at]) * i32::from(x.values[at]);
                }
            }
        }
        let [first, last] = dots;
        for lane in 0..16 {
            let scales = &weight.scales[lane / 4 * 2..];
            let sum = &mut self.products[lane];
            if half_scales {
                *sum = (scales[0] * x.scales[lane]).mul_add(first[lane] as f32, *sum);
                *sum = (scales[1] * x.scales[lane]).mul_add(last[lane] as f32, *sum);
            } else {
                *sum = (scales[0] * x.scales[lane]).mul_add((first[lane] + last[lane]) as f32, *sum);
            }
        }
        for lane in 0..8 {
            self.least[lane] = weight.least[lane].mul_add(x.sums[lane], self.least[lane]);
        }
    }

    /// Minima on top of the lanes with the same number, then halves on halves.
    #[inline(always)]
    fn total(mut self, offset: f32) -> f32 {
        for lane in 0..16 {
            let least = self.least.get(lane).copied().unwrap_or(0.0);
            self.products[lane] = least.mul_add(offset, self.products[lane]);
        }
        for width in [8, 4, 2, 1] {
            for lane in 0..width {
                self.products[lane] += self.products[lane + width];
            }
        }
        self.products[0]
    }
}
