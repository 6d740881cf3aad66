//! Log-softmax statistics of logit rows.

pub mod cpu;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(in crate::kernels) mod cube;
pub mod entropy;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod exp_cube;
pub mod kl;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(in crate::kernels) mod kl_cube;
pub mod log_prob;

pub use cpu::LogSum;
