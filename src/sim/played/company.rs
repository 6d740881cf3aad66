//! Patients that models play, several asked at the same time.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::chat::{ChatError, ChatModel, Halting};
use crate::data::consultation::Consultation;
use crate::sim::gate::Limits;
use crate::sim::played::error::PlayedError;
use crate::sim::played::mode::Mode;
use crate::sim::played::patient::{PlayedPatient, PlayedReply};
use crate::sim::played::prompts::Prompts;
use crate::sim::played::units::{Settings, SharedUnits, Unit, UnitNames, Units};
use crate::sim::script::PatientScript;

/// How long replies are waited for before it is looked whether anybody still wants them.
const LOOK: Duration = Duration::from_millis(50);
/// Tells the seed of a patient's models from that of its wording by rules.
const MODELS: u64 = 0x706c_6179;

/// Patients of the same units. Each of them draws by the seed of its script, so who is asked beside it changes nothing.
#[derive(Clone, Copy)]
pub struct Company<'a> {
    units: &'a SharedUnits,
    prompts: &'a Prompts,
    settings: Settings,
    limits: Limits,
    at_once: usize,
    /// The longest wait for the next reply of several.
    patience: Option<Duration>,
    halt: &'a AtomicBool,
}

/// A message of the doctor's to one patient.
#[derive(Debug, Clone, Copy)]
pub struct Addressed<'a> {
    /// What the patient plays from.
    pub script: &'a PatientScript,
    /// How the patient takes part.
    pub mode: &'a Mode,
    /// What was said before.
    pub so_far: &'a Consultation,
    /// What the doctor says.
    pub doctor: &'a str,
}

/// Why patients gave no replies.
#[derive(Debug, Error)]
pub enum CompanyError {
    /// The caller waits no more.
    #[error("the wait for the patients' replies was interrupted")]
    Interrupted,
    /// Nobody replied for too long.
    #[error("none of {patients} patients who were still to reply did so within {patience:?}")]
    Silent {
        /// Who had not replied.
        patients: usize,
        /// How long nobody did.
        patience: Duration,
    },
    /// Nobody can be asked while others are waited for.
    #[error("no thread can be started to ask patients: {0}")]
    Threads(io::Error),
    /// One of them gave none.
    #[error(transparent)]
    Patient(#[from] PlayedError),
}

impl<'a> Company<'a> {
    /// Patients of `units` who end consultations by `limits`, `at_once` of them asked at a time, at least 1. While `halt` is set no model
    /// is asked, and no answer waited for.
    pub fn new(
        units: &'a SharedUnits,
        prompts: &'a Prompts,
        settings: Settings,
        limits: Limits,
        at_once: usize,
        halt: &'a AtomicBool,
    ) -> Self {
        Self { units, prompts, settings, limits, at_once: at_once.max(1), patience: None, halt }
    }

