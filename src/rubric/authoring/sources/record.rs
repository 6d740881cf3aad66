//! Prompts from records: a patient brings what they came for, and has told some of it.

use super::chart::{opening, person, volunteered};
use crate::chat::Role;
use crate::data::case::{Case, Fact, FactId, Reveal};
use crate::data::consultation::Consultation;
use crate::rubric::authoring::prompt::{DraftPrompt, Source, choice, prompt_id};
use crate::rubric::authoring::scenario::Scenario;

/// Most facts that are told beside the opening.
const MOST_TOLD: usize = 4;
/// What the patient ends with.
const ENDINGS: [&str; 4] =
    ["What should I do?", "What could this be?", "Do I need to see somebody about it?", "Can you help me?"];

/// The patient's message. How much is told is drawn: with little, a good answer asks; with much, it concludes.
pub fn draft(case: &Case, seed: u64) -> DraftPrompt {
    let key = |what: &str| format!("{what} {}", case.id);
    let unasked = case.facts.iter().filter(|fact| fact.reveal == Reveal::Opening).map(|fact| fact.id.clone());
    let mut told: Vec<_> = unasked.collect();
    let mut tellable: Vec<(&Fact, String)> = case
        .facts
        .iter()
        .filter(|fact| fact.reveal == Reveal::OnQuestion && !fact.private)
        .filter_map(|fact| Some((fact, volunteered(case, fact)?)))
        .collect();
    let count = choice(seed, &key("told"), MOST_TOLD + 1).min(tellable.len());
    let mut said = vec![opening(case)];
    for n in 0..count {
        let (fact, words) = tellable.remove(choice(seed, &key(&format!("fact {n}")), tellable.len()));
        told.push(fact.id.clone());
        said.push(words);
    }
    let ending = ENDINGS.get(choice(seed, &key("ending"), ENDINGS.len())).copied().unwrap_or_default();
    let body = said.join(" ");
    let message = format!("({}) {body} {ending}", person(case));
    let source = Source::Record { case_id: case.id.clone() };
    DraftPrompt {
        // Two patients of one complaint and different age are not the same.
        body: format!("{} {body}", person(case)),
        case: Some(Box::new(case.clone())),
        told,
        ..DraftPrompt::new(Scenario::Consultation, source, message)
    }
}

/// What the doctor is to say next in a dialogue with the patient of `case`. Of one that a doctor ended, it is the message that ended it.
pub fn continued(case: &Case, dialogue: &Consultation) -> DraftPrompt {
    let mut messages = dialogue.messages(None);
    while messages.last().is_some_and(|last| last.role != Role::User) {
        messages.pop();
    }
    let opening = case.facts.iter().filter(|fact| fact.reveal == Reveal::Opening).map(|fact| fact.id.clone());
    let mut told: Vec<FactId> = opening.collect();
    for id in dialogue.turns.iter().flat_map(|turn| &turn.told) {
        if !told.contains(id) {
            told.push(id.clone());
        }
    }
    let scenario = Scenario::Consultation;
    DraftPrompt {
        id: prompt_id(scenario, &messages),
        body: format!("{} {}", person(case), dialogue.patients_words()),
        messages,
        case: Some(Box::new(case.clone())),
        told,
        ..DraftPrompt::new(scenario, Source::Record { case_id: case.id.clone() }, String::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::bank::{Bank, SynthOptions};
    use crate::data::consultation::{Ending, Turn};

    #[test]
    fn what_is_told_is_in_the_message_and_the_diagnosis_is_not() {
        let cases = Bank::bundled().synth(5, &SynthOptions::any(60)).unwrap();
        let mut counts = std::collections::BTreeSet::new();
        for case in &cases {
            let draft = draft(case, 1);
            assert_eq!(draft, super::draft(case, 1));
            assert!(draft.last().contains(case.opening.trim()));
            let asked: Vec<_> = draft
                .told
                .iter()
                .filter_map(|id| case.fact(id.as_str()))
                .filter(|fact| fact.reveal != Reveal::Opening)
                .collect();
            for fact in &asked {
                assert!(draft.last().contains(&volunteered(case, fact).unwrap()), "{}", draft.last());
            }
            counts.insert(asked.len());
            let diagnosis = case.truth.diagnosis.as_str();
            assert!(
                case.opening.contains(diagnosis) || !draft.last().contains(diagnosis),
                "{}",
                draft.last()
            );
        }
        assert!(counts.len() > 2 && counts.iter().all(|count| *count <= MOST_TOLD), "{counts:?}");
    }

    #[test]
    fn a_dialogue_is_gone_on_with_from_what_the_patient_said_last() {
        let case = Bank::bundled().synth(5, &SynthOptions::any(1)).unwrap().remove(0);
        let asked = case.facts.iter().find(|fact| fact.reveal == Reveal::OnQuestion).unwrap();
        let turn = |doctor: &str, patient: Option<&str>, told: Vec<FactId>| Turn {
            doctor: doctor.into(),
            patient: patient.map(str::to_owned),
            told,
            asked: Vec::new(),
            understood: true,
        };
        let turns = vec![
            turn("When did it start?", Some("Two days ago."), vec![asked.id.clone()]),
            turn("And now?", Some("It is worse."), vec![asked.id.clone()]),
            turn("It is a cold. Rest.", None, Vec::new()),
        ];
        let opening = case.opening.clone();
        let dialogue = Consultation {
            case_id: case.id.clone(),
            opening,
            found: None,
            turns,
            ending: Some(Ending::Concluded),
        };
        let draft = continued(&case, &dialogue);
        let said: Vec<&str> = draft.messages.iter().map(|it| it.content.as_str()).collect();
        assert_eq!(
            said,
            [case.opening.as_str(), "When did it start?", "Two days ago.", "And now?", "It is worse."]
        );
        assert_eq!((draft.last(), draft.scenario), ("It is worse.", Scenario::Consultation));
        assert_eq!(draft.told.iter().filter(|id| **id == asked.id).count(), 1);
        assert_eq!(draft.id, prompt_id(Scenario::Consultation, &draft.messages));
        // Where nobody has answered yet, it is the patient's opening alone.
        let begun = Consultation { turns: Vec::new(), ending: None, ..dialogue.clone() };
        assert_eq!(continued(&case, &begun).messages.len(), 1);
        assert_ne!(continued(&case, &begun).id, draft.id);
    }
}
