//! Which candidates become criteria: the important ones, no two alike, in every dimension, within its limits.

use serde::{Deserialize, Serialize};

use super::candidates::Candidate;
use super::dimension::ScenarioGuide;
use super::duplicates::jaccard;
use crate::rubric::text::words;

/// From this similarity on two criteria are one.
const SAME: f64 = 0.75;
/// What a candidate loses, of an importance of 10, by being all like one that is chosen (maximal marginal relevance; Carbonell and
/// Goldstein 1998).
const LIKENESS_COSTS: f64 = 5.0;

/// Words that criteria share whatever they are about.
const COMMON: &[&str] = &[
    "a",
    "about",
    "an",
    "and",
    "any",
    "as",
    "asks",
    "at",
    "be",
    "by",
    "calls",
    "considers",
    "does",
    "for",
    "from",
    "gives",
    "has",
    "have",
    "in",
    "is",
    "it",
    "its",
    "mentions",
    "names",
    "of",
    "on",
    "or",
    "person",
    "possible",
    "causes",
    "among",
    "recommends",
    "recommend",
    "says",
    "states",
    "that",
    "the",
    "their",
    "this",
    "to",
    "user",
    "what",
    "which",
    "with",
    "arranges",
    "records",
    "patient",
    "patient's",
];

/// What was chosen, and how many were not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// The chosen, by dimension in the order of the guide, the most important first.
    pub chosen: Vec<Candidate>,
    /// How many said the same as a chosen one.
    pub alike: usize,
    /// How many were above a limit.
    pub surplus: usize,
}

/// The words that tell what a criterion is about, sorted.
pub fn content(text: &str) -> Vec<String> {
    let mut content: Vec<String> = words(text).into_iter().map(|word| word.text).collect();
    content.retain(|word| !COMMON.contains(&word.as_str()));
    content.sort_unstable();
    content.dedup();
    content
}

