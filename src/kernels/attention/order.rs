//! The order of scores under a scale of any sign.

/// How scores are compared and weighed, so that the one that the scale makes the largest comes first whatever its sign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Order {
    /// What scores are multiplied by before they are compared: 1, below 0 -1, and 0 where they do not count. A scale of almost
    /// nothing has part of itself here.
    pub factor: f32,
    /// What differences of those are multiplied by: at least [`LEAST`].
    pub scale: f32,
}

/// The least that differences are multiplied by, 2^-64: kernels on GPUs hide a key by a score of -1e30, which must still be far below
/// all others then.
const LEAST: f32 = 1.0 / 18_446_744_073_709_551_616.0;

impl Order {
    /// # Panics
    /// If the scale is not finite.
    pub fn of(scale: f32) -> Self {
        assert!(scale.is_finite(), "attention's scale is {scale}, legal are finite numbers");
        if scale == 0.0 {
            Self { factor: 0.0, scale: 1.0 }
        } else if scale.abs() < LEAST {
            Self { factor: scale / LEAST, scale: LEAST }
        } else {
            Self { factor: scale.signum(), scale: scale.abs() }
        }
    }

    /// Whether scores are compared as anything but what they are.
    pub fn turns(self) -> bool {
        self.factor != 1.0
    }

    /// What makes a score again of what it was compared as: exact for the signs, and 0 where scores do not count.
    pub fn back(self) -> f32 {
        if self.factor == 0.0 { 0.0 } else { self.factor.recip() }
    }

    /// The score that was compared as `peak`.
    pub fn score(self, peak: f32) -> f32 {
        peak * self.back()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_score_that_a_scale_makes_the_largest_comes_first() {
        assert!(!Order::of(0.125).turns() && !Order::of(3e4).turns());
        for scale in [-0.125, 0.0, 1e-30, -1e-30, f32::MIN_POSITIVE] {
            assert!(Order::of(scale).turns(), "{scale}");
        }
        assert_eq!(Order::of(0.0).score(7.0), 0.0);
    }

    #[test]
    #[should_panic(expected = "attention's scale is NaN, legal are finite numbers")]
    fn a_scale_that_is_no_number_is_refused() {
        Order::of(f32::NAN);
    }

    fn scales() -> impl Strategy<Value = f32> {
        // From -38 on they are subnormal.
        (-44i32..=5, 1.0f64..10.0, any::<bool>()).prop_map(|(power, digits, below)| {
            (digits * 10f64.powi(power)) as f32 * if below { -1.0 } else { 1.0 }
        })
    }

    proptest! {
        #[test]
        fn factor_and_scale_make_the_scale(scale in scales(), score in -1e4f32..1e4) {
            let order = Order::of(scale);
            prop_assert!(order.scale >= LEAST);
            let (found, exact) = (f64::from(order.factor) * f64::from(order.scale), f64::from(scale));
            prop_assert!((found - exact).abs() <= 1e-6 * exact.abs());
            let back = order.score(score * order.factor);
            prop_assert!((back - score).abs() <= 1e-6 * score.abs());
        }
    }
}
