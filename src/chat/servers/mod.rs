//! Several servers of one model as one chat model.
//!
//! Requests of one conversation go to the same server, which has read its beginning already (`rendezvous`). A server that has too many
//! passes them on (`load`), one that fails is left alone for a while (`health`), and the first request of a conversation goes alone
//! (`prefixes`). `board` decides by all of these together.

mod asking;
mod board;
mod error;
mod health;
mod load;
mod place;
mod prefixes;
mod rendezvous;
mod settings;

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub use self::error::{NoServer, ServersError, Unanswered};
pub use self::settings::{Outages, ServersSettings, Warming};

use self::asking::Asking;
use self::board::{Board, Choice};
use self::place::{Ear, Place};
use super::client::{
    Client, Clock, Failure, LOOK, ServerError, ServerFigures, SystemClock, Wait, hear, wait,
};
use super::error::ChatError;
use super::message::Message;
use super::model::{Asked, ChatModel, Listener};
use super::options::ChatOptions;
use super::reply::Reply;
use super::together::together;

/// Several servers that have the same model. Threads may share them.
pub struct Servers<C: Clock = SystemClock> {
    clients: Vec<Client<C>>,
    /// Their base URLs.
    names: Vec<String>,
    model: String,
    settings: ServersSettings,
    board: Mutex<Board>,
    /// Told when a request has ended or has been heard of.
    changed: Condvar,
    clock: C,
}

impl Servers {
    /// Servers by the machine's clock. Nothing is sent yet. Of the clients' settings, the limit of requests at once is each server's own.
    ///
    /// # Errors
    ///
    /// No client, two of one server, clients of different models, and a setting that is not legal.
    pub fn new(clients: Vec<Client>, settings: ServersSettings) -> Result<Self, ServersError> {
        Self::with_clock(clients, settings, SystemClock)
    }
}

impl<C: Clock> Servers<C> {
    /// Servers by another clock, which decides all waits between requests.
    ///
    /// # Errors
    ///
    /// As [`Servers::new`].
    pub fn with_clock(
        clients: Vec<Client<C>>,
        settings: ServersSettings,
        clock: C,
    ) -> Result<Self, ServersError> {
        settings.check()?;
        let model = clients.first().ok_or(ServersError::None)?.name().to_owned();
        let mut names: Vec<String> = Vec::new();
        for client in &clients {
            let url = client.settings().url.to_string();
            if names.contains(&url) {
                return Err(ServersError::Twice { url });
            }
            if client.name() != model {
                return Err(ServersError::Models { first: model, other: client.name().to_owned() });
            }
            names.push(url);
        }
        let limits = clients.iter().map(|client| client.settings().limits.concurrent);
        let board = Mutex::new(Board::new(limits, settings));
        Ok(Self { names, model, settings, board, changed: Condvar::new(), clock, clients })
    }

