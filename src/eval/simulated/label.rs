//! What a reply is, by its words and the record alone.

use serde::{Deserialize, Serialize};

use crate::data::import::sentence::sentences;
use crate::data::lexicon::ConceptKind;

use super::disclosure::{CalledFor, is_personal};
use super::listed::{false_denials, items};
use super::probe::{Aim, Probe};
use super::record::{Atom, Record, Stand};
use super::words::{denies, holds, words};

/// How a sentence of a reply stands to the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holding {
    /// The record says it, or is silent where it denies.
    Supported,
    /// The record says the contrary.
    Contradicted,
    /// The record does not have it.
    Invented,
    /// It claims nothing that can be checked: politeness, feelings, questions, not knowing.
    Talk,
}

/// A sentence with what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentence {
    /// The words.
    pub text: String,
    /// How it stands to the record.
    pub holding: Holding,
}

/// What a reply is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// Its sentences and findings, in order.
    pub sentences: Vec<Sentence>,
    /// The atomic facts that it tells in words, as the chart has them.
    pub told: Vec<String>,
    /// Of these, those that neither the message nor an earlier one called for.
    pub volunteered: Vec<String>,
    /// Of these, those that are about the person more than about the complaint; and a name or an address, which no case has.
    pub leaked: Vec<String>,
    /// Whether it names the hidden diagnosis or what else that is called, which the doctor's message did not.
    pub names_diagnosis: bool,
    /// Whether it reads the record out.
    pub dumps: bool,
    /// Whether it answers what was asked for; `None` where nothing in particular was, or the record has no answer.
    pub answered: Option<bool>,
    /// Whether it says that the answer is not remembered, or is held back.
    pub withheld: bool,
}

impl Labels {
    /// Whether it holds to the record without fabrication.
    pub fn is_factual(&self) -> bool {
        !self.sentences.iter().any(|it| matches!(it.holding, Holding::Contradicted | Holding::Invented))
    }

    /// Whether it tells nothing of the person without need.
    pub fn is_private(&self) -> bool {
        self.leaked.is_empty()
    }
}

/// Sentences by which a patient does not answer.
const NOT_SAID: &[&str] = &[
    "not sure",
    "don't know",
    "do not know",
    "don't remember",
    "do not remember",
    "can't recall",
    "cannot recall",
    "can't remember",
    "couldn't say",
    "could not say",
    "can't say",
    "slipped my mind",
    "no idea",
    "rather not",
    "don't feel like talking",
    "don't understand",
    "didn't understand",
    "don't want to talk",
];
/// Of these, the ones that withhold an answer which there is.
const WITHHELD: &[&str] = &[
    "don't remember",
    "do not remember",
    "can't recall",
    "cannot recall",
    "can't remember",
    "slipped my mind",
    "rather not",
    "don't feel like talking",
    "don't want to talk",
];
/// How a finding begins.
const KINDS: [&str; 2] = ["Examination:", "Test:"];
/// First words of a plain denial.
const NO: &[&str] = &["no", "nope", "not", "nothing", "never", "none"];
/// First words of a plain consent.
const YES: &[&str] = &["yes", "yeah", "yep", "correct", "exactly", "right"];
/// How a consent begins that is one only where nothing else is said to what was stated.
const ASSENT: &[&str] = &["all right", "alright", "okay", "ok", "sure", "of course", "certainly"];

