//! Tensors as the storage that kernels read and write, and back.

use burn::tensor::{Bytes, DType, Shape, Tensor, TensorPrimitive};
use burn_flex::{Flex, FlexTensor, Layout};

use crate::kernels::linear::strided::Strided;
use crate::kernels::parallel;

/// What burn holds of a tensor.
pub(super) fn primitive<const D: usize>(x: Tensor<Flex, D>) -> FlexTensor {
    x.into_primitive().tensor()
}

/// The tensor as contiguous f32 storage of exactly its own elements.
pub(super) fn dense<const D: usize>(x: Tensor<Flex, D>) -> FlexTensor {
    let x = if x.dtype() == DType::F32 { x } else { x.cast(DType::F32) };
    primitive(x).to_contiguous()
}

/// A tensor of `data`, row by row.
pub(super) fn tensor<const D: usize>(data: Vec<f32>, dims: [usize; D]) -> Tensor<Flex, D> {
    let layout = Layout::contiguous(Shape::from(dims));
    wrap(FlexTensor::new(Bytes::from_elems(data), layout, DType::F32))
}

/// A tensor of the bits of values of a half type.
pub(super) fn halves(bits: Vec<u16>, dtype: DType) -> Tensor<Flex, 1> {
    let layout = Layout::contiguous(Shape::from([bits.len()]));
    wrap(FlexTensor::new(Bytes::from_elems(bits), layout, dtype))
}

/// The tensor of what burn holds of it.
pub(super) fn wrap<const D: usize>(x: FlexTensor) -> Tensor<Flex, D> {
    Tensor::from_primitive(TensorPrimitive::Float(x))
}

/// [`dense`] with storage of its own, to be written in place. Where others share it, all threads make the copy.
pub(super) fn owned<const D: usize>(x: Tensor<Flex, D>) -> FlexTensor {
    let dims = x.dims();
    let mut x = dense(x);
    if x.try_storage_mut::<f32>().is_some() {
        return x;
    }
    primitive(tensor(parallel::copy(x.storage()), dims))
}

/// A matrix in f32 that runs forwards along both axes, such as a transposed one, or a contiguous copy of another.
pub(super) fn forwards(x: Tensor<Flex, 2>) -> FlexTensor {
    let x = primitive(x);
    if x.layout().strides().iter().all(|&stride| stride >= 0) { x } else { x.to_contiguous() }
}

/// A matrix of [`forwards`] where it lies.
pub(super) fn strided(x: &FlexTensor) -> Strided<'_> {
    let layout = x.layout();
    let axis = |axis: usize| (layout.shape()[axis], layout.strides()[axis].unsigned_abs());
    let ((rows, down), (columns, across)) = (axis(0), axis(1));
    Strided::new(&x.storage::<f32>()[layout.start_offset()..], [rows, columns], [down, across])
}
