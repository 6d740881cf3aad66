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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::rounded::values;
    use super::*;

    /// Weight rows `[out, k]` of random blocks with finite scales.
    fn random_rows(block: BlockType, out: usize, k: usize, mut word: u64) -> Vec<u8> {
        let mut byte = || {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (word >> 40) as u8
        };
        let mut bytes: Vec<u8> = (0..out * k / block.values() * block.bytes()).map(|_| byte()).collect();
        for bytes in bytes.chunks_exact_mut(block.bytes()) {
            let halves: &[usize] = match block {
                BlockType::Q6_K => &[209],
                BlockType::Q4_0 | BlockType::Q5_0 | BlockType::Q8_0 => &[1],
                _ => &[1, 3],
            };
            // The sign stays, the exponent becomes one of a few small ones.
            for &at in halves {
                bytes[at] = (bytes[at] & 0x87) | 0x20;
            }
        }
        bytes
    }

    fn products(
        kernel: fn(&Rows<'_>),
        block: BlockType,
        weight: &[u8],
        x: &[f32],
        n: usize,
        k: usize,
    ) -> Vec<f32> {
        let row_bytes = k / block.values() * block.bytes();
        let out_features = weight.len() / row_bytes;
        let mut out = vec![f32::NAN; n * out_features];
        let input = Rounded::new(x, n, k);
        let shared = SharedMut::new(&mut out);
        kernel(&Rows { block, bytes: weight, row_bytes, input: &input, out_features, first: 0, out: shared });
        out
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|v| v.to_bits()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn products_are_those_of_the_rounded_input_with_and_without_vectors_alone_and_together(
            block in prop::sample::select(BlockType::ALL.to_vec()), n in 1usize..20, out in 1usize..8,
            blocks in 1usize..11, seed in any::<u64>(), noise in prop::collection::vec(-4f32..4.0, 97),
        ) {
            let k = block.values() * if block.values() == 32 { blocks } else { blocks.div_ceil(4) };
            let weight = random_rows(block, out, k, seed);
            let x: Vec<f32> = (0..n * k).map(|i| noise[i % 97] * noise[i / 97 % 97]).collect();
            let found = products(product, block, &weight, &x, n, k);
            prop_assert_eq!(bits(&found), bits(&products(portable, block, &weight, &x, n, k)), "{}", block);
            let mut decoded = vec![0.0; out * k];
            block.decode(&weight, &mut decoded);
            let rounded = values(&x, n, k);
            for (i, x) in x.chunks_exact(k).enumerate() {
                let alone = products(product, block, &weight, x, 1, k);
                prop_assert_eq!(bits(&alone), bits(&found[i * out..(i + 1) * out]), "{} row {}", block, i);
                for (o, weight) in decoded.chunks_exact(k).enumerate() {
                    let terms = weight.iter().zip(&rounded[i * k..]).map(|(&w, &x)| f64::from(w) * f64::from(x));
                    let (value, magnitude) = terms.fold((0.0, 0.0), |(v, m), term| (v + term, m + term.abs()));
                    let error = (f64::from(alone[o]) - value).abs();
                    prop_assert!(error <= 1e-5 * magnitude, "{block}: {} is not {value} of {magnitude}", alone[o]);
                }
            }
        }
    }
}
