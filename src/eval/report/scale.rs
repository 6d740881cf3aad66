//! From numbers to places on an axis.

/// Larger numbers are not drawn: their differences could overflow.
const LARGEST: f64 = 1e100;
/// Ranges narrower than this, relative to their numbers, are one number.
const NARROW: f64 = 1e-12;

/// Whether `value` can be drawn.
pub(super) fn is_drawable(value: f64) -> bool {
    value.abs() <= LARGEST
}

/// A stretch of an axis, never empty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// A stretch that holds all drawable `values` and a little more; `None` where there is none. A single number is put
    /// in the middle.
    pub fn around(values: impl Iterator<Item = f64>, margin: f64) -> Option<Self> {
        let (low, high) = values
            .filter(|value| is_drawable(*value))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return None;
        }
        let size = low.abs().max(high.abs());
        let pad = if high - low > NARROW * size {
            (high - low) * margin
        } else if size > 1e-12 {
            size * 0.1
        } else {
            1.0
        };
        Some(Self { low: low - pad, high: high + pad })
    }

    /// Where `value` lies: 0 at the low end, 1 at the high one.
    pub fn place(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// About `count` round numbers on the axis, and the step between them. `whole` keeps to whole numbers.
    pub fn ticks(&self, count: usize, whole: bool) -> (Vec<f64>, f64) {
        let wanted = (self.high - self.low) / count.max(1) as f64;
        let step = round_step(if whole { wanted.max(1.0) } else { wanted });
        let first = (self.low / step).ceil();
        // From the number of the tick, so that 0 is 0 and not what is left of adding steps.
        let ticks = (0..4 * count.max(1)).map(|at| (first + at as f64) * step);
        (ticks.take_while(|tick| *tick <= self.high).collect(), step)
    }
}

/// The least of 1, 2 and 5 times a power of ten that is not below `wanted`.
fn round_step(wanted: f64) -> f64 {
    let power = 10f64.powf(wanted.log10().floor());
    let digits = wanted / power;
    // A hair of slack for what the logarithm rounds.
    let digit = [1.0, 2.0, 5.0].into_iter().find(|digit| digits <= digit * (1.0 + 1e-9)).unwrap_or(10.0);
    digit * power
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_are_round() {
        let scale = Scale::around([0.13, 0.87].into_iter(), 0.0).unwrap();
        let (ticks, step) = scale.ticks(4, false);
        assert_eq!(step, 0.2);
        let close = |(found, want): (&f64, f64)| (found - want).abs() < 1e-12;
        assert!(ticks.len() == 4 && ticks.iter().zip([0.2, 0.4, 0.6, 0.8]).all(close), "{ticks:?}");
        let (ticks, step) = Scale::around([1.0, 3.0].into_iter(), 0.0).unwrap().ticks(5, true);
        assert_eq!((ticks, step), (vec![1.0, 2.0, 3.0], 1.0));
    }

    #[test]
    fn one_number_lies_in_the_middle_and_none_has_no_scale() {
        for value in [0.0, 1.0, -3e-7, 1e99] {
            let scale = Scale::around([value, value].into_iter(), 0.05).unwrap();
            assert!((scale.place(value) - 0.5).abs() < 1e-9, "{value}");
        }
        assert_eq!(Scale::around([f64::NAN, f64::INFINITY, -2e100].into_iter(), 0.1), None);
        assert_eq!(Scale::around(std::iter::empty(), 0.1), None);
    }

    proptest! {
        #[test]
        fn any_numbers_fit_on_their_axis(values in prop::collection::vec(any::<f64>(), 0..12), whole in any::<bool>()) {
            if let Some(scale) = Scale::around(values.iter().copied(), 0.05) {
                for value in values.iter().filter(|value| is_drawable(**value)) {
                    prop_assert!((-1e-9..=1.0 + 1e-9).contains(&scale.place(*value)));
                }
                let (ticks, step) = scale.ticks(4, whole);
                prop_assert!(step > 0.0 && ticks.len() <= 16);
                prop_assert!(ticks.iter().all(|tick| (-1e-6..=1.0 + 1e-6).contains(&scale.place(*tick))));
            } else {
                prop_assert!(!values.iter().any(|value| is_drawable(*value)));
            }
        }
    }
}
