//! SwiGLU (Shazeer 2020): `silu(gate) * up`.

pub mod backward;
pub mod cpu;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(in crate::kernels) mod cube;
pub mod reference;
