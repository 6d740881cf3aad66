//! One request over HTTP, whose every wait ends.
//!
//! The request runs on a thread of its own, which hands over what arrives. Whoever waits for it can so be stopped at any moment, also
//! while a server says nothing. A thread that was given up ends with the next byte, or when the request's total time is over.

use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, Request, Response, header};
use ureq::{Agent, Body, Timeout};

use super::error::{Failure, Wait};
use super::settings::Timeouts;
use crate::chat::model::Listener;

/// How often a wait looks whether the listener has stopped it.
pub(in crate::chat) const LOOK: Duration = Duration::from_millis(50);
/// Bytes read at once.
const PIECE: usize = 16 << 10;
/// Pieces that may wait to be taken.
const WAITING: usize = 4;
/// How much later than the waiting side the thread gives up, so that it is the former that says why.
const LATER: Duration = Duration::from_secs(1);

/// Why there is no answer, or no more of it.
#[derive(Debug)]
pub(super) enum Halt {
    /// The listener stopped it.
    Stopped,
    /// It failed.
    Failed(Failure),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What comes before an answer's bytes.
#[derive(Debug)]
pub(super) struct Head {
    /// The HTTP status.
    pub status: u16,
    headers: HeaderMap,
}

impl Head {
    /// Whether the answer is a stream of events.
    pub fn is_events(&self) -> bool {
        self.text(&header::CONTENT_TYPE).is_some_and(|it| it.trim_start().starts_with("text/event-stream"))
    }

    /// A header's value, where it is text.
    pub fn text(&self, name: &header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

enum Arrived {
    Head(Head),
    Bytes(Vec<u8>),
    End,
    Failed(Failure),
}

/// An answer as it arrives.
pub(super) struct Incoming {
    arrived: Receiver<Arrived>,
    timeouts: Timeouts,
    end: Instant,
}

/// An agent whose own time limits are those of `timeouts`.
pub(super) fn agent(timeouts: Timeouts, here: bool) -> Agent {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        // What follows a redirect may be another server than the one that the user named.
        .max_redirects(0)
        .timeout_resolve(Some(timeouts.connect))
        .timeout_connect(Some(timeouts.connect))
        .timeout_global(Some(timeouts.total + LATER))
        .user_agent(concat!("osler/", env!("CARGO_PKG_VERSION")));
    if here {
        // What is on this machine is not asked for by way of another one.
        config = config.proxy(None);
    }
    Agent::new_with_config(config.build())
}

/// Sends a request.
pub(super) fn send(
    agent: &Agent,
    request: Request<Vec<u8>>,
    timeouts: Timeouts,
) -> Result<Incoming, Failure> {
    let (sender, arrived) = mpsc::sync_channel(WAITING);
    let agent = agent.clone();
    let end = Instant::now() + timeouts.total;
    thread::Builder::new()
        .name("chat-request".to_owned())
        .spawn(move || {
            // Nobody takes it any more: the listener stopped, or the time was over.
            let _ = run(&agent, request, timeouts, &sender);
        })
        .map_err(|error| Failure::Connection { problem: format!("no thread for the request: {error}") })?;
    Ok(Incoming { arrived, timeouts, end })
}

/// Hands over what arrives, until its end or until nobody takes it.
fn run(
    agent: &Agent,
    request: Request<Vec<u8>>,
    timeouts: Timeouts,
    to: &SyncSender<Arrived>,
) -> Result<(), mpsc::SendError<Arrived>> {
    let response: Response<Body> = match agent.run(request) {
        Ok(response) => response,
        Err(error) => return to.send(Arrived::Failed(before_answer(error, timeouts))),
    };
    let (parts, body) = response.into_parts();
    to.send(Arrived::Head(Head { status: parts.status.as_u16(), headers: parts.headers }))?;
    let mut body = body.into_reader();
    let mut piece = vec![0; PIECE];
    loop {
        match body.read(&mut piece) {
            Ok(0) => return to.send(Arrived::End),
            Ok(count) => to.send(Arrived::Bytes(piece.get(..count).unwrap_or_default().to_vec()))?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return to.send(Arrived::Failed(within_answer(error.into(), timeouts))),
        }
    }
}

/// What went wrong before an answer began.
fn before_answer(error: ureq::Error, timeouts: Timeouts) -> Failure {
    match error {
        ureq::Error::Timeout(timeout) => timed_out(timeout, timeouts),
        ureq::Error::Io(error) if is_lost(error.kind()) => Failure::Connection { problem: error.to_string() },
        ureq::Error::ConnectionFailed => Failure::Connection { problem: "it was not made".to_owned() },
        error => Failure::Protocol { problem: error.to_string() },
    }
}

/// What went wrong after it began.
fn within_answer(error: ureq::Error, timeouts: Timeouts) -> Failure {
    match error {
        ureq::Error::Timeout(timeout) => timed_out(timeout, timeouts),
        ureq::Error::Io(error) => Failure::Truncated { problem: error.to_string() },
        error => Failure::Protocol { problem: error.to_string() },
    }
}

/// Whether a connection was refused or lost, which may pass.
fn is_lost(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, NotConnected, UnexpectedEof,
    };
    matches!(
        kind,
        BrokenPipe | ConnectionAborted | ConnectionRefused | ConnectionReset | NotConnected | UnexpectedEof
    )
}

fn timed_out(timeout: Timeout, timeouts: Timeouts) -> Failure {
    match timeout {
        Timeout::Connect | Timeout::Resolve => {
            Failure::TimedOut { wait: Wait::Connect, after: timeouts.connect }
        }
        _ => Failure::TimedOut { wait: Wait::Total, after: timeouts.total },
    }
}

/// Sends a request of which only that it is answered counts, whatever with, within `within`. Returns what is wrong, if anything is.
pub(super) fn probe(
    agent: &Agent,
    request: Request<()>,
    within: Duration,
    listener: &mut dyn Listener,
) -> Result<Option<String>, Halt> {
    let (sender, answered) = mpsc::sync_channel(1);
    let agent = agent.clone();
    let ask = move || {
        let problem = agent.run(request).err().map(|error| error.to_string());
        // Nobody takes it any more: the listener stopped, or the time was over.
        let _ = sender.send(problem);
    };
    if thread::Builder::new().name("chat-probe".to_owned()).spawn(ask).is_err() {
        // That there is no thread for it says nothing of the server.
        return Ok(None);
    }
    let end = Instant::now() + within;
    loop {
        if listener.stopped() {
            return Err(Halt::Stopped);
        }
        let left = end.saturating_duration_since(Instant::now());
        match answered.recv_timeout(left.min(LOOK)) {
            Ok(problem) => return Ok(problem),
            Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                return Ok(Some(format!("that took longer than {within:?}")));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Ok(Some("the request ended without an answer or an error".to_owned()));
            }
        }
    }
}

impl Incoming {
    /// Waits for the answer's head; `None` where nothing comes within `within`.
    pub fn head(&mut self, within: Duration, listener: &mut dyn Listener) -> Result<Option<Head>, Halt> {
        match self.next(within, listener)? {
            None => Ok(None),
            Some(Arrived::Head(head)) => Ok(Some(head)),
            Some(Arrived::Failed(failure)) => Err(failure.into()),
            Some(Arrived::Bytes(_) | Arrived::End) => {
                Err(Failure::Protocol { problem: "an answer without a head".to_owned() }.into())
            }
        }
    }

