//! Quantised blocks to f32 in AVX2 registers, 16 values at a time, to the last bit as the plain decoder
//! (any NaN for a NaN).
//!
//! A value of any type is a small whole number times a scale, less or more a minimum. The numbers are made 16 at a time as signed bytes,
//! and only then widened.

use core::arch::x86_64::*;

use super::decode::scale_and_min;
use super::registers::{Blocks, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0, Registers};

/// Registers of 8 floats.
pub(crate) struct Avx2;

impl Registers for Avx2 {
    type Simd = pulp::x86::V3;
    const STEP: usize = 16;
    type Vector = __m256;
    /// As the plain decoder does it: F16C is not asked for, and a call of a function for each block would cost more.
    #[inline(always)]
    unsafe fn widen(both: i32, halves: *mut f32) {
        // SAFETY: by the trait's contract.
        unsafe {
            let half = _mm_cvtepu16_epi32(_mm_cvtsi32_si128(both));
            let magnitude = _mm_and_si128(half, _mm_set1_epi32(0x7fff));
            let sign = _mm_slli_epi32::<16>(_mm_andnot_si128(_mm_set1_epi32(0x7fff), half));
            let shifted = _mm_slli_epi32::<13>(magnitude);
            let scale = _mm_castsi128_ps(_mm_set1_epi32((254 - 15) << 23));
            let finite = _mm_mul_ps(_mm_castsi128_ps(shifted), scale);
            let special = _mm_castsi128_ps(_mm_or_si128(shifted, _mm_set1_epi32(0x7f80_0000)));
            let is_special = _mm_castsi128_ps(_mm_cmpgt_epi32(magnitude, _mm_set1_epi32(0x7bff)));
            let value = _mm_blendv_ps(finite, special, is_special);
            // Of integers: as a store of one f64 it would have to be aligned.
            _mm_storel_epi64(halves.cast(), _mm_castps_si128(_mm_or_ps(value, _mm_castsi128_ps(sign))));
        }
    }
}

/// 16 bytes.
#[inline(always)]
unsafe fn sixteen(at: *const u8) -> __m128i {
    // SAFETY: the caller vouches for 16 bytes at `at`.
    unsafe { _mm_loadu_si128(at.cast()) }
}

/// Bits `shift ..` of each of 16 bytes, as far as `mask` goes.
#[inline(always)]
unsafe fn bits(bytes: __m128i, shift: usize, mask: i8) -> __m128i {
    // SAFETY: the caller's machine has AVX2.
    unsafe { _mm_and_si128(_mm_srl_epi16(bytes, _mm_cvtsi32_si128(shift as i32)), _mm_set1_epi8(mask)) }
}

/// 16 in each byte whose bit of `high` is set.
#[inline(always)]
unsafe fn sixteens(high: u16) -> __m128i {
    // SAFETY: the caller's machine has AVX2.
    unsafe {
        let (first, last) = (_mm_set1_epi64x(0), _mm_set1_epi64x(0x0101_0101_0101_0101));
        let spread = _mm_shuffle_epi8(_mm_cvtsi32_si128(i32::from(high)), _mm_unpacklo_epi64(first, last));
        let each = _mm_set1_epi64x(0x8040_2010_0804_0201_u64 as i64);
        _mm_and_si128(_mm_cmpeq_epi8(_mm_and_si128(spread, each), each), _mm_set1_epi8(16))
    }
}

/// 16 signed bytes as floats.
#[inline(always)]
unsafe fn widened(bytes: __m128i) -> [__m256; 2] {
    // SAFETY: the caller's machine has AVX2.
    unsafe {
        let last = _mm_unpackhi_epi64(bytes, bytes);
        [_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(last))]
    }
}

/// 16 signed bytes times `scale`.
#[inline(always)]
unsafe fn scaled(bytes: __m128i, scale: f32) -> [__m256; 2] {
    // SAFETY: the caller's machine has AVX2.
    unsafe {
        let scale = _mm256_set1_ps(scale);
        let [first, last] = widened(bytes);
        [_mm256_mul_ps(scale, first), _mm256_mul_ps(scale, last)]
    }
}

/// 16 signed bytes times `scale`, and then `least` more: rounded twice, as the plain decoder does.
#[inline(always)]
unsafe fn raised(bytes: __m128i, scale: f32, least: f32) -> [__m256; 2] {
    // SAFETY: the caller's machine has AVX2.
    unsafe {
        let least = _mm256_set1_ps(least);
        let [first, last] = scaled(bytes, scale);
        [_mm256_add_ps(first, least), _mm256_add_ps(last, least)]
    }
}

