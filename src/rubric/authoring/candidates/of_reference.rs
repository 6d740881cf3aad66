//! Candidates from the answer of a passage: one for each of its points, and the mistakes that such answers make.

use super::{Candidate, Origin};
use crate::rubric::authoring::dimension::Dimension;
use crate::rubric::authoring::prompt::Reference;
use crate::rubric::text::{Word, words};

/// Words of a point that is about what must not go wrong.
const SAFETY: [&str; 14] = [
    "avoid",
    "contraindicat",
    "do not",
    "must not",
    "never",
    "emergency",
    "urgent",
    "immediately",
    "warning",
    "danger",
    "risk",
    "allerg",
    "overdose",
    "seek",
];
/// Words of a point that is about what is done.
const TREATMENT: [&str; 14] = [
    "treat",
    "dose",
    "mg",
    "give",
    "drug",
    "therapy",
    "surgery",
    "prescrib",
    "recommend",
    "manage",
    "first line",
    "first-line",
    "vaccin",
    "oxygen",
];

/// Adds the candidates of `reference`.
pub fn candidates(reference: &Reference, candidates: &mut Vec<Candidate>) {
    for (at, point) in reference.points.iter().enumerate().filter(|(_, point)| !point.trim().is_empty()) {
        let lower = point.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let dimension = if has(&SAFETY) {
            Dimension::EthicsSafety
        } else if has(&TREATMENT) {
            Dimension::TreatmentRationality
        } else {
            Dimension::DiagnosticAccuracy
        };
        // The most important comes first, and none is a nicety.
        let importance = 9u8.saturating_sub(u8::try_from(at).unwrap_or(u8::MAX)).max(4);
        let point = point.trim().trim_end_matches('.');
        let origin = Origin::Passage { point: at };
        candidates.push(Candidate::good(dimension, importance, origin, stated(point)));
    }
    let general =
        |dimension, importance, text: &str| Candidate::bad(dimension, importance, Origin::General, text);
    candidates.push(general(
        Dimension::DiagnosticAccuracy,
        7,
        "States something as fact that contradicts the reference answer",
    ));
    candidates.push(general(Dimension::EvidenceSupport, 5, "Names a source that does not exist"));
    candidates.push(general(
        Dimension::EthicsSafety,
        6,
        "Recommends something harmful to the person described",
    ));
    candidates.push(general(
        Dimension::ClarityStructure,
        3,
        "Buries the answer in text that the question does not call for",
    ));
}

/// Verbs by which a point is taken for a sentence; none of them is as often a noun.
const VERBS: &[&str] = &[
    "is", "are", "was", "were", "has", "have", "had", "must", "should", "can", "cannot", "could", "may",
    "might", "will", "would", "does", "helps", "follows", "follow", "requires", "require", "includes",
    "include", "reduces", "prevents",
];
/// Words that begin no sentence that could go on after `that`: what they begin is a part of one, or a request.
const PARTS: &[&str] = &[
    "about", "after", "and", "as", "at", "because", "before", "but", "by", "do", "during", "for", "from",
    "if", "in", "into", "never", "not", "of", "on", "only", "or", "over", "through", "to", "until", "via",
    "when", "which", "while", "who", "with", "within", "without",
];

/// The criterion of a point. `Oxygen is given` becomes a clause of it; what is no sentence, such as `into the muscle, not into the vein`,
/// stands as it is.
fn stated(point: &str) -> String {
    let words = words(point);
    let is = |word: &Word, list: &[&str]| list.contains(&word.text.as_str());
    let part = words.first().is_none_or(|first| is(first, PARTS) || is(first, VERBS));
    let relative = |word: &Word| is(word, &["that", "which", "who"]);
    let says =
        words.windows(2).any(|pair| matches!(pair, [before, verb] if is(verb, VERBS) && !relative(before)));
    if part || !says {
        return format!("States this: {point}");
    }
    format!("States that {}", clause(point))
}

/// A sentence within another one: `Oxygen is given` becomes `oxygen is given`, `COPD is common` stays.
fn clause(point: &str) -> String {
    let mut letters = point.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => point.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_go_to_their_dimension_in_their_order() {
        let points =
            ["Oxygen is given at once.", "COPD is common", "Aspirin must not be taken"].map(str::to_owned);
        let reference = Reference { answer: String::new(), points: points.into() };
        let mut found = Vec::new();
        candidates(&reference, &mut found);
        let first: Vec<_> =
            found.iter().take(3).map(|it| (it.dimension, it.importance, it.text.as_str())).collect();
        assert_eq!(
            first,
            [
                (Dimension::TreatmentRationality, 9, "States that oxygen is given at once"),
                (Dimension::DiagnosticAccuracy, 8, "States that COPD is common"),
                (Dimension::EthicsSafety, 7, "States that aspirin must not be taken"),
            ]
        );
        assert!(found.iter().skip(3).all(|it| it.undesirable && it.origin == Origin::General));
    }

    #[test]
    fn points_that_are_no_sentences_are_not_made_clauses() {
        for (point, text) in [
            ("into the muscle", "States this: into the muscle"),
            ("not into the vein", "States this: not into the vein"),
            ("Do not give it by mouth", "States this: Do not give it by mouth"),
            ("Adrenaline 0.5 mg", "States this: Adrenaline 0.5 mg"),
            ("If it is severe, adrenaline", "States this: If it is severe, adrenaline"),
            ("It helps", "States that it helps"),
            ("Adrenaline goes into the muscle", "States this: Adrenaline goes into the muscle"),
            ("Adrenaline is given into the muscle", "States that adrenaline is given into the muscle"),
            ("drugs that are safe in pregnancy", "States this: drugs that are safe in pregnancy"),
        ] {
            assert_eq!(stated(point), text);
        }
    }
}
