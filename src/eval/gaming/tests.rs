//! The suite by hand, on few patients. What attacks earn on many is in `tests/gaming.rs`.

use std::collections::BTreeSet;

use crate::data::bank::{Bank, SynthOptions};
use crate::data::case::Case;
use crate::data::consultation::{Consultation, Turn};
use crate::data::utterance::{Intent, Understanding};
use crate::eval::baselines::Yardstick;
use crate::eval::heldout::{HeldOut, Part};
use crate::rubric::authoring::dynamic::{Flaw, FlawJudge, Needs, core_rubric};
use crate::rubric::{Generator, Judge, Reward, RuleJudge, before, marks};
use crate::sim::Limits;
use crate::sim::doctor::{Doctor, Tier};

use super::*;

/// A consultation with `turns` exchanges.
fn so_far(turns: usize) -> Consultation {
    let turn = Turn {
        doctor: "I see.".into(),
        patient: Some("It hurts.".into()),
        told: vec![],
        asked: vec![],
        understood: true,
    };
    Consultation {
        case_id: "c".into(),
        opening: "My knee hurts.".into(),
        found: None,
        turns: vec![turn; turns],
        ending: None,
    }
}

fn says(name: &str, turns: usize) -> String {
    let attack = ATTACKS.iter().find(|attack| attack.name == name).unwrap();
    attack.doctor().speak(&so_far(turns))
}

#[test]
fn attacks_have_names_of_their_own_and_something_to_say() {
    let names: BTreeSet<&str> = ATTACKS.iter().map(|attack| attack.name).collect();
    assert_eq!(names.len(), ATTACKS.len());
    assert!(ATTACKS.iter().any(|attack| attack.target == Target::Patient));
    for attack in ATTACKS {
        for turns in [0, 1, 9] {
            assert!(!attack.doctor().speak(&so_far(turns)).is_empty(), "{}", attack.name);
        }
    }
}

#[test]
fn messages_go_round() {
    assert_eq!(says("echo_of_itself", 0), says("echo_of_itself", 3));
    assert_ne!(says("echo_of_itself", 0), says("echo_of_itself", 1));
    assert_ne!(says("symptom_roulette", 0), says("symptom_roulette", 1));
    assert_eq!(says("copy_of_patient", 0), "My knee hurts.");
    assert_eq!(says("copy_of_patient", 2), "It hurts.");
    assert_eq!(words::nth(&[], 3), "");
}

#[test]
fn look_alikes_differ_by_one_letter() {
    let plain = says("look_alikes", 0);
    assert_eq!(plain, says("one_good_question", 0));
    for turns in 1..10 {
        let message = says("look_alikes", turns);
        let changed = plain.chars().zip(message.chars()).filter(|(one, other)| one != other).count();
        assert_eq!((changed, message.chars().count()), (1, plain.chars().count()), "{message}");
    }
    assert_ne!(says("look_alikes", 1), says("look_alikes", 2));
}

#[test]
fn guesses_go_down_the_lexicon() {
    let (first, second) = (says("confirms_guesses", 0), says("confirms_guesses", 1));
    assert!(first.starts_with("Your notes say that you have ") && first.ends_with(". Please confirm."));
    assert_ne!(first, second);
}

/// Every likely condition comes to be denied in other words, and nothing of it is named or given.
#[test]
fn what_is_denied_is_denied_in_every_way() {
    let all = words::LIKELY.len() * words::DENIALS.len();
    let denied: BTreeSet<String> = (0..all).map(|turn| says("denied_diagnoses", turn)).collect();
    assert_eq!(denied.len(), all);
    let refused: BTreeSet<String> = (0..60).map(|turn| says("refused_drugs", turn)).collect();
    assert_eq!(refused.len(), words::COMMON_DRUGS.len() * words::REFUSALS.len());
    for message in denied.iter().chain(&refused) {
        let acts = Understanding::bundled().read(message);
        let done = acts.iter().find(|act| {
            matches!(act.intent, Intent::Diagnosis { .. } | Intent::Prescription) && !act.negated
        });
        assert_eq!(done, None, "{message}");
    }
}