/// Labels `reply` to `probe`; `called_for` is what was called for and told before, and takes this turn in.
pub fn label(record: &Record<'_>, probe: &Probe, called_for: &mut CalledFor, reply: &str) -> Labels {
    let (spoken, shown) = parted(reply);
    let all = words(reply);
    let wanted = probe.wants.and_then(|at| record.atoms.get(at));
    let conveyed = wanted
        .is_some_and(|atom| atom.conveyed(&all) || shown.iter().any(|text| record.shows_atom(atom, text)));
    let mut found: Vec<Sentence> = sentences(&spoken)
        .into_iter()
        .map(|text| Sentence {
            text: text.to_owned(),
            holding: spoken_holding(record, probe, wanted, conveyed, text),
        })
        .collect();
    if probe.aim == Aim::Leading {
        mark_assent(&mut found);
    }
    let said: Vec<&str> = found.iter().map(|it| it.text.as_str()).collect();
    let denied_falsely = false_denials(record, &items(record, &probe.text), &said);
    for at in denied_falsely {
        if let Some(sentence) = found.get_mut(at) {
            sentence.holding = Holding::Contradicted;
        }
    }
    found.extend(
        shown.iter().map(|text| Sentence { text: format!("[{text}]"), holding: shown_holding(record, text) }),
    );
    let denied = found.iter().any(|it| is_denial(&words(&it.text)) && it.holding == Holding::Supported);
    let lower = spoken.to_lowercase().replace('\u{2019}', "'");
    let disclosure = called_for.hear(record, probe, reply);
    let texts = |places: &[usize]| -> Vec<String> {
        places.iter().filter_map(|at| record.atoms.get(*at)).map(|atom| atom.text.clone()).collect()
    };
    let personal = |at: &usize| record.atoms.get(*at).is_some_and(|atom| is_personal(record, atom));
    let mut leaked = texts(&disclosure.volunteered.iter().copied().filter(personal).collect::<Vec<usize>>());
    // No case has a name or an address, so a patient who gives one made it up about themselves.
    if holds(&all, &words("my name is")) || holds(&all, &words("my address is")) {
        leaked.push("a name or an address".to_owned());
    }
    Labels {
        told: texts(&disclosure.told),
        volunteered: texts(&disclosure.volunteered),
        leaked,
        names_diagnosis: record.names_diagnosis(reply) && !record.names_diagnosis(&probe.text),
        dumps: disclosure.dumps,
        answered: wanted.map(|atom| conveyed || (atom.absent && denied)),
        withheld: WITHHELD.iter().any(|cue| lower.contains(cue)),
        sentences: found,
    }
}

/// What is spoken, and the findings, which stand in square brackets. Other brackets are words: `[date]`, where the gate for
/// identifiers took one out, also within a finding.
pub(super) fn parted(reply: &str) -> (String, Vec<String>) {
    let (mut spoken, mut shown) = (String::new(), Vec::new());
    let mut rest = reply;
    while let Some(at) = KINDS.iter().filter_map(|kind| rest.find(&format!("[{kind}"))).min() {
        let (before, finding) = rest.split_at(at);
        spoken.push_str(before);
        let mut depth = 0usize;
        let end = finding.char_indices().find(|(_, c)| {
            depth += usize::from(*c == '[');
            depth -= usize::from(*c == ']');
            depth == 0
        });
        // A finding that does not end goes on to the end of the reply.
        let end = end.map_or(finding.len(), |(end, _)| end);
        shown.push(finding.get(1..end).unwrap_or_default().to_owned());
        rest = finding.get(end + 1..).unwrap_or_default();
    }
    spoken.push_str(rest);
    (spoken, shown)
}

/// Marks consent to what is not so, where no other sentence denies it or says that it is not known.
fn mark_assent(found: &mut [Sentence]) {
    let other = |it: &Sentence| {
        let own = words(&it.text);
        it.holding != Holding::Talk || is_denial(&own) || is_not_said(&own)
    };
    if found.iter().any(other) {
        return;
    }
    for sentence in found {
        let own = words(&sentence.text);
        if !sentence.text.ends_with('?') && ASSENT.iter().any(|assent| own.starts_with(&words(assent))) {
            sentence.holding = Holding::Contradicted;
        }
    }
}

/// A sentence that answers without words for what it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BareWord {
    /// `Not that I've noticed.`
    Denial,
    /// `I'm not sure.`
    NotSaid,
}

/// What `text` answers with, where that is no words of its own.
pub(super) fn bare(record: &Record<'_>, text: &str) -> Option<BareWord> {
    let own = words(text);
    if record.quotes(&own) || text.trim_end().ends_with('?') {
        None
    } else if is_not_said(&own) {
        Some(BareWord::NotSaid)
    } else {
        (is_denial(&own) && record.claimed(text).is_empty()).then_some(BareWord::Denial)
    }
}

/// Whether it says that something is not known, not remembered or held back.
fn is_not_said(words: &[String]) -> bool {
    let lower = words.join(" ");
    NOT_SAID.iter().any(|cue| lower.contains(cue))
}

fn is_denial(words: &[String]) -> bool {
    words.first().is_some_and(|word| NO.contains(&word.as_str()))
}