    /// How much of the request's whole time is left.
    pub fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Waits for more of its bytes; `None` at its end.
    pub fn bytes(&mut self, listener: &mut dyn Listener) -> Result<Option<Vec<u8>>, Halt> {
        let after = self.timeouts.between_bytes;
        match self.next(after, listener)? {
            None => Err(Failure::TimedOut { wait: Wait::Bytes, after }.into()),
            Some(Arrived::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Arrived::End) => Ok(None),
            Some(Arrived::Failed(failure)) => Err(failure.into()),
            Some(Arrived::Head(_)) => {
                Err(Failure::Protocol { problem: "an answer with two heads".to_owned() }.into())
            }
        }
    }

    /// Waits for what comes next, not beyond the request's end; `None` where nothing comes within `within`.
    fn next(&mut self, within: Duration, listener: &mut dyn Listener) -> Result<Option<Arrived>, Halt> {
        let silent = Instant::now() + within;
        loop {
            if listener.stopped() {
                return Err(Halt::Stopped);
            }
            let now = Instant::now();
            // Also where there is always more to take.
            if now >= self.end {
                return Err(Failure::TimedOut { wait: Wait::Total, after: self.timeouts.total }.into());
            }
            let until = silent.min(self.end);
            match self.arrived.recv_timeout(until.saturating_duration_since(now).min(LOOK)) {
                Ok(arrived) => return Ok(Some(arrived)),
                Err(RecvTimeoutError::Timeout) if now >= silent => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let problem = "the request ended without an answer or an error".to_owned();
                    return Err(Failure::Protocol { problem }.into());
                }
            }
        }
    }
}