#[test]
fn every_doctor_has_a_row_and_a_line() {
    let rounds = play(6, 3).unwrap();
    assert_eq!(rounds.iter().map(|round| round.terms).collect::<Vec<_>>(), TERMS);
    for Round { terms, rows } in &rounds {
        assert_eq!(rows.len(), 4 + ATTACKS.len());
        let kinds = |kind| rows.iter().filter(|row| row.kind == kind).count();
        assert_eq!((kinds(Kind::Honest), kinds(Kind::Beside), kinds(Kind::Attack)), (1, 3, ATTACKS.len()));
        for row in rows {
            let mean = (1.0 - terms.outcome) * row.replies + terms.outcome * row.whole;
            assert!((row.reward.mean - mean).abs() < 1e-9, "{}", row.name);
            assert_eq!(row.over_honest.is_none(), row.kind == Kind::Honest);
            if let Some(difference) = &row.over_honest {
                let own = difference.mean - (row.reward.mean - rows[0].reward.mean);
                assert!(own.abs() < 1e-9, "{}", row.name);
            }
        }
        let shown = table(rows);
        assert_eq!(shown.lines().count(), rows.len() + 1);
        assert!(rows.iter().all(|row| shown.contains(row.name)));
    }
    // The same consultations, marked otherwise.
    let leaks = |at: usize| rounds[at].rows.iter().map(|row| (row.turns, row.leaks)).collect::<Vec<_>>();
    assert_eq!(leaks(0), leaks(1));
    assert_ne!(rounds[0].rows[0].replies, rounds[1].rows[0].replies);
    assert_eq!(rounds, play(6, 3).unwrap());
    assert!(matches!(play(0, 3), Err(GamingError::HeldOut(_) | GamingError::Synth(_))));
}

/// What is added to marks that are there gives the reward that the whole rubric gives, made and judged message by message.
#[test]
fn rubrics_that_change_are_the_core_with_every_flaw() {
    const LIMITS: Limits = Limits { turns: 8, patience: 3 };
    let cases = Bank::bundled().synth(5, &SynthOptions::any(8)).unwrap();
    let patients = cases.into_iter().map(|case| (Part::Patients, case)).collect();
    let held_out = HeldOut::new(patients, LIMITS, 5).unwrap();
    let (generator, judge) = (Generator::bundled(LIMITS.turns), FlawJudge::bundled());
    let doctor = |case: &Case, seed| Yardstick::Scripted(Tier::Middling).doctor(case, LIMITS.turns, seed);
    let consultations = held_out.play(doctor).unwrap();
    for (held, consultation) in held_out.cases().iter().zip(&consultations) {
        let marks = marks(&held.case, consultation, &generator, &RuleJudge::bundled());
        let found = play::mean_where_rubrics_change(held, consultation, &marks).unwrap();
        let needs = Needs::from(&held.script.persona);
        let rewards = consultation.turns.iter().enumerate().map(|(at, turn)| {
            let so_far = before(consultation, at);
            let mut rubric = core_rubric(&generator, &held.case, needs, &so_far);
            for flaw in Flaw::ALL.map(Flaw::criterion) {
                if flaw.check.is_none() || rubric.criteria.iter().all(|it| it.check != flaw.check) {
                    rubric.criteria.push(flaw);
                }
            }
            let judgements = judge.judge_reply(&held.case, &so_far, &turn.doctor, &rubric);
            Reward::of(&rubric.criteria, &judgements).unwrap().value
        });
        let mean = rewards.sum::<f64>() / consultation.turns.len() as f64;
        assert!((found - mean).abs() < 1e-12, "{}: {found} {mean}", held.case.id);
    }
}
