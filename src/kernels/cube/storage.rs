//! Tensors as the buffers that kernels read and write, and back.

use burn::tensor::{DType, Shape, Tensor, TensorPrimitive};
use burn_cubecl::element::BoolElement;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeRuntime, FloatElement, IntElement};
use cubecl::server::Handle;

use super::Gpu;

/// What burn holds of a tensor.
pub(super) fn primitive<R, F, I, BT, const D: usize>(x: Tensor<Gpu<R, F, I, BT>, D>) -> CubeTensor<R>
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    x.into_primitive().tensor()
}

/// The tensor of what burn holds of it.
pub(super) fn wrap<R, F, I, BT, const D: usize>(x: CubeTensor<R>) -> Tensor<Gpu<R, F, I, BT>, D>
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    Tensor::from_primitive(TensorPrimitive::Float(x))
}

/// A tensor of `dtype` on the device of `x`, contiguous in `handle`.
pub(super) fn typed<R: CubeRuntime, const D: usize>(
    x: &CubeTensor<R>,
    handle: Handle,
    dims: [usize; D],
    dtype: DType,
) -> CubeTensor<R> {
    CubeTensor::new_contiguous(x.client.clone(), x.device.clone(), Shape::from(dims), handle, dtype)
}

/// As [`typed`], in the type of `x`.
pub(super) fn like<R: CubeRuntime, const D: usize>(
    x: &CubeTensor<R>,
    handle: Handle,
    dims: [usize; D],
) -> CubeTensor<R> {
    typed(x, handle, dims, x.dtype)
}

/// As [`typed`], in f32.
pub(super) fn floats<R: CubeRuntime, const D: usize>(
    x: &CubeTensor<R>,
    handle: Handle,
    dims: [usize; D],
) -> CubeTensor<R> {
    typed(x, handle, dims, DType::F32)
}

/// The tensor in a buffer that nobody else holds, so that it may be overwritten.
pub(super) fn owned<R: CubeRuntime>(x: CubeTensor<R>) -> CubeTensor<R> {
    if x.can_mut() { x } else { x.copy() }
}

/// The tensor in f32, its elements one after another.
pub(super) fn dense<R, F, I, BT, const D: usize>(x: Tensor<Gpu<R, F, I, BT>, D>) -> CubeTensor<R>
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    let x = if x.dtype() == DType::F32 { x } else { x.cast(DType::F32) };
    into_contiguous(primitive(x))
}
