//! How much a patient says and remembers, beside what its persona leads to.
//!
//! | trait | consistent where |
//! | --- | --- |
//! | low verbosity | two spoken sentences a reply at most, on average |
//! | medium verbosity | three at most |
//! | high verbosity | [`TALKATIVE`] at least and six at most |
//! | low recall | says at least once that it does not remember; judged from [`SLIPS`] dates, doses or names that were asked for on |
//! | high recall | never says so where the record has the answer |
//!
//! The voice of a model is told to say more if it is talkative (three to five sentences). The band is as wide as it is so that
//! the rule-based patient, which adds a remark to every other answer, falls into it; what is plainly another's manner does not.

use crate::data::case::{Aspect, Fact, Finding, Importance, Topic};
use crate::data::import::sentence::sentences;
use crate::sim::{Level, Persona};

use super::label::parted;
use super::probe::{Aim, Probe};
use super::record::Record;

/// Length is judged from so many answers on.
pub const ANSWERS: usize = 10;
/// Somebody talkative speaks so many sentences a reply at least: more than the bare answer once in four.
pub const TALKATIVE: f64 = 1.25;
/// Poor recall is judged from so many facts on that may have slipped the mind.
pub const SLIPS: usize = 5;

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

/// Whether replies are as long as the persona's. Those to fair questions are judged, without findings.
pub(super) fn length(persona: &Persona, session: &[(&Probe, &str)]) -> Option<bool> {
    let lengths: Vec<usize> = session
        .iter()
        .filter(|(probe, _)| matches!(probe.aim, Aim::Ask | Aim::Open | Aim::Repeat))
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
