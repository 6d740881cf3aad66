//! What goes over rows once: RMSNorm, SwiGLU, rotary embedding. Their backwards give f32.

use burn::tensor::{DType, Tensor};

use super::super::bench::{Bench, Case, Work};
use super::copy;
use crate::kernels::{KernelBackend, activation, norm, rotary};

const EPS: f32 = 1e-6;

/// An operation that reads so many tensors `[n, d]` of `dtype`, and writes so many of it and in f32.
fn over_rows(op: &'static str, [n, d]: [usize; 2], dtype: DType, read: usize, written: [usize; 2]) -> Case {
    let [same, floats] = written;
    let bytes =
        |same: usize, floats: usize| (n * d * (same * dtype.size() + floats * size_of::<f32>())) as f64;
    let work = Work { flops: 0.0, bytes: bytes(read + same, floats), written: bytes(same, floats) };
    Case { op, case: format!("{n} rows of {d}"), dtype, work }
}

impl<B: KernelBackend> Bench<'_, B> {
    pub(super) fn norm(&self, rows: [usize; 2], dtype: DType) {
        let [x, dy]: [Tensor<B, 2>; 2] = [(); 2].map(|()| self.noise(rows, dtype));
        let weight: Tensor<B, 1> = self.noise([rows[1]], dtype);
        self.compare(
            over_rows("rms_norm", rows, dtype, 1, [1, 0]),
            || x.clone(),
            |x| B::rms_norm(x, &weight, EPS),
            0,
            |x| norm::reference::rms_norm(x, &weight, EPS),
        );
        self.compare(
            over_rows("rms_norm_backward", rows, dtype, 2, [0, 1]),
            || (x.clone(), dy.clone()),
            |(x, dy)| B::rms_norm_backward(x, &weight, EPS, dy),
            0,
            |(x, dy)| norm::backward::reference(x, &weight, EPS, dy),
        );
        let more: Tensor<B, 2> = self.noise(rows, dtype);
        self.compare(
            over_rows("add_rms_norm", rows, dtype, 2, [2, 0]),
            || (x.clone(), copy(&more)),
            |(x, more)| B::add_rms_norm(x, more, &weight, EPS),
            0,
            |(x, more)| norm::reference::add_rms_norm(x, more, &weight, EPS),
        );
        let beside: Tensor<B, 2> = self.noise(rows, DType::F32);
        let mut case = over_rows("add_rms_norm_backward", rows, dtype, 2, [0, 1]);
        case.work.bytes += (rows[0] * rows[1] * size_of::<f32>()) as f64;
        self.compare(
            case,
            || (x.clone(), dy.clone(), copy(&beside)),
            |(x, dy, beside)| B::add_rms_norm_backward(x, &weight, EPS, dy, beside),
            0,
            |(x, dy, beside)| norm::backward::add_reference(x, &weight, EPS, dy, beside),
        );
    }

    pub(super) fn swiglu(&self, rows: [usize; 2], dtype: DType) {
        let [gate, up, dy]: [Tensor<B, 2>; 3] = [(); 3].map(|()| self.noise(rows, dtype));
        self.compare(
            over_rows("swiglu", rows, dtype, 2, [1, 0]),
            || (copy(&gate), up.clone()),
            |(gate, up)| B::swiglu(gate, up),
            0,
            |(gate, up)| activation::reference::swiglu(gate, up),
        );
        self.compare(
            over_rows("swiglu_backward", rows, dtype, 3, [0, 2]),
            || (copy(&gate), copy(&up), dy.clone()),
            |(gate, up, dy)| B::swiglu_backward(gate, up, dy),
            0,
            |(gate, up, dy)| activation::backward::reference(gate, up, dy),
        );
    }

    pub(super) fn rotary(&self, [n, heads, head_dim]: [usize; 3], dtype: DType) {
        let x: Tensor<B, 3> = self.noise([n, heads, head_dim], dtype);
        let [cos, sin]: [Tensor<B, 2>; 2] = [(); 2].map(|()| self.noise([n, head_dim / 2], DType::F32));
        let table = 2 * n * (head_dim / 2) * size_of::<f32>();
        let written = n * heads * head_dim * dtype.size();
        let work = Work { flops: 0.0, bytes: (2 * written + table) as f64, written: written as f64 };
        let case = format!("{n} rows of {heads} heads of {head_dim}");
        self.compare(
            Case { op: "rotary", case, dtype, work },
            || copy(&x),
            |x| B::rotary(x, &cos, &sin),
            0,
            |x| rotary::reference::rotary(x, &cos, &sin),
        );
    }
}
