//! What kernels cost on a device: the time of each operation of [`crate::kernels::KernelBackend`] beside what the device does at
//! best and beside the plain reference, and the memory that training takes above its inputs and gradients.
//!
//! `osler doctor` times a few shapes, `osler bench kernels` many. Reading order: `kernel.rs`, `shapes.rs`, `bench.rs`, `cases/`;
//! `memory/` stands by itself.

mod bench;
mod cases;
pub mod figure;
pub mod floats;
mod kernel;
pub mod memory;
mod shapes;
mod timer;

pub use bench::{Plan, Watch, measure};
pub use kernel::{Kernel, UnknownKernel};
pub use shapes::Shapes;
pub use timer::Timer;
