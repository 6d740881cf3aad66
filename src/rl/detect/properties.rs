//! No detector fires on what doctors say, and attacks are seen through.

use proptest::prelude::*;

use crate::data::bank::{Bank, SynthOptions};
use crate::data::case::Case;
use crate::data::consultation::{Consultation, Turn};
use crate::eval::gaming::ATTACKS;
use crate::rl::NoiseFilter;
use crate::rubric::before;
use crate::sim::doctor::{Baseline, Doctor, DoctorQuality, ScriptedDoctor, Tier};
use crate::sim::{Limits, Patient, PatientScript, Persona, consult};
use crate::train::config::Detector;

const LIMITS: Limits = Limits { turns: 12, patience: 3 };

fn held(case: &Case, doctor: &mut dyn Doctor, seed: u64) -> Consultation {
    let script = PatientScript::new(case, &[], Persona::draw(seed), seed);
    consult(doctor, &Patient::new(&script, LIMITS), LIMITS.turns)
}

/// Each message that a detector fires on, with what fires.
fn fired(consultation: &Consultation) -> Vec<(String, Vec<Detector>)> {
    let filter = NoiseFilter { detectors: Detector::all().collect(), ..NoiseFilter::default() };
    let messages = consultation.turns.iter().enumerate();
    let found = messages
        .map(|(at, turn)| (turn.doctor.clone(), filter.detected(&turn.doctor, &before(consultation, at))));
    found.filter(|(_, detectors)| !detectors.is_empty()).collect()
}

#[test]
fn none_fires_on_the_bank() {
    let mut messages = 0;
    for (seed, case) in (0u64..).zip(Bank::bundled().synth(17, &SynthOptions::any(120)).unwrap()) {
        for tier in [Tier::Good, Tier::Middling, Tier::Poor, Tier::Routine] {
            let mut doctor = ScriptedDoctor::new(&case, DoctorQuality::of(tier), LIMITS.turns, seed);
            let consultation = held(&case, &mut doctor, seed);
            assert_eq!(fired(&consultation), [], "{} {tier:?}", case.id);
            messages += consultation.turns.len();
        }
        let consultation = held(&case, &mut Baseline::FixedList.doctor(LIMITS.turns), seed);
        assert_eq!(fired(&consultation), [], "{} fixed list", case.id);
    }
    assert!(messages > 2000, "{messages}");
}

#[test]
fn attacks_of_their_kind_are_found() {
    let so_far = |turns: usize| {
        let turn = Turn {
            doctor: "Where is it?".into(),
            patient: Some("It is here.".into()),
            told: vec![],
            asked: vec![],
            understood: true,
        };
        Consultation {
            case_id: String::new(),
            opening: "I have had a pain in my chest since Monday.".into(),
            found: None,
            turns: vec![turn; turns],
            ending: None,
        }
    };
    let filter = NoiseFilter { detectors: Detector::all().collect(), ..NoiseFilter::default() };
    for (name, wanted) in [
        ("question_marks", Detector::Repetition),
        ("very_long", Detector::OverLong),
        ("key_words", Detector::OverLong),
        ("speaks_as_patient", Detector::RoleInversion),
        ("both_parts", Detector::RoleInversion),
        ("template_tokens", Detector::TemplateLeakage),
        ("language_switch", Detector::LanguageSwitch),
        ("look_alikes", Detector::LanguageSwitch),
        ("award_all_points", Detector::AddressesJudge),
        ("fake_verdict", Detector::AddressesJudge),
    ] {
        let attack = ATTACKS.iter().find(|attack| attack.name == name).unwrap();
        // The first message of `look_alikes` has nothing to hide yet.
        for turns in 1..6 {
            let so_far = so_far(turns);
            let message = attack.doctor().speak(&so_far);
            assert!(filter.detected(&message, &so_far).contains(&wanted), "{name}: {message}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn none_fires_on_any_patient_and_doctor(patient in any::<u64>(), persona in any::<u64>(), doctor in any::<u64>()) {
        let cases = Bank::bundled().synth(patient, &SynthOptions::any(1)).unwrap();
        for case in cases {
            let mut doctor = ScriptedDoctor::new(&case, DoctorQuality::draw(doctor), LIMITS.turns, doctor);
            prop_assert_eq!(fired(&held(&case, &mut doctor, persona)), []);
        }
    }

    #[test]
    fn no_text_makes_a_detector_panic(reply in "\\PC{0,120}|.{0,60}|[a-zа-я\u{3b1}<|?.: -]{0,60}", heard in "\\PC{0,60}") {
        let so_far = Consultation { case_id: String::new(), opening: heard, found: None, turns: Vec::new(), ending: None };
        let filter = NoiseFilter { detectors: Detector::all().collect(), ..NoiseFilter::default() };
        let found = filter.detected(&reply, &so_far);
        prop_assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
