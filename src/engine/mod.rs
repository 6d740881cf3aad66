//! Generation: continuous batching over a paged cache, sampling, and the memory it will take.

pub mod blocks;
pub mod core;
pub mod error;
pub mod memory;
pub mod request;
mod sample;
pub mod sampling;

pub use core::{Engine, EngineOptions};
pub use error::{EngineError, RequestError};
pub use memory::MemoryPlan;
pub use request::{Event, Output, Request, RequestId, StopReason};
pub use sampling::SamplingParams;
