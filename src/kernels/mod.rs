//! Tensor operations that decide speed and memory: for each a plain reference and, where the reference is
//! slow, a kernel of our own. [`KernelBackend`] picks by device.

pub mod activation;
pub mod adamw;
pub mod attention;
pub mod autodiff;
mod backend;
pub mod ceiling;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cube;
mod flex;
pub mod head;
pub mod linear;
pub mod norm;
pub mod parallel;
pub mod quantised;
pub mod rotary;
pub mod sampling;
pub mod selection;
pub mod simd;
pub mod softmax;

pub use adamw::AdamWStep;
pub use adamw::master::MasterStep;
pub use attention::{Attended, AttentionShape, AttentionSpan, BLOCK_TOKENS, Segment};
pub use backend::{KernelBackend, MemoryMeter, MemoryUse};
pub use linear::{AdaptedWeights, LinearWeights, LowRankWeights, Matrix};
