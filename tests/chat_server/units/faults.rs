//! What a server does wrong, and what has to come of it whichever unit asked.

use std::time::Duration;

use osler::chat::client::{Client, ClientSettings, Timeouts};
use serde_json::{Value, json};

use super::Unit;
use crate::scripted::{Act, Scripted, answer, chunk, chunked_head};
use crate::{Quick, completion, data, delta, settings};

/// What is done with one request.
#[derive(Debug, Clone)]
pub enum Deed {
    /// Hangs up without reading it.
    Drop,
    /// Hangs up in the middle of the right answer.
    Cut,
    /// Says nothing at all.
    Silent,
    /// Says nothing more after the beginning of an answer.
    Stuck,
    /// Another status than 200, with these headers.
    Refuse(&'static str, &'static str),
    /// A page in place of JSON.
    Page,
    /// Half of the right answer's JSON, as if it were all of it.
    Half,
    /// An error in place of an answer.
    Error,
    /// 50 MB that nobody has asked for.
    Flood,
    /// Says this.
    Say(String),
    /// Says this, and that it was cut off at the limit of tokens.
    Length(String),
}

/// What has to come of it.
pub enum End {
    /// The right answer, after waits of so long between the requests.
    Right(Duration),
    /// No answer, and these words in what is told of it.
    Failed(&'static str),
}

pub struct Case {
    pub name: String,
    pub deeds: Vec<Deed>,
    pub end: End,
}

/// What the client says after the most tries.
const MOST: usize = 5;

/// All faults, as `unit` is to meet them.
pub fn cases(unit: &dyn Unit) -> Vec<Case> {
    let right = || Deed::Say(unit.right());
    let mut cases = Vec::new();
    let mut case = |name: &str, deeds: Vec<Deed>, end| cases.push(Case { name: name.to_owned(), deeds, end });
    let after = |milliseconds| End::Right(Duration::from_millis(milliseconds));
    case("a right answer", vec![right()], after(0));
    // Of the server: what may pass is sent again, after 0.5, 1, 2 and 4 s.
    case("it hangs up and comes back", vec![Deed::Drop, right()], after(500));
    case("it hangs up", vec![Deed::Drop; MOST], End::Failed("(asked 5 times): no connection"));
    case("it hangs up within an answer and comes back", vec![Deed::Cut, Deed::Cut, right()], after(1500));
    case(
        "it hangs up within an answer",
        vec![Deed::Cut; MOST],
        End::Failed("(asked 5 times): the answer's end is missing"),
    );
    case("half of the JSON, then all", vec![Deed::Half, right()], after(500));
    case(
        "half of the JSON",
        vec![Deed::Half; MOST],
        End::Failed("(asked 5 times): the answer's end is missing"),
    );
    let busy = |headers| Deed::Refuse("429 Too Many Requests", headers);
    case("429 with a wait", vec![busy("Retry-After: 7\r\n"), right()], after(7000));
    case("429", vec![busy(""), right()], after(500));
    case("429 for ever", vec![busy(""); MOST], End::Failed("(asked 5 times): status 429: not now"));
    case(
        "429 for an hour",
        vec![busy("Retry-After: 3600\r\n")],
        End::Failed("status 429: not now (it asks to wait 3600s)"),
    );
    let broken = || Deed::Refuse("500 Internal Server Error", "");
    case("500", vec![broken(), right()], after(500));
    case("500 for ever", vec![broken(); MOST], End::Failed("(asked 5 times): status 500: not now"));
    // What will not pass is not.
    case("silence", vec![Deed::Silent], End::Failed("the whole request took longer than 300ms"));
    case(
        "silence within an answer",
        vec![Deed::Stuck],
        End::Failed("waiting for the next part of the answer took longer than 300ms"),
    );
    case("a page", vec![Deed::Page], End::Failed("the answer is not JSON"));
    case(
        "an error in place of an answer",
        vec![Deed::Error],
        End::Failed("the server reports an error: no GPU"),
    );
    case("50 MB", vec![Deed::Flood], End::Failed("the answer is longer than 8388608 bytes"));
    // Of the model: it is asked again at once, with what is wrong.
    let asks = unit.again() + 1;
    let talk = || Deed::Say("I would rather talk about it.".to_owned());
    case("talk, then an answer", vec![talk(), right()], after(0));
    case("talk", vec![talk(); asks], End::Failed("it is not JSON"));
    case("a megabyte of talk, then an answer", vec![Deed::Say("x".repeat(1 << 20)), right()], after(0));
    case("nothing", vec![Deed::Say(String::new()); asks], End::Failed("it is not JSON"));
    let half = unit.right()[..unit.right().len() / 2].to_owned();
    case("half an answer, then all of it", vec![Deed::Length(half.clone()), right()], after(0));
    case(
        "half an answer",
        vec![Deed::Length(half); asks],
        End::Failed("(it was cut off at the limit of tokens)"),
    );
    for (said, words) in unit.wrong() {
        let short: String = said.chars().take(80).collect();
        case(&format!("{short}, then an answer"), vec![Deed::Say(said.clone()), right()], after(0));
        case(&short, vec![Deed::Say(said); asks], End::Failed(words));
    }
    cases
}

impl Case {
    /// The server that does this, a client of it, and the clock by which that waits between requests.
    pub fn set(&self, right: &str, streamed: bool) -> (Scripted, Client<Quick>, Quick) {
        let server = Scripted::new(self.deeds.iter().map(|deed| act(deed, right, streamed)).collect());
        let (total, between) = match self.deeds[..] {
            [Deed::Silent] => (300, 15_000),
            [Deed::Stuck] => (15_000, 300),
            _ => (20_000, 15_000),
        };
        let timeouts = Timeouts {
            total: Duration::from_millis(total),
            between_bytes: Duration::from_millis(between),
            ..Timeouts::default()
        };
        let clock = Quick::new();
        let settings = ClientSettings { timeouts, stream: streamed, ..settings(&server.url) };
        let client = Client::with_clock(settings, clock.clone()).unwrap();
        (server, client, clock)
    }
}

/// An answer that says `content`, in two parts where it is streamed.
pub fn said(content: &str, finish: &str, streamed: bool) -> Vec<u8> {
    if !streamed {
        let mut body = completion(content);
        body["choices"][0]["finish_reason"] = json!(finish);
        return answer("200 OK", "Content-Type: application/json\r\n", &body.to_string());
    }
    let (one, two) = content.split_at(content.len() / 2);
    let part = |text: &str, finish: Value| chunk(delta(json!({"content": text}), finish).as_bytes());
    let usage = data(json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}));
    let rest = [chunk(usage.as_bytes()), chunk(b"data: [DONE]\n\n"), chunk(b"")].concat();
    [chunked_head("text/event-stream"), part(one, json!(null)), part(two, json!(finish)), rest].concat()
}

