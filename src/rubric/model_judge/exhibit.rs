//! What is judged, and by which items, as text.

use crate::chat::Message;
use crate::data::consultation::Consultation;
use crate::rubric::criterion::{Criterion, Scope};

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Said {
    /// Who said it, as it stands before the text.
    pub who: String,
    /// What was said.
    pub text: String,
    /// Whether it is marked, or only shows what the marked ones answer.
    pub marked: bool,
}

/// A conversation to be judged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Exhibit {
    /// Its messages.
    pub said: Vec<Said>,
    /// Whether the last message is marked or all of one side's.
    pub scope: Scope,
}

impl Exhibit {
    /// `reply` as the doctor's next message after `so_far`.
    pub fn reply(so_far: &Consultation, reply: &str) -> Self {
        let mut said = spoken(so_far, false);
        said.push(Said { who: "doctor".into(), text: reply.into(), marked: true });
        Self { said, scope: Scope::Reply }
    }

    /// All of the doctor's messages.
    pub fn consultation(consultation: &Consultation) -> Self {
        Self { said: spoken(consultation, true), scope: Scope::Consultation }
    }

    /// A model's `completion` of `prompt`.
    pub fn completion(prompt: &[Message], completion: &str) -> Self {
        let before = prompt.iter().map(|message| Said {
            who: message.role.as_str().into(),
            text: message.content.clone(),
            marked: false,
        });
        let last = Said { who: "assistant".into(), text: completion.into(), marked: true };
        Self { said: before.chain([last]).collect(), scope: Scope::Reply }
    }

    /// The conversation as HealthBench renders it: `who: text`, with an empty line between messages.
    pub fn text(&self) -> String {
        rendered(&self.said)
    }

    /// The text of what was said before the last marked message; of everything, where that is the first.
    pub fn before(&self) -> String {
        let last = self.said.iter().rposition(|said| said.marked).filter(|at| *at > 0);
        rendered(last.and_then(|at| self.said.get(..at)).unwrap_or(&self.said))
    }

    /// The marked messages, in order.
    pub fn marked(&self) -> impl Iterator<Item = &str> {
        self.said.iter().filter(|said| said.marked).map(|said| said.text.as_str())
    }

    /// Whether nothing was said that could be marked: no letter, no digit.
    pub fn is_silent(&self) -> bool {
        !self.marked().any(|text| text.contains(char::is_alphanumeric))
    }
}

fn rendered(said: &[Said]) -> String {
    let lines: Vec<String> = said.iter().map(|said| format!("{}: {}", said.who, said.text)).collect();
    lines.join("\n\n")
}

fn spoken(consultation: &Consultation, marked: bool) -> Vec<Said> {
    let patient = |text: &str| Said { who: "patient".into(), text: text.into(), marked: false };
    let mut said = vec![patient(&consultation.opening)];
    for turn in &consultation.turns {
        said.push(Said { who: "doctor".into(), text: turn.doctor.clone(), marked });
        said.extend(turn.patient.as_deref().map(patient));
    }
    said
}

/// An item as a model reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Item {
    /// Its points in brackets, and its words: `[-6] Is rude.`
    pub text: String,
    /// Whether it describes something desirable.
    pub good: bool,
}

impl From<&Criterion> for Item {
    fn from(criterion: &Criterion) -> Self {
        Self { text: format!("[{}] {}", criterion.points, criterion.text), good: criterion.points > 0 }
    }
}

/// A conversation with the items it is judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// The conversation.
    pub exhibit: Exhibit,
    /// The items.
    pub items: Vec<Item>,
}
