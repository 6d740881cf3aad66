//! How a careful doctor asks for an atomic fact.
//!
//! The first wording goes by the fact's own words where they are among the commonest subjects of a history, so that it does
//! not rely on how the case files the fact. Otherwise, and when it has to ask again, it goes by concept and aspect.

use crate::data::case::{Aspect, Fact, Topic};
use crate::data::lexicon::Lexicon;
use crate::data::utterance::asked::chief_complaint;
use crate::sim::doctor::agenda::Want;
use crate::sim::doctor::phrases::questions;

use super::record::{Atom, Record};
use super::words::words;

/// Beginnings of words in a fact, and the question a doctor puts for it. The first that fits decides.
const BY_WORDS: &[(&[&str], &[&str])] = &[
    (&["allerg"], &["Do you have any allergies?", "Are you allergic to anything?"]),
    (&["smok", "cigarette", "tobacco"], &["Do you smoke?", "Have you ever smoked?"]),
    (&["alcohol", "beer", "wine", "vodka"], &["Do you drink alcohol?", "How much alcohol do you drink?"]),
    (
        &["cocaine", "heroin", "marijuana", "illicit", "recreational"],
        &["Do you use any recreational drugs?", "Do you use recreational drugs?"],
    ),
    (&["medication", "medications"], &["What medicines do you take?", "Are you taking any medication?"]),
    (&["travel", "traveled", "travelled"], &["Have you travelled recently?"]),
];

/// Questions for the story, one after another.
pub const STORY: &[&str] = &[
    "Can you tell me more about it?",
    "Please tell me more about what happened.",
    "Is there anything else?",
    "What else have you noticed?",
    "Tell me more about that.",
    "Anything else?",
];

/// The question for `atom` at the `attempt`th try, from 0; `pick` draws among wordings. `None` where only an open question
/// can bring it out.
pub fn question(
    record: &Record<'_>,
    lexicon: &Lexicon,
    atom: &Atom,
    attempt: usize,
    mut pick: impl FnMut(&[String]) -> String,
) -> Option<String> {
    let own = words(&atom.text);
    let begins = |cues: &[&str]| own.iter().any(|word| cues.iter().any(|cue| word.starts_with(cue)));
    let family = record.topics(atom).contains(&Topic::Family);
    if attempt == 0 && !atom.finding {
        let found = BY_WORDS.iter().find(|(cues, _)| begins(cues)).filter(|_| !family);
        if let Some((_, wordings)) = found {
            let wordings: Vec<String> = wordings.iter().map(|text| (*text).to_owned()).collect();
            return Some(pick(&wordings));
        }
    }
    let facts: Vec<&Fact> = atom.facts.iter().filter_map(|at| record.case.facts.get(*at)).collect();
    // Another try goes by another of the names it is filed under.
    let fact = facts.get(attempt % facts.len().max(1))?;
    let want = want(fact, chief_complaint(&record.case.facts), lexicon)?;
    Some(pick(&questions(&want)))
}

fn want(fact: &Fact, complaint: Option<&str>, lexicon: &Lexicon) -> Option<Want> {
    let concept = fact.concept.clone();
    let known = lexicon.get(&concept).is_some();
    Some(match fact.topic {
        Topic::Symptom if Some(fact.concept.as_str()) == complaint && fact.aspect != Aspect::Presence => {
            Want::Complaint(fact.aspect)
        }
        Topic::Symptom if !known => return None,
        Topic::Symptom if fact.aspect == Aspect::Presence => Want::Symptom(concept),
        Topic::Symptom => Want::Detail(concept, fact.aspect),
        Topic::Examination => Want::Examine(concept),
        Topic::Test => Want::Test(concept),
        Topic::Social if known => Want::Circumstance(concept),
        Topic::History if known && concept != "past illness" => Want::Illness(concept),
        Topic::Family if known && concept != "family illness" => Want::Relative(concept),
        topic => Want::Topic(topic),
    })
}
