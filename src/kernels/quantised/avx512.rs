//! Quantised blocks to f32 in AVX-512 registers, 32 values at a time, to the last bit as the plain decoder
//! (any NaN for a NaN).
//!
//! Up to 5 bits a value is looked up: one register holds the 16 values that 4 bits can mean in this block (two hold
//! the 32 of 5 bits), and a permutation by the stored bits picks them. That is one instruction for 16 values where
//! conversion, scaling and the minimum would be three.

use core::arch::x86_64::*;

use super::decode::scale_and_min;
use super::registers::{Blocks, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0, Registers};

/// Registers of 16 floats.
pub(crate) struct Avx512;

impl Registers for Avx512 {
    type Simd = pulp::x86::V4;
    const STEP: usize = 32;
    type Vector = __m512;
    #[inline(always)]
    unsafe fn widen(both: i32, halves: *mut f32) {
        // SAFETY: by the trait's contract; to the compiler, AVX-512 F has F16C in it.
        unsafe {
            // Of integers: as a store of one f64 it would have to be aligned.
            _mm_storel_epi64(halves.cast(), _mm_castps_si128(_mm_cvtph_ps(_mm_cvtsi32_si128(both))));
        }
    }
}

/// `0.0, 1.0, ... 15.0`, plus `from`.
#[inline(always)]
unsafe fn count(from: f32) -> __m512 {
    // SAFETY: the caller's machine has AVX-512 F.
    unsafe {
        let steps = _mm512_setr_ps(
            0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0,
        );
        _mm512_add_ps(steps, _mm512_set1_ps(from))
    }
}

/// 16 bytes, one in each 32-bit lane.
#[inline(always)]
unsafe fn sixteen(at: *const u8) -> __m512i {
    // SAFETY: the caller vouches for 16 bytes at `at`.
    unsafe { _mm512_cvtepu8_epi32(_mm_loadu_si128(at.cast())) }
}

/// Looks the low and the high nibbles of 16 bytes up; the permutation reads the low 4 bits of each lane only.
#[inline(always)]
unsafe fn nibbles(at: *const u8, table: __m512) -> [__m512; 2] {
    // SAFETY: as `sixteen`.
    unsafe {
        let packed = sixteen(at);
        [_mm512_permutexvar_ps(packed, table), _mm512_permutexvar_ps(_mm512_srli_epi32::<4>(packed), table)]
    }
}

/// As [`nibbles`], with a fifth bit of each value in `high` and the upper 16 values in `upper`.
#[inline(always)]
unsafe fn nibbles_and_bit(at: *const u8, high: u32, lower: __m512, upper: __m512) -> [__m512; 2] {
    // SAFETY: as `sixteen`.
    unsafe {
        let packed = sixteen(at);
        let last = _mm512_srli_epi32::<4>(packed);
        [pick(packed, high as u16, lower, upper), pick(last, (high >> 16) as u16, lower, upper)]
    }
}

/// Looks 16 values of 5 bits up: the low 4 bits of each lane of `low`, and the fifth from `fifth`.
#[inline(always)]
unsafe fn pick(low: __m512i, fifth: u16, lower: __m512, upper: __m512) -> __m512 {
    // SAFETY: the caller's machine has AVX-512 F.
    unsafe {
        let low = _mm512_and_si512(low, _mm512_set1_epi32(15));
        let index = _mm512_mask_or_epi32(low, fifth, low, _mm512_set1_epi32(16));
        _mm512_permutex2var_ps(lower, index, upper)
    }
}

impl Blocks<Avx512> for Q4_0 {
    #[inline(always)]
    unsafe fn load(block: *const u8, halves: *const f32, _: usize) -> [__m512; 2] {
        // SAFETY: by the trait's contract.
        unsafe { nibbles(block.add(2), _mm512_mul_ps(_mm512_set1_ps(*halves), count(-8.0))) }
    }
}

impl Blocks<Avx512> for Q4_1 {
    #[inline(always)]
    unsafe fn load(block: *const u8, halves: *const f32, _: usize) -> [__m512; 2] {
        // SAFETY: by the trait's contract.
        unsafe {
            let (scale, least) = (_mm512_set1_ps(*halves), _mm512_set1_ps(*halves.add(1)));
            nibbles(block.add(4), _mm512_add_ps(_mm512_mul_ps(scale, count(0.0)), least))
        }
    }
}

impl Blocks<Avx512> for Q5_0 {
    #[inline(always)]
    unsafe fn load(block: *const u8, halves: *const f32, _: usize) -> [__m512; 2] {
        // SAFETY: by the trait's contract.
        unsafe {
            let scale = _mm512_set1_ps(*halves);
            let high = block.add(2).cast::<u32>().read_unaligned();
            let (lower, upper) = (_mm512_mul_ps(scale, count(-16.0)), _mm512_mul_ps(scale, count(0.0)));
            nibbles_and_bit(block.add(6), high, lower, upper)
        }
    }
}

impl Blocks<Avx512> for Q5_1 {
    #[inline(always)]
    unsafe fn load(block: *const u8, halves: *const f32, _: usize) -> [__m512; 2] {
        // SAFETY: by the trait's contract.
        unsafe {
            let (scale, least) = (_mm512_set1_ps(*halves), _mm512_set1_ps(*halves.add(1)));
            let high = block.add(4).cast::<u32>().read_unaligned();
            let lower = _mm512_add_ps(_mm512_mul_ps(scale, count(0.0)), least);
            let upper = _mm512_add_ps(_mm512_mul_ps(scale, count(16.0)), least);
            nibbles_and_bit(block.add(8), high, lower, upper)
        }
    }
}

