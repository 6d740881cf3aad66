//! The patient on patients of the bundled bank.

use crate::data::bank::{Bank, SynthOptions};
use crate::data::case::{Aspect, Case, Fact, Reveal, Topic};
use crate::data::lexicon::Lexicon;
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
