//! RMSNorm on the CPU. The sum of squares runs in 16 fixed lanes, so a row's result never depends on what
//! else is in the batch or on the machine's vector width.

use pulp::{Simd, WithSimd};

use crate::kernels::parallel::{self, SharedMut};
use crate::kernels::simd;

struct Row<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    eps: f32,
    out: &'a mut [f32],
}

/// A row of a residual stream, which `more` joins first.
struct JoinedRow<'a> {
    more: &'a [f32],
    x: &'a mut [f32],
    weight: &'a [f32],
    eps: f32,
    out: &'a mut [f32],
}

impl WithSimd for JoinedRow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { more, x, weight, eps, out } = self;
        x.iter_mut().zip(more).for_each(|(x, more)| *x += more);
        Row { x, weight, eps, out }.with_simd(simd);
    }
}

impl WithSimd for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { x, weight, eps, out } = self;
        let mut lanes = [0.0f32; 16];
        let mut chunks = x.chunks_exact(16);
        for chunk in &mut chunks {
            for (lane, v) in lanes.iter_mut().zip(chunk) {
                *lane = v.mul_add(*v, *lane);
            }
        }
        for (lane, v) in lanes.iter_mut().zip(chunks.remainder()) {
            *lane = v.mul_add(*v, *lane);
        }
        let mean = lanes.iter().sum::<f32>() / x.len() as f32;
        let scale = 1.0 / (mean + eps).sqrt();
        for ((o, v), w) in out.iter_mut().zip(x).zip(weight) {
            *o = v * scale * w;
        }
    }
}

/// `out[n, d] = x[n, d] / sqrt(mean(x[n]^2) + eps) * weight[d]`
///
/// # Panics
/// If `x` and `out` differ in length or are not rows of `weight.len()`.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let width = width(x, weight, out);
    parallel::for_each_row(out, width, |i, row| {
        simd::dispatch(Row { x: &x[i * width..(i + 1) * width], weight, eps, out: row });
    });
}

/// `x[n, d] += more[n, d]`, and [`rms_norm`] of that in the same pass.
///
/// # Panics
/// If `x`, `more` and `out` differ in length or are not rows of `weight.len()`.
pub fn add_rms_norm(x: &mut [f32], more: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let width = width(x, weight, out);
    assert_eq!(x.len(), more.len());
    let x = SharedMut::new(x);
    parallel::for_each_row(out, width, |i, out| {
        let more = &more[i * width..(i + 1) * width];
        // SAFETY: `x` is as long as `out`, and each of its rows is touched together with that row of `out` alone.
        let x = unsafe { std::slice::from_raw_parts_mut(x.get().add(i * width), width) };
        simd::dispatch(JoinedRow { more, x, weight, eps, out });
    });
}

/// Elements of a row.
fn width(x: &[f32], weight: &[f32], out: &[f32]) -> usize {
    let width = weight.len();
    assert_eq!(x.len(), out.len());
    assert!(width > 0 && x.len().is_multiple_of(width), "rows are not {width} wide");
    width
}
