//! `a b` on the CPU for matrices of any strides, such as a transposed one, into memory that nobody clears first.

use gemm::Parallelism;

/// A matrix where it lies.
#[derive(Debug, Clone, Copy)]
pub struct Strided<'a> {
    pub(super) data: &'a [f32],
    pub(super) dims: [usize; 2],
    pub(super) strides: [usize; 2],
}

impl<'a> Strided<'a> {
    /// `dims` rows and columns of `data`, whose neighbours down and across lie `strides` apart.
    ///
    /// # Panics
    /// If an element lies outside `data`.
    pub fn new(data: &'a [f32], dims: [usize; 2], strides: [usize; 2]) -> Self {
        let empty = dims.contains(&0);
        let last = || (dims[0] - 1) * strides[0] + (dims[1] - 1) * strides[1];
        assert!(empty || last() < data.len(), "{dims:?} by {strides:?} of {} values", data.len());
        Self { data, dims, strides }
    }
}

/// `a b` `[m, n]`, row after row: `a` `[m, k]`, `b` `[k, n]`.
///
/// # Panics
/// If their sizes do not agree.
pub fn product(a: Strided<'_>, b: Strided<'_>) -> Vec<f32> {
    let ([m, k], [depth, n]) = (a.dims, b.dims);
    assert_eq!(k, depth, "columns of the one, rows of the other");
    if m == 0 || n == 0 || k == 0 {
        return vec![0.0; m * n];
    }
    let mut out = Vec::with_capacity(m * n);
    // SAFETY: all elements of `a` and `b` lie within their slices, as was looked at, and `out` has room for `m n`, of which each
    // is written and, since nothing is added to it, none read before.
    unsafe {
        let to = To { data: out.as_mut_ptr(), row_stride: n, add: false };
        multiply([m, k, n], to, (a.data, a.strides), (b.data, b.strides), Parallelism::Rayon(0));
        out.set_len(m * n);
    }
    out
}

/// Rows, each without gaps, that a product is written or added to.
pub(in crate::kernels) struct To {
    pub data: *mut f32,
    pub row_stride: usize,
    pub add: bool,
}

/// `to = a b`, or `to += a b`: `a` `[m, k]`, `b` `[k, n]`, each with its strides down and across.
///
/// # Safety
/// All elements lie within their slices, and those of `to` in memory that is borrowed alone.
pub(in crate::kernels) unsafe fn multiply(
    [m, k, n]: [usize; 3],
    to: To,
    (a, a_strides): (&[f32], [usize; 2]),
    (b, b_strides): (&[f32], [usize; 2]),
    parallelism: Parallelism,
) {
    // SAFETY: the caller's.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            to.data,
            1,
            to.row_stride as isize,
            to.add,
            a.as_ptr(),
            a_strides[1] as isize,
            a_strides[0] as isize,
            b.as_ptr(),
            b_strides[1] as isize,
            b_strides[0] as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every product of small integers is exact, in any order of summation.
    fn by_hand(a: Strided<'_>, b: Strided<'_>) -> Vec<f32> {
        let at = |x: Strided<'_>, i: usize, j: usize| x.data[i * x.strides[0] + j * x.strides[1]];
        let ([m, k], n) = (a.dims, b.dims[1]);
        (0..m * n).map(|place| (0..k).map(|l| at(a, place / n, l) * at(b, l, place % n)).sum()).collect()
    }

    proptest! {
        #[test]
        fn either_may_be_transposed(
            [m, k, n] in prop::array::uniform3(0usize..40),
            [a_turned, b_turned] in any::<[bool; 2]>(),
            seed in 0u32..1000,
        ) {
            let values = |count: usize, seed: u32| -> Vec<f32> {
                (0..count as u32).map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as f32 % 7.0 - 3.0).collect()
            };
            let (a, b) = (values(m * k, seed), values(k * n, seed + 1));
            let lie = |[rows, columns]: [usize; 2], turned| if turned { [1, rows] } else { [columns, 1] };
            let a = Strided::new(&a, [m, k], lie([m, k], a_turned));
            let b = Strided::new(&b, [k, n], lie([k, n], b_turned));
            prop_assert_eq!(product(a, b), by_hand(a, b));
        }
    }

    #[test]
    #[should_panic(expected = "of 5 values")]
    fn a_matrix_that_is_not_there_is_refused() {
        Strided::new(&[0.0; 5], [2, 3], [3, 1]);
    }
}
