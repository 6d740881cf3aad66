//! The client of model servers, and the commands that use it, against a server that stalls, hangs up, floods and answers nonsense.

mod commands;
mod scripted;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use osler::chat::client::{
    ApiKey, Client, ClientSettings, Clock, Failure, Limits, Retries, ServerError, Timeouts, Wait,
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
    };
    Client::with_clock(ClientSettings { timeouts, ..settings(&server.url) }, Quick::new()).unwrap()
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

#[test]
fn a_whole_answer_and_what_was_sent_for_it() {
    let server = Scripted::saying(vec![saying("Here.")]);
    let (client, _) = client(&server);
    let mut ear = Ear::default();
    let options = ChatOptions { temperature: Some(0.7), max_tokens: Some(5), ..ChatOptions::default() };
    let reply = ask(&client, &options, &mut ear).unwrap();
    assert_eq!((reply.message, reply.finish), (Message::assistant("Here."), Finish::Stop));
    assert_eq!((ear.answer.as_str(), ear.parts), ("Here.", 1));
    let request = server.request();
    assert!(request.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{}", request.head);
    assert!(!request.head.to_lowercase().contains("authorization"), "{}", request.head);
    assert_eq!(
        request.body,
        json!({"model": "tiny", "messages": [{"role": "user", "content": "Where does it hurt?"}],
            "max_tokens": 5, "temperature": 0.7, "stream": false})
    );
}

#[test]
fn a_stream_is_the_same_however_it_is_cut() {
    let text = stream();
    let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    let cuts = (0..=text.len()).map(|cut| [&text.as_bytes()[..cut], &text.as_bytes()[cut..]]);
    let acts = [events(&bytes)].into_iter().chain(cuts.map(|pieces| events(&pieces))).collect();
    let server = Scripted::new(acts);
    let (client, _) = client(&server);
    for _ in 0..text.len() + 2 {
        let mut ear = Ear::default();
        let result = ask(&client, &streamed(), &mut ear);
        check_stream(result, &ear);
        assert_eq!(ear.parts, 3);
    }
    let request = server.request();
    assert_eq!(request.body["stream"], true);
    assert!(request.head.to_lowercase().contains("accept: text/event-stream"), "{}", request.head);
}

#[test]
fn a_stream_may_have_other_line_ends_comments_and_no_last_empty_line() {
    let text = format!(": hello\n\n{}", stream()).replace('\n', "\r\n");
    let server = Scripted::new(vec![
        events(&[text.as_bytes(), b": after\r\n"]),
        events(&[text.trim_end().as_bytes()]),
    ]);
    let (client, _) = client(&server);
    for _ in 0..2 {
        let mut ear = Ear::default();
        let result = ask(&client, &streamed(), &mut ear);
        check_stream(result, &ear);
    }
}

#[test]
fn a_server_that_does_not_stream_is_read_all_the_same() {
    let server = Scripted::saying(vec![saying("Here.")]);
    let (client, _) = client(&server);
    let mut ear = Ear::default();
    assert_eq!(ask(&client, &streamed(), &mut ear).unwrap().message.content, "Here.");
    assert_eq!(ear.answer, "Here.");
}

#[test]
fn what_may_pass_is_asked_again_after_growing_waits() {
    let whole = saying("Here.");
    let server = Scripted::new(vec![
        Act::Say(vec![answer(
            "429 Too Many Requests",
            "Retry-After: 7\r\n",
            "{\"error\": {\"message\": \"slow down\"}}",
        )]),
        Act::Say(vec![answer("500 Internal Server Error", "", "oh no")]),
        Act::Drop,
        Act::Say(vec![whole[..whole.len() - 20].to_vec()]),
        Act::Say(vec![whole]),
    ]);
    let (client, clock) = client(&server);
    assert_eq!(asked(&client).unwrap().message.content, "Here.");
    // 7 was asked for; then 1, 2 and 4 as the waits double from a half.
    assert_eq!(clock.waited(), Duration::from_secs(14));
    let bodies: Vec<Value> = server.requests().into_iter().map(|it| it.body).collect();
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]) && bodies.len() == 4, "{bodies:?}");
}

