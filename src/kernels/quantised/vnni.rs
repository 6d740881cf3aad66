//! The integers of quantised blocks in AVX-512 registers, as [`super::integers`] gives them.

use core::arch::x86_64::*;

use super::registers::{Format, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0};

/// [`super::integers::WeightQuad`] in registers.
#[derive(Clone, Copy)]
pub(crate) struct QuadRegisters {
    /// First halves of the four, 16 bytes each.
    pub first: __m512i,
    /// Last halves.
    pub last: __m512i,
    /// Scales of the first and of the last halves, each in the four lanes of its 16 bytes. They are equal but where
    /// [`super::BlockType::has_half_scales`].
    pub scales: [__m512; 2],
    /// Minima, of the first half of `j` at `2j`, of its last half behind it.
    pub least: __m256,
}

/// A block type whose integers come 128 at a time.
pub(crate) trait Quads: Format {
    /// Quad `quad` of the row at `row`, of which `COUNT` times 32 values are there; the rest is zero.
    ///
    /// # Safety
    /// The row has those values, and the machine has AVX-512 F, BW, DQ and VL, and F16C.
    unsafe fn quad<const COUNT: usize>(row: *const u8, quad: usize) -> QuadRegisters;
}

/// Each of four words in the lanes of its 16 bytes.
#[inline(always)]
unsafe fn lanes_of_four(a: i32, b: i32, c: i32, d: i32) -> __m512i {
    // SAFETY: the caller's machine has AVX-512 F.
    unsafe { _mm512_setr_epi32(a, a, a, a, b, b, b, b, c, c, c, c, d, d, d, d) }
}

/// The float at `2j` (or `2j + 1`, with `odd`) in the four lanes of `j`.
#[inline(always)]
unsafe fn spread(pairs: __m256, odd: bool) -> __m512 {
    // SAFETY: as above.
    unsafe {
        let index = if odd { lanes_of_four(1, 3, 5, 7) } else { lanes_of_four(0, 2, 4, 6) };
        _mm512_permutexvar_ps(index, _mm512_castps256_ps512(pairs))
    }
}

/// 16 bytes at `at`, or zeros.
#[inline(always)]
unsafe fn sixteen(at: *const u8, there: bool) -> __m128i {
    // SAFETY: the caller vouches for the bytes where they are there.
    unsafe { if there { _mm_loadu_si128(at.cast()) } else { _mm_setzero_si128() } }
}

/// 16 bytes of each of `COUNT` blocks of `STRIDE` bytes.
#[inline(always)]
unsafe fn sixteens<const COUNT: usize, const STRIDE: usize>(at: *const u8) -> __m512i {
    // SAFETY: the caller vouches for the bytes of `COUNT` blocks.
    unsafe {
        let low = _mm256_set_m128i(sixteen(at.wrapping_add(STRIDE), COUNT > 1), sixteen(at, true));
        let high = _mm256_set_m128i(
            sixteen(at.wrapping_add(3 * STRIDE), COUNT > 3),
            sixteen(at.wrapping_add(2 * STRIDE), COUNT > 2),
        );
        _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
    }
}

/// Four bytes of each of `COUNT` blocks of `STRIDE` bytes.
#[inline(always)]
unsafe fn words<const COUNT: usize, const STRIDE: usize>(at: *const u8) -> [u32; 4] {
    let mut words = [0; 4];
    for j in 0..COUNT {
        // SAFETY: the caller vouches for the bytes of `COUNT` blocks.
        words[j] = unsafe { at.add(j * STRIDE).cast::<u32>().read_unaligned() };
    }
    words
}

/// The first two halves of each of `COUNT` blocks as floats. Where a block has only one, the other is any number.
#[inline(always)]
unsafe fn halves<const COUNT: usize, const STRIDE: usize>(at: *const u8) -> __m256 {
    // SAFETY: the caller vouches for the blocks, which are longer than four bytes.
    unsafe {
        let [a, b, c, d] = words::<COUNT, STRIDE>(at);
        _mm256_cvtph_ps(_mm_setr_epi32(a as i32, b as i32, c as i32, d as i32))
    }
}

/// The low and the high four bits of each byte.
#[inline(always)]
unsafe fn nibbles(packed: __m512i) -> [__m512i; 2] {
    // SAFETY: the caller's machine has AVX-512 F.
    unsafe {
        let mask = _mm512_set1_epi8(15);
        [_mm512_and_si512(packed, mask), _mm512_and_si512(_mm512_srli_epi16::<4>(packed), mask)]
    }
}

/// `value`, plus 16 in the bytes of `fifth`.
#[inline(always)]
unsafe fn add_fifth(value: __m512i, fifth: __mmask64) -> __m512i {
    // SAFETY: the caller's machine has AVX-512 BW.
    unsafe { _mm512_mask_add_epi8(value, fifth, value, _mm512_set1_epi8(16)) }
}

