//! Whether a case holds together.

use std::collections::BTreeSet;

use serde::Serialize;
use thiserror::Error;

use super::concept::{Concepts, names_one_of};
use super::draft::names_of;
use crate::data::case::{Case, Reveal, Topic};
use crate::data::lexicon::Lexicon;

/// Something wrong with a case.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize)]
#[error("{case}: {field} {problem}")]
pub struct CaseProblem {
    /// The case's id.
    pub case: String,
    /// The field.
    pub field: String,
    /// What is wrong, and what is legal.
    pub problem: String,
}

/// What an id is made of.
pub(super) const LEGAL_ID: &str = "letters, digits, `-`, `_` and `.`";

/// Whether a case may be called so.
pub(super) fn is_legal_id(id: &str) -> bool {
    !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Everything wrong with a set of cases, in their order.
pub fn check(cases: &[Case], lexicon: &Lexicon) -> Vec<CaseProblem> {
    let concepts = Concepts::new(lexicon);
    let mut problems = Vec::new();
    let mut ids = BTreeSet::new();
    for case in cases {
        let mut wrong = |field: &str, problem: &str| {
            let (case, field, problem) = (case.id.clone(), field.to_owned(), problem.to_owned());
            problems.push(CaseProblem { case, field, problem });
        };
        if !is_legal_id(&case.id) {
            wrong("id", &format!("has to be {LEGAL_ID}"));
        }
        if !ids.insert(case.id.clone()) {
            wrong("id", "is there twice");
        }
        if case.opening.trim().is_empty() {
            wrong("opening", "is empty; it is the patient's first sentence");
        }
        if case.truth.diagnosis.trim().is_empty() {
            wrong("truth.diagnosis", "is empty; it is the name of a condition");
        }
        if case.presentation.trim().is_empty() {
            wrong("presentation", "is empty; splits keep presentations apart by it");
        }
        let forbidden = names_of(&case.truth.diagnosis, lexicon, &concepts);
        if names_one_of(&case.opening, &forbidden) {
            wrong("opening", "names the diagnosis");
        }
        let mut facts = BTreeSet::new();
        for fact in &case.facts {
            let field = format!("facts.{}", fact.id);
            if !facts.insert(fact.id.as_str()) {
                wrong(&field, "is there twice");
            }
            if fact.text.trim().is_empty() || fact.concept.trim().is_empty() {
                wrong(&field, "has no text or no concept");
            }
            let finding = matches!(fact.topic, Topic::Examination | Topic::Test);
            if finding && matches!(fact.reveal, Reveal::Opening | Reveal::OnQuestion | Reveal::OnTrust) {
                wrong(&field, "is a finding, which is told on examination or test, or never");
            }
            if !finding && matches!(fact.reveal, Reveal::OnExamination | Reveal::OnTest) {
                wrong(&field, "is told on examination or test and is no finding");
            }
            if !finding && fact.reveal != Reveal::Never && fact.said.is_none() {
                wrong(&field, "can be told and has no words for it (`said`)");
            }
            let told = fact.said.as_deref().unwrap_or(&fact.text);
            if fact.reveal != Reveal::Never && names_one_of(told, &forbidden) {
                wrong(&field, "can be told and names the diagnosis");
            }
        }
        for flag in &case.truth.red_flags {
            if !facts.contains(flag.as_str()) {
                wrong("truth.red_flags", &format!("names `{flag}`, which is no fact of the case"));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::bank::{Bank, SynthOptions};

    #[test]
    fn a_diagnosis_spelled_letter_by_letter_is_named() {
        let lexicon = Lexicon::bundled();
        let mut case = Bank::bundled().synth(1, &SynthOptions::any(1)).unwrap().remove(0);
        case.truth.diagnosis = "acute coronary syndrome".to_owned();
        assert_eq!(check(std::slice::from_ref(&case), lexicon), []);
        let told = case.facts.iter_mut().find(|fact| fact.said.is_some()).unwrap();
        told.said = Some("I had an A.C.S. in the past.".to_owned());
        let field = format!("facts.{}", told.id);
        let problems = check(&[case], lexicon);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(
            (problems[0].field.as_str(), problems[0].problem.as_str()),
            (field.as_str(), "can be told and names the diagnosis")
        );
    }
}
