//! What a reply tells that the message did not call for.
//!
//! A fact is called for where the message asks for it, or where it was told before in answer to a message that did, or in the
//! patient's first sentence: who says it again gives nothing away. What was told without being asked for stays uncalled for,
//! however often it is said.

use std::collections::BTreeSet;

use crate::data::case::{Aspect, Reveal, Topic};
use crate::data::import::sentence::sentences;

use super::label::{Holding, parted, shown_holding};
use super::probe::{Aim, Probe};
use super::record::{Atom, Record};
use super::words::words;

/// So many facts may be brought up in one reply: in answer to an open question, or because the record has them told unasked.
pub const OPENED: usize = 6;

/// So many facts that the message neither asks for nor lets be brought up are a dump, if they are also more than half of what could be told.
const DUMP: usize = 5;

/// What was called for and told so far in an interview.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CalledFor {
    atoms: BTreeSet<usize>,
}

/// What one reply tells, by the places of atomic facts in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Disclosure {
    /// All that it tells in words.
    pub told: Vec<usize>,
    /// Of these, those that nothing called for.
    pub volunteered: Vec<usize>,
    /// Whether it reads the record out.
    pub dumps: bool,
}

impl CalledFor {
    /// Before the first message: what the patient's first sentence tells or names.
    pub fn new(record: &Record<'_>) -> Self {
        let opening = &record.case.opening;
        let named: Vec<(String, bool)> =
            sentences(opening).into_iter().flat_map(|sentence| record.claimed(sentence)).collect();
        let names = |atom: &Atom| {
            let mut facts = record.facts_of(atom).filter(|fact| fact.aspect == Aspect::Presence);
            facts.any(|fact| named.iter().any(|(name, _)| *name == fact.concept))
        };
        let mut atoms: BTreeSet<usize> = told(record, opening).into_iter().collect();
        atoms.extend(record.atoms.iter().enumerate().filter(|(_, atom)| names(atom)).map(|(at, _)| at));
        Self { atoms }
    }

    /// What `reply` to `probe` tells, after all that was heard before.
    pub(super) fn hear(&mut self, record: &Record<'_>, probe: &Probe, reply: &str) -> Disclosure {
        let told = told(record, reply);
        let question = Question::new(record, probe);
        let (asked, other): (Vec<usize>, Vec<usize>) =
            told.iter().copied().partition(|at| question.opens(*at));
        let uncalled = other.iter().copied().filter(|at| !self.atoms.contains(at));
        let (mut brought_up, mut volunteered): (Vec<usize>, Vec<usize>) =
            uncalled.partition(|at| question.lets_bring_up(*at));
        // Who tells more than that answers no question but empties the record, from its first fact on.
        if brought_up.len() > OPENED {
            volunteered.append(&mut brought_up);
            volunteered.sort_unstable();
        }
        // Of a short record an open question may open most; a demand for all of it opens nothing.
        let opened = if matches!(probe.aim, Aim::Open | Aim::Vague) { brought_up.len() } else { 0 };
        let unopened = other.len() - opened;
        self.atoms.extend(asked.into_iter().chain(brought_up));
        let tellable = record.atoms.iter().filter(|atom| !atom.finding).count();
        let read_out = record.read_out(&words(&parted(reply).0));
        let dumps = read_out >= 2 || (unopened >= DUMP && 2 * unopened > tellable);
        Disclosure { told, volunteered, dumps }
    }
}

/// Whether an atomic fact is told of the person more than of the complaint.
pub(super) fn is_personal(record: &Record<'_>, atom: &Atom) -> bool {
    let clinical = |topic: &Topic| matches!(topic, Topic::Symptom | Topic::Examination | Topic::Test);
    atom.private || !record.topics(atom).iter().all(clinical)
}

/// The atomic facts that `reply` tells in words. A finding that the record has is no word of the patient's.
///
/// A sentence that is an atom's own tells that atom and no other, whatever else its words resemble.
fn told(record: &Record<'_>, reply: &str) -> Vec<usize> {
    let (spoken, shown) = parted(reply);
    let made_up =
        shown.iter().map(String::as_str).filter(|it| shown_holding(record, it) == Holding::Invented);
    let mut rest: Vec<Vec<String>> = sentences(&spoken).into_iter().chain(made_up).map(words).collect();
    let atoms = || record.atoms.iter().enumerate().filter(|(_, atom)| !atom.finding);
    let places: Vec<_> = atoms().filter_map(|(at, atom)| Some((at, atom.stands_in(&rest)?))).collect();
    for sentence in places.iter().flat_map(|(_, place)| place.clone()) {
        // Emptied and not removed: what stood on either side of it did not stand together.
        if let Some(sentence) = rest.get_mut(sentence) {
            sentence.clear();
        }
    }
    let mut told: BTreeSet<usize> = places.into_iter().map(|(at, _)| at).collect();
    told.extend(atoms().filter(|(_, atom)| atom.told_in(&rest)).map(|(at, _)| at));
    told.into_iter().collect()
}

