//! `to += a^T b` on the CPU: what a weight's gradient adds up to over parts of a batch, without a copy of it.

use gemm::Parallelism;

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
    // SAFETY: all strides stay within the slices, whose lengths were looked at, and `to` is borrowed alone.
    unsafe {
        gemm::gemm(
            out,
            width,
            n,
            to.as_mut_ptr(),
            1,
            width as isize,
            true,
            a.as_ptr(),
            out as isize,
            1,
            b.as_ptr(),
            1,
            width as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::Rayon(0),
        );
    }
}
