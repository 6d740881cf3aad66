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
    // What is smoked need not be tobacco.
    (&["cannabis"], &["Do you use any recreational drugs?", "Do you use recreational drugs?"]),
    (&["smok", "cigarette", "tobacco"], &["Do you smoke?", "Have you ever smoked?"]),
    (&["alcohol", "beer", "wine", "vodka"], &["Do you drink alcohol?", "How much alcohol do you drink?"]),
    (
        &["cocaine", "heroin", "marijuana", "illicit", "recreational"],
        &["Do you use any recreational drugs?", "Do you use recreational drugs?"],
    ),
    (&["medication", "medications"], &["What medicines do you take?", "Are you taking any medication?"]),
    (&["travel", "traveled", "travelled"], &["Have you travelled recently?"]),
];

/// Beginnings of words for somebody else, whose habits are not asked for by these.
const RELATIVES: &[&str] =
    &["father", "mother", "grandfather", "grandmother", "parent", "brother", "sister", "uncle", "aunt"];

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
    let facts: Vec<&Fact> = atom.facts.iter().filter_map(|at| record.case.facts.get(*at)).collect();
    let own = words(&atom.text);
    let begins = |cues: &[&str]| own.iter().any(|word| cues.iter().any(|cue| word.starts_with(cue)));
    let family = facts.iter().any(|fact| fact.topic == Topic::Family);
    // How much and since when are second questions.
    // `Is there a smoker at home?` is no question that these would answer.
    let relatives = RELATIVES.iter().any(|word| own.iter().any(|it| it.starts_with(word)));
    let whether = facts.iter().any(|fact| fact.aspect == Aspect::Presence);
    if attempt == 0 && !atom.finding && whether && !family && !relatives {
        let found = BY_WORDS.iter().find(|(cues, _)| begins(cues));
        if let Some((_, wordings)) = found {
            let wordings: Vec<String> = wordings.iter().map(|text| (*text).to_owned()).collect();
            return Some(pick(&wordings));
        }
    }
    // Another try goes by another of the names it is filed under.
    let fact = facts.get(attempt % facts.len().max(1))?;
    let wordings = wordings(fact, attempt, chief_complaint(&record.case.facts), lexicon);
    (!wordings.is_empty()).then(|| pick(&wordings))
}

/// How `fact` is asked for by concept and aspect; none where its concept has no name that anybody would understand.
fn wordings(fact: &Fact, attempt: usize, complaint: Option<&str>, lexicon: &Lexicon) -> Vec<String> {
    let it = fact.concept.as_str();
    let concept = || fact.concept.clone();
    let known = lexicon.get(it).is_some();
    let detail = fact.aspect == Aspect::Detail;
    let one = |text: String| vec![text];
    match fact.topic {
        Topic::Examination => questions(&Want::Examine(concept())),
        Topic::Test => questions(&Want::Test(concept())),
        Topic::Symptom if Some(it) == complaint && fact.aspect != Aspect::Presence => {
            questions(&Want::Complaint(fact.aspect))
        }
        Topic::Symptom if !known => Vec::new(),
        Topic::Symptom if fact.aspect == Aspect::Presence => questions(&Want::Symptom(concept())),
        Topic::Symptom => questions(&Want::Detail(concept(), fact.aspect)),
        Topic::Medication if known && detail => one(format!("What dose of {it} do you take?")),
        Topic::Medication if known && attempt > 0 => one(format!("Do you take {it}?")),
        Topic::Allergy if known && detail => one(format!("What reaction do you have to {it}?")),
        Topic::Allergy if known && attempt > 0 && it != "allergy" => {
            one(format!("Are you allergic to {it}?"))
        }
        Topic::Social | Topic::History if known && detail => one(format!("Can you tell me about {it}?")),
        Topic::Social if known && fact.aspect == Aspect::Presence => {
            questions(&Want::Circumstance(concept()))
        }
        Topic::History if known && fact.aspect == Aspect::Presence && it != "past illness" => {
            questions(&Want::Illness(concept()))
        }
        Topic::Social | Topic::History if known && fact.aspect != Aspect::Presence => {
            questions(&Want::Detail(concept(), fact.aspect))
        }
        Topic::Family if known && it != "family illness" => questions(&Want::Relative(concept())),
        topic => questions(&Want::Topic(topic)),
    }
}
