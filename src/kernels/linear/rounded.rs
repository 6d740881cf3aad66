//! Input rows rounded to 8 bits a value, which is what integer products take.
//!
//! Each 32 values share one scale, `max |x| / 127`, and a value becomes its nearest multiple of the scale, the even one
//! of two equally near. llama.cpp does the same (`Q8_0`, `Q8_1`), but keeps the scale in half precision.

use pulp::{Simd, WithSimd};

use crate::kernels::parallel::{self, SharedMut};
use crate::kernels::quantised::integers::QUAD;
use crate::kernels::simd;

/// Adding it leaves the nearest whole number in the low mantissa bits, in two's complement.
const MAGIC: f32 = 12_582_912.0;
/// A block without a value of this magnitude counts as zero: its scale could not be inverted.
const SMALLEST: f32 = f32::from_bits((127 - 100) << 23);

/// Four blocks of 32 values, in the order in which the integers of four blocks of weights come apart.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct InputQuad {
    /// First halves of the four blocks, then last halves.
    pub values: [i8; QUAD],
    /// The scale of block `j` at `4j .. 4j + 4`, once for each vector lane that adds up its products.
    pub scales: [f32; 16],
    /// The scale times the sum of the values: of the first half of block `j` at `2j`, of its last half behind it.
    pub sums: [f32; 8],
}

impl InputQuad {
    const ZERO: Self = Self { values: [0; QUAD], scales: [0.0; 16], sums: [0.0; 8] };

    /// Rounds up to four blocks; those that are not there stay zero.
    #[inline(always)]
    fn round(&mut self, x: &[f32]) {
        for (j, block) in x.as_chunks::<32>().0.iter().enumerate() {
            // As integers, so that NaN is the largest: it then becomes the scale and is not lost.
            let mut largest = 0;
            for value in block {
                largest = (value.to_bits() & 0x7fff_ffff).max(largest);
            }
            let largest = f32::from_bits(largest);
            let (scale, inverse) =
                if largest < SMALLEST { (0.0, 0.0) } else { (largest / 127.0, 127.0 / largest) };
            for (half, values) in block.as_chunks::<16>().0.iter().enumerate() {
                let at = 64 * half + 16 * j;
                let mut sum = 0;
                for (out, value) in self.values[at..at + 16].iter_mut().zip(values) {
                    let nearest = (value * inverse + MAGIC).to_bits() as i8;
                    *out = nearest;
                    sum += i32::from(nearest);
                }
                self.sums[2 * j + half] = scale * sum as f32;
            }
            self.scales[4 * j..4 * j + 4].fill(scale);
        }
    }
}

/// Rounded rows `[rows, k]`, each padded to whole quads.
pub(super) struct Rounded {
    pub quads: Vec<InputQuad>,
    pub rows: usize,
    /// Quads a row.
    pub width: usize,
}

impl Rounded {
    /// Rounds `x` `[rows, k]`; `k` is a multiple of 32.
    pub(super) fn new(x: &[f32], rows: usize, k: usize) -> Self {
        let width = k.div_ceil(QUAD);
        let mut quads = vec![InputQuad::ZERO; rows * width];
        let out = SharedMut::new(&mut quads);
        let chunk = rows.div_ceil(4 * rayon::current_num_threads()).max(1);
        parallel::for_each(rows.div_ceil(chunk), rows * k, |task| {
            let end = ((task + 1) * chunk).min(rows);
            for row in task * chunk..end {
                // SAFETY: this task alone owns the quads of its rows, which lie within the vector.
                let quads = unsafe { std::slice::from_raw_parts_mut(out.get().add(row * width), width) };
                simd::dispatch(Round { x: &x[row * k..(row + 1) * k], quads });
            }
        });
        Self { quads, rows, width }
    }
}

struct Round<'a> {
    x: &'a [f32],
    quads: &'a mut [InputQuad],
}

impl WithSimd for Round<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (quad, x) in self.quads.iter_mut().zip(self.x.chunks(QUAD)) {
            quad.round(x);
        }
    }
}

/// What rounding leaves of `x` `[rows, k]`, as floats; `k` is a multiple of 32.
pub(super) fn values(x: &[f32], rows: usize, k: usize) -> Vec<f32> {
    let rounded = Rounded::new(x, rows, k);
    let mut out = Vec::with_capacity(x.len());
    for row in 0..rows {
        for at in 0..k {
            let (quad, block, half, place) = (at / QUAD, at % QUAD / 32, at % 32 / 16, at % 16);
            let quad = &rounded.quads[row * rounded.width + quad];
            out.push(quad.scales[4 * block] * f32::from(quad.values[64 * half + 16 * block + place]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn a_rounded_value_is_within_half_a_scale(
            rows in 1usize..4, blocks in 1usize..10, exponent in -20i32..20, seed in prop::collection::vec(-1f32..1.0, 32),
        ) {
            let k = 32 * blocks;
            let x: Vec<f32> = (0..rows * k).map(|i| seed[i % 31] * seed[i / 31 % 32] * 2f32.powi(exponent)).collect();
            let rounded = values(&x, rows, k);
            for (x, rounded) in x.chunks(32).zip(rounded.chunks(32)) {
                let scale = x.iter().fold(0.0f32, |most, v| most.max(v.abs())) / 127.0;
                for (x, rounded) in x.iter().zip(rounded) {
                    // The quotient and the product are rounded once each.
                    prop_assert!((x - rounded).abs() <= scale * 0.5001, "{x} became {rounded}, scale {scale}");
                }
            }
        }
    }

    #[test]
    fn a_row_is_rounded_alone_as_among_others() {
        let x: Vec<f32> = (0..40 * 160).map(|i| ((i * 7919 % 1009) as f32 - 500.0) * 0.01).collect();
        let all = values(&x, 40, 160);
        for (row, all) in x.chunks(160).zip(all.chunks(160)) {
            assert_eq!(values(row, 1, 160), all);
        }
    }

    #[test]
    fn halves_go_to_even_and_the_largest_value_to_127() {
        let mut x = [0.0; 32];
        x[..7].copy_from_slice(&[254.0, 1.0, 3.0, -1.0, -3.0, 5.0, -254.0]);
        assert_eq!(values(&x, 1, 32)[..7], [254.0, 0.0, 4.0, 0.0, -4.0, 4.0, -254.0]);
    }

    #[test]
    fn zero_stays_zero_and_what_is_not_finite_is_not_lost() {
        assert_eq!(values(&[0.0; 32], 1, 32), [0.0; 32]);
        assert_eq!(values(&[1e-40; 32], 1, 32), [0.0; 32]);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut x = [1.0; 32];
            x[20] = bad;
            assert!(values(&x, 1, 32).iter().all(|v| v.is_nan()));
        }
    }
}
