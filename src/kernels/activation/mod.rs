//! SwiGLU (Shazeer 2020): `silu(gate) * up`.

pub mod backward;
pub mod cpu;
pub mod reference;