    /// The same, of whom [`Company::replies`] waits for the next no longer than `patience`.
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self }
    }

    /// Who does the work of each unit.
    pub fn names(&self) -> UnitNames {
        self.units.names()
    }

    /// What a message leads to.
    ///
    /// # Errors
    ///
    /// As [`PlayedPatient::reply`]; once it is halted, [`ChatError::Stopped`] in it ([`PlayedError::is_stopped`]).
    pub fn reply(&self, to: &Addressed<'_>) -> Result<PlayedReply, PlayedError> {
        let halted = || self.halted();
        let SharedUnits { gate, voice, check } = self.units;
        let models =
            [gate, voice, check].map(|model| model.as_ref().map(|model| Halting::new(model, &halted, 1)));
        let [gate, voice, check] =
            models.each_ref().map(|model| Unit::of(model.as_ref().map(|model| model as &dyn ChatModel)));
        let units = Units { gate, voice, check };
        let seed = to.script.seed ^ MODELS;
        PlayedPatient::new(to.script, self.limits, units, self.prompts, seed)
            .with_settings(self.settings)
            .in_mode(to.mode.clone())
            .reply(to.so_far, to.doctor)
    }

    /// What each message leads to, in their order. `goes_on` is asked several times a second; where it says no, nothing more is waited
    /// for. Whoever had halted the patients before is forgotten.
    ///
    /// # Errors
    ///
    /// What [`CompanyError`] says. Of several patients that fail it is the first to do so, after whom no other is waited for.
    pub fn replies(
        &self,
        to: &[Addressed<'_>],
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<PlayedReply>, CompanyError> {
        self.halt.store(false, Ordering::SeqCst);
        if to.is_empty() {
            return Ok(Vec::new());
        }
        let next = AtomicUsize::new(0);
        let (replies, found) = mpsc::channel();
        thread::scope(|scope| {
            for started in 0..self.at_once.min(to.len()) {
                let (replies, next) = (Sender::clone(&replies), &next);
                let work = move || {
                    while !self.halted() {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(it) = to.get(at) else { return };
                        // Nobody listens where another has failed.
                        if replies.send((at, self.reply(it))).is_err() {
                            return;
                        }
                    }
                };
                match thread::Builder::new().name("patient".to_owned()).spawn_scoped(scope, work) {
                    Ok(_) => {}
                    // Where the system has no more threads fewer are asked at a time.
                    Err(_) if started > 0 => break,
                    Err(error) => return Err(CompanyError::Threads(error)),
                }
            }
            drop(replies);
            let gathered = gather(&found, to.len(), self.patience, Instant::now, goes_on);
            if gathered.is_err() {
                self.halt.store(true, Ordering::SeqCst);
            }
            gathered
        })
    }

    fn halted(&self) -> bool {
        self.halt.load(Ordering::SeqCst)
    }
}

/// Waits until all `count` have replied, one has failed, none has replied for `patience` by the clock `now`, or the caller is tired of it.
fn gather(
    found: &Receiver<(usize, Result<PlayedReply, PlayedError>)>,
    count: usize,
    patience: Option<Duration>,
    now: impl Fn() -> Instant,
    goes_on: &mut dyn FnMut() -> bool,
) -> Result<Vec<PlayedReply>, CompanyError> {
    let mut last = now();
    let mut replies: Vec<Option<PlayedReply>> = (0..count).map(|_| None).collect();
    let mut left = count;
    let mut take = |(at, reply): (usize, Result<PlayedReply, PlayedError>)| -> Result<(), CompanyError> {
        let reply = reply?;
        if let Some(place) = replies.get_mut(at) {
            *place = Some(reply);
        }
        Ok(())
    };
    while left > 0 {
        // What is there is taken first: replies that have all come are not given up.
        match found.try_recv() {
            Ok(it) => take(it)?,
            Err(TryRecvError::Empty) => {
                if !goes_on() {
                    return Err(CompanyError::Interrupted);
                }
                if let Some(patience) = patience.filter(|patience| now().duration_since(last) >= *patience) {
                    return Err(CompanyError::Silent { patients: left, patience });
                }
                match found.recv_timeout(LOOK) {
                    Ok(it) => take(it)?,
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => return Err(CompanyError::Interrupted),
                }
            }
            // Nobody answers the rest: somebody else has halted the patients, or a thread has panicked, which the scope passes on.
            Err(TryRecvError::Disconnected) => return Err(CompanyError::Interrupted),
        }
        left -= 1;
        last = now();
    }
    Ok(replies.into_iter().flatten().collect())
}

impl PlayedError {
    /// Whether nobody failed and somebody stopped it.
    pub fn is_stopped(&self) -> bool {
        matches!(self, Self::Unit { source: ChatError::Stopped, .. })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::{Arc, Barrier, Mutex};

    use serde_json::json;

    use super::*;
    use crate::chat::stalled::until_stopped;
    use crate::chat::{ChatOptions, Finish, Listener, Message, Reply};
    use crate::sim::played::units::OnFailure;
    use crate::sim::sample::script;
    use crate::sim::{Patient, Persona};

    const WORDS: &str = "It began this morning at 8.";
    const WHEN: &str = "When did it start?";

    /// Plays the voice with [`WORDS`] once `meet` lets it, and remembers the seeds it was asked with.
    struct Actor {
        meet: Option<Barrier>,
        fails: bool,
        seeds: Mutex<Vec<Option<u64>>>,
    }

    impl Actor {
        fn new(meet: Option<usize>, fails: bool) -> Arc<Self> {
            Arc::new(Self { meet: meet.map(Barrier::new), fails, seeds: Mutex::default() })
        }
    }

    impl ChatModel for Arc<Actor> {
        fn name(&self) -> &str {
            "actor"
        }

        fn constrains(&self) -> bool {
            true
        }

        fn reply(
            &self,
            _: &[Message],
            options: &ChatOptions,
            listener: &mut dyn Listener,
        ) -> Result<Reply, ChatError> {
            self.seeds.lock().unwrap().push(options.seed);
            if self.fails {
                return Err(ChatError::model(io::Error::other("the model is down")));
            }
            match &self.meet {
                Some(meet) => drop(meet.wait()),
                // Answers only who stops it.
                None => {
                    until_stopped(listener);
                    return Err(ChatError::Stopped);
                }
            }
            let said = json!({"reply": WORDS}).to_string();
            Ok(Reply { message: Message::assistant(said), finish: Finish::Stop, usage: None })
        }
    }

    fn voiced(actor: &Arc<Actor>) -> SharedUnits {
        SharedUnits { voice: Some(Arc::new(Arc::clone(actor))), ..SharedUnits::default() }
    }

    /// What four patients answer to the same question, each by a script of its own.
    fn four(
        units: &SharedUnits,
        on_failure: OnFailure,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> (Vec<PatientScript>, Result<Vec<PlayedReply>, CompanyError>) {
        let scripts: Vec<PatientScript> = (0..4).map(|seed| script(Persona::draw(seed), seed)).collect();
        let halt = AtomicBool::new(true);
        let settings = Settings { on_failure, ..Settings::default() };
        let company = Company::new(units, Prompts::bundled(), settings, Limits::default(), 4, &halt);
        let openings: Vec<Consultation> =
            scripts.iter().map(|script| Patient::new(script, Limits::default()).open()).collect();
        let to: Vec<Addressed<'_>> = scripts
            .iter()
            .zip(&openings)
            .map(|(script, so_far)| Addressed { script, mode: &Mode::Proactive, so_far, doctor: WHEN })
            .collect();
        let replies = company.replies(&to, goes_on);
        assert_eq!(halt.load(Ordering::SeqCst), replies.is_err());
        (scripts, replies)
    }

    #[test]
    fn patients_are_asked_at_the_same_time_each_by_its_own_seed() {
        // Each waits for three others, who never come where they are asked one after the other.
        let actor = Actor::new(Some(4), false);
        let (scripts, replies) = four(&voiced(&actor), OnFailure::Stop, &mut || true);
        let replies = replies.unwrap();
        assert_eq!(replies.len(), 4);
        for (script, reply) in scripts.iter().zip(&replies) {
            assert_eq!(reply.log.case_id, script.case_id);
            assert_eq!(reply.reply.turn.patient.as_deref(), Some(WORDS));
        }
        let mut seeds = actor.seeds.lock().unwrap().clone();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 4, "{seeds:?}");
    }

    #[test]
    fn nothing_is_waited_for_once_the_caller_says_so() {
        let mut asked = 0;
        let mut twice = || {
            asked += 1;
            asked <= 2
        };
        let (_, replies) = four(&voiced(&Actor::new(None, false)), OnFailure::Rules, &mut twice);
        assert!(matches!(replies, Err(CompanyError::Interrupted)), "{replies:?}");
    }

    #[test]
    fn replies_that_are_missing_are_not_passed_over() {
        // Nobody is left who could send one.
        let (sender, found) = mpsc::channel();
        drop(sender);
        let gathered = |count| gather(&found, count, None, Instant::now, &mut || true);
        assert!(matches!(gathered(2), Err(CompanyError::Interrupted)));
        assert_eq!(gathered(0).unwrap(), []);
    }

    #[test]
    fn a_silence_of_all_ends_and_one_between_replies_begins_anew() {
        // Each time that the caller is asked whether it goes on, two fifths of the patience are over.
        let (begun, patience, step) = (Instant::now(), Duration::from_secs(1), Duration::from_millis(400));
        let over = Cell::new(Duration::ZERO);
        let now = || begun + over.get();
        let (sender, found) = mpsc::channel();
        let mut silent = || {
            over.set(over.get() + step);
            true
        };
        let gathered = gather(&found, 2, Some(patience), now, &mut silent);
        assert!(matches!(gathered, Err(CompanyError::Silent { patients: 2, .. })), "{gathered:?}");
        assert_eq!(over.get(), 3 * step);
        let actor = Actor::new(Some(4), false);
        let (_, replies) = four(&voiced(&actor), OnFailure::Stop, &mut || true);
        let reply = replies.unwrap().remove(0);
        // Three replies take longer than anybody waits for one.
        over.set(Duration::ZERO);
        let mut at = 0;
        let mut replying = || {
            over.set(over.get() + step);
            sender.send((at, Ok(reply.clone()))).unwrap();
            at += 1;
            true
        };
        assert_eq!(gather(&found, 3, Some(patience), now, &mut replying).unwrap().len(), 3);
        assert_eq!(over.get(), 3 * step);
    }

    #[test]
    fn a_failure_is_an_error_or_the_rules_reply() {
        let units = voiced(&Actor::new(None, true));
        let (_, replies) = four(&units, OnFailure::Stop, &mut || true);
        let error = replies.unwrap_err();
        assert!(error.to_string().starts_with("the patient's voice, model `actor`: "), "{error}");
        assert!(matches!(&error, CompanyError::Patient(error) if !error.is_stopped()));
        let (scripts, replies) = four(&units, OnFailure::Rules, &mut || true);
        for (script, reply) in scripts.iter().zip(replies.unwrap()) {
            let rules = Patient::new(script, Limits::default());
            assert_eq!(reply.reply, rules.reply(&rules.open(), WHEN));
            assert_eq!(reply.log.failures.len(), 1);
        }
    }
}
