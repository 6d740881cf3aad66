//! HealthBench's grader beside simple-evals' own code, of which `tests/fixtures/make_grader_expected.py` records what it asks and reads.
//! The template's text is no part of osler: a hash of it is, and of what it becomes.

use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::grader::REFERENCE;
use super::*;
use crate::chat::Finish;
use crate::rubric::healthbench::RowItem;

#[derive(Deserialize)]
struct Expected {
    commit: String,
    template: Recorded,
    own_template: String,
    asked: Vec<Asked>,
    replies: Vec<Read>,
}

#[derive(Deserialize)]
struct Recorded {
    sha256: String,
    characters: usize,
}

#[derive(Deserialize)]
struct Asked {
    messages: Vec<Message>,
    completion: String,
    #[serde(flatten)]
    criterion: RowItem,
    item: String,
    conversation: String,
    /// What the template of our own becomes.
    own: String,
    /// The hash of what the reference's becomes.
    sha256: String,
}

#[derive(Deserialize)]
struct Read {
    text: String,
    /// Nothing where the reference asks again.
    met: Option<bool>,
}

fn expected() -> Expected {
    serde_json::from_str(include_str!("../../../tests/fixtures/grader_expected.json")).unwrap()
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Asked {
    fn exhibit(&self) -> Exhibit {
        Exhibit::completion(&self.messages, &self.completion)
    }

    /// What `protocol` asks.
    fn question(&self, protocol: &Protocol) -> Vec<Message> {
        let exhibit = self.exhibit();
        protocol.question(&exhibit, &protocol.shown(&exhibit), &self.criterion.item()).1
    }
}

#[test]
fn what_is_asked_is_what_the_reference_asks() {
    let expected = expected();
    assert!(expected.commit.starts_with("ee3b031"));
    assert_eq!(expected.template.sha256, REFERENCE);
    assert!(expected.asked.len() >= 5);
    let protocol = Protocol::HealthBench(GraderTemplate::parse(&expected.own_template, "own").unwrap());
    for asked in &expected.asked {
        assert_eq!(asked.criterion.item().text, asked.item);
        assert_eq!(asked.exhibit().text(), asked.conversation);
        let system = Message::system("You are a helpful assistant.");
        assert_eq!(asked.question(&protocol), [system, Message::user(asked.own.as_str())]);
    }
}

#[test]
fn replies_are_read_as_the_reference_reads_them() {
    let expected = expected();
    let protocol = Protocol::HealthBench(GraderTemplate::parse(&expected.own_template, "own").unwrap());
    let item = Item { text: "[5] Greets.".into(), good: true };
    assert!(expected.replies.len() >= 15);
    for reply in &expected.replies {
        let said =
            Reply { message: Message::assistant(reply.text.as_str()), finish: Finish::Stop, usage: None };
        let met = protocol.read(&said, &item).ok().map(|answer| answer.met);
        assert_eq!(met, reply.met, "{:?}", reply.text);
    }
}

#[test]
fn the_references_own_text_is_known_and_filled_in_alike() {
    let Some(path) = std::env::var_os("OSLER_SIMPLE_EVALS_GRADER") else {
        eprintln!("skipped: OSLER_SIMPLE_EVALS_GRADER names no healthbench_eval.py of simple-evals");
        return;
    };
    let template = GraderTemplate::read(Path::new(&path)).unwrap_or_else(|error| panic!("{error}"));
    assert!(template.is_reference());
    let expected = expected();
    let (_, bare) = template.filled("<<conversation>>", "<<rubric_item>>");
    assert_eq!((sha256(&bare), bare.chars().count()), (REFERENCE.to_owned(), expected.template.characters));
    let protocol = Protocol::HealthBench(template);
    for asked in &expected.asked {
        assert_eq!(sha256(&asked.question(&protocol)[1].content), asked.sha256, "{}", asked.item);
    }
}
