//! What strikes a patient with little money as expensive.

use crate::data::lexicon::Lexicon;
use crate::data::utterance::{Act, Intent};

/// Tests, drugs and measures (names of the lexicon) that are expensive, each with its kinds. No price list: large machines,
/// procedures, and drugs that are taken for long or have no cheap kind. A choice of this project.
const EXPENSIVE: &[&str] = &[
    "ct scan",
    "mri scan",
    "bone density scan",
    "echocardiogram",
    "exercise test",
    "coronary angiogram",
    "holter monitor",
    "gastroscopy",
    "colonoscopy",
    "laparoscopy",
    "sleep study",
    "lumbar puncture",
    "temporal artery biopsy",
    "apixaban",
    "rivaroxaban",
    "ticagrelor",
    "insulin",
    "inhaler",
    "antiviral",
    "methotrexate",
    "hormone replacement therapy",
    "surgery",
    "cardioversion",
    "radioiodine treatment",
    "talking therapy",
    "pulmonary rehabilitation",
];

/// Whether an act arranges something expensive: one of the above, or any specialist.
pub(super) fn is_expensive(act: &Act, lexicon: &Lexicon) -> bool {
    let arranges = matches!(act.intent, Intent::Test | Intent::Prescription | Intent::Advice);
    let named = |concept: &String| EXPENSIVE.iter().any(|wide| lexicon.is_a(concept, wide));
    !act.negated
        && (act.intent == Intent::Referral { urgent: false }
            || (arranges && act.concept.as_ref().is_some_and(named)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::lexicon::ConceptKind;

    #[test]
    fn prices_are_of_things_that_the_lexicon_has() {
        for name in EXPENSIVE {
            let kind = Lexicon::bundled().get(name).map(|concept| concept.kind);
            let kinds = [ConceptKind::Test, ConceptKind::Substance, ConceptKind::Measure];
            assert!(kind.is_some_and(|kind| kinds.contains(&kind)), "{name}: {kind:?}");
        }
    }

    #[test]
    fn a_kind_of_something_expensive_is_and_what_is_not_wanted_is_not() {
        let act = |intent, concept: Option<&str>, negated| Act {
            intent,
            concept: concept.map(str::to_owned),
            aspect: crate::data::case::Aspect::Presence,
            negated,
            span: 0..0,
        };
        let is = |act: Act| is_expensive(&act, Lexicon::bundled());
        assert!(is(act(Intent::Test, Some("head ct scan"), false)));
        assert!(is(act(Intent::Prescription, Some("salbutamol"), false)));
        assert!(is(act(Intent::Advice, Some("appendix removal"), false)));
        assert!(is(act(Intent::Referral { urgent: false }, None, false)));
        for cheap in [
            act(Intent::Test, Some("blood test"), false),
            act(Intent::Test, Some("head ct scan"), true),
            act(Intent::Prescription, Some("paracetamol"), false),
            act(Intent::Prescription, None, false),
            act(Intent::Explanation, Some("mri scan"), false),
            act(Intent::Referral { urgent: true }, None, false),
        ] {
            assert!(!is(cheap.clone()), "{cheap:?}");
        }
    }
}
