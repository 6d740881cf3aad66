//! One question to a unit's model.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::chat::{
    ChatError, ChatModel, ChatOptions, ConversationKey, Listener, Message, ReplySchema, structured,
};

/// A schema that is written in the code.
///
/// # Panics
/// If it is none, which the tests of its unit rule out.
pub(super) fn schema(name: &str, json: Value) -> Arc<ReplySchema> {
    let schema = ReplySchema::new(name, json);
    Arc::new(schema.unwrap_or_else(|error| panic!("the schema `{name}` is broken: {error}")))
}

/// How a question is put.
pub(super) struct Manner {
    /// The most tokens of what is thought before an answer.
    pub thinking: usize,
    /// Divides the logits; 0 takes the likeliest.
    pub temperature: f32,
    /// Seed of the draws.
    pub seed: u64,
    /// How often it is put again after an answer of another shape.
    pub again: usize,
    /// What it begins with as the unit's other questions do.
    pub conversation: ConversationKey,
}

/// The answer to `messages` as `schema` says, read as a `T`. It has as many tokens as the longest one that the schema allows.
pub(super) fn ask<T: DeserializeOwned>(
    model: &dyn ChatModel,
    messages: &[Message],
    schema: &Arc<ReplySchema>,
    manner: &Manner,
    listener: &mut dyn Listener,
) -> Result<T, ChatError> {
    let options = ChatOptions {
        max_tokens: schema.most_tokens().map(|answer| answer.saturating_add(manner.thinking)),
        temperature: Some(manner.temperature),
        seed: Some(manner.seed),
        schema: Some(Arc::clone(schema)),
        conversation: Some(manner.conversation),
        ..ChatOptions::default()
    };
    Ok(structured::ask_as(model, messages, &options, manner.again, listener)?.value)
}

/// The seed of the question `number` of a turn: below 2^31, which every server takes.
pub(super) fn seed(seed: u64, turn: usize, number: u64) -> u64 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(((turn as u64) << 8) | number);
    rng.next_u64() >> 33
}
