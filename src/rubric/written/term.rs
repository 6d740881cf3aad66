//! What a text names: concepts, numbers and words with content, each with whether it is denied.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use super::amount::Amount;
use super::lists::{Lists, stemmed};
use super::token::{Kind, Token, is_hyphen, tokens};
use crate::data::lexicon::{ConceptKind, Lexicon};

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
    Number(Amount),
    /// A word, by its stem.
    Word,
}

/// What a number is of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Owner {
    named: Named,
    stems: Vec<String>,
}

/// One thing a text names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Term {
    pub named: Named,
    /// The drug that a number belongs to.
    pub of: Option<Owner>,
    /// The stems of its words.
    pub stems: Vec<String>,
    /// Whether a denial stands before it.
    pub negated: bool,
    /// The number of its sentence.
    pub sentence: usize,
    /// Whether it stands in quotation marks.
    pub quoted: bool,
    /// Bytes of the text.
    pub span: Range<usize>,
}

impl Term {
    /// Whether it is a number with a unit.
    pub fn is_measure(&self) -> bool {
        matches!(&self.named, Named::Number(amount) if amount.unit.is_some())
    }

    /// Whether it is one in digits: who says it uses digits too.
    pub fn is_exact(&self) -> bool {
        matches!(&self.named, Named::Number(amount) if amount.unit.is_some() && amount.in_digits)
    }
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
            for also in &lists.also {
                also.phrases.iter().for_each(|it| terms.insert(it, Named::Concept(also.concept.clone())));
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
        let mut quoted = false;
        let mut sentence = 0;
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            if token.sentence != sentence {
                (sentence, denial) = (token.sentence, None);
            }
            quoted = match token.kind {
                Kind::Mark('"') => !quoted,
                Kind::Mark('\u{201c}') => true,
                Kind::Mark('\u{201d}') | Kind::End('\n') => false,
                _ => quoted,
            };
            let span = token.start..token.end;
            let of = None;
            if let Some(word) = token.word() {
                if self.lists.negators.contains(word) {
                    denial = Some(at);
                }
                if self.lists.turns.contains(word) {
                    denial = None;
                }
            }
            let negated = denial.is_some_and(|denial| at - denial <= self.lists.reach);
            let phrase = self.phrase(tokens, at).filter(|(_, end)| may_begin(tokens, at, *end));
            if let Some((named, end)) = phrase {
                let covered = tokens.get(at..end).unwrap_or_default();
                let stems = covered.iter().filter_map(Token::word).map(stemmed).collect();
                let span = span.start..covered.last().map_or(span.end, |last| last.end);
                terms.push(Term { named: named.clone(), of, stems, negated, sentence, quoted, span });
                at = end;
                continue;
            }
            if let Some(amount) = Amount::read(tokens, at, self.lists) {
                let named = Named::Number(amount);
                terms.push(Term { named, of, stems: Vec::new(), negated: false, sentence, quoted, span });
                at += 1;
                continue;
            }
            let Some(word) = token.word() else {
                at += 1;
                continue;
            };
            let content = word.chars().nth(1).is_some()
                && !self.lists.function.contains(word)
                && !self.lists.negators.contains(word)
                && !self.lists.units.contains_key(word);
            let stem = stemmed(word);
            if content && !self.lists.general.contains(&stem) {
                let stems = vec![stem];
                terms.push(Term { named: Named::Word, of, stems, negated, sentence, quoted, span });
            }
            at += 1;
        }
        self.give_owners(tokens, &mut terms);
        terms
    }

    /// Says of each number which drug it is of, where that can be told.
    fn give_owners(&self, tokens: &[Token], terms: &mut [Term]) {
        for at in 0..terms.len() {
            let owner = match &terms[at].named {
                Named::Number(amount) => self.owner(tokens, terms, at, amount.is_dose()),
                _ => None,
            };
            terms[at].of =
                owner.map(|owner| Owner { named: owner.named.clone(), stems: owner.stems.clone() });
        }
    }

    /// What the number at `at` is of. A dose: the drug right before it, else right after, else any word there that could be an unknown drug, else the
    /// last drug up to a sentence before. Another number: the last drug of its sentence.
    fn owner<'a>(&self, tokens: &[Token], terms: &'a [Term], at: usize, dose: bool) -> Option<&'a Term> {
        let number = terms.get(at)?;
        let is_drug = |term: &&Term| self.is_drug(&term.named);
        let last = |back: usize| {
            let mut before = terms.get(..at)?.iter().rev();
            before.find(|term| is_drug(term) && term.sentence + back >= number.sentence)
        };
        if !dose {
            return last(0);
        }
        let alone = |from: usize, to: usize, commas: bool| {
            let mut between = tokens.iter().filter(|token| token.start >= from && token.end <= to);
            between.all(|token| match &token.kind {
                Kind::Word(word) => self.lists.fillers.contains(word) || self.lists.units.contains_key(word),
                Kind::Mark(mark) => *mark != ',' || commas,
                Kind::Number(..) | Kind::End(_) => false,
            })
        };
        let before = at.checked_sub(1).and_then(|before| terms.get(before));
        let before = |commas| before.filter(|it| alone(it.span.end, number.span.start, commas));
        let after = terms.get(at + 1).filter(|it| alone(number.span.end, it.span.start, false));
        let word = |term: &&Term| term.named == Named::Word;
        before(false)
            .filter(is_drug)
            .or(after.filter(is_drug))
            .or(before(true).filter(is_drug))
            .or(before(false).filter(word))
            .or(after.filter(word))
            .or_else(|| last(1))
    }

    fn is_drug(&self, named: &Named) -> bool {
        let (Named::Concept(name) | Named::Same(name)) = named else { return false };
        self.lexicon.get(name).is_some_and(|concept| concept.kind == ConceptKind::Substance)
    }

    /// Whether `token` is a word of a drug, a test or anything else that the lexicon has, or a unit: in any language.
    pub fn is_international(&self, tokens: &[Token], at: usize) -> bool {
        self.phrase(tokens, at).is_some()
            || tokens
                .get(at)
                .and_then(Token::word)
                .is_some_and(|word| self.lists.units.contains_key(word) || self.lists.per.contains_key(word))
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
            (Named::Number(wanted), Named::Number(amount)) => {
                amount.says(wanted) && self.belongs(want.of.as_ref(), have.of.as_ref(), wanted.is_dose())
            }
            (Named::Number(_), _) | (_, Named::Number(_)) => false,
            _ => self.names((&want.named, &want.stems), (&have.named, &have.stems)),
        }
    }

    /// Whether the second name is the first or a narrower one.
    fn names(&self, want: (&Named, &[String]), have: (&Named, &[String])) -> bool {
        match (want.0, have.0) {
            (Named::Concept(wide), Named::Concept(narrow)) => self.lexicon.is_a(narrow, wide),
            (Named::Same(a), Named::Same(b)) => a == b,
            (Named::Word, _) => want.1.iter().all(|stem| have.1.contains(stem)),
            _ => false,
        }
    }

    /// Whether a number of `have` can be one of `want`. A dose of nothing in particular is no dose of a drug; another number could be.
    fn belongs(&self, want: Option<&Owner>, have: Option<&Owner>, dose: bool) -> bool {
        match (want, have) {
            (Some(want), Some(have)) => self.names((&want.named, &want.stems), (&have.named, &have.stems)),
            (Some(_), None) => !dose,
            (None, _) => true,
        }
    }

    /// Whether `have` could be about `want` at all: where nothing is, a text does not speak of it.
    pub fn near(&self, want: &Term, have: &Term) -> bool {
        if self.same(want, have) {
            return true;
        }
        match (&want.named, &have.named) {
            (Named::Number(wanted), Named::Number(amount)) => return amount.near(wanted),
            (Named::Number(_), _) | (_, Named::Number(_)) => return false,
            _ => {}
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

/// Whether a phrase from `at` to `end` means what it says: `911` may be a number with a unit, a measure or one of a blood pressure.
fn may_begin(tokens: &[Token], at: usize, end: usize) -> bool {
    let Some(Kind::Number(value, unit)) = tokens.get(at).map(|token| &token.kind) else { return true };
    let stroke = |at: Option<usize>| {
        at.and_then(|at| tokens.get(at))
            .is_some_and(|token| token.mark() == Some('/') || token.word() == Some("over"))
    };
    let beside_number = |at: Option<usize>| {
        at.and_then(|at| tokens.get(at)).is_some_and(|token| matches!(token.kind, Kind::Number(..)))
    };
    let in_pair = stroke(Some(end)) && beside_number(Some(end + 1))
        || stroke(at.checked_sub(1)) && beside_number(at.checked_sub(2));
    value.fract() == 0.0 && (end > at + 1 || (unit.is_none() && !in_pair))
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