impl Blocks<Avx512> for Q8_0 {
    #[inline(always)]
    unsafe fn load(block: *const u8, halves: *const f32, _: usize) -> [__m512; 2] {
        // SAFETY: by the trait's contract.
        unsafe {
            let scale = _mm512_set1_ps(*halves);
            let first = _mm512_cvtepi8_epi32(_mm_loadu_si128(block.add(2).cast()));
            let last = _mm512_cvtepi8_epi32(_mm_loadu_si128(block.add(18).cast()));
            [_mm512_mul_ps(scale, _mm512_cvtepi32_ps(first)), _mm512_mul_ps(scale, _mm512_cvtepi32_ps(last))]
        }
    }
}

/// Scale and minimum of group `group` of a K block, in every lane.
#[inline(always)]
unsafe fn group_scale(block: *const u8, halves: *const f32, group: usize) -> (__m512, __m512) {
    // SAFETY: a K block begins with two halves and twelve packed bytes.
    unsafe {
        let (scale, least) = (_mm512_set1_ps(*halves), _mm512_set1_ps(*halves.add(1)));
        let packed = core::slice::from_raw_parts(block.add(4), 12);
        let (group_scale, group_least) = scale_and_min(packed, group);
        (_mm512_mul_ps(scale, _mm512_set1_ps(group_scale)), _mm512_mul_ps(least, _mm512_set1_ps(group_least)))
    }
}

impl Blocks<Avx512> for Q4_K {
    #[inline(always)]
    unsafe fn load(block: *const u8, halves: *const f32, group: usize) -> [__m512; 2] {
        // SAFETY: by the trait's contract; 32 bytes hold two groups.
        unsafe {
            let (scale, least) = group_scale(block, halves, group);
            let table = _mm512_sub_ps(_mm512_mul_ps(scale, count(0.0)), least);
            let at = block.add(16 + 32 * (group / 2));
            let shift = _mm_cvtsi32_si128(4 * (group % 2) as i32);
            let (first, last) = (sixteen(at), sixteen(at.add(16)));
            [
                _mm512_permutexvar_ps(_mm512_srl_epi32(first, shift), table),
                _mm512_permutexvar_ps(_mm512_srl_epi32(last, shift), table),
            ]
        }
    }
}

impl Blocks<Avx512> for Q5_K {
    #[inline(always)]
    unsafe fn load(block: *const u8, halves: *const f32, group: usize) -> [__m512; 2] {
        // SAFETY: by the trait's contract; 32 bytes hold two groups, bit `group` of 32 more the fifth bits.
        unsafe {
            let (scale, least) = group_scale(block, halves, group);
            let lower = _mm512_sub_ps(_mm512_mul_ps(scale, count(0.0)), least);
            let upper = _mm512_sub_ps(_mm512_mul_ps(scale, count(16.0)), least);
            let (at, high) = (block.add(48 + 32 * (group / 2)), block.add(16));
            let shift = _mm_cvtsi32_si128(4 * (group % 2) as i32);
            let bit = _mm512_set1_epi32(1 << group);
            let (first, last) = (sixteen(at), sixteen(at.add(16)));
            let first_fifth = _mm512_test_epi32_mask(sixteen(high), bit);
            let last_fifth = _mm512_test_epi32_mask(sixteen(high.add(16)), bit);
            [
                pick(_mm512_srl_epi32(first, shift), first_fifth, lower, upper),
                pick(_mm512_srl_epi32(last, shift), last_fifth, lower, upper),
            ]
        }
    }
}

/// 16 values of a Q6_K block: four low bits from `low`, two high ones from `high`, less 32, times `scale`.
#[inline(always)]
unsafe fn sixteen_of_6(low: *const u8, high: *const u8, shifts: [__m128i; 2], scale: __m512) -> __m512 {
    // SAFETY: the caller vouches for 16 bytes at `low` and at `high`.
    unsafe {
        let low = _mm512_and_si512(_mm512_srl_epi32(sixteen(low), shifts[0]), _mm512_set1_epi32(15));
        let high = _mm512_and_si512(_mm512_srl_epi32(sixteen(high), shifts[1]), _mm512_set1_epi32(3));
        let value = _mm512_or_si512(low, _mm512_slli_epi32::<4>(high));
        _mm512_mul_ps(scale, _mm512_cvtepi32_ps(_mm512_sub_epi32(value, _mm512_set1_epi32(32))))
    }
}

impl Blocks<Avx512> for Q6_K {
    #[inline(always)]
    unsafe fn load(block: *const u8, halves: *const f32, group: usize) -> [__m512; 2] {
        // SAFETY: by the trait's contract; the places are those of the plain decoder.
        unsafe {
            let (half, quarter) = (group / 4, group % 4);
            let low = block.add(64 * half + 32 * (quarter % 2));
            let high = block.add(128 + 32 * half);
            let shifts = [_mm_cvtsi32_si128(4 * (quarter / 2) as i32), _mm_cvtsi32_si128(2 * quarter as i32)];
            let parts = block.add(192 + 2 * group).cast::<i8>();
            let scale = _mm512_set1_ps(*halves.add(1));
            let first = _mm512_mul_ps(scale, _mm512_set1_ps(f32::from(parts.read())));
            let last = _mm512_mul_ps(scale, _mm512_set1_ps(f32::from(parts.add(1).read())));
            [sixteen_of_6(low, high, shifts, first), sixteen_of_6(low.add(16), high.add(16), shifts, last)]
        }
    }
}
