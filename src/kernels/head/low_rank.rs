//! What a low-rank adapter of the head takes part in: logits get `s (h A^T) B^T` more, and nothing of `[n, vocab]` or
//! `[vocab, hidden]` is held for it.
//!
//! With `t = s h A^T` `[n, r]` and the gradients `dx` of the logits: `dB = dx^T t`, `dt = s dx B`, `dA = dt^T h`, and `dh` gets
//! `dt A` more. That is `2 n r (hidden + vocab)` flops forward and twice as many backward.

use std::ops::Range;

use burn::tensor::{DType, Int, Tensor, backend::Backend};

use super::magnitude::Magnitude;
use super::rows::floats;
use crate::kernels::KernelBackend;
use crate::kernels::linear::LowRankWeights;

/// Gradients of an adapter, in f32.
#[derive(Debug)]
pub struct LowRankGradients<B: Backend> {
    /// Of `A`, `[r, hidden]`.
    pub a: Tensor<B, 2>,
    /// Of `B`, `[vocab, r]`.
    pub b: Tensor<B, 2>,
}

impl<B: KernelBackend> LowRankGradients<B> {
    /// Of no rows.
    pub(super) fn zeros(adapter: &LowRankWeights<'_, B>) -> Self {
        let (a, b) = (floats(adapter.a), floats(adapter.b));
        let zeros = |like: &Tensor<B, 2>| Tensor::zeros(like.dims(), (&like.device(), DType::F32));
        Self { a: zeros(a), b: zeros(b) }
    }

    /// Of gradients of logits that were multiplied before.
    pub(super) fn undone(self, magnitude: Magnitude) -> Self {
        Self { a: magnitude.undone(self.a), b: magnitude.undone(self.b) }
    }

    /// The sum of those of two blocks of rows.
    pub(super) fn plus(self, other: Self) -> Self {
        Self { a: self.a + other.a, b: self.b + other.b }
    }

    /// Adds those of a part of rows, `hidden` `[rows, hidden]` and `dlogits` `[rows, vocab]` in f32, in place; gives what the
    /// gradient of `hidden` has more, in f32.
    pub(super) fn add_rows(
        self,
        adapter: &LowRankWeights<'_, B>,
        hidden: Tensor<B, 2>,
        dlogits: Tensor<B, 2>,
    ) -> (Self, Tensor<B, 2>) {
        let narrow = B::linear_group(hidden.clone(), &[adapter.narrow()]).swap_remove(0).cast(DType::F32);
        let db = B::add_products(self.b, dlogits.clone(), narrow * adapter.scale);
        let dnarrow = B::mixed_product(dlogits, floats(adapter.b)) * adapter.scale;
        let da = B::add_products(self.a, dnarrow.clone(), hidden.cast(DType::F32));
        (Self { a: da, b: db }, B::mixed_product(dnarrow, floats(adapter.a)))
    }
}

/// `a b` of matrices of one type, in f32.
pub(super) type Product<B> = fn(Tensor<B, 2>, Tensor<B, 2>) -> Tensor<B, 2>;

/// All rows in the `r` columns of an adapter. Products take their operands in the type of the hidden rows, so that tensor cores
/// take them.
pub(super) struct Narrow<'a, B: KernelBackend> {
    product: Product<B>,
    a: &'a Tensor<B, 2>,
    b: &'a Tensor<B, 2>,
    scale: f32,
    /// `t`, `[n, r]`.
    rows: Tensor<B, 2>,
}

/// What parts of columns have given so far.
pub(super) struct Gathered<B: KernelBackend> {
    /// `dx B`, `[n, r]` in f32.
    dnarrow: Option<Tensor<B, 2>>,
    /// `dB`, `[vocab, r]` in f32.
    b: Tensor<B, 2>,
}

impl<'a, B: KernelBackend> Narrow<'a, B> {
    /// `hidden` `[n, hidden]` as `adapter` narrows it.
    pub fn new(product: Product<B>, adapter: &LowRankWeights<'a, B>, hidden: &Tensor<B, 2>) -> Self {
        let (a, b, dtype) = (floats(adapter.a), floats(adapter.b), hidden.dtype());
        let rows = product(hidden.clone(), a.clone().cast(dtype).transpose()) * adapter.scale;
        Self { product, a, b, scale: adapter.scale, rows: rows.cast(dtype) }
    }

    /// The rows at `places` alone.
    pub fn at(self, places: &Tensor<B, 1, Int>) -> Self {
        Self { rows: self.rows.select(0, places.clone()), ..self }
    }

    /// Those rows of `B`, in the type of the hidden rows.
    fn columns(&self, part: Range<usize>) -> Tensor<B, 2> {
        self.b.clone().slice([part]).cast(self.rows.dtype())
    }

    /// What the logits of the columns `part` have more, `[n, part]` in f32.
    pub fn logits(&self, part: Range<usize>) -> Tensor<B, 2> {
        (self.product)(self.rows.clone(), self.columns(part).transpose())
    }

    /// Before any columns.
    pub fn gathered(&self) -> Gathered<B> {
        Gathered { dnarrow: None, b: Tensor::empty(self.b.dims(), (&self.b.device(), DType::F32)) }
    }

    /// Joins the columns `part`, whose logits have the gradients `dlogits` `[n, part]`.
    pub fn gather(&self, before: Gathered<B>, part: Range<usize>, dlogits: Tensor<B, 2>) -> Gathered<B> {
        let [_, rank] = self.b.dims();
        let more = (self.product)(dlogits.clone(), self.columns(part.clone()));
        let dnarrow = match before.dnarrow {
            Some(sum) => sum + more,
            None => more,
        };
        let b = (self.product)(dlogits.transpose(), self.rows.clone());
        Gathered { dnarrow: Some(dnarrow), b: before.b.slice_assign([part, 0..rank], b) }
    }

    /// Once all columns were joined: the adapter's gradients, and what that of `hidden` `[n, hidden]` has more, in f32.
    pub fn finish(&self, gathered: Gathered<B>, hidden: Tensor<B, 2>) -> (LowRankGradients<B>, Tensor<B, 2>) {
        let Gathered { dnarrow, b } = gathered;
        let dnarrow = dnarrow.unwrap_or_else(|| unreachable!("a vocabulary has columns")) * self.scale;
        let dnarrow = dnarrow.cast(self.rows.dtype());
        let a = (self.product)(dnarrow.clone().transpose(), hidden);
        let more = (self.product)(dnarrow, self.a.clone().cast(self.rows.dtype()));
        (LowRankGradients { a, b }, more)
    }
}
