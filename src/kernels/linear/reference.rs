//! Linear layer in plain tensor operations.

use burn::tensor::{DType, Tensor, TensorData, backend::Backend};

use super::{LinearWeights, Matrix};

/// `x W^T + b`: `x` `[n, in]`, result `[n, out]`, in the type of `x`.
pub fn linear<B: Backend>(x: Tensor<B, 2>, part: &LinearWeights<'_, B>) -> Tensor<B, 2> {
    let dtype = x.dtype();
    let weight = match part.weight {
        Matrix::Float(weight) => weight.clone(),
        Matrix::Blocks(blocks) => {
            let [rows, columns] = blocks.dims();
            let data = TensorData::new(blocks.decode_rows(0..rows), [rows, columns]);
            Tensor::from_data(data, (&x.device(), DType::F32))
        }
    };
    let y = x.matmul(weight.cast(dtype).transpose());
    match part.bias {
        Some(bias) => y + bias.clone().cast(dtype).unsqueeze_dim(0),
        None => y,
    }
}