#[test]
fn it_gives_up_and_says_where_how_often_and_what() {
    let server = Scripted::saying(vec![answer("503 Busy", "", "{\"error\": \"loading model\"}"); 5]);
    let (client, _) = client(&server);
    let error = server_error(asked(&client));
    assert_eq!((error.tries, server.requests().len()), (5, 5));
    assert_eq!(
        error.to_string(),
        format!("{}/chat/completions (asked 5 times): status 503: loading model", server.url)
    );
    // Nobody listens there any more.
    let error = server_error(asked(&client));
    assert!(matches!(error.failure, Failure::Connection { .. }), "{error}");
}

#[test]
fn a_server_that_asks_for_too_long_a_wait_is_left() {
    let server = Scripted::saying(vec![answer("429 Too Many Requests", "Retry-After: 3600\r\n", "")]);
    let (client, clock) = client(&server);
    let error = server_error(asked(&client));
    assert!(error.to_string().contains("(it asks to wait 3600s)"), "{error}");
    assert_eq!((error.tries, clock.waited()), (1, Duration::ZERO));
}

fn key(folder: &Path) -> ApiKey {
    let file = folder.join("key");
    fs::write(&file, "sk-very-secret\n").unwrap();
    ApiKey::from_file(&file).unwrap()
}

#[test]
fn a_key_goes_into_the_header_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let wrong = answer("401 Unauthorized", "", "{\"error\": {\"message\": \"sk-very-secret is no key\"}}");
    let server = Scripted::saying(vec![wrong, saying("Here.")]);
    let settings =
        ClientSettings { key: Some(key(folder.path())), cache: Some(cache.clone()), ..settings(&server.url) };
    let client = Client::with_clock(settings.clone(), Quick::new()).unwrap();
    let error = server_error(asked(&client));
    assert_eq!(
        error.failure,
        Failure::Status { status: 401, message: "[key] is no key".into(), retry_after: None }
    );
    assert_eq!(error.tries, 1);
    asked(&client).unwrap();
    let request = server.request();
    assert!(request.head.contains("Bearer sk-very-secret\r\n"), "{}", request.head);
    assert!(!request.body.to_string().contains("secret"));
    for shown in [format!("{settings:?}"), format!("{error:?} {error}")] {
        assert!(!shown.contains("secret"), "{shown}");
    }
    for entry in fs::read_dir(&cache).unwrap() {
        assert!(!fs::read_to_string(entry.unwrap().path()).unwrap().contains("secret"));
    }
}

