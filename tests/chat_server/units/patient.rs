//! A patient's gate, voice and check.

use osler::chat::ChatError;
use osler::chat::client::Client;
use osler::data::case::{
    Age, Aspect, Fact, FactId, Finding, Importance, Prevalence, Reveal, Severity, Sex, Specialty, Stratum,
    Topic,
};
use osler::data::consultation::Ending;
use osler::sim::played::log::By;
use osler::sim::played::{OnFailure, PlayedError, Settings, UnitName};
use osler::sim::{
    Culture, Emotion, Level, Limits, Patient, PatientScript, Persona, PlayedPatient, Prompts, Units,
};
use serde_json::{Value, json};

use super::{Unit, stands};
use crate::Quick;

pub const WHEN: &str = "When did it start?";

fn fact(id: &str, topic: Topic, concept: &str, aspect: Aspect, said: &str, reveal: Reveal) -> Fact {
    Fact {
        id: FactId(id.into()),
        topic,
        concept: concept.into(),
        aspect,
        finding: Finding::Present,
        text: format!("chart: {said}"),
        said: Some(said.into()),
        reveal,
        importance: Importance::Useful,
        private: false,
    }
}

/// A man with chest pain, of no marked trait.
pub fn script() -> PatientScript {
    use Aspect::{Onset, Presence};
    use Reveal::{OnQuestion, Opening};
    let symptom = |id: &str, concept: &str, aspect, said: &str, reveal| {
        fact(id, Topic::Symptom, concept, aspect, said, reveal)
    };
    PatientScript {
        case_id: "mi-1".into(),
        stratum: Stratum {
            specialty: Specialty("cardiology".into()),
            age: Age::new(61),
            sex: Sex::Male,
            severity: Severity::Severe,
            prevalence: Prevalence::Common,
            comorbidities: Vec::new(),
        },
        opening: "My chest really hurts.".into(),
        facts: vec![
            symptom("cp", "chest pain", Presence, "My chest hurts.", Opening),
            symptom("cp.onset", "chest pain", Onset, "It began this morning at 8.", OnQuestion),
            symptom("sweat", "sweating", Presence, "I've been sweating a lot.", OnQuestion),
            fact("smoke", Topic::Social, "smoking", Presence, "I smoke a pack a day.", OnQuestion),
        ],
        forbidden: vec!["myocardial infarction".into(), "heart attack".into()],
        persona: Persona {
            extravert: false,
            intuitive: false,
            feeling: false,
            judging: true,
            income: Level::Medium,
            education: Level::Medium,
            verbosity: Level::Medium,
            recall: Level::High,
            culture: Culture::default(),
            emotion: Emotion::default(),
        },
        seed: 1,
    }
}

/// One unit of a patient, whose other units are rules.
struct OfPatient {
    unit: UnitName,
    on_failure: OnFailure,
}

impl OfPatient {
    fn units<'a>(&self, client: &'a Client<Quick>) -> Units<'a> {
        let model = osler::sim::Unit::Model(client);
        match self.unit {
            UnitName::Gate => Units { gate: model, ..Units::rules() },
            UnitName::Voice => Units { voice: model, ..Units::rules() },
            UnitName::Check => Units { check: model, ..Units::rules() },
        }
    }
}

/// A claim about the second fact, with one field otherwise.
fn claim(field: &str, value: Value) -> Value {
    let mut claim = json!({"sentence": 1, "claim": "at 8", "fact": 2, "support": "supported", "asked": true,
        "private": false});
    claim[field] = value;
    claim
}

impl Unit for OfPatient {
    fn right(&self) -> String {
        match self.unit {
            UnitName::Gate => json!({"ending": "goodbye"}),
            UnitName::Voice => json!({"reply": "At around 8 this morning."}),
            UnitName::Check => json!({"claims": [claim("sentence", json!(1))]}),
        }
        .to_string()
    }

    fn again(&self) -> usize {
        Settings::default().again
    }

