//! Several things that one message asks for, and bare denials in the reply to it.

use crate::data::case::{Fact, Finding, Reveal, Topic};
use crate::data::import::sentence::sentences;

use super::label::{BareWord, asks_whether, bare};
use super::record::{CLAIMED, Record};
use super::words::{denies, words};

/// One of the things that a message asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// Something by its name.
    Concept(String),
    /// Whatever there is on a topic.
    Topic(Topic),
}

/// Beginnings of words that ask for a topic.
const TOPICS: &[(&str, Topic)] = &[
    ("allerg", Topic::Allergy),
    ("medicine", Topic::Medication),
    ("medication", Topic::Medication),
    ("tablet", Topic::Medication),
    ("operation", Topic::History),
    ("surger", Topic::History),
];

/// What `message` asks for, whether it is there, in its order. Nothing where it asks for relatives, for the past or for what
/// one is allergic to: what a denial denies is not told by the words alone then.
pub(super) fn items(record: &Record<'_>, message: &str) -> Vec<Item> {
    let all = words(message);
    let to = |at: usize| {
        all.get(at + 1).is_some_and(|next| next == "to")
            && !matches!(all.get(at + 2).map(String::as_str), Some("anything" | "any"))
    };
    let other = all.iter().enumerate().any(|(at, word)| {
        matches!(word.as_str(), "family" | "relatives" | "mother" | "father" | "ever" | "history")
            || denies(word)
            || (word.starts_with("allerg") && to(at))
    });
    if other {
        return Vec::new();
    }
    let mut items: Vec<Item> = Vec::new();
    let asking = sentences(message).into_iter().filter(|sentence| asks_whether(sentence));
    // `stress, headache` are two things, `stress headache` is a third.
    for part in asking.flat_map(|sentence| sentence.split(',')) {
        let own = words(part);
        let named = record.named(part, &CLAIMED);
        for end in 1..=own.len() {
            let topic =
                |word: &String| TOPICS.iter().find(|(cue, _)| word.starts_with(cue)).map(|(_, topic)| *topic);
            let here = named.iter().filter(|(_, at)| *at == end).map(|(name, _)| match *name {
                "allergy" => Item::Topic(Topic::Allergy),
                "medication" => Item::Topic(Topic::Medication),
                "past illness" => Item::Topic(Topic::History),
                name => Item::Concept(name.to_owned()),
            });
            for item in here.chain(own.get(end - 1).and_then(topic).map(Item::Topic)) {
                if !items.contains(&item) {
                    items.push(item);
                }
            }
        }
    }
    // One thing by its name is what the probe is about.
    if matches!(items.as_slice(), [Item::Concept(_)]) { Vec::new() } else { items }
}

/// Which of `reply`, sentences that were spoken, deny barely what the record has. In a list that is not answered to its end they
/// are taken in the order of what was asked for and is not answered by name; else in whatever order they may be true in.
pub(super) fn false_denials(record: &Record<'_>, items: &[Item], reply: &[&str]) -> Vec<usize> {
    let blanks: Vec<(usize, bool)> = reply
        .iter()
        .enumerate()
        .filter_map(|(at, text)| match bare(record, text)? {
            BareWord::Denial => Some((at, true)),
            BareWord::NotSaid => Some((at, false)),
        })
        .collect();
    let named = |text: &&&str| bare(record, text).is_none();
    let open: Vec<bool> = items
        .iter()
        .filter(|item| !reply.iter().filter(named).any(|text| answers(record, item, text)))
        .map(|item| affirms(record, item))
        .collect();
    let denials = || blanks.iter().filter(|(_, denial)| *denial).map(|(at, _)| *at);
    if blanks.len() < open.len() {
        let wrong = blanks.iter().zip(&open).filter(|((_, denial), there)| *denial && **there);
        return wrong.map(|((at, _), _)| *at).collect();
    }
    // What is left over denies something that no word here names.
    let deniable = open.iter().filter(|there| !**there).count() + blanks.len() - open.len();
    denials().skip(deniable).collect()
}

/// Whether the record has `item`, told in words. Operations are illnesses among others there, so none is looked for.
fn affirms(record: &Record<'_>, item: &Item) -> bool {
    let told = |fact: &Fact| {
        fact.finding == Finding::Present
            && !matches!(fact.reveal, Reveal::Never | Reveal::OnExamination | Reveal::OnTest)
    };
    record.case.facts.iter().filter(|fact| told(fact)).any(|fact| match item {
        Item::Topic(topic) => *topic != Topic::History && fact.topic == *topic,
        Item::Concept(name) => {
            !matches!(fact.topic, Topic::Family | Topic::Allergy | Topic::Concern)
                && record.is_a(&fact.concept, name)
        }
    })
}

/// Whether a sentence that names something answers for `item`.
fn answers(record: &Record<'_>, item: &Item, text: &str) -> bool {
    let related = |name: &str, item: &str| record.is_a(name, item) || record.is_a(item, name);
    let names = matches!(item, Item::Concept(item) if record.claimed(text).iter().any(|(name, _)| related(name, item)));
    let own = words(text);
    let told = record.told_by(&own).flat_map(|atom| &atom.facts);
    names
        || told.filter_map(|at| record.case.facts.get(*at)).any(|fact| match item {
            Item::Topic(topic) => fact.topic == *topic,
            Item::Concept(name) => related(&fact.concept, name),
        })
}
