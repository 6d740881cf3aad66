//! `to += a^T b` on the CPU: what a weight's gradient adds up to over parts of a batch, without a copy of it.

use gemm::Parallelism;

use super::strided::{To, multiply};

/// Adds `a^T b` to `to`: `a` `[n, out]`, `b` `[n, in]`, `to` `[out, in]`.
///
/// # Panics
/// If the lengths do not agree.
pub fn add(to: &mut [f32], a: &[f32], b: &[f32], [n, out, width]: [usize; 3]) {
    assert!(
        a.len() == n * out && b.len() == n * width && to.len() == out * width,
        "not [{n}, {out}, {width}]"
    );
    if n == 0 || out == 0 || width == 0 {
        return;
    }
    let target = To { data: to.as_mut_ptr(), row_stride: width, add: true };
    // SAFETY: all strides stay within the slices, whose lengths were looked at, and `to` is borrowed alone.
    unsafe { multiply([out, n, width], target, (a, [1, out]), (b, [width, 1]), Parallelism::Rayon(0)) }
}