/// Chooses from `candidates` within the limits of `guide`.
///
/// In each dimension the candidate with the most importance, less what it has in common with those chosen, is taken next, the earlier of
/// equals. Then the least important are struck until the whole is within its limit. The last one of a dimension and the last desirable one are
/// not struck: a limit below the number of dimensions gives way to them.
pub fn select(candidates: &[Candidate], guide: &ScenarioGuide) -> Selection {
    let contents: Vec<Vec<String>> = candidates.iter().map(|it| content(&it.text)).collect();
    let similar = |a: usize, b: usize| match (contents.get(a), contents.get(b)) {
        (Some(a), Some(b)) => jaccard(a, b),
        _ => 0.0,
    };
    let mut chosen: Vec<usize> = Vec::new();
    let (mut alike, mut surplus) = (0, 0);
    for dimension in &guide.dimensions {
        let mut left: Vec<usize> = (0..candidates.len())
            .filter(|at| candidates.get(*at).is_some_and(|it| it.dimension == dimension.name))
            .collect();
        let mut taken = 0;
        while taken < dimension.most && !left.is_empty() {
            let mut best: Option<(usize, f64)> = None;
            left.retain(|&at| {
                let Some(candidate) = candidates.get(at) else { return false };
                let likeness = chosen.iter().map(|&other| similar(at, other)).fold(0.0, f64::max);
                if likeness >= SAME {
                    alike += 1;
                    return false;
                }
                let gain = f64::from(candidate.importance) - LIKENESS_COSTS * likeness;
                if best.is_none_or(|(_, most)| gain > most) {
                    best = Some((at, gain));
                }
                true
            });
            let Some((at, _)) = best else { break };
            left.retain(|&it| it != at);
            chosen.push(at);
            taken += 1;
        }
        surplus += left.len();
    }
    let of = |at: &usize| candidates.get(*at);
    while chosen.len() > guide.most {
        let many = |at: &usize| {
            let dimension = of(at).map(|it| it.dimension);
            chosen.iter().filter(|other| of(other).map(|it| it.dimension) == dimension).count() > 1
        };
        let good = |at: &usize| of(at).is_some_and(|it| !it.undesirable);
        let last_good = chosen.iter().filter(|at| good(at)).count() == 1;
        // The last of the least important.
        let struck = (0..chosen.len())
            .rev()
            .filter(|place| chosen.get(*place).is_some_and(|at| many(at) && !(last_good && good(at))))
            .min_by_key(|place| chosen.get(*place).and_then(of).map(|it| it.importance));
        let Some(place) = struck else { break };
        chosen.remove(place);
        surplus += 1;
    }
    // Within a dimension by importance; the sort keeps the order of equals.
    let rank = |at: &usize| {
        let candidate = of(at)?;
        let dimension = guide.dimensions.iter().position(|it| it.name == candidate.dimension)?;
        Some((dimension, std::cmp::Reverse(candidate.importance)))
    };
    chosen.sort_by_key(rank);
    Selection { chosen: chosen.iter().filter_map(of).cloned().collect(), alike, surplus }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rubric::authoring::candidates::Origin;
    use crate::rubric::authoring::dimension::Dimension;
    use crate::rubric::authoring::scenario::Scenario;
    use crate::rubric::authoring::templates::Templates;

    fn candidate(dimension: Dimension, importance: u8, undesirable: bool, text: &str) -> Candidate {
        Candidate { dimension, text: text.into(), importance, undesirable, origin: Origin::General }
    }

    fn guide() -> ScenarioGuide {
        Templates::bundled().dimensions().of(Scenario::Triage).clone()
    }

    #[test]
    fn what_says_the_same_is_taken_once_and_variety_counts() {
        use Dimension::InquiryLogic;
        let candidates = [
            candidate(InquiryLogic, 7, false, "Asks about nausea"),
            candidate(InquiryLogic, 7, false, "Asks about any nausea"),
            candidate(InquiryLogic, 6, false, "Asks about nausea after meals"),
            candidate(InquiryLogic, 5, false, "Asks about sweating"),
            candidate(InquiryLogic, 1, false, "Asks about work"),
        ];
        let selection = select(&candidates, &guide());
        let texts: Vec<&str> = selection.chosen.iter().map(|it| it.text.as_str()).collect();
        // Three is the limit. `nausea after meals` shares one of three words: 6 - 5/3 is 4.3, less than 5 and more than 1.
        assert_eq!(texts, ["Asks about nausea", "Asks about nausea after meals", "Asks about sweating"]);
        assert_eq!((selection.alike, selection.surplus), (1, 1));
    }

    fn any_candidates() -> impl Strategy<Value = Vec<Candidate>> {
        let dimension = prop::sample::select(Dimension::ALL.to_vec());
        let one = (dimension, 1u8..=10, any::<bool>(), "[abcd]{1,2} [efgh]{1,2}")
            .prop_map(|(dimension, importance, bad, text)| candidate(dimension, importance, bad, &text));
        prop::collection::vec(one, 0..40)
    }

    proptest! {
        #[test]
        fn limits_hold_and_no_dimension_is_lost(candidates in any_candidates()) {
            let guide = guide();
            let selection = select(&candidates, &guide);
            let of = |list: &[Candidate], name| list.iter().filter(|it| it.dimension == name).count();
            prop_assert!(selection.chosen.len() <= guide.most);
            for dimension in &guide.dimensions {
                prop_assert!(of(&selection.chosen, dimension.name) <= dimension.most);
            }
            let known = candidates.iter().filter(|it| guide.dimension(it.dimension).is_some()).count();
            prop_assert_eq!(selection.chosen.len() + selection.alike + selection.surplus, known);
            let good = |list: &[Candidate]| list.iter().any(|it| !it.undesirable);
            let within: Vec<Candidate> =
                candidates.iter().filter(|it| guide.dimension(it.dimension).is_some()).cloned().collect();
            // Each dimension chooses before anything is struck, so what is desirable can only be lost to its like or to a limit.
            if selection.alike + selection.surplus == 0 {
                prop_assert_eq!(good(&within), good(&selection.chosen));
            }
            for (at, a) in selection.chosen.iter().enumerate() {
                for b in &selection.chosen[at + 1..] {
                    prop_assert!(jaccard(&content(&a.text), &content(&b.text)) < SAME);
                }
            }
        }
    }
}
