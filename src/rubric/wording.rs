//! Facts in a marker's words.

use crate::data::case::{Aspect, Case, Fact, FactId, Topic};

/// What a fact is about, after `asks about`: `when the chest pain began`, `any sweating`, `an allergy to penicillin`.
pub fn about(fact: &Fact) -> String {
    let concept = &fact.concept;
    match (fact.topic, fact.aspect) {
        (_, Aspect::Onset) => format!("when and how the {concept} began"),
        (_, Aspect::Course) => format!("how the {concept} has gone since"),
        (_, Aspect::Character) => format!("what the {concept} is like"),
        (_, Aspect::Severity) => format!("how bad the {concept} is"),
        (_, Aspect::Location) => format!("where the {concept} is"),
        (_, Aspect::Radiation) => format!("whether the {concept} spreads"),
        (_, Aspect::Aggravating) => format!("what makes the {concept} worse"),
        (_, Aspect::Relieving) => format!("what makes the {concept} better"),
        (Topic::History, _) => format!("a history of {concept}"),
        (Topic::Medication, _) => format!("medication ({concept})"),
        // Having none, and what records call an allergy to something already.
        (Topic::Allergy, _) if concept.to_lowercase().contains("allerg") => format!("any {concept}"),
        (Topic::Allergy, _) => format!("an allergy to {concept}"),
        (Topic::Family, _) => format!("{concept} in the family"),
        (Topic::Social, _) => format!("daily life ({concept})"),
        (Topic::Concern, _) => format!("what the patient fears or wants ({concept})"),
        (Topic::Examination, _) => format!("the finding on {concept}"),
        (Topic::Test, _) => format!("the result of {concept}"),
        (Topic::Symptom, _) => format!("any {concept}"),
    }
}

/// Up to three of these facts, in words.
pub fn list(case: &Case, facts: &[FactId]) -> String {
    let mut words: Vec<String> =
        facts.iter().filter_map(|id| case.fact(id.as_str())).map(about).take(3).collect();
    match (words.pop(), facts.len() > 3) {
        (None, _) => String::new(),
        (Some(only), false) if words.is_empty() => only,
        (Some(last), false) => format!("{} or {last}", words.join(", ")),
        (Some(last), true) => format!("{}, {last} and the like", words.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::bank::{Bank, SynthOptions};

    #[test]
    fn having_no_allergy_is_no_allergy_to_allergy() {
        let cases = Bank::bundled().synth(1, &SynthOptions::any(200)).unwrap();
        let words: Vec<String> =
            cases.iter().flat_map(|case| case.facts_on(Topic::Allergy)).map(about).collect();
        assert!(words.iter().any(|words| words == "any allergy"), "{words:?}");
        assert!(words.iter().any(|words| words.starts_with("an allergy to ")), "{words:?}");
        assert!(words.iter().all(|words| !words.contains("to allerg")), "{words:?}");
    }
}