/// A message, as far as it says what may be told.
struct Question<'a> {
    record: &'a Record<'a>,
    probe: &'a Probe,
    words: Vec<String>,
    /// Whether it names what it wants.
    names_wanted: bool,
}

impl<'a> Question<'a> {
    fn new(record: &'a Record<'a>, probe: &'a Probe) -> Self {
        let wanted = probe.wants.and_then(|at| record.atoms.get(at));
        let names_wanted = wanted.is_some_and(|atom| record.is_named(&probe.text, atom));
        Self { record, probe, words: words(&probe.text), names_wanted }
    }

    /// Whether it asks for the atomic fact at `at`: wants it or what goes with that, names it, or asks for its topic.
    fn opens(&self, at: usize) -> bool {
        let Some(atom) = self.record.atoms.get(at) else { return false };
        self.probe.wants == Some(at)
            || self.record.is_named(&self.probe.text, atom)
            || self.record.topics(atom).iter().any(|topic| asks_topic(&self.words, *topic))
            || self.goes_with_wanted(atom)
            || (self.probe.wants.is_none() && self.asks_details(atom))
    }

    /// Whether an answer to the question for what is wanted may be `atom` as well: the same aspect of the same thing; and
    /// where the question does not name it (`Where is it?`, `Are you taking anything?`), the same aspect of another symptom,
    /// or anything else of another topic.
    fn goes_with_wanted(&self, atom: &Atom) -> bool {
        let record = self.record;
        let Some(wanted) = self.probe.wants.and_then(|at| record.atoms.get(at)) else { return false };
        record.facts_of(wanted).any(|one| {
            record.facts_of(atom).filter(|other| other.topic == one.topic).any(|other| {
                let aspect = one.aspect == other.aspect;
                (aspect && one.concept == other.concept)
                    || (!self.names_wanted && one.topic != Topic::Symptom)
                    || (!self.names_wanted && aspect && one.aspect != Aspect::Presence)
            })
        })
    }

    /// Whether it asks how `it` is, `it` being whatever symptom was spoken of, and `atom` says how one is.
    fn asks_details(&self, atom: &Atom) -> bool {
        let has = |cues: &[&str]| self.words.iter().any(|word| cues.contains(&word.as_str()));
        let detail = |topic: Topic, aspect: Aspect| topic == Topic::Symptom && aspect != Aspect::Presence;
        has(&["it"])
            && has(&["when", "where", "bad", "severe", "worse", "better", "spread", "feel", "long", "last"])
            && self.record.facts_of(atom).any(|fact| detail(fact.topic, fact.aspect))
    }

    /// Whether the atomic fact at `at`, which it does not ask for, may be brought up all the same: it is not private, and the
    /// question is open or the record has it told unasked.
    fn lets_bring_up(&self, at: usize) -> bool {
        let open = matches!(self.probe.aim, Aim::Open | Aim::Vague | Aim::Demand);
        self.record.atoms.get(at).is_some_and(|atom| {
            let unasked = || self.record.facts_of(atom).any(|fact| fact.reveal == Reveal::Opening);
            !atom.private && (open || unasked())
        })
    }
}

/// Words by which a doctor asks for a whole topic.
fn asks_topic(message: &[String], topic: Topic) -> bool {
    let cues: &[&str] = match topic {
        Topic::Social => {
            &["life", "home", "habit", "habits", "lifestyle", "background", "work", "job", "live", "yourself"]
        }
        Topic::Family => {
            &["family", "relatives", "relative", "parents", "mother", "father", "brother", "sister"]
        }
        Topic::Concern => &[
            "worry", "worries", "worried", "concern", "concerns", "afraid", "think", "hope", "expect",
            "scared",
        ],
        Topic::Medication => {
            &["medicines", "medicine", "medication", "medications", "drugs", "tablets", "take", "taking"]
        }
        Topic::History => &[
            "illness",
            "illnesses",
            "condition",
            "conditions",
            "history",
            "operations",
            "past",
            "disease",
            "diseases",
        ],
        Topic::Allergy => &["allergies", "allergic", "allergy"],
        Topic::Symptom | Topic::Examination | Topic::Test => &[],
    };
    message.iter().any(|word| cues.contains(&word.as_str()))
}
