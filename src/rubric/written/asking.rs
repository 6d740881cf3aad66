//! Which sentences of a text ask for something.

use std::collections::{BTreeMap, BTreeSet};

use super::lists::Lists;
use super::token::{Kind, Token};

/// Longer sentences that begin with `any` and end with a point are no questions.
const MOST_WORDS: usize = 8;
/// Words before the first one of a sentence that matter to nobody.
const LEADING: [&str; 10] = ["so", "and", "ok", "okay", "well", "right", "but", "then", "now", "also"];
/// First words of a sentence that tells.
const TELLING: [&str; 13] =
    ["you", "i", "we", "he", "she", "it", "they", "your", "this", "that", "these", "there", "as"];
/// First words of a sentence that asks, and what they stand before.
const ASKING: [(&[&str], &[&str]); 2] = [
    (
        &[
            "do", "did", "does", "have", "had", "has", "are", "were", "is", "was", "can", "could", "will",
            "would",
        ],
        &["you", "there", "anyone", "anybody"],
    ),
    (&["how"], &["long", "often", "much", "many", "bad", "far", "old"]),
];
/// First words of a tag: `, is that not nice?`, `, don't you think?`
const TAGS: [&str; 12] =
    ["is", "are", "was", "were", "do", "does", "did", "has", "have", "would", "can", "will"];
/// A tag has at most so many words.
const TAG_WORDS: usize = 4;
/// First words of a sentence that asks whatever ends it.
const OPENING: [&str; 9] = ["what", "when", "where", "which", "who", "why", "how", "any", "ever"];
/// With one of these a sentence that begins with `any` says something: `Any fever needs a doctor.`
const VERBS: [&str; 21] = [
    "is", "are", "was", "were", "should", "can", "could", "will", "would", "may", "might", "must", "need",
    "needs", "require", "requires", "mean", "means", "warrant", "warrants", "deserves",
];

/// The sentences of a text that ask.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// Sentences that ask for what they name, by their numbers.
    pub asked: BTreeSet<usize>,
    /// Sentences with a question mark.
    pub marked: BTreeSet<usize>,
    /// Whether some sentence could be a question.
    pub some: bool,
}

impl Asking {
    /// Of a text's tokens. `You told me of a cough, is that not nice?` asks for no cough; `Any cough.` does.
    pub fn of(tokens: &[Token], lists: &Lists) -> Self {
        let mut sentences: BTreeMap<usize, Vec<&Token>> = BTreeMap::new();
        for token in tokens {
            sentences.entry(token.sentence).or_default().push(token);
        }
        let mut asking = Self::default();
        for (sentence, tokens) in sentences {
            let marked = tokens.iter().any(|token| token.kind == Kind::End('?'));
            let words: Vec<&str> = tokens
                .iter()
                .filter_map(|token| token.word())
                .skip_while(|word| LEADING.contains(word))
                .collect();
            let first = words.first().copied().unwrap_or_default();
            let second = words.get(1).copied().unwrap_or_default();
            let any = matches!(first, "any" | "ever")
                && words.len() <= MOST_WORDS
                && !words.iter().any(|word| VERBS.contains(word));
            let told = TELLING.contains(&first) && words.iter().any(|word| lists.reports.contains(*word));
            let opens = TAGS.contains(&first) || OPENING.contains(&first);
            let tagged = !opens && is_tagged(&tokens);
            if marked {
                asking.marked.insert(sentence);
            }
            if any || (marked && !told && !tagged) {
                asking.asked.insert(sentence);
            }
            let begins =
                |(firsts, seconds): &(&[&str], &[&str])| firsts.contains(&first) && seconds.contains(&second);
            asking.some |= marked || any || ASKING.iter().any(begins);
        }
        asking
    }
}

/// Whether what follows a sentence's last comma is no more than a tag.
fn is_tagged(tokens: &[&Token]) -> bool {
    let Some(comma) = tokens.iter().rposition(|token| token.mark() == Some(',')) else { return false };
    let after: Vec<&str> = tokens.iter().skip(comma).filter_map(|token| token.word()).collect();
    after.len() <= TAG_WORDS && after.first().is_some_and(|word| TAGS.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rubric::written::token::tokens;

    #[test]
    fn questions_need_no_mark_and_a_mark_makes_none() {
        for (text, asks, some) in [
            ("Do you have a fever?", true, true),
            ("You have a fever?", true, true),
            ("And you said it hurts, right?", false, true),
            ("Did you say that it hurts?", true, true),
            ("Fever and cough are common in winter, is that not nice?", false, true),
            ("Does it hurt, is it swollen?", true, true),
            ("A cough is bad, don't you think?", false, true),
            ("Any coughing.", true, true),
            ("Any fever should be seen by a doctor.", false, false),
            ("How long have you had it", false, true),
            ("Rest the knee.", false, false),
            ("", false, false),
        ] {
            let asking = Asking::of(&tokens(text, Lists::bundled()), Lists::bundled());
            assert_eq!((!asking.asked.is_empty(), asking.some), (asks, some), "{text}");
        }
    }
}
