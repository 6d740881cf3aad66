//! The clients of model servers, and the commands that use them, against servers that stall, hang up, flood and answer nonsense.

mod answers;
mod commands;
mod failures;
mod farm;
mod grading;
mod kept;
mod roles;
mod scripted;
mod servers;
mod units;
mod warming;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use osler::chat::client::{
    ApiKey, Client, ClientSettings, Clock, Failure, Limits, Retries, ServerError, Timeouts, TokenLimitField,
    Wait,
};
use osler::chat::{
    ChatError, ChatModel, ChatOptions, Finish, Listener, Message, Part, Reply, ReplySchema, structured,
};
use scripted::{Act, Scripted, answer, chunk, chunked_head, events};
use serde_json::{Value, json};

/// A clock that does not wait, and remembers how long it would have.
#[derive(Clone)]
struct Quick {
    begun: Instant,
    waited: Arc<Mutex<Duration>>,
}

impl Quick {
    fn new() -> Self {
        Self { begun: Instant::now(), waited: Arc::default() }
    }

    fn waited(&self) -> Duration {
        *self.waited.lock().unwrap()
    }
}

impl Clock for Quick {
    fn now(&self) -> Instant {
        self.begun + self.waited()
    }

    fn date(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn sleep(&self, time: Duration) {
        *self.waited.lock().unwrap() += time;
    }

    fn draw(&self) -> f64 {
        1.0
    }
}

/// What was heard, and when to stop.
#[derive(Default)]
struct Ear {
    answer: String,
    thinking: String,
    parts: usize,
    stop: bool,
    /// Stops once this much of the answer was heard.
    enough: Option<usize>,
}

impl Listener for Ear {
    fn hear(&mut self, part: Part<'_>) {
        self.parts += 1;
        match part {
            Part::Thinking(text) => self.thinking.push_str(text),
            Part::Answer(text) => self.answer.push_str(text),
        }
    }

    fn stopped(&mut self) -> bool {
        self.stop || self.enough.is_some_and(|enough| self.answer.len() >= enough)
    }
}

fn settings(url: &str) -> ClientSettings {
    ClientSettings {
        timeouts: Timeouts { total: Duration::from_secs(20), ..Timeouts::default() },
        ..ClientSettings::new(url.parse().unwrap(), "tiny")
    }
}

fn client(server: &Scripted) -> (Client<Quick>, Quick) {
    let clock = Quick::new();
    (Client::with_clock(settings(&server.url), clock.clone()).unwrap(), clock)
}

/// With short time limits, for servers that say nothing.
fn impatient(server: &Scripted, total: u64, between_bytes: u64) -> Client<Quick> {
    let timeouts = Timeouts {
        connect: Duration::from_secs(5),
        total: Duration::from_millis(total),
        between_bytes: Duration::from_millis(between_bytes),
        ..Timeouts::default()
    };
    Client::with_clock(ClientSettings { timeouts, ..settings(&server.url) }, Quick::new()).unwrap()
}

/// Settings by which a server is soon asked whether it is there.
fn doubtful(url: &str, first_byte: u64, probe: u64) -> ClientSettings {
    let settings = settings(url);
    let timeouts = Timeouts {
        first_byte: Duration::from_millis(first_byte),
        probe: Duration::from_millis(probe),
        ..settings.timeouts
    };
    ClientSettings { timeouts, ..settings }
}

fn ask(client: &impl ChatModel, options: &ChatOptions, ear: &mut Ear) -> Result<Reply, ChatError> {
    client.reply(&[Message::user("Where does it hurt?")], options, ear)
}

fn asked(client: &impl ChatModel) -> Result<Reply, ChatError> {
    ask(client, &ChatOptions::default(), &mut Ear::default())
}

fn streamed() -> ChatOptions {
    ChatOptions { stream: true, ..ChatOptions::default() }
}

/// Wants `{"met": true}` or `{"met": false}`.
fn verdict() -> ChatOptions {
    let schema = json!({"type": "object", "properties": {"met": {"type": "boolean"}}, "required": ["met"]});
    ChatOptions {
        schema: Some(Arc::new(ReplySchema::new("verdict", schema).unwrap())),
        ..ChatOptions::default()
    }
}

fn server_error(result: Result<Reply, ChatError>) -> Box<ServerError> {
    match result {
        Err(ChatError::Server(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn failure(result: Result<Reply, ChatError>) -> Failure {
    server_error(result).failure
}

/// A whole answer that says `content`.
fn saying(content: &str) -> Vec<u8> {
    answer("200 OK", "Content-Type: application/json\r\n", &completion(content).to_string())
}

fn completion(content: &str) -> Value {
    json!({"id": "1", "object": "chat.completion", "model": "tiny",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}})
}

fn data(value: Value) -> String {
    format!("data: {value}\n\n")
}

fn delta(delta: Value, finish: Value) -> String {
    data(json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}))
}

/// The events of an answer with thinking and more than ASCII.
fn stream() -> String {
    [
        delta(json!({"role": "assistant", "content": null}), json!(null)),
        delta(json!({"reasoning_content": "頭痛"}), json!(null)),
        delta(json!({"content": "Ça fait "}), json!(null)),
        delta(json!({"content": "mal 🤒"}), json!("stop")),
        data(json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}})),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat()
}

fn check_stream(result: Result<Reply, ChatError>, ear: &Ear) {
    let reply = result.unwrap();
    assert_eq!(reply.message, Message::assistant("Ça fait mal 🤒").with_thinking("頭痛"));
    assert_eq!((reply.finish, reply.usage.unwrap().total()), (Finish::Stop, 13));
    assert_eq!((ear.answer.as_str(), ear.thinking.as_str()), ("Ça fait mal 🤒", "頭痛"));
}
