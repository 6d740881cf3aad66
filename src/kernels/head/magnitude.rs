//! What the gradients of logits are multiplied by before they are rounded to f16, whose smallest number is 2^-24: a loss that is a mean
//! over thousands of tokens has derivatives of that size, of which its products would see nothing.

use burn::tensor::{DType, Tensor, backend::Backend};

/// The largest derivative is brought to `[2^4, 2^5)`. No gradient of a logit is larger than it, so the sums over the vocabulary that
/// an adapter rounds to f16 once more have 2^11 left.
const PLAIN: i32 = 4;
/// With a divergence to `[1, 2)`: its gradients are larger than its coefficient where distributions are far apart.
const COMPARED: i32 = 0;
/// Derivatives that are smaller by more are nothing but rounding; a larger power would not fit an f32.
const MOST: i32 = 100;

/// A power of two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Magnitude(f32);

impl Magnitude {
    /// For gradients that are rounded to `dtype`, of a loss with such derivatives by the log-probs and by the divergences. 1 where
    /// it is not f16, or where they are as large already.
    pub fn of(dtype: DType, slopes: &[f32], coefficients: Option<&[f32]>) -> Self {
        let all = slopes.iter().chain(coefficients.unwrap_or_default());
        let largest = all.fold(0.0f32, |largest, slope| largest.max(slope.abs()));
        if dtype != DType::F16 || largest == 0.0 || !largest.is_finite() {
            return Self(1.0);
        }
        let wanted = if coefficients.is_some() { COMPARED } else { PLAIN };
        let power = wanted - largest.log2().floor() as i32;
        Self(2f32.powi(power.clamp(0, MOST)))
    }

    /// Gradients of logits in f32, multiplied and then in `dtype`.
    pub fn rounded<B: Backend>(self, dlogits: Tensor<B, 2>, dtype: DType) -> Tensor<B, 2> {
        let dlogits = if self.0 == 1.0 { dlogits } else { dlogits * self.0 };
        dlogits.cast(dtype)
    }

    /// What products gave in f32, divided again.
    pub fn undone<B: Backend, const D: usize>(self, x: Tensor<B, D>) -> Tensor<B, D> {
        if self.0 == 1.0 { x } else { x * self.0.recip() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(dtype: DType, slopes: &[f32], coefficients: Option<&[f32]>) -> f32 {
        Magnitude::of(dtype, slopes, coefficients).0
    }

    #[test]
    fn the_largest_derivative_is_brought_to_a_size_that_f16_has_digits_for() {
        // 2^-10 to 2^4.
        assert_eq!(of(DType::F16, &[0.0, -1.0 / 1024.0, 1e-9], None), 16_384.0);
        assert_eq!(of(DType::F16, &[1.0], None), 16.0);
        assert_eq!(of(DType::F16, &[1.0], Some(&[1.5])), 1.0);
        assert_eq!(of(DType::F16, &[0.125], Some(&[0.25])), 4.0);
        assert_eq!(of(DType::F16, &[1e-40], None), 2f32.powi(100));
    }

    #[test]
    fn nothing_is_changed_where_nothing_would_be_lost() {
        assert_eq!(of(DType::F16, &[40.0], None), 1.0);
        assert_eq!(of(DType::F16, &[0.0], None), 1.0);
        assert_eq!(of(DType::F16, &[], Some(&[])), 1.0);
        assert_eq!(of(DType::F16, &[f32::INFINITY], None), 1.0);
        for dtype in [DType::F32, DType::BF16] {
            assert_eq!(of(dtype, &[1e-6], None), 1.0);
        }
    }
}
