//! A request's place at a server.

use super::Servers;
use super::health::End;
use crate::chat::client::{Clock, Failure};
use crate::chat::model::{Listener, Part};
use crate::chat::options::ConversationKey;

/// A place at a server, until it is dropped.
pub(super) struct Place<'a, C: Clock> {
    servers: &'a Servers<C>,
    /// Which server.
    pub server: usize,
    trial: bool,
    key: Option<ConversationKey>,
    end: End,
}

impl<'a, C: Clock> Place<'a, C> {
    /// The place that the board gave.
    pub fn new(servers: &'a Servers<C>, server: usize, trial: bool, key: Option<ConversationKey>) -> Self {
        Self { servers, server, trial, key, end: End::Abandoned }
    }

    /// Something was said: the server has read the conversation.
    fn heard(&self) {
        if let Some(key) = self.key {
            self.servers.lock().read(key, self.server);
            self.servers.changed.notify_all();
        }
    }

    /// The request was answered.
    pub fn answered(mut self) {
        self.end = End::Answered;
    }

    /// It failed.
    pub fn failed(mut self, failure: Failure) {
        self.end = End::Failed(failure);
    }
}

impl<C: Clock> Drop for Place<'_, C> {
    fn drop(&mut self) {
        let now = self.servers.clock.now();
        self.servers.lock().leave(self.server, self.trial, self.key, &self.end, now);
        self.servers.changed.notify_all();
    }
}

/// Hears the first part of a reply before the listener does.
pub(super) struct Ear<'a, C: Clock> {
    pub place: &'a Place<'a, C>,
    pub listener: &'a mut dyn Listener,
    /// Whether anything was heard.
    pub heard: bool,
}

impl<C: Clock> Listener for Ear<'_, C> {
    fn hear(&mut self, part: Part<'_>) {
        if !self.heard {
            self.heard = true;
            self.place.heard();
        }
        self.listener.hear(part);
    }

    fn stopped(&mut self) -> bool {
        self.listener.stopped()
    }
}