/// Registers of blocks with a scale, and a minimum (`MINIMUM`) or none.
#[inline(always)]
unsafe fn of_small<const MINIMUM: bool>(first: __m512i, last: __m512i, halves: __m256) -> QuadRegisters {
    // SAFETY: the caller's machine has AVX-512 F.
    unsafe {
        let least = if MINIMUM { _mm256_movehdup_ps(halves) } else { _mm256_moveldup_ps(halves) };
        QuadRegisters { first, last, scales: [spread(halves, false); 2], least }
    }
}

/// Blocks of 4 bits whose quants begin at `AT`.
#[inline(always)]
unsafe fn fours<const COUNT: usize, const STRIDE: usize, const AT: usize, const MINIMUM: bool>(
    at: *const u8,
) -> QuadRegisters {
    // SAFETY: by the caller's contract, that of `Quads::quad`.
    unsafe {
        let [first, last] = nibbles(sixteens::<COUNT, STRIDE>(at.add(AT)));
        of_small::<MINIMUM>(first, last, halves::<COUNT, STRIDE>(at))
    }
}

/// Blocks of 5 bits whose fifth bits begin at `AT`, and the rest behind them.
#[inline(always)]
unsafe fn fives<const COUNT: usize, const STRIDE: usize, const AT: usize, const MINIMUM: bool>(
    at: *const u8,
) -> QuadRegisters {
    // SAFETY: by the caller's contract, that of `Quads::quad`.
    unsafe {
        let [first, last] = nibbles(sixteens::<COUNT, STRIDE>(at.add(AT + 4)));
        let [a, b, c, d] = words::<COUNT, STRIDE>(at.add(AT)).map(u64::from);
        let low = (a & 0xffff) | (b & 0xffff) << 16 | (c & 0xffff) << 32 | d << 48;
        let high = a >> 16 | (b >> 16) << 16 | (c >> 16) << 32 | (d >> 16) << 48;
        let halves = halves::<COUNT, STRIDE>(at);
        of_small::<MINIMUM>(add_fifth(first, low), add_fifth(last, high), halves)
    }
}

impl Quads for Q4_0 {
    #[inline(always)]
    unsafe fn quad<const COUNT: usize>(row: *const u8, quad: usize) -> QuadRegisters {
        // SAFETY: by the trait's contract.
        unsafe { fours::<COUNT, 18, 2, false>(row.add(quad * 4 * 18)) }
    }
}

impl Quads for Q4_1 {
    #[inline(always)]
    unsafe fn quad<const COUNT: usize>(row: *const u8, quad: usize) -> QuadRegisters {
        // SAFETY: by the trait's contract.
        unsafe { fours::<COUNT, 20, 4, true>(row.add(quad * 4 * 20)) }
    }
}

impl Quads for Q5_0 {
    #[inline(always)]
    unsafe fn quad<const COUNT: usize>(row: *const u8, quad: usize) -> QuadRegisters {
        // SAFETY: by the trait's contract.
        unsafe { fives::<COUNT, 22, 2, false>(row.add(quad * 4 * 22)) }
    }
}

impl Quads for Q5_1 {
    #[inline(always)]
    unsafe fn quad<const COUNT: usize>(row: *const u8, quad: usize) -> QuadRegisters {
        // SAFETY: by the trait's contract.
        unsafe { fives::<COUNT, 24, 4, true>(row.add(quad * 4 * 24)) }
    }
}

impl Quads for Q8_0 {
    #[inline(always)]
    unsafe fn quad<const COUNT: usize>(row: *const u8, quad: usize) -> QuadRegisters {
        // SAFETY: by the trait's contract.
        unsafe {
            let at = row.add(quad * 4 * 34);
            let sign = _mm512_set1_epi8(-128);
            let first = _mm512_xor_si512(sixteens::<COUNT, 34>(at.add(2)), sign);
            let last = _mm512_xor_si512(sixteens::<COUNT, 34>(at.add(18)), sign);
            of_small::<false>(first, last, halves::<COUNT, 34>(at))
        }
    }
}

/// The scale and minimum of a K block, each times those of the four groups of `part`, which are packed in 6 bits.
#[inline(always)]
unsafe fn group_scales(block: *const u8, part: usize) -> __m256 {
    const LOW: u32 = 0x0f0f_0f0f;
    const HIGH: u32 = 0x3030_3030;
    // SAFETY: a K block begins with two halves and twelve packed bytes.
    unsafe {
        let both = _mm256_cvtph_ps(_mm_set1_epi32(block.cast::<i32>().read_unaligned()));
        let [a, b, c] = block.add(4).cast::<[u32; 3]>().read_unaligned();
        let (scales, least) = if part == 0 {
            (a & (LOW | HIGH), b & (LOW | HIGH))
        } else {
            ((c & LOW) | ((a >> 2) & HIGH), ((c >> 4) & LOW) | ((b >> 2) & HIGH))
        };
        let pairs = _mm_unpacklo_epi8(_mm_cvtsi32_si128(scales as i32), _mm_cvtsi32_si128(least as i32));
        _mm256_mul_ps(both, _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(pairs)))
    }
}

