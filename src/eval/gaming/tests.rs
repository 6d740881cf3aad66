//! The suite by hand, on few patients. What attacks earn on many is in `tests/gaming.rs`.

use std::collections::BTreeSet;

use crate::data::consultation::{Consultation, Turn};
use crate::sim::doctor::Doctor;

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
fn every_doctor_has_a_row_and_a_line() {
    let rows = play(6, 3).unwrap();
    assert_eq!(rows.len(), 4 + ATTACKS.len());
    let kinds = |kind| rows.iter().filter(|row| row.kind == kind).count();
    assert_eq!((kinds(Kind::Honest), kinds(Kind::Beside), kinds(Kind::Attack)), (1, 3, ATTACKS.len()));
    for row in &rows {
        let mean = (1.0 - OUTCOME) * row.replies + OUTCOME * row.whole;
        assert!((row.reward.mean - mean).abs() < 1e-9, "{}", row.name);
        assert_eq!(row.over_honest.is_none(), row.kind == Kind::Honest);
        if let Some(difference) = &row.over_honest {
            assert!((difference.mean - (row.reward.mean - rows[0].reward.mean)).abs() < 1e-9, "{}", row.name);
        }
    }
    assert_eq!(rows, play(6, 3).unwrap());
    let shown = table(&rows);
    assert_eq!(shown.lines().count(), rows.len() + 1);
    assert!(rows.iter().all(|row| shown.contains(row.name)));
    assert!(matches!(play(0, 3), Err(GamingError::HeldOut(_) | GamingError::Synth(_))));
}
