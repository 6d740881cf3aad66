//! What a text names: concepts, numbers and words with content, each with whether it is denied.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use super::lists::{Lists, stemmed};
use super::token::{Kind, Token, is_hyphen, tokens};
use crate::data::lexicon::Lexicon;

/// Words that phrases may have or lack.
const SKIPPED: [&str; 11] = ["a", "an", "the", "my", "your", "his", "her", "their", "our", "any", "some"];

/// What is named.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Named {
    /// A concept of the lexicon.
    Concept(String),
    /// The first of several phrases of one meaning.
    Same(String),
    /// A number and its unit.
    Number(f64, Option<String>),
    /// A word, by its stem.
    Word,
}

/// One thing a text names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Term {
    pub named: Named,
    /// The stems of its words.
    pub stems: Vec<String>,
    /// Whether a denial stands before it.
    pub negated: bool,
    /// The number of its sentence.
    pub sentence: usize,
    /// Bytes of the text.
    pub span: Range<usize>,
}

/// Phrases as a tree of stems.
#[derive(Debug, Default)]
struct Node {
    next: HashMap<String, Node>,
    named: Option<Named>,
}

/// Reads texts by the bundled lexicon and lists.
#[derive(Debug)]
pub(super) struct Terms {
    lexicon: &'static Lexicon,
    lists: &'static Lists,
    phrases: Node,
}

