//! Linear layer `y = x W^T + b` with weights stored `[out, in]`, as checkpoints have them.

use burn::tensor::{Tensor, backend::Backend};

use crate::kernels::quantised::{DeviceBlocks, QuantisedMatrix};

mod blocks;
pub mod cpu;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(in crate::kernels) mod cube;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(in crate::kernels) mod cube_blocks;
mod integers;
pub mod low_rank;
pub mod reference;
mod rounded;
mod rows;
pub(in crate::kernels) mod strided;
mod tiles;
pub(in crate::kernels) mod transposed;
#[cfg(target_arch = "x86_64")]
mod vnni;
pub(crate) mod widened;

pub use low_rank::{AdaptedWeights, LowRankWeights};

/// A weight matrix `[out, in]`, in floats or in quantised blocks.
#[derive(Debug, Clone)]
pub enum Matrix<B: Backend> {
    /// Floats, on the device.
    Float(Tensor<B, 2>),
    /// Quantised blocks as the file has them, on the host.
    Blocks(QuantisedMatrix),
    /// The same on the device.
    DeviceBlocks(DeviceBlocks<B>),
}

impl<B: Backend> Matrix<B> {
    /// `[out, in]`.
    pub fn dims(&self) -> [usize; 2] {
        match self {
            Self::Float(tensor) => tensor.dims(),
            Self::Blocks(blocks) => blocks.dims(),
            Self::DeviceBlocks(blocks) => blocks.dims(),
        }
    }
}

/// A weight and its optional bias, borrowed from the model.
#[derive(Debug)]
pub struct LinearWeights<'a, B: Backend> {
    /// `[out, in]`
    pub weight: &'a Matrix<B>,
    /// `[out]`
    pub bias: Option<&'a Tensor<B, 1>>,
}
