//! How criteria come and go.

use proptest::prelude::*;

use super::*;
use crate::data::bank::{Bank, SynthOptions};
use crate::rubric::authoring::templates::Templates;
use crate::rubric::authoring::writer::scripted::Scripted;
use crate::rubric::reading::Language;

fn scene_of(case: &Case) -> Consultation {
    Consultation {
        case_id: case.id.clone(),
        opening: "I have a cough.".into(),
        found: None,
        turns: vec![],
        ending: None,
    }
}

fn case() -> Case {
    Bank::bundled().synth(1, &SynthOptions::any(1)).unwrap().remove(0)
}

fn rubric(thresholds: Thresholds) -> DynamicRubric {
    let case = case();
    let so_far = scene_of(&case);
    DynamicRubric::new(&Generator::bundled(20), &case, Needs::default(), &so_far, thresholds).unwrap()
}

fn written(text: &str) -> Criterion {
    Criterion {
        text: text.into(),
        points: -3,
        axis: Axis::Safety,
        provenance: Provenance::Written,
        check: None,
    }
}

use Verdict::{Met, NotJudged, NotMet};

#[test]
fn the_core_is_the_generators_and_what_the_patient_needs() {
    let case = case();
    let so_far = scene_of(&case);
    let plain = Generator::bundled(20).for_reply(&case, &so_far);
    let needs = Needs { costs: true, reasons: true, ..Needs::default() };
    let it =
        DynamicRubric::new(&Generator::bundled(20), &case, needs, &so_far, Thresholds::default()).unwrap();
    assert_eq!(it.rubric().criteria[..plain.criteria.len()], plain.criteria[..]);
    assert_eq!(it.rubric().criteria.len(), plain.criteria.len() + 2);
    assert_eq!(rubric(Thresholds::default()).rubric(), plain);
}

#[test]
fn a_flaw_of_high_scorers_comes_and_goes_with_its_spread() {
    let case = case();
    let so_far = scene_of(&case);
    let scene = Scene::new(Language::bundled(), &case, &so_far);
    let mut it = rubric(Thresholds { window: 3, least: 2, ..Thresholds::default() });
    let core = it.rubric().criteria.len();
    let bad = "You will be fine. When did it start?";
    let good = "When did it start?";
    let group =
        |texts: [&'static str; 4], reward: f64| texts.map(|text| Answer { text, reward: Some(reward) });
    // Low scorers are not mined.
    it.observe(&scene, &group([bad, good, good, good], 0.2));
    assert!(it.tracked().is_empty());
    it.observe(&scene, &group([bad, good, good, good], 0.9));
    let flaws: Vec<_> = it.tracked().iter().map(|it| (it.flaw, it.state)).collect();
    assert_eq!(flaws, [(Some(Flaw::EmptyReassurance), State::OnTrial)]);
    // A spread of 3/16 in two groups.
    it.observe(&scene, &group([bad, good, good, good], 0.9));
    assert_eq!((it.tracked()[0].state, it.tracked()[0].mean_spread()), (State::Admitted, Some(0.1875)));
    assert_eq!(it.rubric().criteria.len(), core + 1);
    // Nobody does it any more: the mean sinks to 2/16, 1/16 and 0.
    for state in [State::Admitted, State::Admitted, State::Retired] {
        it.observe(&scene, &group([good; 4], 0.9));
        assert_eq!(it.tracked()[0].state, state);
    }
    assert_eq!(it.rubric().criteria.len(), core);
    // It is mined again, and begins anew.
    it.observe(&scene, &group([bad, good, good, good], 0.9));
    assert_eq!((it.tracked()[0].state, it.tracked()[0].spreads.len()), (State::OnTrial, 1));
}

#[test]
fn what_everybody_does_or_nobody_judged_tells_nobody_apart() {
    let mut it = rubric(Thresholds { least: 1, ..Thresholds::default() });
    assert!(it.propose(written("Lectures the patient"), None, Origin::default()));
    assert!(!it.propose(written("lectures the patient."), None, Origin::default()));
    it.record(0, &[NotJudged, NotJudged, Met]);
    assert_eq!((it.tracked()[0].state, it.tracked()[0].spreads.len()), (State::OnTrial, 0));
    it.record(0, &[Met, Met, NotJudged]);
    assert_eq!(it.tracked()[0].state, State::Retired);
    // What the core asks for is no news.
    let core = it.rubric().criteria[0].clone();
    assert!(!it.propose(core, None, Origin::default()));
    it.record(7, &[Met, NotMet]);
}

#[test]
fn it_reads_back_as_it_was_and_bad_thresholds_are_named() {
    let mut it = rubric(Thresholds::default());
    it.propose(written("Lectures the patient"), None, Origin::default());
    it.record(0, &[Met, NotMet, NotMet]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dynamic.json");
    it.save(&path).unwrap();
    assert_eq!(DynamicRubric::load(&path).unwrap(), it);
    let error = Thresholds { retire: 0.2, ..Thresholds::default() }.check().unwrap_err().to_string();
    assert!(error.contains("retire is 0.2"), "{error}");
    assert!(Thresholds { admit: f64::NAN, ..Thresholds::default() }.check().is_err());
    std::fs::write(&path, "{}").unwrap();
    assert!(DynamicRubric::load(&path).is_err());
}

#[test]
fn a_models_flaws_are_mistakes_without_a_check() {
    let templates = Templates::bundled();
    let model = Scripted::new(|_, _| {
        Ok(r#"{"criteria": [{"criterion": "Promises a cure", "undesirable": true, "importance": 9, "why": "w"},
            {"criterion": "Asks politely", "undesirable": false, "importance": 2, "why": "w"}]}"#.into())
    });
    let it = rubric(Thresholds::default());
    let writer = Writer::new(&model, &templates, 0);
    let found = ask_flaws(&writer, &[Message::user("x")], "y", &it.rubric(), &mut ()).unwrap();
    assert_eq!(
        found.iter().map(|it| (it.text.as_str(), it.points)).collect::<Vec<_>>(),
        [("Promises a cure", -9)]
    );
}

proptest! {
    #[test]
    fn only_what_tells_apart_is_admitted(groups in prop::collection::vec(prop::collection::vec(any::<bool>(), 0..6), 0..20)) {
        let thresholds = Thresholds { window: 8, least: 3, ..Thresholds::default() };
        let mut it = rubric(thresholds);
        it.propose(written("Lectures the patient"), None, Origin::default());
        for group in groups {
            let verdicts: Vec<Verdict> = group.into_iter().map(|met| if met { Met } else { NotMet }).collect();
            it.record(0, &verdicts);
            let tracked = &it.tracked()[0];
            prop_assert!(tracked.spreads.len() <= thresholds.window);
            prop_assert!(tracked.spreads.iter().all(|spread| (0.0..=0.25).contains(spread)));
            if tracked.state == State::Admitted {
                prop_assert!(tracked.mean_spread().unwrap() >= thresholds.retire);
            }
        }
    }
}
