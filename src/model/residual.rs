//! The residual stream between layers.

use burn::tensor::Tensor;

use crate::kernels::KernelBackend;

/// The residual stream `[n, hidden]`, with what a layer adds to it still beside it: the next norm joins both in its own pass.
#[derive(Debug, Clone)]
pub struct Residual<B: KernelBackend> {
    x: Tensor<B, 2>,
    more: Option<Tensor<B, 2>>,
}

impl<B: KernelBackend> Residual<B> {
    /// A stream that nothing is to be added to.
    pub fn new(x: Tensor<B, 2>) -> Self {
        Self { x, more: None }
    }

    /// The stream `x` that `more` is to be added to, both `[n, hidden]`.
    pub fn plus(x: Tensor<B, 2>, more: Tensor<B, 2>) -> Self {
        Self { x, more: Some(more) }
    }

    /// The whole stream `[n, hidden]`, and its norm.
    pub fn normed(self, weight: &Tensor<B, 1>, eps: f32) -> (Tensor<B, 2>, Tensor<B, 2>) {
        match self.more {
            Some(more) => B::add_rms_norm(self.x, more, weight, eps),
            None => (self.x.clone(), B::rms_norm(self.x, weight, eps)),
        }
    }

    /// The whole stream `[n, hidden]`.
    pub fn sum(self) -> Tensor<B, 2> {
        match self.more {
            Some(more) => self.x + more,
            None => self.x,
        }
    }
}
