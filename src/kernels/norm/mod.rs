//! RMSNorm: `y = x / sqrt(mean(x^2) + eps) * weight` (Zhang and Sennrich 2019), without mean subtraction.

pub mod backward;
pub mod cpu;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(in crate::kernels) mod cube;
pub mod reference;