/// First and last halves of four groups of 32, whose low or high nibbles lie in the same 32 bytes two by two.
#[inline(always)]
unsafe fn paired_nibbles(at: *const u8) -> [__m512i; 2] {
    // SAFETY: the caller vouches for 64 bytes.
    unsafe {
        let [low, high] = nibbles(_mm512_loadu_si512(at.cast()));
        let first = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
        let last = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
        [_mm512_permutex2var_epi64(low, first, high), _mm512_permutex2var_epi64(low, last, high)]
    }
}

impl Quads for Q4_K {
    #[inline(always)]
    unsafe fn quad<const COUNT: usize>(row: *const u8, quad: usize) -> QuadRegisters {
        // SAFETY: by the trait's contract; rows are whole blocks, so all four groups are there.
        unsafe {
            let block = row.add(quad / 2 * 144);
            let [first, last] = paired_nibbles(block.add(16 + 64 * (quad % 2)));
            of_small::<true>(first, last, group_scales(block, quad % 2))
        }
    }
}

/// The same 16 bytes four times.
#[inline(always)]
unsafe fn four_times(at: *const u8) -> __m512i {
    // SAFETY: the caller vouches for 16 bytes.
    unsafe { _mm512_broadcast_i32x4(_mm_loadu_si128(at.cast())) }
}

impl Quads for Q5_K {
    #[inline(always)]
    unsafe fn quad<const COUNT: usize>(row: *const u8, quad: usize) -> QuadRegisters {
        // SAFETY: by the trait's contract; rows are whole blocks, so all four groups are there.
        unsafe {
            let (block, part) = (row.add(quad / 2 * 176), quad % 2);
            let [first, last] = paired_nibbles(block.add(48 + 64 * part));
            // Bit `group` of a byte is the fifth bit of that group's value.
            let byte = 0x0101_0101 << (4 * part);
            let bits = lanes_of_four(byte, byte << 1, byte << 2, byte << 3);
            let first_fifth = _mm512_test_epi8_mask(four_times(block.add(16)), bits);
            let last_fifth = _mm512_test_epi8_mask(four_times(block.add(32)), bits);
            let scales = group_scales(block, part);
            of_small::<true>(add_fifth(first, first_fifth), add_fifth(last, last_fifth), scales)
        }
    }
}

/// The upper two bits of four groups of 16 values, which share 16 bytes, where they belong in the values.
#[inline(always)]
unsafe fn upper_bits(at: *const u8) -> __m512i {
    // SAFETY: the caller vouches for 16 bytes.
    unsafe {
        // Words are shifted, and what comes in from the other byte is masked away.
        let shifts = lanes_of_four(0, 0x0002_0002, 0x0004_0004, 0x0006_0006);
        let bits = _mm512_srlv_epi16(four_times(at), shifts);
        _mm512_slli_epi16::<4>(_mm512_and_si512(bits, _mm512_set1_epi8(3)))
    }
}

impl Quads for Q6_K {
    #[inline(always)]
    unsafe fn quad<const COUNT: usize>(row: *const u8, quad: usize) -> QuadRegisters {
        // SAFETY: by the trait's contract; rows are whole blocks, so all four groups are there.
        unsafe {
            let (block, part) = (row.add(quad / 2 * 210), quad % 2);
            // The low nibbles of 64 bytes are groups 0 and 1, the high ones groups 2 and 3.
            let [low, high] = nibbles(_mm512_loadu_si512(block.add(64 * part).cast()));
            let first = _mm512_permutex2var_epi64(low, _mm512_setr_epi64(0, 1, 4, 5, 8, 9, 12, 13), high);
            let last = _mm512_permutex2var_epi64(low, _mm512_setr_epi64(2, 3, 6, 7, 10, 11, 14, 15), high);
            let first = _mm512_or_si512(first, upper_bits(block.add(128 + 32 * part)));
            let last = _mm512_or_si512(last, upper_bits(block.add(144 + 32 * part)));
            let scale = block.add(208).cast::<u16>().read_unaligned();
            let scale = _mm256_cvtph_ps(_mm_set1_epi16(scale as i16));
            let groups = _mm_loadl_epi64(block.add(192 + 8 * part).cast());
            let pairs = _mm256_mul_ps(scale, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(groups)));
            QuadRegisters { first, last, scales: [spread(pairs, false), spread(pairs, true)], least: pairs }
        }
    }
}
