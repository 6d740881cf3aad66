//! Products of small matrices, or parts of them, that a task of the backward makes by itself.

use gemm::Parallelism;

use crate::kernels::linear::strided::{To, multiply};

/// A matrix that is read, with its strides.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    data: &'a [f32],
    width: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `[data / width, width]`, row after row.
    pub fn rows(data: &'a [f32], width: usize) -> Self {
        Self { data, width, row_stride: width, column_stride: 1 }
    }

    /// `width` columns from `column` of `[data / stride, stride]`.
    pub fn part(data: &'a [f32], stride: usize, column: usize, width: usize) -> Self {
        Self { data: &data[column.min(data.len())..], width, row_stride: stride, column_stride: 1 }
    }

    /// Of a matrix of rows. Its width is then not known and not asked for: it stands on the left of a product.
    pub fn transposed(self) -> Self {
        Self { row_stride: self.column_stride, column_stride: self.row_stride, ..self }
    }
}

/// A matrix of rows that a product is written to.
pub(super) struct Dest<'a> {
    data: &'a mut [f32],
    row_stride: usize,
    add: bool,
}

impl<'a> Dest<'a> {
    /// Written over, from `column` of rows of `row_stride` on.
    pub fn new(data: &'a mut [f32], row_stride: usize, column: usize) -> Self {
        let from = column.min(data.len());
        Self { data: &mut data[from..], row_stride, add: false }
    }

    /// Added to.
    pub fn add(data: &'a mut [f32], row_stride: usize) -> Self {
        Self { data, row_stride, add: true }
    }
}

/// `to = a b`, or `to += a b`: `a` has `height` rows of `depth` values, `b` `depth` rows of its width.
pub(super) fn product(height: usize, depth: usize, a: Matrix<'_>, b: Matrix<'_>, to: Dest<'_>) {
    let width = b.width;
    if height == 0 || width == 0 || depth == 0 {
        return;
    }
    let last = |rows: usize, row_stride: usize, columns: usize, column_stride: usize| {
        (rows - 1) * row_stride + (columns - 1) * column_stride
    };
    assert!(last(height, a.row_stride, depth, a.column_stride) < a.data.len());
    assert!(last(depth, b.row_stride, width, b.column_stride) < b.data.len());
    assert!(last(height, to.row_stride, width, 1) < to.data.len());
    let strides = |x: Matrix<'_>| [x.row_stride, x.column_stride];
    let target = To { data: to.data.as_mut_ptr(), row_stride: to.row_stride, add: to.add };
    // SAFETY: all elements lie within the slices, as was asserted, and `to` is borrowed alone.
    unsafe {
        multiply(
            [height, depth, width],
            target,
            (a.data, strides(a)),
            (b.data, strides(b)),
            Parallelism::None,
        )
    }
}
