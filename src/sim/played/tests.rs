//! Patients whose models say what they are given to say.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;

use serde_json::json;

use super::log::{By, TurnLog};
use super::mode::{Interruption, Mode};
use super::*;
use crate::chat::{ChatError, ChatModel, ChatOptions, Finish, Listener, Message, Reply};
use crate::data::consultation::Ending;
use crate::sim::sample::{plain, script};
use crate::sim::{Emotion, Level, Limits, Patient, PatientScript, Persona};

/// Says what it was given to say, in order, and remembers what it was asked. `None` is a failure.
pub(super) struct Actor {
    name: &'static str,
    says: RefCell<VecDeque<Option<String>>>,
    pub(super) asked: RefCell<Vec<(Vec<Message>, ChatOptions)>>,
    stops: Cell<bool>,
}

impl Actor {
    fn new(name: &'static str, says: impl IntoIterator<Item = Option<String>>) -> Self {
        Self {
            name,
            says: RefCell::new(says.into_iter().collect()),
            asked: RefCell::default(),
            stops: Cell::new(false),
        }
    }

    /// A voice that gives these replies.
    pub(super) fn voice(replies: &[&str]) -> Self {
        Self::new("voice", replies.iter().map(|it| Some(json!({"reply": it}).to_string())))
    }

    /// A check that gives these claims.
    pub(super) fn check(claims: &[serde_json::Value]) -> Self {
        Self::new("check", claims.iter().map(|it| Some(json!({"claims": it}).to_string())))
    }

    pub(super) fn prompts(&self) -> Vec<String> {
        self.asked.borrow().iter().map(|(messages, _)| messages[0].content.clone()).collect()
    }
}

impl ChatModel for Actor {
    fn name(&self) -> &str {
        self.name
    }

    fn constrains(&self) -> bool {
        true
    }

    fn reply(
        &self,
        messages: &[Message],
        options: &ChatOptions,
        _: &mut dyn Listener,
    ) -> Result<Reply, ChatError> {
        self.asked.borrow_mut().push((messages.to_vec(), options.clone()));
        if self.stops.get() {
            return Err(ChatError::Stopped);
        }
        match self.says.borrow_mut().pop_front().expect("it was asked more often than expected") {
            Some(said) => Ok(Reply { message: Message::assistant(said), finish: Finish::Stop, usage: None }),
            None => Err(ChatError::model(io::Error::other("the model is down"))),
        }
    }
}

pub(super) const ONSET: &str = "It began this morning at 8.";
pub(super) const WHEN: &str = "When did it start?";

pub(super) fn played<'a>(script: &'a PatientScript, units: Units<'a>) -> PlayedPatient<'a> {
    PlayedPatient::new(script, Limits::default(), units, Prompts::bundled(), 7)
}

pub(super) fn voiced(voice: &Actor) -> Units<'_> {
    Units { voice: Unit::Model(voice), ..Units::rules() }
}

/// What one message leads to, as the consultation's first.
pub(super) fn first(patient: &PlayedPatient<'_>, message: &str) -> PlayedReply {
    patient.reply(&patient.open(), message).unwrap()
}

pub(super) fn said(reply: &PlayedReply) -> &str {
    reply.reply.turn.patient.as_deref().unwrap()
}

/// What the rule-based patient says first.
pub(super) fn by_rules(script: &PatientScript, message: &str) -> String {
    let patient = Patient::new(script, Limits::default());
    patient.reply(&patient.open(), message).turn.patient.unwrap()
}

#[test]
fn by_rules_alone_it_is_the_rule_based_patient() {
    for seed in 0..20 {
        let script = script(Persona::draw(seed), seed);
        let (rules, units) = (Patient::new(&script, Limits::default()), played(&script, Units::rules()));
        let mut so_far = rules.open();
        assert_eq!(units.open(), so_far);
        for message in [
            "Hello, what brings you in?",
            WHEN,
            "Any fever or cough?",
            "Let's do an ECG.",
            "Hm!",
            "Take aspirin.",
        ] {
            let got = units.reply(&so_far, message).unwrap();
            assert_eq!(got.reply, rules.reply(&so_far, message));
            assert_eq!(got.log.patient, got.reply.turn.patient);
            rules.answer(&mut so_far, message);
        }
    }
}

