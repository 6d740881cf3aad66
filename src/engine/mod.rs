//! Generation: continuous batching over a paged cache, reuse of what prompts begin with, sampling, and the memory it will take.

pub mod affinity;
pub mod backend;
pub mod blocks;
pub mod chat;
pub mod core;
pub mod device;
pub mod error;
mod group;
pub mod measure;
pub mod memory;
pub mod open;
pub mod prefix;
pub mod request;
mod sample;
pub mod sampling;
mod step;
pub mod text_engine;

pub use chat::{EngineChat, EngineChatSettings};
pub use core::{Engine, EngineOptions};
pub use device::{Device, DeviceError};
pub use error::{EngineError, RequestError};
pub use memory::MemoryPlan;
pub use open::{ModelBundle, OpenError};
pub use request::{Event, Output, Request, RequestId, StopReason};
pub use sampling::SamplingParams;
pub use text_engine::TextEngine;
