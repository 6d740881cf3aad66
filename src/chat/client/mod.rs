//! A chat model behind any server that speaks OpenAI's chat completions.
//!
//! What is sent goes to the server that the user named and to no other: redirects are not followed, and a server on this machine is not
//! asked by way of a proxy.

mod address;
mod cache;
mod clock;
pub(crate) mod error;
mod exchange;
mod figures;
mod key;
mod pace;
mod refused;
mod retry;
mod settings;
mod sse;
mod stream;
mod transport;
mod wire;

use std::sync::OnceLock;

use serde_json::Value;
use ureq::Agent;

pub use self::address::{BaseUrl, UrlError};
pub use self::clock::{Clock, SystemClock};
pub use self::error::{Failure, ServerError, Wait};
pub use self::figures::ServerFigures;
pub use self::key::{ApiKey, KeyError};
pub use self::settings::{ClientSettings, Limits, Retries, SettingError, Timeouts, TokenLimitField};

pub(in crate::chat) use self::clock::wait;
pub(in crate::chat) use self::settings::legal_time;
pub(in crate::chat) use self::transport::LOOK;

use self::cache::{Asked, Cache};
use self::figures::Counts;
use self::pace::Pace;
use self::transport::Halt;
use super::error::ChatError;
use super::message::Message;
use super::model::{self, ChatModel, Listener, Part};
use super::options::ChatOptions;
use super::reply::{Finish, Reply};
use super::together::together;

/// A model on a server. Threads may share one, and so its limits.
pub struct Client<C: Clock = SystemClock> {
    settings: ClientSettings,
    url: String,
    agent: Agent,
    /// Asks whether the server is there.
    prober: Agent,
    pace: Pace,
    cache: Option<Cache>,
    /// What the server said when it refused to hold a reply to a schema; it is not asked to again.
    no_schemas: OnceLock<String>,
    counts: Counts,
    clock: C,
}

/// A request as this server is to get it.
struct Prepared {
    options: ChatOptions,
    /// Whether whoever asked hears it in parts, as the options may say, or whole in any case.
    in_parts: bool,
    /// Whether whoever asked wants a reply of some shape, told to the server or not.
    shaped: bool,
    body: Value,
    /// What it is in the cache, where there is one.
    asked: Option<Asked>,
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A setting is not legal.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] ChatError),
}

impl Client {
    /// A client by the machine's clock. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// A setting that is not legal, and a cache that cannot be opened.
    pub fn new(settings: ClientSettings) -> Result<Self, ClientError> {
        Self::with_clock(settings, SystemClock)
    }
}

impl<C: Clock> Client<C> {
    /// A client by another clock, which decides all waits between requests; a request's own time limits are the machine's.
    ///
    /// # Errors
    ///
    /// As [`Client::new`].
    pub fn with_clock(settings: ClientSettings, clock: C) -> Result<Self, ClientError> {
        settings.check()?;
        Ok(Self {
            url: settings.url.completions(),
            agent: transport::agent(settings.timeouts, settings.url.is_here()),
            prober: transport::agent(
                Timeouts { total: settings.timeouts.probe, ..settings.timeouts },
                settings.url.is_here(),
            ),
            pace: Pace::new(settings.limits),
            cache: settings.cache.as_deref().map(Cache::open).transpose()?,
            no_schemas: OnceLock::new(),
            counts: Counts::default(),
            settings,
            clock,
        })
    }

    /// How it was asked.
    pub fn settings(&self) -> &ClientSettings {
        &self.settings
    }

    /// What was asked of the server so far, and what that cost.
    pub fn figures(&self) -> ServerFigures {
        let no_schemas = self.no_schemas.get().cloned();
        ServerFigures { no_schemas, ..self.counts.figures(self.settings.url.to_string()) }
    }

    /// The reply that was kept for a request, if one was.
    pub(in crate::chat) fn kept(&self, messages: &[Message], options: &ChatOptions) -> Option<Reply> {
        self.cache.as_ref()?;
        self.find(&self.prepare(messages, options))
    }

    /// As [`ChatModel::reply`], but sends the request once, whatever comes of it, and looks for no reply that was kept.
    pub(in crate::chat) fn reply_once(
        &self,
        messages: &[Message],
        options: &ChatOptions,
        listener: &mut dyn Listener,
    ) -> Result<Reply, ChatError> {
        let request = self.prepare(messages, options);
        let reply = self.once(&request.body.to_string(), &request, listener).map_err(|halt| match halt {
            Halt::Stopped => ChatError::Stopped,
            Halt::Failed(failure) => self.failed(failure, 1),
        })?;
        self.keep(&request, &reply)?;
        Ok(reply)
    }

    fn prepare(&self, messages: &[Message], options: &ChatOptions) -> Prepared {
        // A server that does not know the field would refuse it again.
        let schema = options.schema.clone().filter(|_| self.constrains());
        let (in_parts, shaped) = (options.stream, options.schema.is_some());
        let options = ChatOptions { schema, stream: in_parts || self.settings.stream, ..options.clone() };
        let body = wire::request(&self.settings.model, self.settings.token_limit_field, messages, &options);
        let asked = self.cache.as_ref().map(|_| Asked::new(&self.url, &body));
        Prepared { options, in_parts, shaped, body, asked }
    }

