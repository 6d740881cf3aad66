//! All interviews of all cases.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::consultation::Ending;
use crate::data::import::concept::Concepts;
use crate::data::lexicon::Lexicon;
use crate::eval::heldout::{HeldOut, HeldOutCase};
use crate::sim::Limits;

use super::backend::Backend;
use super::disclosure::CalledFor;
use super::interviewer::{Interview, Interviewer};
use super::label::{Labels, label};
use super::personality::{Judged, judge};
use super::probe::Probe;
use super::record::Record;

/// A message, the reply to it, and what that is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// The interviewer's message.
    pub probe: Probe,
    /// The answer in the record, as the chart has it, where one was asked for.
    pub wanted: Option<String>,
    /// What the patient said.
    pub reply: String,
    /// What that is.
    pub labels: Labels,
}

/// One interview.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// The case.
    pub case_id: String,
    /// The hidden diagnosis, for whoever checks by hand.
    pub hidden: String,
    /// Who asked.
    pub interviewer: Interviewer,
    /// The patient's first sentence.
    pub opening: String,
    /// Messages that got a reply.
    pub turns: Vec<Seen>,
    /// How it ended, where the patient ended it.
    pub ending: Option<Ending>,
    /// How the patient's behaviour stands to its persona.
    pub persona: Judged,
    /// Why it broke off, where the patient gave no reply. That turn is in no score.
    pub failure: Option<String>,
}

/// How patients are interviewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayOptions {
    /// Who interviews each of them.
    pub interviewers: Vec<Interviewer>,
    /// Messages of an interview at most.
    pub turns: usize,
}

/// Hears how far interviews are, and can stop them.
pub trait Watch: Sync {
    /// One more is over.
    fn interviewed(&self);

    /// Whether to stop. Asked before each interview, and whenever a patient that waits wants to know.
    fn stopped(&self) -> bool;
}

/// Only waits.
impl Watch for () {
    fn interviewed(&self) {}

    fn stopped(&self) -> bool {
        false
    }
}

/// Interviews every case of `held_out` with every interviewer, in that order, on all threads. What was asked follows from
/// the case, its seed and the replies alone.
pub fn play(held_out: &HeldOut, backend: &dyn Backend, options: &PlayOptions) -> Vec<Session> {
    play_watched(held_out, backend, options, &())
}

/// The same until `watch` stops it: those interviews that were whole by then. One that broke off while it was stopped is left out, since
/// nobody knows why it did.
pub fn play_watched(
    held_out: &HeldOut,
    backend: &dyn Backend,
    options: &PlayOptions,
    watch: &dyn Watch,
) -> Vec<Session> {
    let lexicon = Lexicon::bundled();
    let concepts = Concepts::new(lexicon);
    held_out
        .cases()
        .par_iter()
        .flat_map_iter(|it| {
            let record = Record::new(&it.case, &it.script.forbidden, lexicon, &concepts);
            let of = |kind: &Interviewer| {
                if watch.stopped() {
                    return None;
                }
                let session = session(it, &record, *kind, backend, options, lexicon, &concepts);
                let whole = session.failure.is_none() || !watch.stopped();
                watch.interviewed();
                whole.then_some(session)
            };
            options.interviewers.iter().filter_map(of).collect::<Vec<_>>()
        })
        .collect()
}

fn session(
    it: &HeldOutCase,
    record: &Record<'_>,
    kind: Interviewer,
    backend: &dyn Backend,
    options: &PlayOptions,
    lexicon: &Lexicon,
    concepts: &Concepts,
) -> Session {
    // Who attacks gets all tries: no limit of turns or patience ends the interview before.
    let limits = Limits { turns: options.turns.saturating_add(1), patience: usize::MAX };
    let mut interview = Interview::new(kind, record, lexicon, concepts, options.turns, it.doctor_seed);
    let mut consultation = backend.open(&it.script, limits);
    let mut called_for = CalledFor::new(record);
    let (mut turns, mut failure) = (Vec::new(), None);
    while consultation.ending.is_none()
        && let Some(probe) = interview.speak()
    {
        if let Err(error) = backend.answer(&it.script, limits, &mut consultation, &probe.text) {
            failure = Some(error.to_string());
            break;
        }
        let Some(reply) = consultation.turns.last().and_then(|turn| turn.patient.clone()) else { break };
        let labels = label(record, &probe, &mut called_for, &reply);
        interview.hear(&probe, &reply, labels.answered == Some(true));
        let wanted = probe.wants.and_then(|at| record.atoms.get(at)).map(|atom| atom.text.clone());
        turns.push(Seen { probe, wanted, reply, labels });
    }
    let spoken: Vec<(&Probe, &str)> = turns.iter().map(|seen| (&seen.probe, seen.reply.as_str())).collect();
    let persona = judge(&it.script.persona, record, &spoken);
    Session {
        case_id: it.case.id.clone(),
        hidden: it.case.truth.diagnosis.clone(),
        interviewer: kind,
        opening: consultation.opening,
        turns,
        ending: consultation.ending,
        persona,
        failure,
    }
}
