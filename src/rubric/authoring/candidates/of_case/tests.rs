//! Criteria of a case: what they ask, and what they leave out.

use super::*;
use crate::data::bank::{Bank, SynthOptions};
use crate::data::case::{Aspect, FactId, PlanStep};
use crate::rubric::authoring::candidates::by_rules;
use crate::rubric::authoring::prompt::Source;
use crate::rubric::authoring::sources::{record, synthetic};
use crate::rubric::authoring::templates::Templates;

#[test]
fn every_kind_gets_good_and_bad_ones_in_several_dimensions() {
    let templates = Templates::bundled();
    for case in Bank::bundled().synth(4, &SynthOptions::any(40)).unwrap() {
        for scenario in Scenario::ALL {
            let drafted = match scenario {
                Scenario::Consultation => Some(record::draft(&case, 0)),
                other => synthetic::draft(&case, other, 0),
            };
            let Some(prompt) = drafted else { continue };
            let found = by_rules(&prompt, templates.dimensions().of(scenario));
            let dimensions: std::collections::BTreeSet<_> = found.iter().map(|it| it.dimension).collect();
            assert!(dimensions.len() >= 4, "{scenario}: {dimensions:?}");
            assert!(
                found.iter().any(|it| it.undesirable) && found.len() >= 10,
                "{scenario}: {}",
                found.len()
            );
            assert!(found.iter().all(|it| (1..=10).contains(&it.importance) && !it.text.is_empty()));
        }
    }
}

#[test]
fn what_was_told_is_not_asked_for_and_emergencies_are_sent_on() {
    let options =
        SynthOptions { presentations: vec!["acute-coronary-syndrome".into()], ..SynthOptions::any(3) };
    for case in Bank::bundled().synth(1, &options).unwrap() {
        let prompt = record::draft(&case, 2);
        let guide = Templates::bundled().dimensions().of(Scenario::Consultation).clone();
        let found = by_rules(&prompt, &guide);
        for it in found.iter().filter(|it| it.text.starts_with("Asks about ")) {
            if let Origin::Fact { fact } | Origin::RedFlag { fact } = &it.origin {
                assert!(!prompt.told.contains(fact), "{}", it.text);
            }
        }
        let sends = found.iter().find(|it| it.text.starts_with("Sends the person to emergency care now"));
        assert_eq!(sends.map(|it| (it.importance, it.undesirable)), Some((10, false)));
        assert!(found.iter().all(|it| !it.text.contains("call an ambulance")));
    }
}

/// The criteria of a prompt that says `text`, made of the facts `told` of `case`.
fn made(case: &Case, text: &str, told: &[usize]) -> Vec<Candidate> {
    let source = Source::Record { case_id: case.id.clone() };
    let prompt = DraftPrompt {
        case: Some(Box::new(case.clone())),
        told: told.iter().map(|at| case.facts[*at].id.clone()).collect(),
        ..DraftPrompt::new(Scenario::Consultation, source, text.into())
    };
    let mut found = Vec::new();
    candidates(&prompt, case, &mut found);
    found
}

fn has(found: &[Candidate], text: &str) -> bool {
    found.iter().any(|it| it.text.contains(text))
}

/// A case of these facts, with a drug in its plan.
fn of_facts(facts: &[(Topic, &str, &str)]) -> Case {
    let mut case = Bank::bundled().synth(1, &SynthOptions::any(1)).unwrap().remove(0);
    let fact = |(n, (topic, concept, text)): (usize, &(Topic, &str, &str))| Fact {
        id: FactId(format!("fact-{n}")),
        topic: *topic,
        concept: (*concept).into(),
        aspect: Aspect::Presence,
        finding: Finding::Present,
        text: (*text).into(),
        said: None,
        reveal: Reveal::OnQuestion,
        importance: Importance::Essential,
        private: false,
    };
    case.facts = facts.iter().enumerate().map(fact).collect();
    case.truth.red_flags.clear();
    let drug = "paracetamol".to_owned();
    case.truth.plan = vec![PlanStep { kind: StepKind::Drug, concept: drug.clone(), text: drug }];
    case
}

#[test]
fn of_unknown_urgency_nothing_is_said() {
    let mut case = of_facts(&[(Topic::Symptom, "rash", "rash")]);
    for (emergency, sends, forbids) in
        [(Some(true), true, false), (Some(false), false, true), (None, false, false)]
    {
        case.truth.emergency = emergency;
        let found = made(&case, "I am not well.", &[]);
        assert_eq!(has(&found, "Sends the person to emergency care now"), sends, "{emergency:?}");
        assert_eq!(has(&found, "which nothing here calls for"), forbids, "{emergency:?}");
        assert_eq!(has(&found, "without calling it an emergency"), forbids, "{emergency:?}");
        assert_eq!(found.iter().any(|it| it.origin == Origin::Urgency), emergency.is_some());
    }
}

#[test]
fn nothing_is_asked_for_that_the_words_name() {
    let case = of_facts(&[(Topic::Symptom, "rash", "rash"), (Topic::Symptom, "vomiting", "vomiting")]);
    let found = made(&case, "I have a pruritic rash.", &[]);
    assert!(!has(&found, "Asks about any rash") && has(&found, "Asks about any vomiting"));
    assert!(has(&made(&case, "I am not well.", &[]), "Asks about any rash"));
}

#[test]
fn only_drugs_are_forbidden_by_an_allergy_and_one_question_for_allergies_is_enough() {
    for (allergen, drug) in
        [("penicillin", true), ("nickel", false), ("pollen", false), ("allergy", false), ("bergamot", false)]
    {
        let case = of_facts(&[(Topic::Allergy, allergen, allergen)]);
        let found = made(&case, "I am not well.", &[]);
        assert_eq!(has(&found, "Recommends a drug that an allergy"), drug, "{allergen}");
        // It is asked for by its own criterion.
        assert!(!has(&found, "Asks about allergies before a drug"), "{allergen}");
    }
    let none = of_facts(&[(Topic::Symptom, "rash", "rash")]);
    assert!(has(&made(&none, "I am not well.", &[]), "Asks about allergies before a drug"));
    let told = made(&none, "I am allergic to aspirin.", &[]);
    assert!(!has(&told, "Asks about allergies before a drug"));
}

#[test]
fn a_warning_sign_is_to_be_heeded_only_where_the_prompt_shows_it() {
    let mut case = of_facts(&[(Topic::Symptom, "vomiting", "vomited 5 times")]);
    case.truth.red_flags = vec![case.facts[0].id.clone()];
    let heeds = |text: &str, told: &[usize]| {
        has(&made(&case, text, told), "Treats this as a warning sign: vomiting: vomited 5 times")
    };
    assert!(heeds("I have vomited five times.", &[0]) && !heeds("I have been vomiting.", &[0]));
    let asks =
        |text: &str, told: &[usize]| has(&made(&case, text, told), "Asks about a warning sign: any vomiting");
    assert!(asks("I am not well.", &[]));
    assert!(!asks("I have been vomiting.", &[0]) && !asks("I have been vomiting.", &[]));
}