    fn find(&self, request: &Prepared) -> Option<Reply> {
        self.cache.as_ref()?.find(request.asked.as_ref()?)
    }

    fn keep(&self, request: &Prepared, reply: &Reply) -> Result<(), ChatError> {
        let whole = match reply.finish {
            Finish::Stop => true,
            // Half a sentence is still one; half of what has a shape has none.
            Finish::Length => !request.shaped,
            // It is not what the server would have said.
            Finish::Stopped => false,
        };
        match (&self.cache, &request.asked) {
            (Some(cache), Some(asked)) if whole => cache.keep(asked, reply),
            _ => Ok(()),
        }
    }

    /// Asks until there is an answer or no hope of one.
    fn ask(&self, request: &Prepared, listener: &mut dyn Listener) -> Result<Reply, ChatError> {
        let text = request.body.to_string();
        let mut hearing = Hearing { listener, heard: false };
        let mut failed = 0;
        loop {
            let failure = match self.once(&text, request, &mut hearing) {
                Ok(reply) => return Ok(reply),
                Err(Halt::Stopped) => return Err(ChatError::Stopped),
                Err(Halt::Failed(failure)) => failure,
            };
            // What was heard cannot be taken back, and would be heard twice.
            let again = failure.may_pass() && !hearing.heard;
            let time = self.settings.retries.wait(failed, failure.retry_after(), self.clock.draw());
            failed += 1;
            match time.filter(|_| again) {
                Some(time) => wait(&self.clock, time, &mut hearing)?,
                None => return Err(self.failed(failure, failed)),
            }
        }
    }

    fn failed(&self, failure: Failure, tries: u32) -> ChatError {
        let failure = match &self.settings.key {
            Some(key) => failure.without(key),
            None => failure,
        };
        if let Failure::SchemaUnsupported { message } = &failure {
            // Where several requests were refused, what the first was told is as good as any.
            let _ = self.no_schemas.set(message.clone());
        }
        ChatError::Server(Box::new(ServerError { url: self.url.clone(), tries, failure }))
    }

    /// Asks once, when it is its turn.
    fn once(&self, text: &str, request: &Prepared, listener: &mut dyn Listener) -> Result<Reply, Halt> {
        // About four bytes make a token, in English and in JSON.
        let estimate = (text.len() / 4).saturating_add(request.options.max_tokens.unwrap_or(0)) as u64;
        let begun = self.clock.now();
        let turn = self.pace.turn(estimate, &self.clock, listener)?;
        self.counts.sent(self.clock.now().saturating_duration_since(begun));
        let result = self.exchange(text, request, listener);
        match &result {
            Ok(reply) => {
                if let Some(usage) = reply.usage {
                    turn.took(usage.total());
                    self.counts.took(usage);
                }
            }
            Err(Halt::Failed(_)) => self.counts.failed(),
            Err(Halt::Stopped) => {}
        }
        result
    }
}

impl<C: Clock> ChatModel for Client<C> {
    fn name(&self) -> &str {
        &self.settings.model
    }

    fn constrains(&self) -> bool {
        self.no_schemas.get().is_none()
    }

    fn forget(&self, messages: &[Message], options: &ChatOptions) -> Result<(), ChatError> {
        let Some(cache) = &self.cache else { return Ok(()) };
        // Whether it was sent with its schema hangs on what the server had said by then.
        for schema in [options.schema.clone(), None] {
            let options = ChatOptions { schema, ..options.clone() };
            cache.forget(&Asked::new(
                &self.url,
                &wire::request(&self.settings.model, self.settings.token_limit_field, messages, &options),
            ))?;
        }
        Ok(())
    }

    fn is_kept(&self, messages: &[Message], options: &ChatOptions) -> bool {
        self.kept(messages, options).is_some()
    }

    fn servers(&self) -> Vec<ServerFigures> {
        vec![self.figures()]
    }

    fn reply(
        &self,
        messages: &[Message],
        options: &ChatOptions,
        listener: &mut dyn Listener,
    ) -> Result<Reply, ChatError> {
        let request = self.prepare(messages, options);
        if let Some(reply) = self.find(&request) {
            hear(&reply, listener);
            return Ok(reply);
        }
        let reply = self.ask(&request, listener)?;
        self.keep(&request, &reply)?;
        Ok(reply)
    }

    fn replies(&self, asked: &[model::Asked]) -> Vec<Result<Reply, ChatError>> {
        together(asked, self.settings.limits.concurrent, |it| self.reply(&it.messages, &it.options, &mut ()))
    }
}

/// Lets a listener hear a reply that is there as a whole.
pub(in crate::chat) fn hear(reply: &Reply, listener: &mut dyn Listener) {
    let Message { content, thinking, .. } = &reply.message;
    if let Some(text) = thinking.as_deref().filter(|text| !text.is_empty()) {
        listener.hear(Part::Thinking(text));
    }
    if !content.is_empty() {
        listener.hear(Part::Answer(content));
    }
}

/// Remembers whether anything was heard.
struct Hearing<'a> {
    listener: &'a mut dyn Listener,
    heard: bool,
}

impl Listener for Hearing<'_> {
    fn hear(&mut self, part: Part<'_>) {
        self.heard = true;
        self.listener.hear(part);
    }

    fn stopped(&mut self) -> bool {
        self.listener.stopped()
    }
}
