//! Sums of products in f64, on vectors: the same in a debug build as in any other.

use pulp::{Simd, WithSimd};

use crate::doctor::inputs::wide;
use crate::kernels::simd;

struct Dot<'a>(&'a [f64], &'a [f64]);

impl WithSimd for Dot<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let ((x, x_rest), (y, y_rest)) = (S::as_simd_f64s(self.0), S::as_simd_f64s(self.1));
        let mut sum = simd.splat_f64s(0.0);
        for (x, y) in x.iter().zip(y) {
            sum = simd.mul_add_f64s(*x, *y, sum);
        }
        let rest: f64 = x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum();
        simd.reduce_sum_f64s(sum) + rest
    }
}

struct Add<'a>(&'a mut [f64], f64, &'a [f64]);

impl WithSimd for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(to, factor, x) = self;
        let ((to, to_rest), (x, x_rest)) = (S::as_mut_simd_f64s(to), S::as_simd_f64s(x));
        let wide = simd.splat_f64s(factor);
        for (to, x) in to.iter_mut().zip(x) {
            *to = simd.mul_add_f64s(wide, *x, *to);
        }
        for (to, x) in to_rest.iter_mut().zip(x_rest) {
            *to += factor * x;
        }
    }
}

/// `sum_i x_i y_i`.
///
/// # Panics
/// If the lengths differ.
pub(in crate::doctor) fn dot(x: &[f64], y: &[f64]) -> f64 {
    assert_eq!(x.len(), y.len());
    simd::dispatch(Dot(x, y))
}

/// `to_i += factor x_i`.
///
/// # Panics
/// If the lengths differ.
pub(in crate::doctor) fn add(to: &mut [f64], factor: f64, x: &[f64]) {
    assert_eq!(to.len(), x.len());
    simd::dispatch(Add(to, factor, x));
}

/// `x W^T`: `x` `[n, k]`, `weight` `[out, k]`, result `[n, out]`.
pub(in crate::doctor) fn product(x: &[f32], weight: &[f32], k: usize) -> Vec<f64> {
    let (x, weight) = (wide(x), wide(weight));
    x.chunks_exact(k).flat_map(|x| weight.chunks_exact(k).map(move |w| dot(x, w))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_a_plain_loop_at_every_length() {
        for n in 0..40 {
            let (x, y): (Vec<f64>, Vec<f64>) =
                (0..n).map(|i| (f64::from(i) - 7.5, f64::from(i * i % 11) + 0.25)).unzip();
            let sum: f64 = x.iter().zip(&y).map(|(x, y)| x * y).sum();
            assert_eq!(dot(&x, &y), sum, "{n}");
            let mut to = x.clone();
            add(&mut to, 0.5, &y);
            let expected: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x + 0.5 * y).collect();
            assert_eq!(to, expected, "{n}");
        }
    }
}
