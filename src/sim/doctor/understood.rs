//! Everything a scripted doctor can say over the whole bank is understood as what it is meant to be.

use std::collections::BTreeMap;

use crate::data::bank::{Bank, SynthOptions};
use crate::data::case::{Case, StepKind, Topic};
use crate::data::lexicon::Lexicon;
use crate::data::utterance::{Intent, Understanding, asked};

use super::agenda::{Want, agenda};
use super::baseline::Baseline;
use super::phrases::{
    EMERGENCY, EMPATHY, GREETINGS, LINKS, OPEN, PLANLESS, SAFETY_NETS, STRAYS, URGENT_SAFETY_NETS,
    VAGUE_PLANS, diagnoses, questions, several, steps,
};
use super::quality::DoctorQuality;
use super::scripted::ScriptedDoctor;
use super::{Doctor, Tier};

/// Two patients of every presentation, more or less.
fn cases() -> Vec<Case> {
    Bank::bundled().synth(11, &SynthOptions::any(120)).unwrap()
}

fn read(text: &str) -> Vec<crate::data::utterance::Act> {
    Understanding::bundled().read(text)
}

#[test]
fn questions_ask_for_the_facts_they_are_for() {
    let mut wrong = BTreeMap::new();
    for case in cases() {
        for item in agenda(&case) {
            for text in questions(&item.want) {
                let acts = read(&text);
                let asked = asked(&acts, &case.facts, &[], Lexicon::bundled());
                let ids: Vec<_> =
                    asked.iter().flat_map(|a| &a.facts).filter_map(|at| case.facts.get(*at)).collect();
                let all = item.facts.iter().all(|id| ids.iter().any(|fact| fact.id == *id));
                let meant =
                    !item.facts.is_empty() || !matches!(item.want, Want::Topic(_)) || !asked.is_empty();
                if !all || !meant {
                    wrong
                        .entry(text)
                        .or_insert_with(|| format!("{:?} of {} for {:?}", item.want, case.id, item.facts));
                }
            }
        }
    }
    let said: Vec<String> = wrong.into_iter().map(|(text, meant)| format!("{text} -- {meant}")).collect();
    assert!(said.is_empty(), "{} not understood:\n{}", said.len(), said.join("\n"));
}

#[test]
fn conclusions_name_and_arrange_what_they_mean() {
    let lexicon = Lexicon::bundled();
    let mut wrong = BTreeMap::new();
    for case in cases() {
        for name in case.truth.differentials.iter().chain([&case.truth.diagnosis]) {
            for text in diagnoses(name) {
                let named = read(&text).iter().any(|act| {
                    matches!(act.intent, Intent::Diagnosis { .. })
                        && !act.negated
                        && act.concept.as_deref().is_some_and(|concept| lexicon.is_a(concept, name))
                });
                if !named {
                    wrong.insert(text, case.id.clone());
                }
            }
        }
        for step in &case.truth.plan {
            for text in steps(step) {
                let done = read(&text).iter().any(|act| {
                    let arranged = matches!(
                        act.intent,
                        Intent::Prescription
                            | Intent::Advice
                            | Intent::Test
                            | Intent::Examination
                            | Intent::Referral { .. }
                    );
                    let fits = |concept: &str| {
                        lexicon.is_a(concept, &step.concept) || lexicon.is_a(&step.concept, concept)
                    };
                    let hospital = matches!(step.concept.as_str(), "ambulance" | "emergency department");
                    arranged && !act.negated && (act.concept.as_deref().is_some_and(fits) || hospital)
                        || step.kind == StepKind::Advice && step.concept == "return if worse"
                });
                if !done {
                    wrong.insert(text, case.id.clone());
                }
            }
        }
    }
    let said: Vec<String> = wrong.into_iter().map(|(text, case)| format!("{text} -- {case}")).collect();
    assert!(said.is_empty(), "{} not understood:\n{}", said.len(), said.join("\n"));
}

#[test]
fn fixed_phrases_do_what_they_say() {
    let does = |text: &str, wanted: Intent| read(text).iter().any(|act| act.intent == wanted);
    for text in EMPATHY {
        assert!(does(text, Intent::Empathy), "{text}");
    }
    for text in OPEN {
        assert!(does(text, Intent::OpenQuestion), "{text}");
    }
    for text in EMERGENCY {
        assert!(does(text, Intent::Referral { urgent: true }), "{text}");
    }
    for text in SAFETY_NETS.iter().chain(URGENT_SAFETY_NETS) {
        assert!(!does(text, Intent::Referral { urgent: true }) && !does(text, Intent::Unclear), "{text}");
    }
    for text in VAGUE_PLANS {
        assert!(does(text, Intent::Advice), "{text}");
    }
    for text in PLANLESS {
        assert!(does(text, Intent::Goodbye), "{text}");
    }
    for text in GREETINGS {
        assert!(does(text, Intent::Greeting), "{text}");
    }
    for text in LINKS {
        assert!(
            read(text).iter().all(|act| !matches!(act.intent, Intent::Question(_) | Intent::Empathy)),
            "{text}"
        );
    }
    for text in STRAYS {
        assert!(does(&format!("Do you have any {text}?"), Intent::Question(Topic::Symptom)), "{text}");
    }
    let three = read(&several(&["fever", "cough", "rash"]).unwrap());
    assert_eq!(three.iter().filter(|act| act.intent == Intent::Question(Topic::Symptom)).count(), 3);
}

#[test]
fn doctors_repeat_by_seed_and_stay_within_the_limit() {
    use crate::sim::{Limits, Patient, PatientScript, Persona, consult};
    for (seed, case) in cases().iter().enumerate() {
        let seed = seed as u64;
        let script = PatientScript::new(case, &[], Persona::draw(seed), seed);
        let patient = Patient::new(&script, Limits { turns: 10, patience: 3 });
        let run = |doctor: &mut dyn Doctor| consult(doctor, &patient, 10);
        let tier = [Tier::Good, Tier::Middling, Tier::Poor, Tier::Routine][seed as usize % 4];
        let doctor = || ScriptedDoctor::new(case, DoctorQuality::of(tier), 10, seed);
        let once = run(&mut doctor());
        assert_eq!(once, run(&mut doctor()));
        assert!(once.turns.len() <= 10 && once.ending.is_some());
        for baseline in Baseline::ALL {
            assert_eq!(run(&mut baseline.doctor(10)), run(&mut baseline.doctor(10)), "{}", baseline.name());
        }
    }
}
