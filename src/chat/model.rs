//! Anything that answers a conversation.

use std::sync::Arc;

use crate::chat::client::ServerFigures;
use crate::chat::error::ChatError;
use crate::chat::message::Message;
use crate::chat::options::ChatOptions;
use crate::chat::reply::{Reading, Reply};

/// A model that several roles, and threads, may ask.
pub type SharedModel = Arc<dyn ChatModel + Send + Sync>;

/// A model that answers conversations, wherever it runs.
pub trait ChatModel {
    /// What the model is called in reports.
    fn name(&self) -> &str;

    /// The model that this one only passes requests on to, where there is one: what is said of it below is then said of this one, too.
    fn inner(&self) -> Option<&dyn ChatModel> {
        None
    }

    /// Whether a reply is held to the options' schema while it is made. A model may learn that it cannot.
    fn constrains(&self) -> bool {
        self.inner().is_some_and(|inner| inner.constrains())
    }

    /// Answers `messages`. `listener` hears the reply in parts as it is made, or whole at its end, and can stop it.
    ///
    /// # Errors
    ///
    /// Whatever is no answer: the model failed, the conversation is too long for it, or it was stopped before it said anything.
    /// Parts that were heard before an error are no answer either.
    fn reply(
        &self,
        messages: &[Message],
        options: &ChatOptions,
        listener: &mut dyn Listener,
    ) -> Result<Reply, ChatError>;

    /// Answers several conversations that do not depend on each other, in their order. A model that can answer them together, or share
    /// what they have in common, does. One that fails takes no other with it.
    fn replies(&self, asked: &[Asked]) -> Vec<Result<Reply, ChatError>> {
        asked.iter().map(|it| self.reply(&it.messages, &it.options, &mut ())).collect()
    }

    /// The reply to this request was of no use to whoever asked, and is not to be given again where it was kept. What was not kept is made
    /// anew in any case.
    ///
    /// # Errors
    ///
    /// [`ChatError::Cache`] where it cannot be taken away.
    fn forget(&self, messages: &[Message], options: &ChatOptions) -> Result<(), ChatError> {
        self.inner().map_or(Ok(()), |inner| inner.forget(messages, options))
    }

    /// Whether the reply to this request was kept on disk, so that nothing is sent for it.
    fn is_kept(&self, messages: &[Message], options: &ChatOptions) -> bool {
        self.inner().is_some_and(|inner| inner.is_kept(messages, options))
    }

    /// What was asked of each server so far, and what that cost; nothing of a model of this process.
    fn servers(&self) -> Vec<ServerFigures> {
        self.inner().map(|inner| inner.servers()).unwrap_or_default()
    }

    /// What reading conversations took so far; `None` of a model whose work is not seen from here.
    fn reading(&self) -> Option<Reading> {
        self.inner().and_then(|inner| inner.reading())
    }
}

/// A conversation to be answered, and how.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked {
    /// The conversation.
    pub messages: Vec<Message>,
    /// Settings of the reply.
    pub options: ChatOptions,
}

/// A stretch of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// Of what the model thought before it answered.
    Thinking(&'a str),
    /// Of the answer.
    Answer(&'a str),
}

/// Hears a reply while it is made.
pub trait Listener {
    /// Takes the next part; it is never empty.
    fn hear(&mut self, part: Part<'_>);

    /// Whether to stop. Asked after each part, and several times a second while nothing comes.
    fn stopped(&mut self) -> bool;
}

/// Waits for the whole reply.
impl Listener for () {
    fn hear(&mut self, _: Part<'_>) {}

    fn stopped(&mut self) -> bool {
        false
    }
}

/// Hears nothing, and stops when the other one does.
pub(in crate::chat) struct Silent<'a>(pub &'a mut dyn Listener);

impl Listener for Silent<'_> {
    fn hear(&mut self, _: Part<'_>) {}

    fn stopped(&mut self) -> bool {
        self.0.stopped()
    }
}
