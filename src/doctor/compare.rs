//! How far a result is from what it should be.

use std::ops::Range;

/// The distance of `found` from `expected` in the Euclidean norm, relative to the size of `expected`: that of the whole or of the
/// worst of `parts`, so that a large part cannot hide a wrong small one.
///
/// A part is measured by the size that its share of the elements would have if all were alike, where its own is less: what is
/// nearly 0 need not be right to the last digit of that.
///
/// What is expected counts as at least as large as `least`: a sum whose terms cancel is right to the last digits of those, not
/// to its own.
///
/// Not a number where a value is none, or where the lengths differ or are 0.
pub fn relative_error(found: &[f32], expected: &[f64], parts: &[Range<usize>], least: f64) -> f64 {
    if found.len() != expected.len() || found.is_empty() {
        return f64::NAN;
    }
    let size = norm(expected.iter().copied()).max(least);
    let of = |part: Range<usize>| {
        let apart =
            norm(found[part.clone()].iter().zip(&expected[part.clone()]).map(|(&f, e)| f64::from(f) - e));
        let share = size * (part.len() as f64 / expected.len() as f64).sqrt();
        // Where nothing but 0 is right, 0 is.
        if apart == 0.0 { 0.0 } else { apart / norm(expected[part].iter().copied()).max(share) }
    };
    let parts = parts.iter().filter(|part| !part.is_empty()).cloned();
    // `f64::max` would pass over what is not a number.
    parts
        .map(of)
        .fold(of(0..found.len()), |worst, error| if error > worst || error.is_nan() { error } else { worst })
}

/// The worst distance of a logarithm in `found` from the one in `expected`, each by itself: relative to its size, of which it has at
/// least 1, because what is made of it is its exponential.
///
/// Not a number where a value is none, or where the lengths differ or are 0.
pub fn logarithm_error(found: &[f32], expected: &[f64]) -> f64 {
    if found.len() != expected.len() || found.is_empty() {
        return f64::NAN;
    }
    let errors = found.iter().zip(expected).map(|(&f, e)| (f64::from(f) - e).abs() / e.abs().max(1.0));
    // `f64::max` would pass over what is not a number.
    errors.fold(0.0, |worst, error| if error > worst || error.is_nan() { error } else { worst })
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|x| x * x).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_relative_to_the_size_of_what_is_expected() {
        let expected = [3.0, 4.0];
        assert_eq!(relative_error(&[3.0, 4.0], &expected, &[], 0.0), 0.0);
        assert!((relative_error(&[3.0, 4.5], &expected, &[], 0.0) - 0.1).abs() < 1e-12);
        assert_eq!(relative_error(&[0.0], &[0.0], &[], 0.0), 0.0);
        assert_eq!(relative_error(&[1e-30], &[0.0], &[], 0.0), f64::INFINITY);
    }

    #[test]
    fn what_cancels_is_measured_by_what_it_is_the_sum_of() {
        assert_eq!(relative_error(&[0.25, 0.0], &[0.0, 0.0], &[], 10.0), 0.025);
        // A part has its share of it.
        let parts = [0..1, 1..4];
        assert_eq!(relative_error(&[0.25, 0.0, 0.0, 0.0], &[0.0; 4], &parts, 10.0), 0.05);
        // What is large by itself is not.
        assert_eq!(relative_error(&[3.0, 4.5], &[3.0, 4.0], &[], 1.0), 0.1);
        assert!(relative_error(&[f32::NAN], &[0.0], &[], 10.0).is_nan());
    }

    #[test]
    fn logarithms_are_measured_one_by_one() {
        // Beside ten thousand, 0.6 instead of 0.5 would be nothing.
        assert!((logarithm_error(&[-1e4, -0.6], &[-1e4, -0.5]) - 0.1).abs() < 1e-7);
        assert_eq!(logarithm_error(&[-1e4 + 100.0, -0.5], &[-1e4, -0.5]), 0.01);
        assert_eq!(logarithm_error(&[0.0], &[0.0]), 0.0);
        for found in [vec![f32::NAN, 1.0], vec![1.0, f32::NAN], vec![1.0], vec![]] {
            assert!(logarithm_error(&found, &[1.0, 1.0]).is_nan(), "{found:?}");
        }
    }

    #[test]
    fn a_small_part_is_not_hidden_by_a_large_one() {
        let expected: Vec<f64> = (0..1000).map(|i| if i < 998 { 1.0 } else { 2.0 }).collect();
        let mut found: Vec<f32> = expected.iter().map(|&x| x as f32).collect();
        found[999] = 2.01;
        let hidden = relative_error(&found, &expected, &[], 0.0);
        let shown = relative_error(&found, &expected, &[0..998, 998..1000], 0.0);
        assert!(hidden < 1e-3 && shown > 3e-3, "{hidden} {shown}");
    }

    #[test]
    fn what_is_no_number_and_what_is_missing_are_errors() {
        let parts = [0..1, 1..2];
        for found in [vec![f32::NAN, 1.0], vec![1.0, f32::NAN], vec![1.0], vec![]] {
            assert!(relative_error(&found, &[1.0, 1.0], &parts, 0.0).is_nan(), "{found:?}");
        }
        assert!(relative_error(&[], &[], &[], 0.0).is_nan());
        assert_eq!(relative_error(&[f32::INFINITY, 1.0], &[1.0, 1.0], &parts, 0.0), f64::INFINITY);
    }
}
