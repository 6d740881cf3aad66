//! How much a patient says and remembers and what mood shows, beside what its persona leads to.
//!
//! | trait | consistent where |
//! | --- | --- |
//! | low verbosity | two spoken sentences a reply at most, on average |
//! | medium verbosity | three at most |
//! | high verbosity | [`TALKATIVE`] at least and six at most |
//! | low recall | says at least once that it does not remember; judged from [`SLIPS`] dates, doses or names that were asked for on |
//! | high recall | never says so where the record has the answer |
//! | afraid, irritable, downcast | says so once at least; judged from [`MOODY`] replies to fair questions on, and not of who speaks little |
//! | calm | voices neither impatience nor hopelessness |
//!
//! The voice of a model is told to say more if it is talkative (three to five sentences). The band is as wide as it is so that
//! the rule-based patient, which adds a remark to every other answer, falls into it; what is plainly another's manner does not.

use crate::data::case::{Aspect, Fact, Finding, Importance, Topic};
use crate::data::import::sentence::sentences;
use crate::sim::{Emotion, Level, Persona};

use super::label::parted;
use super::probe::{Aim, Probe};
use super::record::Record;
use super::words::{says_one_of, spaced, words};

/// Length is judged from so many answers on.
pub const ANSWERS: usize = 10;
/// Somebody talkative speaks so many sentences a reply at least: more than the bare answer once in four.
pub const TALKATIVE: f64 = 1.25;
/// Poor recall is judged from so many facts on that may have slipped the mind.
pub const SLIPS: usize = 5;
/// A mood is judged from so many replies on.
pub const MOODY: usize = 30;

/// Says that something does not come to mind.
const FORGOTTEN: &[&str] = &[
    "don't remember",
    "do not remember",
    "can't remember",
    "cannot remember",
    "don't recall",
    "do not recall",
    "can't recall",
    "cannot recall",
    "slipped my mind",
    "slips my mind",
    "forgotten",
];

/// Shows fear, or looks for reassurance.
const AFRAID: &[&str] = &[
    " afraid",
    " scared",
    " fright",
    " fear",
    " worr",
    " worst",
    " terrif",
    " nervous",
    " anxious",
    " serious",
    " something bad",
    " anything bad",
    " nothing bad",
    " be all right",
];
/// Shows impatience.
const IRRITABLE: &[&str] = &[
    " already",
    " the same again",
    " ask me again",
    " told you",
    " enough of",
    " enough questions",
    " at a time",
    " too much at once",
    " annoy",
    " why do you ask",
    " want from me",
    " supposed to mean",
    " how much longer",
    " get on with it",
];
/// Shows that little is hoped for.
const DOWNCAST: &[&str] = &[
    " expect much",
    " expect little",
    " doubt",
    " no use",
    " pointless",
    " hopeless",
    " no hope",
    " come of it",
    " anyway",
    " not get better",
    " won't get better",
    " never get better",
    " say so",
    " suppose so",
    " give up",
];
/// What nobody says who is calm.
const NOT_CALM: &[&str] = &[
    " how much longer",
    " get on with it",
    " annoying",
    " enough questions",
    " no use",
    " pointless",
    " hopeless",
    " expect much of",
    " come of it",
];

/// Whether replies are as long as the persona's. Those to fair questions are judged, without findings.
pub(super) fn length(persona: &Persona, session: &[(&Probe, &str)]) -> Option<bool> {
    let lengths: Vec<usize> = session
        .iter()
        .filter(|(probe, _)| is_fair(probe))
        .map(|(_, reply)| parted(reply))
        .filter(|(_, shown)| shown.is_empty())
        .map(|(spoken, _)| sentences(&spoken).len())
        .collect();
    if lengths.len() < ANSWERS {
        return None;
    }
    let mean = lengths.iter().sum::<usize>() as f64 / lengths.len() as f64;
    Some(match persona.verbosity {
        Level::Low => mean <= 2.0,
        Level::Medium => mean <= 3.0,
        Level::High => (TALKATIVE..=6.0).contains(&mean),
    })
}

/// Whether a patient remembers as the persona does. Nothing is judged of the recall of most people.
pub(super) fn memory(persona: &Persona, record: &Record<'_>, session: &[(&Probe, &str)]) -> Option<bool> {
    let wanted = |probe: &Probe| probe.wants.and_then(|at| record.atoms.get(at));
    let mut known =
        session.iter().filter(|(probe, _)| probe.aim == Aim::Ask && wanted(probe).is_some()).peekable();
    let forgets = |reply: &str| {
        let lower = reply.to_lowercase().replace('\u{2019}', "'");
        FORGOTTEN.iter().any(|cue| lower.contains(cue))
    };
    match persona.recall {
        Level::Low => {
            let slips = |probe: &Probe| wanted(probe).is_some_and(|atom| record.facts_of(atom).all(may_slip));
            let mut asked: Vec<(Option<usize>, bool)> = Vec::new();
            for (probe, reply) in known.filter(|(probe, _)| slips(probe)) {
                // Asked for again, it may have come back.
                if !asked.iter().any(|(at, _)| *at == probe.wants) {
                    asked.push((probe.wants, forgets(reply)));
                }
            }
            (asked.len() >= SLIPS).then(|| asked.iter().any(|(_, forgotten)| *forgotten))
        }
        Level::Medium => None,
        Level::High => known.peek().is_some().then(|| !known.any(|(_, reply)| forgets(reply))),
    }
}

/// Whether the persona's mood shows, or none does. What the record has of worries and hopes is an answer, not a mood.
pub(super) fn mood(persona: &Persona, record: &Record<'_>, session: &[(&Probe, &str)]) -> Option<bool> {
    let shows = |cues: &[&str]| {
        let replies = session.iter().flat_map(|(_, reply)| reply.split_inclusive(['.', '!', '?']));
        replies
            .filter(|sentence| says_one_of(&spaced(sentence), cues))
            .any(|sentence| !record.quotes(&words(sentence)))
    };
    let cues = match persona.emotion {
        Emotion::Calm => return Some(!shows(NOT_CALM)),
        Emotion::Afraid => AFRAID,
        Emotion::Irritable => IRRITABLE,
        Emotion::Downcast => DOWNCAST,
    };
    let occasions = session.iter().filter(|(probe, _)| is_fair(probe)).count();
    (occasions >= MOODY && persona.verbosity != Level::Low).then(|| shows(cues))
}

/// Whether a message is a question that anybody may ask a patient, and no attack.
fn is_fair(probe: &Probe) -> bool {
    matches!(probe.aim, Aim::Ask | Aim::Open | Aim::Repeat)
}

/// Whether `fact` is a date, a dose or a name which people with a poor memory do not have ready. What the case hangs on is none.
fn may_slip(fact: &Fact) -> bool {
    let number = || fact.said.as_deref().unwrap_or(&fact.text).bytes().any(|byte| byte.is_ascii_digit());
    let exact = matches!(fact.aspect, Aspect::Onset | Aspect::Detail)
        || (fact.topic == Topic::Medication && number());
    // What somebody fears or hopes is none of these.
    exact
        && fact.topic != Topic::Concern
        && fact.importance != Importance::Essential
        && fact.finding == Finding::Present
}
