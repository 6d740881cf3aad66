//! Linear layer in plain tensor operations.

use burn::tensor::{DType, Tensor, TensorData, backend::Backend};

use super::{LinearWeights, Matrix, rounded};
use crate::kernels::KernelBackend;
use crate::kernels::quantised::{Activations, QuantisedMatrix};

/// `x W^T + b`: `x` `[n, in]`, result `[n, out]`, in the type of `x`. Where the weight asks for it, `x` is rounded first.
pub fn linear<B: KernelBackend>(x: Tensor<B, 2>, part: &LinearWeights<'_, B>) -> Tensor<B, 2> {
    let dtype = x.dtype();
    let weight = match part.weight {
        Matrix::Float(weight) => weight.clone(),
        Matrix::Blocks(blocks) => decoded(blocks, &x.device()),
        Matrix::DeviceBlocks(blocks) => decoded(&blocks.download(), &x.device()),
    };
    let x = match part.weight {
        Matrix::Blocks(blocks) if blocks.activations() == Activations::Q8 => round(x),
        _ => x,
    };
    let y = B::product(x, weight.cast(dtype).transpose());
    match part.bias {
        Some(bias) => y + bias.clone().cast(dtype).unsqueeze_dim(0),
        None => y,
    }
}

/// All values `[rows, columns]`.
fn decoded<B: Backend>(blocks: &QuantisedMatrix, device: &B::Device) -> Tensor<B, 2> {
    let [rows, columns] = blocks.dims();
    let data = TensorData::new(blocks.decode_rows(0..rows), [rows, columns]);
    Tensor::from_data(data, (device, DType::F32))
}

/// What rounding to 8 bits leaves of `x` `[n, in]`.
fn round<B: Backend>(x: Tensor<B, 2>) -> Tensor<B, 2> {
    let ([n, k], dtype, device) = (x.dims(), x.dtype(), x.device());
    let data = x.cast(DType::F32).into_data();
    let values = rounded::values(data.as_slice().expect("just cast to f32"), n, k);
    Tensor::from_data(TensorData::new(values, [n, k]), (&device, dtype))
}