#[test]
fn questions_of_a_unit_begin_alike_in_every_turn() {
    let script = script(plain(), 1);
    let voice = Actor::voice(&[ONSET, "I'm not sure."]);
    let gate = Actor::new("gate", [(); 2].map(|()| Some(json!({"ending": "goes_on"}).to_string())));
    let patient = played(&script, Units { gate: Unit::Model(&gate), ..voiced(&voice) });
    let mut consultation = patient.open();
    for message in [WHEN, "Hm!"] {
        patient.answer(&mut consultation, message).unwrap();
    }
    let keys = |actor: &Actor| actor.asked.borrow().iter().map(|it| it.1.conversation).collect::<Vec<_>>();
    let (said, ended) = (keys(&voice), keys(&gate));
    assert!(said[0].is_some() && said[0] == said[1] && ended[0] == ended[1] && said[0] != ended[0]);
    let other = PatientScript { case_id: "other".into(), ..script.clone() };
    let voice = Actor::voice(&[ONSET]);
    first(&played(&other, voiced(&voice)), WHEN);
    assert_ne!(keys(&voice)[0], said[0]);
}

#[test]
fn a_gate_names_the_ending_and_the_rules_count() {
    let script = script(plain(), 1);
    let gate = |ending: &str| Actor::new("gate", [Some(json!({"ending": ending}).to_string())]);
    for (said, ending) in
        [("concluded", Ending::Concluded), ("goodbye", Ending::Goodbye), ("emergency", Ending::Emergency)]
    {
        let gate = gate(said);
        let patient = played(&script, Units { gate: Unit::Model(&gate), ..Units::rules() });
        let reply = first(&patient, WHEN);
        assert_eq!((reply.reply.ending, reply.log.ending), (Some(ending), Some(ending)));
        assert!(reply.reply.turn.patient.is_none() && reply.log.drafts.is_empty());
    }
    let early = gate("gave_up");
    let patient = played(&script, Units { gate: Unit::Model(&early), ..Units::rules() });
    let reply = first(&patient, WHEN);
    assert!(reply.log.gate.overruled && reply.reply.ending.is_none());

    let rules = Patient::new(&script, Limits::default());
    let mut so_far = rules.open();
    rules.answer(&mut so_far, WHEN);
    rules.answer(&mut so_far, "Any fever?");
    let late = gate("gave_up");
    let patient = played(&script, Units { gate: Unit::Model(&late), ..Units::rules() });
    assert_eq!(patient.reply(&so_far, "Any cough?").unwrap().reply.ending, Some(Ending::GaveUp));
    assert!(late.prompts()[0].contains("Patient: ") && late.prompts()[0].contains("Doctor: Any cough?"));

    let on = gate("goes_on");
    let limits = Limits { turns: 3, patience: 3 };
    let units = Units { gate: Unit::Model(&on), ..Units::rules() };
    let patient = PlayedPatient::new(&script, limits, units, Prompts::bundled(), 1);
    assert_eq!(patient.reply(&so_far, "Any cough?").unwrap().reply.ending, Some(Ending::TurnLimit));
}

#[test]
fn what_is_no_answer_is_an_error_that_names_the_unit() {
    let script = script(plain(), 1);
    let not_json =
        || Actor::new("talker", ["Hm.", "{\"reply\": 3}", "{\"reply\": \"It"].map(|it| Some(it.into())));
    let voice = not_json();
    let patient = played(&script, voiced(&voice));
    let mut so_far = patient.open();
    let error = patient.answer(&mut so_far, WHEN).unwrap_err();
    assert!(so_far.turns.is_empty() && so_far.ending.is_none());
    assert!(matches!(
        &error,
        PlayedError::Unit { unit: UnitName::Voice, source: ChatError::NotAsAsked { asked: 3, .. }, .. }
    ));
    assert!(error.to_string().starts_with("the patient's voice, model `talker`: "), "{error}");
    for unit in [UnitName::Gate, UnitName::Check] {
        let down = Actor::new("down", [None]);
        let mut units = Units::rules();
        match unit {
            UnitName::Gate => units.gate = Unit::Model(&down),
            _ => units.check = Unit::Model(&down),
        }
        let patient = played(&script, units);
        let error = patient.reply(&patient.open(), WHEN).unwrap_err();
        assert!(matches!(&error, PlayedError::Unit { unit: named, .. } if *named == unit), "{error}");
    }
}

