//! The patient on patients of the bundled bank.

use crate::data::bank::{Bank, SynthOptions};
use crate::data::case::{Aspect, Case, Fact, Finding, Reveal, Topic};
use crate::data::lexicon::{ConceptKind, Lexicon};
use crate::data::utterance::Understanding;
use crate::sim::doctor::{DoctorQuality, ScriptedDoctor};
use crate::sim::forbidden::names_any;
use crate::sim::scores::scores;
use crate::sim::{Level, Limits, Patient, PatientScript, Persona, consult};

fn cases(seed: u64, count: usize) -> Vec<Case> {
    Bank::bundled().synth(seed, &SynthOptions::any(count)).unwrap()
}

fn script(case: &Case, persona: Persona, seed: u64) -> PatientScript {
    let other =
        Lexicon::bundled().get(&case.truth.diagnosis).map(|it| it.phrases.clone()).unwrap_or_default();
    PatientScript::new(case, &other, persona, seed)
}

/// The plain question for a fact.
fn question(fact: &Fact) -> String {
    let it = &fact.concept;
    match (fact.topic, fact.aspect) {
        (Topic::Examination, _) => format!("I would like to do a {it}."),
        (Topic::Test, _) => format!("Let us order a {it}."),
        (Topic::Allergy, Aspect::Detail) => format!("What reaction do you have to {it}?"),
        (Topic::Allergy, _) => format!("Are you allergic to {it}?"),
        (Topic::Family, _) => format!("Does anyone in your family have {it}?"),
        (Topic::Medication, Aspect::Detail) => format!("What dose of {it} do you take?"),
        (Topic::Medication, _) => format!("Do you take {it}?"),
        (Topic::Concern, _) => "What worries you most?".into(),
        (Topic::Social, _) | (_, Aspect::Detail) => format!("Can you tell me about {it}?"),
        (_, Aspect::Presence) => format!("Do you have {it}?"),
        (_, Aspect::Onset) => format!("When did the {it} start?"),
        (_, Aspect::Course) => format!("Is the {it} constant?"),
        (_, Aspect::Character) => format!("What is the {it} like?"),
        (_, Aspect::Severity) => format!("How bad is the {it}?"),
        (_, Aspect::Location) => format!("Where is the {it}?"),
        (_, Aspect::Radiation) => format!("Does the {it} spread anywhere?"),
        (_, Aspect::Aggravating) => format!("What makes the {it} worse?"),
        (_, Aspect::Relieving) => format!("What makes the {it} better?"),
    }
}

/// The record files it under what is wrong with it.
#[test]
fn the_last_period_is_told_to_who_asks_when_it_was() {
    let all = cases(5, 400);
    let case = all.iter().find(|case| case.presentation == "pelvic-pain-missed-period").unwrap();
    let script = script(case, Persona::draw(1), 1);
    let patient = Patient::new(&script, Limits::default());
    for question in ["When was your last period?", "When did you last have a period?"] {
        let turn = patient.reply(&patient.open(), question).turn;
        assert!(turn.told.iter().any(|id| id.as_str() == "missed-period.presence"), "{question} {turn:?}");
    }
}

#[test]
fn nearly_every_fact_can_be_asked_for_plainly() {
    let (mut told, mut all) = (0, 0);
    for (seed, case) in cases(9, 60).iter().enumerate() {
        let persona = Persona { recall: Level::High, ..Persona::draw(seed as u64) };
        let script = script(case, persona, seed as u64);
        let patient = Patient::new(&script, Limits::default());
        for fact in case.facts.iter().filter(|it| !matches!(it.reveal, Reveal::OnTrust | Reveal::Never)) {
            let reply = patient.reply(&patient.open(), &question(fact));
            all += 1;
            told += usize::from(reply.turn.told.contains(&fact.id));
            if !reply.turn.told.contains(&fact.id) {
                eprintln!("{}: {} -> {:?}", fact.id, question(fact), reply.turn.patient);
            }
        }
    }
    eprintln!("{told} of {all} facts");
    assert!(told * 100 >= all * 98, "{told} of {all}");
}

#[test]
fn scripted_consultations_end_and_hold_to_the_record() {
    for (seed, case) in cases(5, 60).iter().enumerate() {
        let seed = seed as u64;
        let script = script(case, Persona::draw(seed), seed);
        let patient = Patient::new(&script, Limits { turns: 12, patience: 3 });
        let quality = if seed.is_multiple_of(2) { DoctorQuality::best() } else { DoctorQuality::draw(seed) };
        let consultation = consult(&mut ScriptedDoctor::new(case, quality, 12, seed), &patient, 12);
        assert!(consultation.ending.is_some(), "{consultation:?}");
        for reply in consultation.turns.iter().filter_map(|turn| turn.patient.as_deref()) {
            assert!(!names_any(reply, &script.forbidden), "{reply}");
        }
        let both = scores(&script, &consultation, Understanding::bundled(), Lexicon::bundled());
        assert_eq!(both.unwrap_or((1.0, 1.0)), (1.0, 1.0), "{consultation:?}");
    }
}

/// A patient with a diabetic relative was once unsure of every kind of diabetes and of no other illness, so that asking for
/// illnesses narrowed the hidden one down.
#[test]
fn an_illness_of_a_relative_does_not_narrow_the_hidden_one_down() {
    let lexicon = Lexicon::bundled();
    for (presentation, group) in [
        ("thirst-in-an-adult", "diabetes"),
        ("exertional-chest-pain", "heart disease"),
        ("fast-metabolism", "thyroid disease"),
    ] {
        let options = SynthOptions { presentations: vec![presentation.into()], ..SynthOptions::any(200) };
        let cases = Bank::bundled().synth(11, &options).unwrap();
        let in_family = |fact: &Fact| {
            fact.topic == Topic::Family && fact.concept == group && fact.finding == Finding::Present
        };
        let mut tried = 0;
        for (seed, case) in cases.iter().filter(|case| case.facts.iter().any(in_family)).enumerate() {
            assert!(lexicon.is_a(&case.truth.diagnosis, group), "{}", case.truth.diagnosis);
            let script = script(case, Persona::draw(seed as u64), seed as u64);
            let patient = Patient::new(&script, Limits::default());
            let ask = |illness: &str| patient.reply(&patient.open(), &format!("Do you have {illness}?")).turn;
            let other = ask("appendicitis");
            assert!(other.understood && other.asked.is_empty(), "{other:?}");
            // An illness that the patient knows of is answered by what is known of it.
            let known = |illness: &str| {
                case.facts.iter().any(|fact| {
                    fact.topic != Topic::Family
                        && (lexicon.is_a(&fact.concept, illness) || lexicon.is_a(illness, &fact.concept))
                })
            };
            let kinds = lexicon.iter().filter(|it| it.kind == ConceptKind::Condition);
            let kinds = kinds.map(|it| it.name.as_str()).filter(|name| lexicon.is_a(name, group));
            for illness in kinds.filter(|name| !known(name)).chain([case.truth.diagnosis.as_str()]) {
                let turn = ask(illness);
                assert_eq!((&turn.patient, turn.asked.len()), (&other.patient, 0), "{} {illness}", case.id);
            }
            tried += 1;
        }
        assert!(tried > 0, "{presentation} has no relative with {group}");
    }
}