/// A stream of this one event's text.
fn event(text: &str) -> Vec<u8> {
    [chunked_head("text/event-stream"), chunk(text.as_bytes()), chunk(b"")].concat()
}

fn act(deed: &Deed, right: &str, streamed: bool) -> Act {
    let beginning = || {
        let part = delta(json!({"content": &right[..right.len() / 2]}), json!(null));
        [chunked_head("text/event-stream"), chunk(part.as_bytes())].concat()
    };
    let json = |body: &str| answer("200 OK", "Content-Type: application/json\r\n", body);
    let bytes = match (deed, streamed) {
        (Deed::Drop, _) => return Act::Drop,
        (Deed::Silent, _) => return Act::Hang(Vec::new()),
        (Deed::Stuck, false) => {
            return Act::Hang(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"choices\"".to_vec());
        }
        (Deed::Stuck, true) => return Act::Hang(beginning()),
        (Deed::Flood, false) => {
            let head = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n{\"id\": \"".to_vec();
            return Act::Flood(head, vec![b'x'; 1 << 16]);
        }
        (Deed::Flood, true) => {
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ".to_vec();
            return Act::Flood(head, vec![b'x'; 1 << 16]);
        }
        (Deed::Cut, false) => {
            let whole = said(right, "stop", false);
            whole[..whole.len() - 20].to_vec()
        }
        (Deed::Cut, true) => beginning(),
        (Deed::Refuse(status, headers), _) => {
            answer(status, headers, "{\"error\": {\"message\": \"not now\"}}")
        }
        (Deed::Page, false) => answer("200 OK", "Content-Type: text/html\r\n", "<html>Welcome</html>"),
        (Deed::Page, true) => event("data: <html>Welcome</html>\n\n"),
        (Deed::Half, false) => {
            let body = completion(right).to_string();
            json(&body[..body.len() / 2])
        }
        (Deed::Half, true) => {
            let part = delta(json!({"content": right}), json!("stop"));
            event(&part[..part.len() / 2])
        }
        (Deed::Error, false) => json("{\"error\": {\"message\": \"no GPU\"}}"),
        (Deed::Error, true) => event(&data(json!({"error": {"message": "no GPU"}}))),
        (Deed::Say(content), _) => said(content, "stop", streamed),
        (Deed::Length(content), _) => said(content, "length", streamed),
    };
    Act::Say(vec![bytes])
}
