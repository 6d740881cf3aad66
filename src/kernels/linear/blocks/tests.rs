//! Every set of registers that this machine has, not only the widest, which is all that other tests reach.

use std::marker::PhantomData;

use pulp::{Scalar, WithSimd};

use super::super::cpu::Input;
use super::*;
use crate::kernels::parallel::SharedMut;
use crate::kernels::quantised::half_to_f32;

/// Whether two numbers have the same bits, or both are NaN.
fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

/// Blocks of random bytes, whose halves are what `half` makes of random words. A box has no room behind its
/// last byte.
fn random_blocks(block: BlockType, count: usize, half: fn(u32) -> u16) -> Box<[u8]> {
    let mut state = 7u64;
    let mut word = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    };
    let halves: &[usize] = match block {
        BlockType::Q4_0 | BlockType::Q5_0 | BlockType::Q8_0 => &[0],
        BlockType::Q4_1 | BlockType::Q5_1 | BlockType::Q4_K | BlockType::Q5_K => &[0, 2],
        BlockType::Q6_K => &[208],
    };
    let mut bytes: Box<[u8]> = (0..count * block.bytes()).map(|_| (word() >> 24) as u8).collect();
    for bytes in bytes.chunks_exact_mut(block.bytes()) {
        for &at in halves {
            bytes[at..at + 2].copy_from_slice(&half(word()).to_le_bytes());
        }
    }
    bytes
}

/// Any half, and often one that is subnormal or zero, infinite, or NaN.
fn any_half(word: u32) -> u16 {
    let half = word as u16;
    match (word >> 16) % 8 {
        0 => half & 0x83ff,
        1 => (half & 0x8000) | 0x7c00,
        2 => half | 0x7c01,
        _ => half,
    }
}

/// A half of one of two small exponents, so that sums stay finite.
fn small_half(word: u32) -> u16 {
    (word as u16 & 0x87ff) | 0x2000
}

/// Widens every half, as the lower and as the upper of two.
struct Widening<R>(PhantomData<R>);

impl<R: Registers> WithSimd for Widening<R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for lower in 0..=u16::MAX {
            let both = [lower, !lower];
            let mut found = [0.0; 2];
            let bits = u32::from(both[0]) | u32::from(both[1]) << 16;
            // SAFETY: there are two floats, and `widens` has the token of a machine with the instructions.
            unsafe { R::widen(bits as i32, found.as_mut_ptr()) };
            for (half, found) in both.into_iter().zip(found) {
                let expected = half_to_f32(half.to_le_bytes());
                assert!(same(found, expected), "{half:#06x} became {found:e}, not {expected:e}");
            }
        }
    }
}

fn widens<R: Registers>(simd: R::Simd) {
    simd.vectorize(Widening::<R>(PhantomData));
}

/// Decodes the rows `first ..` of `k` values.
struct Decoding<'a, R: Registers, F> {
    simd: R::Simd,
    bytes: &'a [u8],
    k: usize,
    first: usize,
    format: PhantomData<F>,
}

impl<R: Registers, F: Blocks<R>> WithSimd for Decoding<'_, R, F> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let Self { bytes, k, first, .. } = self;
        let mut halves = vec![0.0; BlockRows::<R, F>::halves(k)];
        let mut values = vec![f32::MAX; bytes.len() / F::BYTES * F::VALUES - first * k];
        // SAFETY: `bytes` holds whole rows, and `decode` makes each ready before it uses it.
        let rows = unsafe { BlockRows::<R, F>::new(self.simd, bytes, k, &mut halves) };
        rows.decode(simd, first, k, &mut values);
        values
    }
}

