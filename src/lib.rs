//! osler trains medical language models in consultation.

pub mod kernels;
pub mod model;
