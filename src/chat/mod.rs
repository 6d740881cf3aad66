//! What people and models say to each other, with no tensor in sight.

pub mod message;

pub use message::{Message, Role};
