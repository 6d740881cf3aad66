//! Rotary embedding on the CPU, in place.

use crate::kernels::parallel;

/// Rotates `x` `[n, heads, head_dim]` in place by `cos` and `sin` `[n, head_dim / 2]` (rotate-half pairs).
///
/// # Panics
/// If the lengths do not agree.
pub fn rotary(x: &mut [f32], heads: usize, cos: &[f32], sin: &[f32], head_dim: usize) {
    let half = head_dim / 2;
    let width = heads * head_dim;
    assert_eq!(cos.len(), sin.len());
    assert_eq!(x.len() * half, cos.len() * width, "tables do not cover the rows");
    parallel::for_each_row(x, width, |i, row| {
        let (cos, sin) = (&cos[i * half..(i + 1) * half], &sin[i * half..(i + 1) * half]);
        for head in row.chunks_exact_mut(head_dim) {
            let (a, b) = head.split_at_mut(half);
            for (((a, b), c), s) in a.iter_mut().zip(b).zip(cos).zip(sin) {
                (*a, *b) = (*a * c - *b * s, *b * c + *a * s);
            }
        }
    });
}
