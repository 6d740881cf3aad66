//! Products in integers with AVX-512 VNNI: the operations of [`super::integers`], in its order.

use core::arch::x86_64::*;

use super::integers::Rows;
use super::rounded::InputQuad;
use super::rows::{AHEAD, prefetch};
use crate::kernels::quantised::BlockType;
use crate::kernels::quantised::integers::QUAD;
use crate::kernels::quantised::registers::{Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0};
use crate::kernels::quantised::vnni::{QuadRegisters, Quads};

/// Whether this machine has the instructions.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
}

/// Computes the products of `rows`.
///
/// # Panics
/// On a machine that is not [`available`].
pub(super) fn product(rows: &Rows<'_>) {
    assert!(available(), "AVX-512 VNNI is not there");
    // SAFETY: the instructions are there.
    unsafe {
        match rows.block {
            BlockType::Q4_0 => all::<Q4_0>(rows),
            BlockType::Q4_1 => all::<Q4_1>(rows),
            BlockType::Q5_0 => all::<Q5_0>(rows),
            BlockType::Q5_1 => all::<Q5_1>(rows),
            BlockType::Q8_0 => all::<Q8_0>(rows),
            BlockType::Q4_K => all::<Q4_K>(rows),
            BlockType::Q5_K => all::<Q5_K>(rows),
            BlockType::Q6_K => all::<Q6_K>(rows),
        }
    }
}

/// All weight rows for all input rows, up to 8 of these at a time: decoding costs about as much as the products of two.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
unsafe fn all<F: Quads>(rows: &Rows<'_>) {
    let (count, n) = (rows.count(), rows.input.rows);
    let mut i = 0;
    while i < n {
        let step = match n - i {
            1 => 1,
            2 | 3 => 2,
            4..8 => 4,
            _ => 8,
        };
        for row in 0..count {
            // SAFETY: the weight row and input rows i..i + step exist, and the instructions are there.
            unsafe {
                match step {
                    1 => tile::<F, 1>(rows, row, i),
                    2 => tile::<F, 2>(rows, row, i),
                    4 => tile::<F, 4>(rows, row, i),
                    _ => tile::<F, 8>(rows, row, i),
                }
            }
        }
        i += step;
    }
}

/// One weight row by `C` input rows.
///
/// # Safety
/// The weight row and input rows `i .. i + C` exist, and the machine is [`available`].
#[inline(always)]
unsafe fn tile<F: Quads, const C: usize>(rows: &Rows<'_>, row: usize, i: usize) {
    let width = rows.input.width;
    // SAFETY: all of it lies within the weight row and the input rows; a quad is 64-byte aligned.
    unsafe {
        let weights = rows.bytes.as_ptr().add(row * rows.row_bytes);
        let x = rows.input.quads.as_ptr().add(i * width);
        let mut products = [_mm512_setzero_ps(); C];
        let mut least = [_mm256_setzero_ps(); C];
        let values = rows.row_bytes / F::BYTES * F::VALUES;
        let (whole, rest) = (values / QUAD, values % QUAD / 32);
        for quad in 0..whole {
            if i == 0 {
                // The first pass waits for memory.
                let bytes = F::BYTES * QUAD / F::VALUES;
                for line in (0..bytes).step_by(64) {
                    prefetch(weights.wrapping_add(quad * bytes + line + AHEAD));
                }
            }
            add::<F, C>(F::quad::<4>(weights, quad), x.add(quad), width, &mut products, &mut least);
        }
        // A block of 256 leaves no rest.
        if F::VALUES == 32 && rest > 0 {
            let weight = match rest {
                1 => F::quad::<1>(weights, whole),
                2 => F::quad::<2>(weights, whole),
                _ => F::quad::<3>(weights, whole),
            };
            add::<F, C>(weight, x.add(whole), width, &mut products, &mut least);
        }
        for c in 0..C {
            let at = (i + c) * rows.out_features + rows.first + row;
            *rows.out.get().add(at) = total(products[c], least[c], F::BLOCK.offset());
        }
    }
}

/// Adds one quad of a weight row times those of `C` input rows, which are `width` apart.
///
/// # Safety
/// The quads exist, and the machine is [`available`].
#[inline(always)]
unsafe fn add<F: Quads, const C: usize>(
    weight: QuadRegisters,
    x: *const InputQuad,
    width: usize,
    products: &mut [__m512; C],
    least: &mut [__m256; C],
) {
    for c in 0..C {
        // SAFETY: by the caller's contract.
        unsafe {
            let x = &*x.add(c * width);
            let values = x.values.as_ptr();
            let (x_first, x_last) =
                (_mm512_load_si512(values.cast()), _mm512_load_si512(values.add(64).cast()));
            let x_scales = _mm512_load_ps(x.scales.as_ptr());
            let scale = _mm512_mul_ps(weight.scales[0], x_scales);
            let first = _mm512_dpbusd_epi32(_mm512_setzero_si512(), weight.first, x_first);
            if F::BLOCK.has_half_scales() {
                let last = _mm512_dpbusd_epi32(_mm512_setzero_si512(), weight.last, x_last);
                let last_scale = _mm512_mul_ps(weight.scales[1], x_scales);
                products[c] = _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(first), products[c]);
                products[c] = _mm512_fmadd_ps(last_scale, _mm512_cvtepi32_ps(last), products[c]);
            } else {
                let both = _mm512_dpbusd_epi32(first, weight.last, x_last);
                products[c] = _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(both), products[c]);
            }
            least[c] = _mm256_fmadd_ps(weight.least, _mm256_load_ps(x.sums.as_ptr()), least[c]);
        }
    }
}

/// Minima on top of the lanes with the same number, then halves on halves.
#[inline(always)]
unsafe fn total(products: __m512, least: __m256, offset: f32) -> f32 {
    // SAFETY: the caller's machine has AVX-512 F and DQ.
    unsafe {
        let all = _mm512_fmadd_ps(_mm512_zextps256_ps512(least), _mm512_set1_ps(offset), products);
        let eight = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps::<1>(all));
        let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }
}