#[test]
fn another_server_is_not_followed_to() {
    let moved = answer("307 Temporary Redirect", "Location: http://elsewhere.invalid/v1\r\n", "");
    let server = Scripted::saying(vec![moved]);
    let error = failure(asked(&client(&server).0));
    match error {
        Failure::Status { status: 307, message, .. } => {
            assert!(message.contains("http://elsewhere.invalid/v1"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_silence_ends() {
    let begun = Instant::now();
    let half = chunk(delta(json!({"content": "Ça"}), json!(null)).as_bytes());
    let head = chunked_head("text/event-stream");
    let hang = |bytes: &[&[u8]]| Scripted::new(vec![Act::Hang(bytes.concat())]);
    let timed_out = |wait, after| Failure::TimedOut { wait, after: Duration::from_millis(after) };

    let silent = hang(&[]);
    assert_eq!(failure(asked(&impatient(&silent, 300, 5_000))), timed_out(Wait::Total, 300));
    assert_eq!(silent.requests().len(), 1, "a server that is too slow is not asked again");
    let server = hang(&[&head, &half]);
    let mut ear = Ear::default();
    let result = ask(&impatient(&server, 15_000, 300), &streamed(), &mut ear);
    assert_eq!(failure(result), timed_out(Wait::Bytes, 300));
    assert_eq!(ear.answer, "Ça");
    let server = hang(&[b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"choices\""]);
    assert_eq!(failure(asked(&impatient(&server, 15_000, 300))), timed_out(Wait::Bytes, 300));
    let server = hang(&[b"HTTP/1.1 200"]);
    assert_eq!(failure(asked(&impatient(&server, 300, 5_000))), timed_out(Wait::Total, 300));
    // Something comes again and again, and the whole takes too long.
    let server = Scripted::new(vec![Act::Flood(head, chunk(b": beat\n\n"))]);
    let result = ask(&impatient(&server, 300, 5_000), &streamed(), &mut Ear::default());
    assert_eq!(failure(result), timed_out(Wait::Total, 300));
    assert!(begun.elapsed() < scripted::PATIENCE, "{:?}", begun.elapsed());
}

#[test]
fn the_listener_stops_it_at_any_moment() {
    let part = chunk(delta(json!({"content": "Ça fait"}), json!(null)).as_bytes());
    let server = Scripted::new(vec![Act::Hang([chunked_head("text/event-stream"), part].concat())]);
    let (patient, _) = client(&server);
    let mut ear = Ear { enough: Some(1), ..Ear::default() };
    let reply = ask(&patient, &streamed(), &mut ear).unwrap();
    assert_eq!((reply.message.content.as_str(), reply.finish), ("Ça fait", Finish::Stopped));

    let server = Scripted::new(vec![Act::Hang(Vec::new())]);
    let (patient, _) = client(&server);
    let mut ear = Ear { stop: true, ..Ear::default() };
    assert!(matches!(ask(&patient, &streamed(), &mut ear), Err(ChatError::Stopped)));
    // Also between two tries.
    let server = Scripted::saying(vec![answer("500 Oh", "", "")]);
    let (patient, clock) = client(&server);
    struct Second(u32);
    impl Listener for Second {
        fn hear(&mut self, _: Part<'_>) {}
        fn stopped(&mut self) -> bool {
            self.0 += 1;
            self.0 > 30
        }
    }
    let waits = Retries {
        first_wait: Duration::from_secs(1000),
        longest_wait: Duration::from_secs(1000),
        ..Retries::default()
    };
    let slow = ClientSettings { retries: waits, ..settings(&server.url) };
    let slow = Client::with_clock(slow, clock.clone()).unwrap();
    let result = slow.reply(&[Message::user("Hi")], &ChatOptions::default(), &mut Second(0));
    assert!(matches!(result, Err(ChatError::Stopped)));
    assert!(clock.waited() < Duration::from_secs(100));
    drop(patient);
}

#[test]
fn nonsense_is_told_apart_and_never_an_answer() {
    let said = |body: &str| {
        let server = Scripted::saying(vec![answer("200 OK", "Content-Type: application/json\r\n", body)]);
        let retries = Retries { most: 0, ..Retries::default() };
        let client =
            Client::with_clock(ClientSettings { retries, ..settings(&server.url) }, Quick::new()).unwrap();
        failure(asked(&client))
    };
    assert!(
        matches!(said("<html>Welcome</html>"), Failure::NotJson { found, .. } if found.contains("Welcome"))
    );
    assert!(matches!(said(""), Failure::Truncated { .. }));
    let whole = completion("Here.").to_string();
    assert!(matches!(said(&whole[..whole.len() / 2]), Failure::Truncated { .. }));
    assert!(matches!(said("{\"choices\": [{\"message\": {\"content\": [1]}}]}"),
        Failure::Malformed { field, .. } if field == "choices[0].message.content"));
    assert!(matches!(said("{\"id\": 1}"), Failure::Malformed { .. }));
    assert!(matches!(said("{\"choices\": []}"), Failure::Malformed { .. }));
    assert_eq!(
        said("{\"error\": {\"message\": \"no GPU\"}}"),
        Failure::Reported { message: "no GPU".into() }
    );
    let nothing = json!({"choices": [{"message": {"content": null}, "finish_reason": "stop"}]}).to_string();
    assert!(matches!(said(&nothing), Failure::NothingSaid { .. }));
    let server = Scripted::saying(vec![b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()]);
    assert!(matches!(
        failure(asked(&client(&server).0)),
        Failure::Protocol { .. } | Failure::Connection { .. }
    ));
}

#[test]
fn an_answer_without_end_is_left_at_the_limit() {
    // 50 MB are announced, or no length at all; a body in one line, or a stream.
    let heads = [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n{\"a\": \"".to_vec(), ChatOptions::default()),
        (b"HTTP/1.1 200 OK\r\n\r\n{\"a\": \"".to_vec(), ChatOptions::default()),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ".to_vec(), streamed()),
    ];
    for (head, options) in heads {
        let server = Scripted::new(vec![Act::Flood(head, vec![b'x'; 1 << 16])]);
        let (client, _) = client(&server);
        let error = failure(ask(&client, &options, &mut Ear::default()));
        assert_eq!(error, Failure::TooLarge { limit: 8 << 20 });
        // What was on its way when it was left: buffers of the system, and a few pieces.
        let written = server.flood();
        assert!((7 << 20..32 << 20).contains(&written), "{written}");
    }
}

#[test]
fn a_stream_that_breaks_is_no_answer_and_is_not_said_twice() {
    let half = delta(json!({"content": "Ça"}), json!(null));
    let error = data(json!({"error": {"message": "out of memory"}}));
    let cut = [chunked_head("text/event-stream"), chunk(half.as_bytes())].concat();
    let server = Scripted::new(vec![
        events(&[half.as_bytes(), error.as_bytes()]),
        Act::Say(vec![cut]),
        events(&[half.as_bytes()]),
    ]);
    let (client, _) = client(&server);
    let mut broken = || {
        let mut ear = Ear::default();
        let error = server_error(ask(&client, &streamed(), &mut ear));
        assert_eq!((ear.answer.as_str(), error.tries), ("Ça", 1));
        error.failure
    };
    assert_eq!(broken(), Failure::Reported { message: "out of memory".into() });
    assert!(matches!(broken(), Failure::Truncated { .. }));
    assert!(matches!(broken(), Failure::Truncated { .. }));
    // Nothing was heard yet, so it is asked again.
    let early = chunked_head("text/event-stream");
    let server = Scripted::new(vec![Act::Say(vec![early]), events(&[stream().as_bytes()])]);
    let mut ear = Ear::default();
    let result = ask(&self::client(&server).0, &streamed(), &mut ear);
    check_stream(result, &ear);
}

fn verdict() -> ChatOptions {
    let schema = json!({"type": "object", "properties": {"met": {"type": "boolean"}}, "required": ["met"]});
    ChatOptions {
        schema: Some(Arc::new(ReplySchema::new("verdict", schema).unwrap())),
        ..ChatOptions::default()
    }
}

#[test]
fn a_schema_goes_to_servers_that_hold_replies_to_it() {
    let server = Scripted::saying(vec![saying("{\"met\": true}")]);
    let (client, _) = client(&server);
    let found = structured::ask(&client, &[Message::user("Met?")], &verdict(), 2, &mut ()).unwrap();
    assert_eq!(found.value, json!({"met": true}));
    let body = server.request().body;
    assert_eq!(body["response_format"]["json_schema"]["name"], "verdict");
    assert_eq!(body["messages"], json!([{"role": "user", "content": "Met?"}]));
}

#[test]
fn other_servers_are_told_in_words_and_asked_again() {
    let unknown =
        answer("400 Bad Request", "", "{\"error\": {\"message\": \"unknown field response_format\"}}");
    let server = Scripted::saying(vec![
        unknown,
        saying("Yes!"),
        saying("{\"met\": 1}"),
        saying("{\"met\": false}"),
        saying("{\"met\": true}"),
    ]);
    let (client, _) = client(&server);
    let met = || structured::ask(&client, &[Message::user("Met?")], &verdict(), 2, &mut ());
    assert_eq!(met().unwrap().value, json!({"met": false}));
    // It is not tried again.
    assert_eq!(met().unwrap().value, json!({"met": true}));
    let bodies: Vec<Value> = server.requests().into_iter().map(|it| it.body).collect();
    assert_eq!(bodies.len(), 5);
    assert!(bodies[0].get("response_format").is_some());
    for body in &bodies[1..] {
        assert!(body.get("response_format").is_none());
        assert!(body["messages"][0]["content"].as_str().unwrap().contains("\"required\":[\"met\"]"));
    }
    assert_eq!(bodies[3]["messages"].as_array().unwrap().len(), 5);
}

#[test]
fn a_reply_that_never_matches_is_an_error() {
    let server = Scripted::saying(vec![saying("{}"); 3]);
    let (client, _) = client(&server);
    let error = structured::ask(&client, &[Message::user("Met?")], &verdict(), 2, &mut ()).unwrap_err();
    assert!(matches!(&error, ChatError::NotAsAsked { asked: 3, .. }), "{error}");
    assert!(error.to_string().contains("`met`"), "{error}");
}

#[test]
fn the_same_request_is_answered_from_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let text = stream();
    let server = Scripted::new(vec![
        events(&[text.as_bytes()]),
        Act::Say(vec![saying("Other.")]),
        Act::Say(vec![answer("400 Bad", "", "no")]),
        events(&[text.as_bytes()]),
    ]);
    let kept = || {
        let settings = ClientSettings { cache: Some(folder.path().to_owned()), ..settings(&server.url) };
        Client::with_clock(settings, Quick::new()).unwrap()
    };
    for requests in [1, 0] {
        let mut ear = Ear::default();
        let result = ask(&kept(), &streamed(), &mut ear);
        check_stream(result, &ear);
        assert_eq!(server.requests().len(), requests);
    }
    let other = ChatOptions { seed: Some(1), ..ChatOptions::default() };
    assert_eq!(ask(&kept(), &other, &mut Ear::default()).unwrap().message.content, "Other.");
    // What failed is not kept.
    assert!(asked(&kept()).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    // A damaged entry is asked for anew, and is sound again.
    for entry in fs::read_dir(folder.path()).unwrap() {
        fs::write(entry.unwrap().path(), "{\"form\": 1").unwrap();
    }
    server.requests();
    for requests in [1, 0] {
        let mut ear = Ear::default();
        let result = ask(&kept(), &streamed(), &mut ear);
        check_stream(result, &ear);
        assert_eq!(server.requests().len(), requests);
    }
}

#[test]
fn requests_keep_their_pace() {
    let server = Scripted::saying(vec![saying("Here."); 3]);
    let clock = Quick::new();
    let limits = Limits { requests_per_minute: Some(1), ..Limits::default() };
    let client =
        Client::with_clock(ClientSettings { limits, ..settings(&server.url) }, clock.clone()).unwrap();
    for minutes in 0..3 {
        asked(&client).unwrap();
        assert_eq!(clock.waited(), Duration::from_secs(60 * minutes));
    }
    // Tokens as the server counts them, 13 a request; three estimates of 23 would be too many.
    let server = Scripted::saying(vec![saying("Here."); 3]);
    let clock = Quick::new();
    let limits = Limits { tokens_per_minute: Some(60), ..Limits::default() };
    let client =
        Client::with_clock(ClientSettings { limits, ..settings(&server.url) }, clock.clone()).unwrap();
    for _ in 0..3 {
        asked(&client).unwrap();
    }
    assert_eq!(clock.waited(), Duration::ZERO);
}
