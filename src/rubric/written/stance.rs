//! How something is said: for or against, and on which side of opposites.
//!
//! That all words of a criterion stand together does not show that a text says it: `smoking decreases the risk` has nearly all words of `smoking
//! increases the risk`, and `aspirin would be dangerous` those of an advice to take aspirin. So the words around them are compared too.

use std::collections::{BTreeMap, BTreeSet};

use super::lists::{Lists, Side, stemmed};
use super::token::{Kind, Token};

/// Beginnings that turn a word into its opposite.
const PREFIXES: [&str; 8] = ["un", "in", "im", "ir", "dis", "non", "ab", "mis"];
/// Shorter words are not looked for behind a prefix: `der` in `under`.
const PREFIXED: usize = 4;
/// First words of a sentence that speaks of the one before it.
const BACK: [&str; 19] = [
    "this", "that", "these", "those", "it", "they", "all", "both", "none", "not", "no", "neither", "nothing",
    "wrong", "false", "never", "but", "however", "nonsense",
];
/// How many sentences after its heading an item of a list may stand.
const HEADED: usize = 10;

/// The stance of some words.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Stance {
    sides: BTreeSet<Side>,
    /// Stems of words that say what is against something.
    refusals: BTreeSet<String>,
    /// Whether a word denies.
    denies: bool,
    /// Whether it tells what was said.
    reports: bool,
    words: BTreeSet<String>,
}

impl Stance {
    /// Of these tokens.
    pub fn of<'a>(tokens: impl Iterator<Item = &'a Token>, lists: &Lists) -> Self {
        let mut stance = Self::default();
        for word in tokens.filter_map(Token::word) {
            stance.sides.extend(lists.sides.get(word).into_iter().flatten());
            let stem = stemmed(word);
            if lists.refusals.contains(&stem) {
                stance.refusals.insert(stem);
            }
            stance.denies |= lists.negators.contains(word);
            stance.reports |= lists.reports.contains(word);
            if word.len() >= PREFIXED {
                stance.words.insert(word.to_owned());
            }
        }
        stance
    }

    /// Whether `said` asks or tells on a side of an opposite of which only the other one is wanted. With `own`, also where it names no side of it.
    pub fn crosses(&self, said: &Self, own: bool) -> bool {
        let wanted = |pair: usize| self.sides.iter().filter(move |side| side.0 == pair).count();
        let crossed = self.sides.iter().any(|&(pair, first)| {
            let has = said.sides.contains(&(pair, first));
            let other = said.sides.contains(&(pair, !first));
            wanted(pair) == 1 && (other && (own || !has) || own && !has)
        });
        crossed || turned(&self.words, &said.words) || turned(&said.words, &self.words)
    }

    /// Whether it is not plain that `said` says what these words say: it denies, refuses or reports where they do not, or does not refuse where they do,
    /// or is on another side.
    pub fn unlike(&self, said: &Self) -> bool {
        let refuses = !said.refusals.is_subset(&self.refusals)
            || (!self.refusals.is_empty() && said.refusals.is_empty());
        refuses
            || (said.denies && !self.denies)
            || (said.reports && !self.reports)
            || self.crosses(said, true)
    }

    /// Whether one of the two refuses and the other does not, or they are on different sides.
    pub fn opposes(&self, other: &Self) -> bool {
        self.refusals.is_empty() != other.refusals.is_empty()
            || self.crosses(other, false)
            || other.crosses(self, false)
    }
}

/// Whether a word of `whole` is one of `plain` behind a prefix that turns it round, and does not stand in `plain` itself.
fn turned(plain: &BTreeSet<String>, whole: &BTreeSet<String>) -> bool {
    whole.iter().filter(|word| !plain.contains(*word)).any(|word| {
        PREFIXES.iter().filter_map(|prefix| word.strip_prefix(prefix)).any(|rest| plain.contains(rest))
    })
}

/// The words of `sentences`, of one after them that speaks of them, and of the heading of a list that they stand in.
pub(super) fn around<'a>(
    tokens: &'a [Token],
    sentences: &BTreeSet<usize>,
) -> impl Iterator<Item = &'a Token> + use<'a> {
    let mut all = sentences.clone();
    if let Some(last) = sentences.last() {
        let first_word =
            |sentence: usize| tokens.iter().filter(|token| token.sentence == sentence).find_map(Token::word);
        // The empty sentence of a line's end is skipped.
        let next = (last + 1..last + 3).find_map(|next| first_word(next).map(|word| (next, word)));
        if let Some((next, word)) = next
            && BACK.contains(&word)
        {
            all.insert(next);
        }
    }
    if let Some(first) = sentences.first() {
        all.extend(heading(tokens, *first));
    }
    tokens.iter().filter(move |token| all.contains(&token.sentence))
}

/// The last sentence shortly before `sentence` that ends with a colon.
fn heading(tokens: &[Token], sentence: usize) -> Option<usize> {
    let mut lasts: BTreeMap<usize, &Token> = BTreeMap::new();
    for token in tokens.iter().filter(|token| !matches!(token.kind, Kind::End(_))) {
        if (sentence.saturating_sub(HEADED)..sentence).contains(&token.sentence) {
            lasts.insert(token.sentence, token);
        }
    }
    lasts.into_iter().rev().find(|(_, last)| last.mark() == Some(':')).map(|(sentence, _)| sentence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rubric::written::token::tokens;

    fn of(text: &str) -> Stance {
        Stance::of(tokens(text, Lists::bundled()).iter(), Lists::bundled())
    }

    #[test]
    fn what_is_on_the_other_side_or_against_is_unlike() {
        for (wanted, said) in [
            ("smoking increases the risk", "smoking decreases the risk"),
            ("pain in the left leg", "pain in the right leg"),
            ("it is safe in pregnancy", "it is unsafe in pregnancy"),
            ("a useful test", "a useless test, not a useful one"),
            ("regular meals", "irregular meals"),
            ("irregular meals", "regular meals"),
            ("take aspirin", "taking aspirin would be dangerous"),
            ("take aspirin", "aspirin is contraindicated"),
            ("take aspirin", "aspirin is hardly needed"),
            ("take aspirin", "aspirin, we skip it"),
            ("take aspirin", "it wastes money"),
            ("take aspirin", "you told me of aspirin"),
            ("stop smoking", "smoking is common"),
        ] {
            assert!(of(wanted).unlike(&of(said)), "{wanted}: {said}");
        }
        for (wanted, said) in [
            ("smoking increases the risk", "the risk is increased by smoking"),
            ("stop smoking", "you should stop smoking"),
            ("not to drive", "do not drive"),
            ("rest at home", "stay at home and rest, the left leg up"),
            ("under the arm", "under your arm"),
        ] {
            assert!(!of(wanted).unlike(&of(said)), "{wanted}: {said}");
        }
        // Who asks may name both sides.
        let (wanted, asked) = (of("the pain is worse after meals"), of("is it better or worse after meals"));
        assert!(wanted.unlike(&asked) && !wanted.crosses(&asked, false));
    }

    #[test]
    fn a_heading_and_what_is_said_of_it_belong_to_a_sentence() {
        let text = "Avoid these:\n- aspirin\n- wine\n\nEat well. They are all pointless.";
        let tokens = tokens(text, Lists::bundled());
        let words = |sentence: usize| -> String {
            let words: Vec<&str> =
                around(&tokens, &BTreeSet::from([sentence])).filter_map(Token::word).collect();
            words.join(" ")
        };
        assert_eq!(words(1), "avoid these aspirin");
        assert_eq!(words(4), "avoid these eat well they are all pointless");
    }
}
