//! SwiGLU (Shazeer 2020): `silu(gate) * up`.

pub mod cpu;
pub mod reference;