impl Terms {
    /// By the bundled lexicon and lists, compiled once. Phrases of the lists go before those of the lexicon.
    pub fn bundled() -> &'static Self {
        static BUNDLED: LazyLock<Terms> = LazyLock::new(|| {
            let (lexicon, lists) = (Lexicon::bundled(), Lists::bundled());
            let mut terms = Terms { lexicon, lists, phrases: Node::default() };
            for same in &lists.same {
                let Some(first) = same.phrases.first() else { continue };
                same.phrases.iter().for_each(|phrase| terms.insert(phrase, Named::Same(first.clone())));
            }
            // A phrase that two concepts claim means the one whose name it is.
            for concept in lexicon.iter() {
                terms.insert(&concept.name, Named::Concept(concept.name.clone()));
            }
            for concept in lexicon.iter() {
                concept
                    .phrases
                    .iter()
                    .for_each(|phrase| terms.insert(phrase, Named::Concept(concept.name.clone())));
            }
            terms
        });
        &BUNDLED
    }

    fn insert(&mut self, phrase: &str, named: Named) {
        let tokens = tokens(phrase, self.lists);
        let mut steps: Vec<(bool, String)> = tokens.iter().filter_map(step).collect();
        // `the runs` is not `run`: a single word keeps what stood before it.
        if steps.iter().filter(|(skipped, _)| !skipped).count() > 1 {
            steps.retain(|(skipped, _)| !skipped);
        }
        if steps.is_empty() {
            return;
        }
        let mut node = &mut self.phrases;
        for (_, stem) in steps {
            node = node.next.entry(stem).or_default();
        }
        node.named.get_or_insert(named);
    }

    /// The lists that it reads by.
    pub fn lists(&self) -> &'static Lists {
        self.lists
    }

    /// The tokens of `text`.
    pub fn tokens(&self, text: &str) -> Vec<Token> {
        tokens(text, self.lists)
    }

    /// What `tokens` name, from left to right: the longest phrase at each word. Words without content are left out.
    pub fn read(&self, tokens: &[Token]) -> Vec<Term> {
        let mut terms = Vec::new();
        let mut denial: Option<usize> = None;
        let mut sentence = 0;
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            if token.sentence != sentence {
                (sentence, denial) = (token.sentence, None);
            }
            let span = token.start..token.end;
            if let Kind::Number(value, unit) = &token.kind {
                let named = Named::Number(*value, unit.clone());
                terms.push(Term { named, stems: Vec::new(), negated: false, sentence, span });
                at += 1;
                continue;
            }
            let Some(word) = token.word() else {
                at += 1;
                continue;
            };
            if self.lists.negators.contains(word) {
                denial = Some(at);
            }
            if self.lists.turns.contains(word) {
                denial = None;
            }
            let negated = denial.is_some_and(|denial| at - denial <= self.lists.reach);
            if let Some((named, end)) = self.phrase(tokens, at) {
                let covered = tokens.get(at..end).unwrap_or_default();
                let stems = covered.iter().filter_map(Token::word).map(stemmed).collect();
                let span = span.start..covered.last().map_or(span.end, |last| last.end);
                terms.push(Term { named: named.clone(), stems, negated, sentence, span });
                at = end;
                continue;
            }
            let content = word.chars().nth(1).is_some()
                && !self.lists.function.contains(word)
                && !self.lists.negators.contains(word)
                && !self.lists.units.contains_key(word);
            let stem = stemmed(word);
            if content && !self.lists.general.contains(&stem) {
                terms.push(Term { named: Named::Word, stems: vec![stem], negated, sentence, span });
            }
            at += 1;
        }
        terms
    }

    /// The longest phrase that begins at `first`, and where it ends.
    fn phrase(&self, tokens: &[Token], first: usize) -> Option<(&Named, usize)> {
        let mut node = &self.phrases;
        let mut longest = None;
        for (at, token) in tokens.iter().enumerate().skip(first) {
            let step = step(token);
            if let Some(next) = step.as_ref().and_then(|(_, stem)| node.next.get(stem)) {
                node = next;
            } else if at > first && (is_hyphen(token) || step.is_some_and(|(skipped, _)| skipped)) {
                continue;
            } else {
                break;
            }
            if let Some(named) = &node.named {
                longest = Some((named, at + 1));
            }
        }
        longest
    }

    /// Whether `have` says what `want` names: the same concept or a narrower one, the same number in the unit that
    /// is wanted, the same word.
    pub fn same(&self, want: &Term, have: &Term) -> bool {
        match (&want.named, &have.named) {
            (Named::Number(a, in_a), Named::Number(b, in_b)) => {
                (a - b).abs() < 1e-9 && (in_a.is_none() || in_a == in_b)
            }
            (Named::Number(..), _) | (_, Named::Number(..)) => false,
            (Named::Concept(wide), Named::Concept(narrow)) => self.lexicon.is_a(narrow, wide),
            (Named::Same(a), Named::Same(b)) => a == b,
            (Named::Word, _) => want.stems.iter().all(|stem| have.stems.contains(stem)),
            _ => false,
        }
    }

    /// Whether `have` could be about `want` at all: where nothing is, a text does not speak of it.
    pub fn near(&self, want: &Term, have: &Term) -> bool {
        if self.same(want, have) {
            return true;
        }
        if matches!((&want.named, &have.named), (Named::Number(..), _) | (_, Named::Number(..))) {
            return false;
        }
        if let (Named::Concept(narrow), Named::Concept(wide)) = (&want.named, &have.named)
            && self.lexicon.is_a(narrow, wide)
        {
            return true;
        }
        let telling = want.stems.iter().filter(|stem| !self.lists.general.contains(*stem));
        telling.into_iter().any(|a| have.stems.iter().any(|b| alike(a, b)))
    }
}

/// What a token is in a phrase: whether it may be left out, and its stem.
fn step(token: &Token) -> Option<(bool, String)> {
    match &token.kind {
        Kind::Word(word) => Some((SKIPPED.contains(&word.as_str()), stemmed(word))),
        Kind::Number(value, _) => Some((false, format!("{value:.0}"))),
        Kind::Mark(_) | Kind::End(_) => None,
    }
}

/// Whether two stems are forms of one word as far as their beginnings show: `diagnos`, `diagnosis`, `diagnostic`.
fn alike(a: &str, b: &str) -> bool {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let longer = a.chars().count().max(b.chars().count());
    a == b || same >= 6 || (same >= 5 && 10 * same >= 7 * longer)
}
