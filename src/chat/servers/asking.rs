//! One request on its way through the servers.

use std::time::{Duration, Instant};

use super::rendezvous;
use crate::chat::client::Failure;
use crate::chat::options::ConversationKey;

/// Where a request has been, and where it may go.
#[derive(Debug)]
pub(super) struct Asking {
    /// What it has in common with others.
    pub key: Option<ConversationKey>,
    /// The servers as its conversation prefers them; none where any will do.
    pub order: Option<Vec<usize>>,
    /// What came of it at each server.
    pub sent: Vec<Sent>,
    /// How often it went through all servers in vain.
    pub rounds: u32,
    /// Until when it waits for the first of its conversation, once it does.
    pub patience: Option<Instant>,
}

/// What came of a request at one server.
#[derive(Debug, Clone, Default)]
pub(super) struct Sent {
    /// How often it was sent there.
    pub tries: u32,
    /// What came of it last.
    pub failure: Option<Failure>,
    /// Whether it was there in this round.
    pub this_round: bool,
    /// Whether it does not go there again.
    pub over: bool,
}

impl Asking {
    /// A request that was nowhere yet.
    pub fn new(names: &[String], key: Option<ConversationKey>) -> Self {
        Self {
            key,
            order: key.map(|key| rendezvous::order(names.iter().map(String::as_str), key)),
            sent: vec![Sent::default(); names.len()],
            rounds: 0,
            patience: None,
        }
    }

    /// Whether it may go to a server now.
    pub fn may_go_to(&self, server: usize) -> bool {
        self.sent.get(server).is_some_and(|sent| !sent.over && !sent.this_round)
    }

    /// A server failed to answer it. It goes there again only if the same may then be answered, and if the server does not ask for a longer
    /// rest than `longest_rest`.
    pub fn failed(&mut self, server: usize, failure: Failure, longest_rest: Duration) {
        if let Some(sent) = self.sent.get_mut(server) {
            sent.tries += 1;
            sent.this_round = true;
            sent.over = !failure.may_pass() || failure.retry_after().is_some_and(|it| it > longest_rest);
            sent.failure = Some(failure);
        }
    }

    /// It goes through the servers once more.
    pub fn again(&mut self) {
        self.rounds += 1;
        for sent in &mut self.sent {
            sent.this_round = false;
        }
    }
}