#[test]
fn with_leave_the_rules_step_in_and_the_log_says_so() {
    let script = script(plain(), 1);
    let down = Actor::new("down", [None, None, None]);
    let settings = Settings { on_failure: OnFailure::Rules, ..Settings::default() };
    let patient = played(&script, Units::model(&down)).with_settings(settings);
    let reply = first(&patient, WHEN);
    assert_eq!(said(&reply), by_rules(&script, WHEN));
    let failed: Vec<UnitName> = reply.log.failures.iter().map(|failure| failure.unit).collect();
    assert_eq!(failed, [UnitName::Gate, UnitName::Voice, UnitName::Check]);
    assert!(reply.log.failures.iter().all(|it| it.model == "down" && it.why.contains("the model is down")));
    assert_eq!((&reply.log.gate.by, &reply.log.drafts[0].voice), (&By::Rules, &By::Rules));

    // A check that fails leaves a model's draft to the rules.
    let (voice, check) = (Actor::voice(&["It began two weeks ago."]), Actor::new("check", [None]));
    let units = Units { check: Unit::Model(&check), ..voiced(&voice) };
    let patient = played(&script, units).with_settings(settings);
    let reply = first(&patient, WHEN);
    assert_eq!((said(&reply), reply.log.failures.len()), (ONSET, 1));

    // Whoever stops it wants no reply at all.
    let stopped = Actor::new("stopped", []);
    stopped.stops.set(true);
    let patient = played(&script, voiced(&stopped)).with_settings(settings);
    let error = patient.reply(&patient.open(), WHEN).unwrap_err();
    assert!(matches!(error, PlayedError::Unit { source: ChatError::Stopped, .. }), "{error}");
}

#[test]
fn a_log_is_a_line_that_can_be_read_again() {
    let script = script(plain(), 1);
    let voice = Actor::voice(&["I smoke a pack a day.", "It began two weeks ago."]);
    let patient = played(&script, voiced(&voice));
    let mut consultation = patient.open();
    let log = patient.answer(&mut consultation, WHEN).unwrap().unwrap();
    let mut lines = Vec::new();
    log.write_line(&mut lines).unwrap();
    let text = String::from_utf8(lines).unwrap();
    assert_eq!(text.matches('\n').count(), 1);
    assert_eq!(serde_json::from_str::<TurnLog>(&text).unwrap(), log);
    assert!(text.contains("\"action\":\"drop\"") && text.contains("\"action\":\"rewrite\""), "{text}");
}

#[test]
fn a_passive_patient_takes_no_initiative() {
    let persona = Persona { extravert: true, income: Level::Low, emotion: Emotion::Afraid, ..plain() };
    let script = script(persona, 1);
    let it = Interruption::bundled()[0].clone();
    for mode in [Mode::Passive, Mode::Interrupted(it.clone())] {
        let voice = Actor::voice(&[ONSET]);
        let patient = played(&script, voiced(&voice)).in_mode(mode);
        assert!(!patient.script().persona.extravert);
        first(&patient, WHEN);
        let prompt = &voice.prompts()[0];
        assert!(prompt.contains("take no initiative") && prompt.contains("You are calm."), "{prompt}");
        assert!(!prompt.contains("resist what is expensive") && !prompt.contains(&it.patient), "{prompt}");
        let seen = patient.messages(&patient.open(), None);
        assert_eq!(seen.len() > 1, *patient.mode() != Mode::Passive);
    }
}
