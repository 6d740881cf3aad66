//! What a device can do.

use burn::tensor::{DType, Tensor};

use super::inputs::{host, tensor};
use super::report::Features;
use crate::engine::backend::caught;
use crate::kernels::KernelBackend;
use crate::measure::floats::{dtype_name, floats};

pub(super) fn features<B: KernelBackend>(device: &B::Device) -> Features {
    Features {
        dtypes: floats::<B>(device).into_iter().map(dtype_name).collect(),
        products_in_tf32: caught(|| rounds_products::<B>(device)).unwrap_or(false),
    }
}

/// Whether the matrix product rounds f32 to 11 bits first, as tensor cores do: a number of 13 bits multiplied by the identity
/// is then another one. Small and large products may run different kernels.
fn rounds_products<B: KernelBackend>(device: &B::Device) -> bool {
    const NUMBER: f32 = 1.0 + 1.0 / 4096.0;
    [64usize, 256, 1024].into_iter().any(|n| {
        let x = tensor::<B, 2>(&vec![NUMBER; n * n], [n, n], device, DType::F32);
        let one = Tensor::<B, 2>::eye(n, device);
        host(B::product(x, one)).into_iter().any(|y| y != NUMBER)
    })
}