    fn wrong(&self) -> Vec<(String, &'static str)> {
        let wrong = match self.unit {
            UnitName::Gate => vec![
                (json!({"ending": "died"}), "$.ending"),
                (json!({"ending": 3}), "$.ending"),
                (json!({"ending": null}), "$.ending"),
                (json!({}), "`ending`"),
                (json!({"ending": "goodbye", "why": "x"}), "$.why"),
                (json!(["goodbye"]), "legal is object"),
            ],
            UnitName::Voice => vec![
                (json!({"reply": 3}), "$.reply"),
                (json!({"reply": ""}), "at least 1 characters"),
                (json!({"reply": "x".repeat(1201)}), "at most 1200 characters"),
                (json!({"text": "Hi."}), "`reply`"),
                (json!({"reply": "Hi.", "mood": "calm"}), "$.mood"),
                (json!("Hi."), "legal is object"),
            ],
            UnitName::Check => vec![
                (json!({"claims": [claim("support", json!("likely"))]}), "$.claims[0].support"),
                (json!({"claims": [claim("asked", json!("yes"))]}), "$.claims[0].asked"),
                (json!({"claims": [claim("fact", json!(1000))]}), "$.claims[0].fact"),
                (json!({"claims": [claim("claim", json!("x".repeat(1201)))]}), "$.claims[0].claim"),
                (json!({"claims": [claim("certain", json!(true))]}), "$.claims[0].certain"),
                (json!({"claims": [{"sentence": 1}]}), "`claim`"),
                (json!({"claims": vec![claim("fact", json!(2)); 41]}), "items"),
                (json!({"claims": {}}), "$.claims"),
                (json!({}), "`claims`"),
            ],
        };
        wrong.into_iter().map(|(said, words)| (said.to_string(), words)).collect()
    }

    fn ask(&self, client: &Client<Quick>) -> Result<(), String> {
        let script = script();
        let settings = Settings { on_failure: self.on_failure, ..Settings::default() };
        let patient =
            PlayedPatient::new(&script, Limits::default(), self.units(client), Prompts::bundled(), 7)
                .with_settings(settings);
        let rules = Patient::new(&script, Limits::default());
        let mut consultation = patient.open();
        let log = match patient.answer(&mut consultation, WHEN) {
            Ok(log) => log.unwrap(),
            Err(PlayedError::Unit { unit, model, source }) => {
                assert_eq!((unit, model.as_str(), self.on_failure), (self.unit, "tiny", OnFailure::Stop));
                assert!(matches!(source, ChatError::Server(_) | ChatError::NotAsAsked { .. }), "{source:?}");
                assert_eq!(consultation, patient.open(), "it is as it was");
                return Err(source.to_string());
            }
            Err(other) => panic!("{other}"),
        };
        if let [failure] = &log.failures[..] {
            // The rules did the unit's work, and nothing is left of what the model said.
            assert_eq!((failure.unit, self.on_failure), (self.unit, OnFailure::Rules));
            let mut by_rules = rules.open();
            rules.answer(&mut by_rules, WHEN);
            assert_eq!(consultation, by_rules);
            let by = log.drafts.iter().flat_map(|draft| [&draft.voice, &draft.check]).chain([&log.gate.by]);
            assert!(by.into_iter().all(|by| *by == By::Rules), "{log:?}");
            return Err(failure.why.clone());
        }
        assert!(log.failures.is_empty(), "{log:?}");
        let model = By::Model("tiny".into());
        match self.unit {
            UnitName::Gate => {
                assert_eq!((consultation.ending, &log.gate.by), (Some(Ending::Goodbye), &model));
            }
            UnitName::Voice => {
                assert_eq!(consultation.turns[0].patient.as_deref(), Some("At around 8 this morning."));
                assert_eq!((&log.drafts[0].voice, log.regenerations), (&model, 0));
            }
            UnitName::Check => {
                assert_eq!((&log.drafts[0].check, log.drafts[0].claims[0].text.as_str()), (&model, "at 8"));
            }
        }
        Ok(())
    }
}

#[test]
fn a_gate_stands_it() {
    for on_failure in [OnFailure::Stop, OnFailure::Rules] {
        stands(&OfPatient { unit: UnitName::Gate, on_failure });
    }
}

#[test]
fn a_voice_stands_it() {
    for on_failure in [OnFailure::Stop, OnFailure::Rules] {
        stands(&OfPatient { unit: UnitName::Voice, on_failure });
    }
}

#[test]
fn a_check_stands_it() {
    for on_failure in [OnFailure::Stop, OnFailure::Rules] {
        stands(&OfPatient { unit: UnitName::Check, on_failure });
    }
}
