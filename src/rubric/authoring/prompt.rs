//! A prompt before it has a rubric, and where it came from.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::scenario::Scenario;
use crate::chat::{Message, digest};
use crate::data::case::{Case, FactId};
use crate::data::hash::fnv1a;
use crate::sim::Persona;

/// Where a prompt came from (Baichuan-M2 report, section 2.2.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// A patient's record, in the patient's words.
    Record {
        /// The case.
        case_id: String,
    },
    /// A passage of reference text.
    Knowledge {
        /// The file's name, without its folders.
        file: String,
        /// Which passage of it: its line, from 1.
        line: u64,
        /// What it is about.
        title: String,
        /// The model that made the question of it; absent where rules did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
    },
    /// A task made for a case.
    Synthetic {
        /// The case.
        case_id: String,
        /// The model that wrote it; absent where rules did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
    },
}

impl Source {
    /// Its kind, in tags.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Record { .. } => "record",
            Self::Knowledge { .. } => "knowledge",
            Self::Synthetic { .. } => "synthetic",
        }
    }
}

/// The answer of a passage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// In a piece.
    pub answer: String,
    /// What a complete answer says, most important first.
    pub points: Vec<String>,
}

/// A prompt before it has a rubric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DraftPrompt {
    /// Names it; made of what it says, so it is the same in every run.
    pub id: String,
    /// What kind it is.
    pub scenario: Scenario,
    /// Where it came from.
    pub source: Source,
    /// The conversation, which ends with the user.
    pub messages: Vec<Message>,
    /// What sets it apart from others of its kind, without the words that all of them share: duplicates are found by it.
    pub body: String,
    /// The case it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<Box<Case>>,
    /// Who the patient is as a person, where that was drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persona: Option<Persona>,
    /// Facts of the case that it tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<FactId>,
    /// The right answer, where a passage gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
}

impl DraftPrompt {
    /// A prompt of one message, which is its own body.
    pub fn new(scenario: Scenario, source: Source, message: String) -> Self {
        let messages = vec![Message::user(message.as_str())];
        let id = prompt_id(scenario, &messages);
        let (body, told) = (message, Vec::new());
        Self { id, scenario, source, messages, body, case: None, persona: None, told, reference: None }
    }

    /// The last message.
    pub fn last(&self) -> &str {
        self.messages.last().map_or("", |message| message.content.as_str())
    }
}

/// What a prompt is called: `osler-` and 32 hexadecimal digits, a hash of its kind and of all that is said.
pub fn prompt_id(scenario: Scenario, messages: &[Message]) -> String {
    let mut text = scenario.name().to_owned();
    for message in messages {
        // A length before each part, so that no two conversations run together to one.
        text.push_str(&format!("\n{} {}:", message.role, message.content.len()));
        text.push_str(&message.content);
    }
    format!("osler-{:032x}", fnv1a(text.as_bytes()))
}

/// One of `count` things, drawn by `seed` for what `key` names: the same in whatever order things are drawn. 0 where `count` is 0.
pub fn choice(seed: u64, key: &str, count: usize) -> usize {
    ((u128::from(drawn(seed, key)) * count as u128) >> 64) as usize
}

/// A number drawn by `seed` for what `key` names.
pub fn drawn(seed: u64, key: &str) -> u64 {
    digest::number(Sha256::new().chain_update(format!("{seed} {key}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_conversations_apart() {
        let id = |messages: &[Message]| prompt_id(Scenario::Triage, messages);
        let (a, b) = (Message::user("a"), Message::user("b"));
        assert_eq!(id(std::slice::from_ref(&a)), id(std::slice::from_ref(&a)));
        assert_ne!(id(&[a.clone(), b.clone()]), id(&[b, a.clone()]));
        assert_ne!(id(std::slice::from_ref(&a)), prompt_id(Scenario::Question, &[a]));
    }

    #[test]
    fn choices_are_spread_and_in_range() {
        let mut counts = [0; 4];
        for n in 0..4000 {
            counts[choice(1, &n.to_string(), 4)] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
        assert_eq!(choice(0, "x", 0), 0);
    }
}
