//! osler trains medical language models in consultation.

pub mod chat;
pub mod data;
pub mod engine;
pub mod kernels;
pub mod model;
