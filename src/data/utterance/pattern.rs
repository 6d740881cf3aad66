//! Rules over words: a small pattern language and its matcher.
//!
//! A pattern is words separated by spaces. `a|b` is either word, `*` is up to five words of any kind, `#` is a
//! number, and a leading `^` ties the pattern to the start of a clause. Words match by their stem. No pattern reaches
//! over a comma or the end of a sentence.

use super::vocabulary::Vocabulary;
use super::words::{NUMBER, Token};

/// How many words a `*` may stand for.
const GAP: usize = 5;

#[derive(Debug)]
enum Element {
    Words(Vec<u32>),
    Number,
    Gap,
}

/// Patterns that mean something of type `T`, ready to be matched.
#[derive(Debug)]
pub(super) struct Patterns<T> {
    patterns: Vec<(T, bool, Vec<Element>)>,
    /// Which patterns begin with a word, by its id.
    by_first: Vec<Vec<u32>>,
    by_number: Vec<u32>,
}

/// A pattern that matched tokens `first..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Match<T> {
    pub meaning: T,
    pub first: usize,
    pub end: usize,
}

impl<T: Copy> Patterns<T> {
    /// Compiles a table of meanings, each with its patterns apart by semicolons; in them the first of `short` stands for
    /// the second. A pattern cannot begin with a gap.
    pub fn new(table: &[(T, &str)], short: (&str, &str), vocabulary: &mut Vocabulary) -> Self {
        let mut compiled = Self { patterns: Vec::new(), by_first: Vec::new(), by_number: Vec::new() };
        for (meaning, patterns) in table {
            for pattern in patterns.replace(short.0, short.1).split(';').map(str::trim) {
                compiled.add(*meaning, pattern, vocabulary);
            }
        }
        compiled
    }

    fn add(&mut self, meaning: T, pattern: &str, vocabulary: &mut Vocabulary) {
        let anchored = pattern.starts_with('^');
        let elements: Vec<Element> = pattern
            .trim_start_matches('^')
            .split_whitespace()
            .map(|element| match element {
                "*" => Element::Gap,
                "#" => Element::Number,
                words => Element::Words(words.split('|').map(|word| vocabulary.add(word)).collect()),
            })
            .collect();
        let number = self.patterns.len() as u32;
        match elements.first() {
            Some(Element::Words(words)) => {
                for &word in words {
                    if self.by_first.len() <= word as usize {
                        self.by_first.resize_with(word as usize + 1, Vec::new);
                    }
                    self.by_first[word as usize].push(number);
                }
            }
            Some(Element::Number) => self.by_number.push(number),
            Some(Element::Gap) | None => return,
        }
        self.patterns.push((meaning, anchored, elements));
    }

    /// Calls `found` with each pattern that matches within `tokens[from..to]`. Anchored ones match at `start` only.
    pub fn find(
        &self,
        tokens: &[Token],
        from: usize,
        to: usize,
        start: usize,
        mut found: impl FnMut(Match<T>),
    ) {
        let tokens = &tokens[..to];
        for first in from..to {
            let id = tokens[first].id;
            let candidates =
                if id == NUMBER { Some(&self.by_number) } else { self.by_first.get(id as usize) };
            for &candidate in candidates.into_iter().flatten() {
                let (meaning, anchored, elements) = &self.patterns[candidate as usize];
                if *anchored && first != start {
                    continue;
                }
                if let Some(end) = matches(elements, tokens, first) {
                    found(Match { meaning: *meaning, first, end });
                }
            }
        }
    }
}

/// Where `elements` end when they begin at `at`.
fn matches(elements: &[Element], tokens: &[Token], at: usize) -> Option<usize> {
    let Some((first, rest)) = elements.split_first() else { return Some(at) };
    let token = tokens.get(at);
    match first {
        Element::Words(words) => token.filter(|token| words.contains(&token.id))?,
        Element::Number => token.filter(|token| token.id == NUMBER)?,
        Element::Gap => {
            return (0..=GAP)
                .take_while(|&skip| {
                    skip == 0 || tokens.get(at + skip - 1).is_some_and(|token| !token.is_mark())
                })
                .find_map(|skip| matches(rest, tokens, at + skip));
        }
    };
    matches(rest, tokens, at + 1)
}

#[cfg(test)]
mod tests {
    use super::super::words::tokens;
    use super::*;

    #[test]
    fn gaps_alternatives_numbers_and_anchors() {
        let mut vocabulary = Vocabulary::default();
        let table = [(1u8, "when * start|$go"), (2, "^take"), (3, "# mg; out of 10")];
        let patterns = Patterns::new(&table, ("$go", "begin"), &mut vocabulary);
        let of = |text: &str| {
            let tokens = tokens(text, &vocabulary);
            let mut found = Vec::new();
            patterns.find(&tokens, 0, tokens.len(), 0, |m| found.push(m.meaning));
            found
        };
        assert_eq!(of("When did it all begin?"), [1]);
        assert_eq!(of("when, start"), [] as [u8; 0]);
        assert_eq!(of("when a b c d e f start"), [] as [u8; 0]);
        assert_eq!(of("take 500mg"), [2, 3]);
        assert_eq!(of("you take it out of ten"), [3]);
        assert_eq!(of(""), [] as [u8; 0]);
    }
}
