//! SwiGLU in plain tensor operations.

use burn::tensor::{DType, Tensor, activation::sigmoid, backend::Backend};

/// `gate * sigmoid(gate) * up`, in f32 whatever the storage type: both `[n, d]`.
pub fn swiglu<B: Backend>(gate: Tensor<B, 2>, up: Tensor<B, 2>) -> Tensor<B, 2> {
    let dtype = gate.dtype();
    let gate = gate.cast(DType::F32);
    (gate.clone() * sigmoid(gate) * up.cast(DType::F32)).cast(dtype)
}