impl Blocks<Avx2> for Q4_0 {
    #[inline(always)]
    unsafe fn load(block: *const u8, halves: *const f32, step: usize) -> [__m256; 2] {
        // SAFETY: by the trait's contract.
        unsafe {
            let nibbles = bits(sixteen(block.add(2)), 4 * step, 15);
            scaled(_mm_sub_epi8(nibbles, _mm_set1_epi8(8)), *halves)
        }
    }
}

impl Blocks<Avx2> for Q4_1 {
    #[inline(always)]
    unsafe fn load(block: *const u8, halves: *const f32, step: usize) -> [__m256; 2] {
        // SAFETY: by the trait's contract.
        unsafe { raised(bits(sixteen(block.add(4)), 4 * step, 15), *halves, *halves.add(1)) }
    }
}

impl Blocks<Avx2> for Q5_0 {
    #[inline(always)]
    unsafe fn load(block: *const u8, halves: *const f32, step: usize) -> [__m256; 2] {
        // SAFETY: by the trait's contract; two bytes hold the fifth bits of a step.
        unsafe {
            let high = sixteens(block.add(2 + 2 * step).cast::<u16>().read_unaligned());
            let value = _mm_or_si128(bits(sixteen(block.add(6)), 4 * step, 15), high);
            scaled(_mm_sub_epi8(value, _mm_set1_epi8(16)), *halves)
        }
    }
}

impl Blocks<Avx2> for Q5_1 {
    #[inline(always)]
    unsafe fn load(block: *const u8, halves: *const f32, step: usize) -> [__m256; 2] {
        // SAFETY: by the trait's contract; two bytes hold the fifth bits of a step.
        unsafe {
            let high = sixteens(block.add(4 + 2 * step).cast::<u16>().read_unaligned());
            let value = _mm_or_si128(bits(sixteen(block.add(8)), 4 * step, 15), high);
            raised(value, *halves, *halves.add(1))
        }
    }
}

impl Blocks<Avx2> for Q8_0 {
    #[inline(always)]
    unsafe fn load(block: *const u8, halves: *const f32, step: usize) -> [__m256; 2] {
        // SAFETY: by the trait's contract.
        unsafe { scaled(sixteen(block.add(2 + 16 * step)), *halves) }
    }
}

/// Scale and minimum of group `group` of a K block.
#[inline(always)]
unsafe fn group_scale(block: *const u8, halves: *const f32, group: usize) -> (f32, f32) {
    // SAFETY: a K block begins with two halves and twelve packed bytes.
    unsafe {
        let packed = core::slice::from_raw_parts(block.add(4), 12);
        let (scale, least) = scale_and_min(packed, group);
        (*halves * scale, *halves.add(1) * least)
    }
}

impl Blocks<Avx2> for Q4_K {
    #[inline(always)]
    unsafe fn load(block: *const u8, halves: *const f32, step: usize) -> [__m256; 2] {
        // SAFETY: by the trait's contract; two steps are a group, and 32 bytes hold two groups.
        unsafe {
            let (group, half) = (step / 2, step % 2);
            let (scale, least) = group_scale(block, halves, group);
            let at = block.add(16 + 32 * (group / 2) + 16 * half);
            // Less a number is more of it with the other sign, to the last bit.
            raised(bits(sixteen(at), 4 * (group % 2), 15), scale, -least)
        }
    }
}

impl Blocks<Avx2> for Q5_K {
    #[inline(always)]
    unsafe fn load(block: *const u8, halves: *const f32, step: usize) -> [__m256; 2] {
        // SAFETY: by the trait's contract; as Q4_K, and bit `group` of 32 bytes more is the fifth of each value.
        unsafe {
            let (group, half) = (step / 2, step % 2);
            let (scale, least) = group_scale(block, halves, group);
            let low = bits(sixteen(block.add(48 + 32 * (group / 2) + 16 * half)), 4 * (group % 2), 15);
            let fifth = bits(sixteen(block.add(16 + 16 * half)), group, 1);
            raised(_mm_or_si128(low, _mm_slli_epi16::<4>(fifth)), scale, -least)
        }
    }
}

impl Blocks<Avx2> for Q6_K {
    #[inline(always)]
    unsafe fn load(block: *const u8, halves: *const f32, step: usize) -> [__m256; 2] {
        // SAFETY: by the trait's contract; the places are those of the plain decoder.
        unsafe {
            let (group, part) = (step / 2, 16 * (step % 2));
            let (half, quarter) = (group / 4, group % 4);
            let low = bits(sixteen(block.add(64 * half + 32 * (quarter % 2) + part)), 4 * (quarter / 2), 15);
            let high = bits(sixteen(block.add(128 + 32 * half + part)), 2 * quarter, 3);
            let value = _mm_or_si128(low, _mm_slli_epi16::<4>(high));
            let scale = *halves.add(1) * f32::from(block.add(192 + step).cast::<i8>().read());
            scaled(_mm_sub_epi8(value, _mm_set1_epi8(32)), scale)
        }
    }
}
