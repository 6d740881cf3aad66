//! Prompts from records: a patient brings what they came for, and has told some of it.

use super::chart::{person, volunteered};
use crate::data::case::{Case, Fact, Reveal};
use crate::rubric::authoring::prompt::{DraftPrompt, Source, choice};
use crate::rubric::authoring::scenario::Scenario;

/// Most facts that are told beside the opening.
const MOST_TOLD: usize = 4;
/// What the patient ends with.
const ENDINGS: [&str; 4] =
    ["What should I do?", "What could this be?", "Do I need to see somebody about it?", "Can you help me?"];

/// The patient's message. How much is told is drawn: with little, a good answer asks; with much, it concludes.
pub fn draft(case: &Case, seed: u64) -> DraftPrompt {
    let key = |what: &str| format!("{what} {}", case.id);
    let opening = case.facts.iter().filter(|fact| fact.reveal == Reveal::Opening).map(|fact| fact.id.clone());
    let mut told: Vec<_> = opening.collect();
    let mut tellable: Vec<(&Fact, String)> = case
        .facts
        .iter()
        .filter(|fact| fact.reveal == Reveal::OnQuestion && !fact.private)
        .filter_map(|fact| Some((fact, volunteered(case, fact)?)))
        .collect();
    let count = choice(seed, &key("told"), MOST_TOLD + 1).min(tellable.len());
    let mut said = vec![case.opening.trim().to_owned()];
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::bank::{Bank, SynthOptions};

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
}
