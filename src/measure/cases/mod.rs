//! The operations that are timed, a file for those that go together: what each must do at least, and what it is compared with.

mod attention;
mod head;
mod products;
mod rows;
mod sampling;

use burn::tensor::{DType, Tensor};

use super::bench::{Bench, Case, Work};
use super::kernel::Kernel;
use crate::kernels::{AdamWStep, KernelBackend, adamw};

/// Memory of its own, for an operation that may overwrite what it is given.
fn copy<B: KernelBackend, const D: usize>(x: &Tensor<B, D>) -> Tensor<B, D> {
    x.clone().add_scalar(0.0)
}

impl<B: KernelBackend> Bench<'_, B> {
    /// Times what belongs to `kernel`.
    pub fn kernel(&self, kernel: Kernel) {
        let shapes = &self.plan.shapes;
        match kernel {
            Kernel::Linear => self.each(kernel, shapes.linear, Self::linear),
            Kernel::Quantised => self.each(kernel, shapes.quantised, Self::quantised),
            Kernel::Attention => self.each(kernel, shapes.attention, Self::attention),
            Kernel::Cached => self.each(kernel, shapes.cached, Self::cached),
            Kernel::Norm => self.each(kernel, shapes.rows, Self::norm),
            Kernel::Swiglu => self.each(kernel, shapes.rows, Self::swiglu),
            Kernel::Rotary => self.each(kernel, shapes.rotary, Self::rotary),
            Kernel::Head => self.each(kernel, shapes.head, Self::head),
            Kernel::Products => self.each(kernel, shapes.products, Self::products),
            Kernel::LogProbs => self.each(kernel, shapes.logits, Self::log_probs),
            Kernel::Sampling => self.each(kernel, shapes.draws, Self::sampling),
            Kernel::AdamW => self.each(kernel, shapes.weights, Self::adamw),
        }
    }

    fn adamw(&self, n: usize, dtype: DType) {
        let flat = || self.noise([n], dtype);
        let (weights, gradient, m): (Tensor<B, 1>, _, _) = (flat(), flat(), flat());
        let v = m.clone().abs();
        let step =
            AdamWStep { lr: 1e-3, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.1, step: 10, scale: 1.0 };
        // Weights and both moments are read and written, the gradient is read.
        let tensors = |count: usize| (count * n * size_of::<f32>()) as f64;
        let work = Work { flops: 0.0, bytes: tensors(7), written: tensors(3) };
        self.compare(
            Case { op: "adamw", case: format!("{n} weights"), dtype, work },
            || (copy(&weights), gradient.clone(), [copy(&m), copy(&v)]),
            |(weights, gradient, moments)| B::adamw(weights, gradient, moments, &step),
            0,
            |(weights, gradient, moments)| adamw::reference(weights, gradient, moments, &step),
        );
        for &half in self.plan.dtypes.iter().filter(|&&half| half != dtype) {
            // Weights are written in the half type, too.
            let copies = (n * half.size()) as f64;
            let work = Work { flops: 0.0, bytes: tensors(7) + copies, written: tensors(3) + copies };
            self.compare(
                Case { op: "adamw_master", case: format!("{n} weights"), dtype: half, work },
                || (copy(&weights), gradient.clone(), [copy(&m), copy(&v)]),
                |(masters, gradient, moments)| B::adamw_master(masters, gradient, moments, &step, half),
                0,
                |(masters, gradient, moments)| {
                    adamw::master::reference(masters, gradient, moments, &step, half)
                },
            );
        }
    }
}