    /// Waits for a place at the server that the request is to go to; `None` where it was at all of them and may go there again.
    fn place(
        &self,
        asking: &mut Asking,
        listener: &mut dyn Listener,
    ) -> Result<Option<Place<'_, C>>, ChatError> {
        let begun = self.clock.now();
        let until = begun + self.settings.longest_wait;
        loop {
            if listener.stopped() {
                return Err(ChatError::Stopped);
            }
            let now = self.clock.now();
            let mut board = self.lock();
            match board.choose(asking, begun, now) {
                Choice::Go { server, trial } => {
                    return Ok(Some(Place::new(self, server, trial, asking.key)));
                }
                Choice::Again => return Ok(None),
                Choice::Nowhere => {
                    drop(board);
                    return Err(self.no_server(asking));
                }
                _ if now >= until => return Err(self.no_turn(asking)),
                Choice::Wait => {
                    // Poisoned or not, woken or not: the next round looks again.
                    drop(self.changed.wait_timeout(board, LOOK));
                }
                Choice::Rest(at) => {
                    drop(board);
                    self.clock.sleep(at.min(until).saturating_duration_since(now).min(LOOK));
                }
            }
        }
    }

    /// Waits until the request may go through the servers once more.
    fn again(&self, asking: &mut Asking, listener: &mut dyn Listener) -> Result<(), ChatError> {
        // A server that asked for a longer wait rests until then.
        match self.settings.retries.wait(asking.rounds, None, self.clock.draw()) {
            Some(time) => wait(&self.clock, time, listener)?,
            None => return Err(self.no_server(asking)),
        }
        asking.again();
        Ok(())
    }

    fn no_server(&self, asking: &Asking) -> ChatError {
        let now = self.clock.now();
        let board = self.lock();
        let each = self.names.iter().zip(board.members()).zip(&asking.sent);
        let servers = each
            .map(|((url, member), sent)| Unanswered {
                url: url.clone(),
                tries: sent.tries,
                failure: sent.failure.clone().or(member.health.last().cloned()),
                out: member.health.out_for(now),
            })
            .collect();
        ChatError::NoServer(Box::new(NoServer { servers }))
    }

    /// There was no place within the longest wait.
    fn no_turn(&self, asking: &Asking) -> ChatError {
        let failure = Failure::TimedOut { wait: Wait::Turn, after: self.settings.longest_wait };
        let tries = asking.sent.iter().map(|sent| sent.tries).sum();
        ChatError::Server(Box::new(ServerError { url: self.names.join(", "), tries, failure }))
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        // The board is whole at every moment, whoever panicked.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Clock> ChatModel for Servers<C> {
    fn name(&self) -> &str {
        &self.model
    }

    fn constrains(&self) -> bool {
        self.clients.iter().all(|client| client.constrains())
    }

    /// In the order in which they were named.
    fn servers(&self) -> Vec<ServerFigures> {
        let board = self.lock();
        let pairs = self.clients.iter().zip(board.members());
        pairs.map(|(client, it)| client.figures().among_others(it.spills, it.queued)).collect()
    }

    fn reply(
        &self,
        messages: &[Message],
        options: &ChatOptions,
        listener: &mut dyn Listener,
    ) -> Result<Reply, ChatError> {
        // Whichever server gave it: they have the same model.
        if let Some(reply) = self.clients.iter().find_map(|client| client.kept(messages, options)) {
            hear(&reply, listener);
            return Ok(reply);
        }
        let mut asking = Asking::new(&self.names, options.conversation);
        loop {
            let Some(place) = self.place(&mut asking, listener)? else {
                self.again(&mut asking, listener)?;
                continue;
            };
            let server = place.server;
            let Some(client) = self.clients.get(server) else { return Err(self.no_server(&asking)) };
            let mut ear = Ear { place: &place, listener: &mut *listener, heard: false };
            let result = client.reply_once(messages, options, &mut ear);
            let heard = ear.heard;
            let error = match result {
                Err(ChatError::Server(error)) => error,
                // Stopped, or sent and not kept, or there.
                result => {
                    if !matches!(result, Err(ChatError::Stopped)) {
                        place.answered();
                    }
                    return result;
                }
            };
            let failure = error.failure.clone();
            if matches!(failure, Failure::TimedOut { wait: Wait::Turn, .. }) {
                // It was never sent.
                return Err(ChatError::Server(error));
            }
            place.failed(failure.clone());
            let elsewhere = failure.is_of_server() || failure.may_pass();
            // What was heard cannot be taken back, and would be heard twice.
            if heard || !elsewhere {
                return Err(ChatError::Server(error));
            }
            asking.failed(server, failure, self.settings.retries.longest_asked);
        }
    }

    /// By whichever server it was given.
    fn forget(&self, messages: &[Message], options: &ChatOptions) -> Result<(), ChatError> {
        self.clients.iter().try_for_each(|client| client.forget(messages, options))
    }

    fn is_kept(&self, messages: &[Message], options: &ChatOptions) -> bool {
        self.clients.iter().any(|client| client.is_kept(messages, options))
    }

    fn replies(&self, asked: &[Asked]) -> Vec<Result<Reply, ChatError>> {
        let at_once = self
            .clients
            .iter()
            .fold(0usize, |sum, client| sum.saturating_add(client.settings().limits.concurrent));
        together(asked, at_once, |it| self.reply(&it.messages, &it.options, &mut ()))
    }
}
