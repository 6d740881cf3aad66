//! Operations in f64 on the host, one row after another: what kernels are held against, by the doctor and by the tests.

pub mod attention;
pub mod head;
pub mod log_probs;
pub mod sampling;
pub(in crate::doctor) mod sums;

use sums::dot;

/// The Euclidean norm.
pub(in crate::doctor) fn norm(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}
