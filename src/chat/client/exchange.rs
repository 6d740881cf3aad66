//! A request sent once, and what comes back.

use std::time::Duration;

use serde_json::Value;
use ureq::http::request::Builder;
use ureq::http::{Request, header};

use super::clock::Clock;
use super::error::{Failure, Wait};
use super::refused::refuses_schemas;
use super::settings::Timeouts;
use super::sse::Events;
use super::stream::Assembly;
use super::transport::{self, Halt, Head, Incoming};
use super::{Client, Prepared, hear, retry, wire};
use crate::chat::error::excerpt;
use crate::chat::model::{Listener, Silent};
use crate::chat::options::ChatOptions;
use crate::chat::reply::Reply;

/// The most bytes read of an answer that is an error: enough for any message.
const ERROR_LIMIT: usize = 64 << 10;

impl<C: Clock> Client<C> {
    /// Sends a request and reads what comes back.
    pub(super) fn exchange(
        &self,
        text: &str,
        prepared: &Prepared,
        listener: &mut dyn Listener,
    ) -> Result<Reply, Halt> {
        let options = &prepared.options;
        let request = self.request(text, options.stream)?;
        let mut incoming = transport::send(&self.agent, request, self.settings.timeouts)?;
        let head = self.head(&mut incoming, options.stream, listener)?;
        if head.status != 200 {
            Err(self.refusal(&head, incoming, options, listener)?.into())
        } else if options.stream && head.is_events() {
            if prepared.in_parts {
                return self.streamed(incoming, listener);
            }
            let reply = self.streamed(incoming, &mut Silent(&mut *listener))?;
            hear(&reply, listener);
            Ok(reply)
        } else {
            self.whole(incoming, listener)
        }
    }

    /// Waits for the answer's head as long as it may take.
    fn head(
        &self,
        incoming: &mut Incoming,
        in_parts: bool,
        listener: &mut dyn Listener,
    ) -> Result<Head, Halt> {
        let Timeouts { first_byte: after, probe, .. } = self.settings.timeouts;
        loop {
            if let Some(head) = incoming.head(after, listener)? {
                return Ok(head);
            }
            if in_parts {
                return Err(Failure::TimedOut { wait: Wait::FirstByte, after }.into());
            }
            let request = self.probe()?;
            // The request's own end ends this wait, too.
            let within = probe.min(incoming.left());
            if let Some(problem) = transport::probe(&self.prober, request, within, listener)? {
                // It may have come meanwhile, or its whole time may be over.
                return match incoming.head(Duration::ZERO, listener)? {
                    Some(head) => Ok(head),
                    None => Err(Failure::NoSign { after, problem }.into()),
                };
            }
        }
    }

    fn request(&self, text: &str, stream: bool) -> Result<Request<Vec<u8>>, Failure> {
        let accept = if stream { "text/event-stream" } else { "application/json" };
        let request = Request::post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, accept);
        self.signed(request)?
            .body(text.as_bytes().to_vec())
            .map_err(|error| Failure::Protocol { problem: error.to_string() })
    }

    /// A request that takes a server no time, on a connection that serves no other.
    fn probe(&self) -> Result<Request<()>, Failure> {
        let request = Request::get(self.settings.url.models())
            .header(header::ACCEPT, "application/json")
            .header(header::CONNECTION, "close");
        self.signed(request)?.body(()).map_err(|error| Failure::Protocol { problem: error.to_string() })
    }

    /// The same with the key, where there is one.
    fn signed(&self, request: Builder) -> Result<Builder, Failure> {
        let Some(key) = &self.settings.key else { return Ok(request) };
        // The key was checked when it was read, so that this error, which does not show it, is never met.
        let key = key.header().map_err(|error| Failure::Protocol { problem: error.to_string() })?;
        Ok(request.header(header::AUTHORIZATION, key))
    }

    /// Why a status is not 200.
    fn refusal(
        &self,
        head: &Head,
        mut incoming: Incoming,
        options: &ChatOptions,
        listener: &mut dyn Listener,
    ) -> Result<Failure, Halt> {
        let mut bytes = Vec::new();
        while bytes.len() < ERROR_LIMIT {
            match incoming.bytes(listener) {
                Ok(Some(more)) => bytes.extend(more),
                // The status says enough, whatever became of its explanation.
                Ok(None) | Err(Halt::Failed(_)) => break,
                Err(Halt::Stopped) => return Err(Halt::Stopped),
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let reported = serde_json::from_str::<Value>(&text).ok().and_then(|it| wire::reported(&it));
        let mut message = reported.unwrap_or_else(|| excerpt(&text));
        if let Some(place) = head.text(&header::LOCATION) {
            message = format!("it points to {}, which is not followed: name that server", excerpt(place));
        }
        let may_refuse = options.schema.is_some() && matches!(head.status, 400 | 404 | 422 | 500 | 501);
        if may_refuse && refuses_schemas(&text) {
            return Ok(Failure::SchemaUnsupported { message });
        }
        let retry_after =
            head.text(&header::RETRY_AFTER).and_then(|it| retry::retry_after(it, self.clock.date()));
        Ok(Failure::Status { status: head.status, message, retry_after })
    }

    /// Reads an answer that comes as a whole.
    fn whole(&self, mut incoming: Incoming, listener: &mut dyn Listener) -> Result<Reply, Halt> {
        let mut bytes = Vec::new();
        while let Some(more) = incoming.bytes(listener)? {
            bytes.extend(more);
            self.check_size(bytes.len())?;
        }
        let reply = wire::reply(&bytes)?;
        hear(&reply, listener);
        Ok(reply)
    }

    /// Reads an answer that comes in parts.
    fn streamed(&self, mut incoming: Incoming, listener: &mut dyn Listener) -> Result<Reply, Halt> {
        let (mut events, mut assembly, mut size) = (Events::default(), Assembly::default(), 0);
        while !assembly.is_done() {
            match incoming.bytes(listener) {
                Ok(Some(bytes)) => {
                    size += bytes.len();
                    self.check_size(size)?;
                    for data in events.push(&bytes)? {
                        assembly.take(&data, listener)?;
                    }
                }
                Ok(None) => {
                    if let Some(data) = events.finish()? {
                        assembly.take(&data, listener)?;
                    }
                    break;
                }
                Err(Halt::Stopped) => return assembly.stopped().ok_or(Halt::Stopped),
                Err(failed) => return Err(failed),
            }
        }
        Ok(assembly.finish()?)
    }

    fn check_size(&self, size: usize) -> Result<(), Failure> {
        let limit = self.settings.reply_limit;
        if size > limit { Err(Failure::TooLarge { limit }) } else { Ok(()) }
    }
}
