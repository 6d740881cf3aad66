//! Rotary position embedding (Su et al. 2021) in the rotate-half form that Qwen and Llama checkpoints use:
//! element `i` of a head pairs with element `i + head_dim / 2`.

pub mod cpu;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(in crate::kernels) mod cube;
pub mod reference;
