//! What people and models say to each other, with no tensor in sight.
//!
//! [`ChatModel`] is anything that answers a conversation: [`client::Client`] asks a model server, [`servers::Servers`] one of several, the
//! engine's model is in `engine::chat`. Nothing here knows of the rooms above.

pub mod client;
pub(crate) mod digest;
pub mod error;
pub mod halting;
pub mod message;
pub mod model;
pub mod options;
pub mod pooled;
pub mod reply;
pub mod schema;
pub mod servers;
#[cfg(test)]
pub(crate) mod stalled;
pub mod structured;
mod together;

pub use error::ChatError;
pub use halting::Halting;
pub use message::{Message, Role};
pub use model::{Asked, ChatModel, Listener, Part, SharedModel};
pub use options::{ChatOptions, ConversationKey};
pub use pooled::Pooled;
pub use reply::{Finish, Reading, Reply, Usage};
pub use schema::ReplySchema;
