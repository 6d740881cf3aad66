//! What a criterion means: what it is about, and whether it rewards or punishes it.

use std::collections::BTreeSet;

use crate::data::lexicon::Lexicon;
use crate::data::utterance::Understanding;
use crate::rubric::authoring::duplicates::jaccard;
use crate::rubric::authoring::row::RubricItem;
use crate::rubric::authoring::selection::content;
use crate::rubric::text::plain;

/// From this likeness on two criteria have the same intent.
const SAME: f64 = 0.5;
/// What concepts count for where both criteria have some; words count for the rest.
const CONCEPTS: f64 = 0.7;
/// How criteria begin that turn what follows round.
const TURNED: [&str; 10] = [
    "fails to",
    "does not",
    "doesn't",
    "omits",
    "neglects",
    "forgets",
    "misses",
    "ignores",
    "lacks",
    "leaves out",
];
/// Words by which something is turned round, which say nothing about what it is.
const TURNING: [&str; 12] = [
    "fails", "fail", "not", "doesn't", "does", "omits", "neglects", "forgets", "misses", "ignores", "lacks",
    "whether",
];

/// What a criterion means, as far as rules tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    /// True where what the words describe is rewarded. `Fails to ask` with negative points rewards asking.
    pub rewards: bool,
    /// Concepts of the lexicon that it names.
    pub concepts: BTreeSet<String>,
    /// Its other words, sorted.
    pub words: Vec<String>,
}

impl Intent {
    /// Reads a criterion.
    pub fn of(item: &RubricItem, understanding: &Understanding) -> Self {
        let text = plain(&item.criterion);
        let starts = |start: &&str| {
            text.strip_prefix(*start).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        let turned = TURNED.iter().any(starts);
        let good = item.points.as_f64().is_some_and(|points| points > 0.0);
        let mut words = content(&item.criterion);
        words.retain(|word| !TURNING.contains(&word.as_str()));
        let mentions = understanding.mentions(&item.criterion);
        let concepts = mentions.into_iter().map(|mention| mention.concept).collect();
        Self { rewards: good != turned, concepts, words }
    }
}

/// How alike two intents are, where they are one; `None` where they are not.
///
/// The share of the smaller set of concepts that the other one has, or something wider or narrower, makes 0.7 of it, the words that both have
/// (Jaccard) the rest. Where one has no concept, words are all there is.
pub fn likeness(a: &Intent, b: &Intent, lexicon: &Lexicon) -> Option<f64> {
    if a.rewards != b.rewards {
        return None;
    }
    let words = jaccard(&a.words, &b.words);
    let likeness = if a.concepts.is_empty() || b.concepts.is_empty() {
        // Nothing in common but nothing is no intent.
        if a.words.is_empty() || b.words.is_empty() { 0.0 } else { words }
    } else {
        let (few, many) = if a.concepts.len() <= b.concepts.len() {
            (&a.concepts, &b.concepts)
        } else {
            (&b.concepts, &a.concepts)
        };
        let related =
            |one: &String| many.iter().any(|other| lexicon.is_a(one, other) || lexicon.is_a(other, one));
        let shared = few.iter().filter(|one| related(one)).count();
        CONCEPTS * shared as f64 / few.len() as f64 + (1.0 - CONCEPTS) * words
    };
    (likeness >= SAME).then_some(likeness)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rubric::authoring::dimension::Dimension;

    fn intent(text: &str, points: i8) -> Intent {
        Intent::of(&RubricItem::new(text, points, Dimension::InquiryLogic), Understanding::bundled())
    }

    #[test]
    fn failing_to_do_something_with_negative_points_rewards_doing_it() {
        for (text, points, rewards) in [
            ("Asks about nausea", 3, true),
            ("Asks about nausea", -3, false),
            ("Fails to ask about nausea", -3, true),
            ("Does not ask about nausea", 3, false),
            ("Does nothing", -3, false),
        ] {
            assert_eq!(intent(text, points).rewards, rewards, "{text}");
        }
        assert!(intent("Asks about nausea", 1).concepts.contains("nausea"));
    }

    #[test]
    fn narrower_concepts_are_one_intent_and_other_ones_are_not() {
        let like = |a: &str, b: &str| likeness(&intent(a, 1), &intent(b, 1), Lexicon::bundled()).is_some();
        assert!(like("Asks about pain", "Asks whether there is chest pain"));
        assert!(!like("Asks about nausea", "Asks about sweating"));
        assert!(like("Puts the note under headings", "Puts the note under clear headings"));
        assert!(!like("", ""));
    }
}