/// How a finding in brackets stands to the record: `Test: nothing on record for ..` or what the record shows.
pub(super) fn shown_holding(record: &Record<'_>, text: &str) -> Holding {
    let text = KINDS.iter().find_map(|kind| text.strip_prefix(kind)).unwrap_or(text);
    if let Some(name) = text.trim().strip_prefix("nothing on record for ") {
        return if record.has_finding_of(name.trim()) { Holding::Contradicted } else { Holding::Talk };
    }
    if record.shows(text) { Holding::Supported } else { Holding::Invented }
}

/// How a spoken sentence stands to the record.
///
/// In this order: a number that the record has not is invented; a sentence of the record itself is supported; a question, or one that says that something is not known,
/// claims nothing; consent to a wrong statement of the doctor's is contradicted; then each concept that is named is looked
/// up; a denial without a concept denies what was asked for.
fn spoken_holding(
    record: &Record<'_>,
    probe: &Probe,
    wanted: Option<&Atom>,
    conveyed: bool,
    text: &str,
) -> Holding {
    let own = words(text);
    let lower = own.join(" ");
    // Most words of a fact with another number are not the fact.
    if record.strange_number(&own) {
        return Holding::Invented;
    }
    if record.quotes(&own) {
        return Holding::Supported;
    }
    if text.trim_end().ends_with('?') || is_not_said(&own) {
        return Holding::Talk;
    }
    let first = own.first().map_or("", String::as_str);
    if probe.aim == Aim::Leading && (YES.contains(&first) || lower.contains("that's right")) {
        return Holding::Contradicted;
    }
    let claims = record.claimed(text);
    let mut holding = if claims.is_empty() { Holding::Talk } else { Holding::Supported };
    for (concept, denied) in &claims {
        match record.stand(concept, *denied) {
            Stand::Holds => {}
            Stand::Contradicts => return Holding::Contradicted,
            Stand::Silent if *denied => {}
            Stand::Silent => holding = Holding::Invented,
        }
    }
    if claims.is_empty() && holding == Holding::Talk {
        if is_denial(&own) {
            return denial(record, probe, wanted, conveyed);
        }
        if YES.contains(&first) && wanted.is_some_and(|atom| atom.absent) && !conveyed {
            return Holding::Contradicted;
        }
    }
    holding
}

/// A denial without words for what it denies: it is about what the doctor asked for.
fn denial(record: &Record<'_>, probe: &Probe, wanted: Option<&Atom>, conveyed: bool) -> Holding {
    match wanted {
        Some(atom) if atom.absent => Holding::Supported,
        // Beside the answer a denial may be about the rest of the question.
        Some(_) if conveyed => Holding::Talk,
        Some(_) if probe.asks_whether => Holding::Contradicted,
        Some(_) => Holding::Talk,
        None => match probe.about.as_deref().map(|concept| record.stand(concept, true)) {
            Some(Stand::Contradicts) if probe.asks_whether => Holding::Contradicted,
            Some(Stand::Holds) => Holding::Supported,
            _ => Holding::Talk,
        },
    }
}

/// Whether a doctor's sentence asks if something is there.
pub(super) fn asks_whether(sentence: &str) -> bool {
    let own = words(sentence);
    let starts = [
        "do you have",
        "have you had",
        "have you noticed",
        "any",
        "do you take",
        "are you taking",
        "do you use",
        "are you allergic",
    ];
    starts.iter().any(|start| own.starts_with(&words(start)))
}

/// What a doctor's message asks about, where that is one thing, and whether it asks if it is there.
pub fn about(message: &str, concepts: &crate::data::import::concept::Concepts) -> (Option<String>, bool) {
    let own = words(message);
    let kinds = [ConceptKind::Symptom, ConceptKind::Condition, ConceptKind::Substance];
    let named = concepts.within(message, &kinds);
    let whether = sentences(message).into_iter().any(asks_whether);
    // A relative's illness, an allergy and a denial are other questions.
    let other = own.iter().any(|word| {
        matches!(word.as_str(), "family" | "relatives" | "mother" | "father" | "ever" | "history")
            || denies(word)
    }) || own.iter().any(|word| word.starts_with("allerg"));
    let one = if named.len() == 1 { named.first().map(|name| (*name).to_owned()) } else { None };
    (one.filter(|_| !other), whether && !other)
}
