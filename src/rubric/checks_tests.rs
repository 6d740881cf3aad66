//! Checks of single messages: what meets them, and what only looks like it.

use crate::data::bank::{Bank, SynthOptions};
use crate::data::case::{Case, PlanStep, StepKind};
use crate::data::consultation::{Consultation, Turn};

use super::criterion::{Axis, Check, Criterion, Provenance, Rubric, Scope, Verdict};
use super::{Judge, RuleJudge};

fn case() -> Case {
    let mut case = Bank::bundled().synth(1, &SynthOptions::any(1)).unwrap().remove(0);
    let step = |concept: &str, text: &str| PlanStep {
        kind: StepKind::Drug,
        concept: concept.into(),
        text: text.into(),
    };
    case.truth.plan = vec![
        step("naproxen", "naproxen 500 mg twice a day"),
        step("paracetamol", "paracetamol for the pain"),
    ];
    case
}

/// Whether `message`, said after the doctor's messages `before`, meets `check` as something good.
fn meets(check: Check, before: &[&str], message: &str) -> bool {
    judged(check, 2, before, message)
}

fn judged(check: Check, points: i8, before: &[&str], message: &str) -> bool {
    let case = case();
    let turn = |doctor: &&str| Turn {
        doctor: (*doctor).to_owned(),
        patient: Some("I could not say.".into()),
        told: vec![],
        asked: vec![],
        understood: true,
    };
    let so_far = Consultation {
        case_id: case.id.clone(),
        opening: "My knee hurts.".into(),
        found: None,
        turns: before.iter().map(turn).collect(),
        ending: None,
    };
    let criterion = Criterion {
        text: "x".into(),
        points,
        axis: Axis::Communication,
        provenance: Provenance::General,
        check: Some(check),
    };
    let rubric = Rubric { scope: Scope::Reply, criteria: vec![criterion] };
    RuleJudge::bundled().judge_reply(&case, &so_far, message, &rubric)[0].verdict == Verdict::Met
}

#[test]
fn a_drug_in_another_dose_is_not_the_plans() {
    let arranges = |concept: &str, message: &str| meets(Check::Arranges(vec![concept.into()]), &[], message);
    for message in [
        "Please take naproxen.",
        "Take naproxen 500 mg twice a day.",
        "I will prescribe naproxen, 0.5 g twice a day.",
        "Take naproxen 500 mg and paracetamol 1 g.",
    ] {
        assert!(arranges("naproxen", message), "{message}");
    }
    for message in [
        "Take naproxen 5000 mg twice a day.",
        "Take naproxen 50 mg and paracetamol 500 mg.",
        "Do not take naproxen 500 mg.",
        "Take ibuprofen 500 mg.",
    ] {
        assert!(!arranges("naproxen", message), "{message}");
    }
    // The plan names no dose.
    assert!(arranges("paracetamol", "Take paracetamol 1 g."));
}

#[test]
fn reasons_are_for_something() {
    assert!(meets(Check::Explains, &[], "Do you smoke? I ask because smoking harms the lungs."));
    assert!(!meets(Check::Explains, &[], "I know. This is a common result."));
    assert!(!meets(Check::Explains, &[], "I say so because it is good to say so."));
    assert!(!meets(Check::Explains, &[], "Do you smoke?"));
}

#[test]
fn plain_words_move_something_on() {
    assert!(meets(Check::PlainWords, &[], "Do you have any allergies?"));
    assert!(!meets(Check::PlainWords, &[], "Do you have any dyspnoea?"));
    assert!(!meets(Check::PlainWords, &[], "I see."));
}

#[test]
fn a_word_on_costs_alone_counts_once() {
    let alone = "Can you afford what we do here?";
    let with_a_drug = "Please take paracetamol, which is cheap.";
    assert!(meets(Check::Costs, &[], alone));
    assert!(!meets(Check::Costs, &[alone], "We will find something cheap for you."));
    assert!(meets(Check::Costs, &[alone], with_a_drug));
    assert!(!meets(Check::Costs, &[], "Please take paracetamol."));
}

#[test]
fn what_is_denied_moves_nothing_on() {
    for (message, idle) in [
        ("Do not come back if it gets worse.", true),
        ("Do not worry.", true),
        ("Let me see if I can find out.", true),
        ("Come back if it gets worse.", false),
        ("Do not take ibuprofen.", false),
        ("You should rest.", false),
    ] {
        assert_eq!(judged(Check::Idle, -2, &[], message), idle, "{message}");
    }
}

#[test]
fn what_is_denied_or_refused_earns_nothing() {
    let names = |message: &str| meets(Check::Names("stable angina".into()), &[], message);
    for message in [
        "I have ruled out stable angina.",
        "I doubt that this is stable angina.",
        "Nobody here has stable angina.",
        "Your mother had stable angina.",
        "You have unstable angina.",
    ] {
        assert!(!names(message), "{message}");
    }
    assert!(names("I have no doubt that this is stable angina."));
    assert!(names("We need to rule out stable angina."));
    let arranges = |message: &str| meets(Check::Arranges(vec!["naproxen".into()]), &[], message);
    for message in [
        "Naproxen 500 mg is forbidden.",
        "Skip the naproxen.",
        "I will withhold naproxen 500 mg.",
        "I would give you naproxen 500 mg. But I shall not.",
    ] {
        assert!(!arranges(message), "{message}");
    }
    assert!(arranges("Do not forget to take naproxen 500 mg."));
}
