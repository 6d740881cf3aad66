//! What a criterion means: what it is about, and whether it rewards or punishes it.

use std::collections::BTreeSet;

use crate::data::lexicon::Lexicon;
use crate::data::utterance::Understanding;
use crate::rubric::authoring::duplicates::jaccard;
use crate::rubric::authoring::row::RubricItem;
use crate::rubric::authoring::selection::content;
use crate::rubric::text::plain;
use crate::rubric::written::claim::Claim;

/// From this likeness on two criteria have the same intent.
const SAME: f64 = 0.5;
/// What concepts count for where both criteria have some; words count for the rest.
const CONCEPTS: f64 = 0.7;
/// Concepts of the lexicon that are one intent.
const AMBULANCE: &str = "ambulance";
const EMERGENCY_CARE: &str = "emergency department";
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
    /// True where what the words name is rewarded. `Fails to ask` with negative points rewards asking, as `recommends against aspirin` with
    /// negative points rewards aspirin.
    pub rewards: bool,
    /// Concepts of the lexicon that it names.
    pub concepts: BTreeSet<String>,
    /// Its other words, sorted.
    pub words: Vec<String>,
    claim: Claim,
}

impl Intent {
    /// Reads a criterion.
    pub fn of(item: &RubricItem, understanding: &Understanding) -> Self {
        let text = plain(&item.criterion);
        let starts = |start: &&&str| {
            text.strip_prefix(**start).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        let turned = TURNED.iter().find(starts);
        let claim = match turned {
            Some(start) => Claim::of(after_words(&item.criterion, start.split(' ').count())),
            None => Claim::of(&item.criterion),
        };
        let good = item.points.as_f64().is_some_and(|points| points > 0.0);
        let mut words = content(&item.criterion);
        words.retain(|word| !TURNING.contains(&word.as_str()));
        let mentions = understanding.mentions(&item.criterion);
        let mut concepts: BTreeSet<String> = mentions.into_iter().map(|mention| mention.concept).collect();
        // Who calls an ambulance sends to emergency care.
        if claim.is_emergency() {
            concepts.remove(AMBULANCE);
            concepts.insert(EMERGENCY_CARE.to_owned());
        }
        let rewards = (good != turned.is_some()) != claim.is_against();
        Self { rewards, concepts, words, claim }
    }
}

/// What stands after the first `count` words.
fn after_words(text: &str, count: usize) -> &str {
    crate::rubric::text::words(text)
        .get(count.saturating_sub(1))
        .and_then(|last| text.get(last.span.end..))
        .unwrap_or(text)
}

/// How alike two intents are, where they are one; `None` where they are not.
///
/// The share of the smaller set of concepts that the other one has, or something wider or narrower, makes 0.7 of it, the words that both have
/// (Jaccard) the rest. Where one has no concept, words are all there is. Opposites are not one: for and against, more and less, another amount
/// of the same unit, what one denies and the other says.
pub fn likeness(a: &Intent, b: &Intent, lexicon: &Lexicon) -> Option<f64> {
    if a.rewards != b.rewards || a.claim.contradicts(&b.claim) {
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

    #[test]
    fn opposites_are_not_one_intent() {
        let like = |a: &str, b: &str| likeness(&intent(a, 5), &intent(b, 5), Lexicon::bundled()).is_some();
        for (a, b) in [
            ("Recommends aspirin", "Recommends against aspirin"),
            ("Recommends aspirin", "Advises not to take aspirin"),
            ("Increases the dose of insulin", "Decreases the dose of insulin"),
            ("Recommends aspirin 300 mg", "Recommends aspirin 75 mg"),
            ("Recommends aspirin for 3 days", "Recommends aspirin for 3 weeks"),
            ("Recommends ibuprofen with food", "Recommends ibuprofen without food"),
            ("States that aspirin is safe", "States that aspirin is unsafe"),
            ("Recommends aspirin", "Warns that aspirin is dangerous"),
            ("Examines the left knee", "Examines the right knee"),
        ] {
            assert!(!like(a, b) && !like(b, a), "{a}: {b}");
        }
        for (a, b) in [
            ("Recommends calling 911", "Sends the person to emergency care now"),
            ("Recommends aspirin 300 mg", "Gives 0.3 g of aspirin"),
            ("Recommends against aspirin", "Advises to avoid aspirin"),
            ("Recommends aspirin 300 mg", "Recommends aspirin"),
            ("Recommends ibuprofen without food", "Recommends ibuprofen without any food"),
        ] {
            assert!(like(a, b) && like(b, a), "{a}: {b}");
        }
        // Every criterion is of one intent with itself, and whoever asks for what is not there asks for it.
        for (a, b) in [
            ("Recommends warm water and not cold water", "Recommends warm water and not cold water"),
            ("Asks about fever", "Asks whether there is no fever"),
        ] {
            assert!(like(a, b), "{a}: {b}");
        }
        // What is against something and punished is for it.
        let (against, with) = (intent("Recommends against aspirin", -5), intent("Recommends aspirin", 5));
        assert!(likeness(&against, &with, Lexicon::bundled()).is_some());
    }
}
