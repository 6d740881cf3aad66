//! `log(sum(exp(x)))` of one row and what it is made of, vectorised.

use burn::tensor::{Tensor, TensorData, backend::Backend};
use pulp::{Simd, WithSimd};

use crate::kernels::simd;

struct LogSumExp<'a>(&'a [f32]);

impl WithSimd for LogSumExp<'_> {
    type Output = (f32, f32);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> (f32, f32) {
        let mut peaks = [f32::NEG_INFINITY; 16];
        let chunks = self.0.chunks_exact(16);
        let rest = chunks.remainder();
        for chunk in chunks.clone() {
            for (peak, x) in peaks.iter_mut().zip(chunk) {
                *peak = if *x > *peak { *x } else { *peak };
            }
        }
        let peak = peaks.iter().chain(rest).fold(f32::NEG_INFINITY, |a, b| a.max(*b));
        if peak == f32::NEG_INFINITY {
            return (peak, 0.0);
        }
        (peak, simd::sum(self.0, |x| simd::exp(x - peak)).ln() as f32)
    }
}

/// `log(sum(exp(x)))` of a row in two parts, which keep the digits that a peak of thousands leaves no room for in one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogSum {
    /// The largest element, `-inf` for a row without a finite one.
    pub peak: f32,
    /// `log(sum(exp(x - peak)))`.
    pub rest: f32,
}

impl LogSum {
    /// Of the row `x`.
    pub fn of(x: &[f32]) -> Self {
        let (peak, rest) = simd::dispatch(LogSumExp(x));
        Self { peak, rest }
    }

    /// The log-sum-exp, rounded.
    pub fn total(self) -> f32 {
        self.peak + self.rest
    }

    /// The peaks and rests of rows, `[n, 1]` each.
    pub(crate) fn columns<B: Backend>(rows: &[Self], device: &B::Device) -> [Tensor<B, 2>; 2] {
        let column = |part: fn(&Self) -> f32| {
            let values: Vec<f32> = rows.iter().map(part).collect();
            Tensor::from_data(TensorData::new(values, [rows.len(), 1]), device)
        };
        [column(|row| row.peak), column(|row| row.rest)]
    }

    /// The log-probability of an element `x` of the row. On the CPU the sampler's and the trainer's are both this, and so
    /// the same bits.
    #[inline(always)]
    pub fn log_prob(self, x: f32) -> f32 {
        (x - self.peak) - self.rest
    }
}

/// `log(sum(exp(x)))`, `-inf` for a row without a finite element.
pub fn log_sum_exp(x: &[f32]) -> f32 {
    LogSum::of(x).total()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_f64_at_any_length_and_scale() {
        for n in [1, 15, 16, 17, 1023, 1024, 1040, 50_000] {
            for scale in [1.0f32, 30.0, 1e4] {
                let x: Vec<f32> = (0..n).map(|i| ((i * 7919 % 1013) as f32 / 1013.0 - 0.5) * scale).collect();
                let peak = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let exact: f64 =
                    x.iter().map(|&v| f64::from(v - peak).exp()).sum::<f64>().ln() + f64::from(peak);
                assert!(
                    (f64::from(log_sum_exp(&x)) - exact).abs() <= 1e-6 * exact.abs().max(1.0),
                    "{n} {scale}"
                );
            }
        }
        assert_eq!(log_sum_exp(&[]), f32::NEG_INFINITY);
        assert_eq!(log_sum_exp(&[f32::NEG_INFINITY; 3]), f32::NEG_INFINITY);
    }
}