fn decodes<R: Registers, F: Blocks<R>>(simd: R::Simd) {
    const ROWS: usize = 150;
    let (block, k) = (F::BLOCK, 2 * F::VALUES);
    let bytes = random_blocks(block, 2 * ROWS, any_half);
    let mut expected = vec![0.0; ROWS * k];
    block.decode(&bytes, &mut expected);
    for first in [0, 7] {
        let found = simd.vectorize(Decoding::<R, F> { simd, bytes: &bytes, k, first, format: PhantomData });
        assert_eq!(found.len(), (ROWS - first) * k);
        for (at, (&found, &expected)) in found.iter().zip(&expected[first * k..]).enumerate() {
            assert!(same(found, expected), "{block}: value {at} is {found:e}, not {expected:e}");
        }
    }
}

/// The products of rows of blocks, and those of their values.
struct Products<'a> {
    block: BlockType,
    bytes: &'a [u8],
    values: &'a [f32],
    k: usize,
    input: &'a Input<'a>,
}

impl WithSimd for Products<'_> {
    type Output = [Vec<f32>; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [Vec<f32>; 2] {
        let Self { block, bytes, values, k, input } = self;
        let rows = values.len() / k;
        let mut products = [(); 2].map(|()| vec![f32::NAN; input.rows * rows]);
        let [of_blocks, of_values] = products.each_mut().map(|out| Target {
            input,
            out_features: rows,
            first: 0,
            out: SharedMut::new(out),
        });
        product(simd, block, bytes, k, rows, &of_blocks);
        run(simd, &F32Rows { data: values, k, next: None }, rows, &of_values);
        products
    }
}

/// Rows are neither whole tiles nor whole chunks, and input rows more than any tile of registers takes.
fn multiplies<S: Simd>(simd: S) {
    const K: usize = 512;
    const ROWS: usize = 27;
    for block in BlockType::ALL {
        let bytes = random_blocks(block, ROWS * K / block.values(), small_half);
        let mut values = vec![0.0; ROWS * K];
        block.decode(&bytes, &mut values);
        for n in 1..=5 {
            let x: Vec<f32> = (0..n * K).map(|i| (i * 7919 % 1009) as f32 * 0.01 - 5.0).collect();
            let input = &Input { data: x.into(), rows: n, stride: K };
            let products = simd.vectorize(Products { block, bytes: &bytes, values: &values, k: K, input });
            let [found, expected] = products.map(|it| it.iter().map(|v| v.to_bits()).collect::<Vec<_>>());
            assert_eq!(found, expected, "{block}, {n} input rows");
        }
    }
}

/// The tests of one set of registers.
macro_rules! registers {
    ($name:ident: $registers:ty) => {
        mod $name {
            use super::*;

            /// `None` on a machine that has not these registers.
            fn token() -> Option<<$registers as Registers>::Simd> {
                let token = <$registers as Registers>::Simd::try_new();
                if token.is_none() {
                    println!("skipped: this machine has no {}", stringify!($registers));
                }
                token
            }

            #[test]
            fn every_half_is_widened_as_in_plain_arithmetic() {
                if let Some(simd) = token() {
                    widens::<$registers>(simd);
                }
            }

            #[test]
            fn blocks_are_decoded_as_in_plain_arithmetic() {
                if let Some(simd) = token() {
                    decodes::<$registers, Q4_0>(simd);
                    decodes::<$registers, Q4_1>(simd);
                    decodes::<$registers, Q5_0>(simd);
                    decodes::<$registers, Q5_1>(simd);
                    decodes::<$registers, Q8_0>(simd);
                    decodes::<$registers, Q4_K>(simd);
                    decodes::<$registers, Q5_K>(simd);
                    decodes::<$registers, Q6_K>(simd);
                }
            }

            #[test]
            fn products_have_the_bits_of_those_of_decoded_rows() {
                if let Some(simd) = token() {
                    multiplies(simd);
                }
            }
        }
    };
}
registers!(avx2: Avx2);
registers!(avx512: Avx512);

#[test]
fn products_without_registers_have_the_bits_of_those_of_decoded_rows() {
    multiplies(Scalar);
}
