//! How a reply is to be made.

use std::sync::Arc;

use crate::chat::schema::ReplySchema;

/// Settings of one reply. What is `None` is left to the model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatOptions {
    /// The most new tokens.
    pub max_tokens: Option<usize>,
    /// Divides the logits; 0 takes the likeliest token.
    pub temperature: Option<f32>,
    /// The likeliest tokens that together reach this probability are kept.
    pub top_p: Option<f32>,
    /// Seed of the draws.
    pub seed: Option<u64>,
    /// Whether a server is to send the reply in parts while it is made.
    pub stream: bool,
    /// What the reply must look like. A model that cannot hold a reply to it
    /// ([`ChatModel::constrains`](crate::chat::ChatModel::constrains)) ignores it; [`structured::ask`](crate::chat::structured::ask)
    /// works with either kind.
    pub schema: Option<Arc<ReplySchema>>,
}
