//! A text as words, numbers with their units, and marks.

use super::lists::Lists;

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::rubric) enum Kind {
    /// A word, in lower case, without what follows an apostrophe; `n't` is a word of its own.
    Word(String),
    /// A number and its unit.
    Number(f64, Option<String>),
    /// A mark within a sentence.
    Mark(char),
    /// The end of a sentence or a line.
    End(char),
}

/// A token with its place.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::rubric) struct Token {
    pub kind: Kind,
    /// The number of its sentence.
    pub sentence: usize,
    /// First byte, and one past the last.
    pub start: usize,
    pub end: usize,
}

impl Token {
    /// The word, where it is one.
    pub fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    /// The mark, where it is one.
    pub(super) fn mark(&self) -> Option<char> {
        match self.kind {
            Kind::Mark(mark) => Some(mark),
            _ => None,
        }
    }
}

/// The words of `text`, numbers and marks left out.
pub(super) fn words(text: &str) -> Vec<String> {
    let tokens = split(text).into_iter();
    tokens.filter_map(|token| if let Kind::Word(word) = token.kind { Some(word) } else { None }).collect()
}

/// The tokens of `text`, numbers with their units.
pub(super) fn tokens(text: &str, lists: &Lists) -> Vec<Token> {
    let mut tokens = split(text);
    for at in 0..tokens.len() {
        if let Kind::Number(value, None) = tokens[at].kind
            && let Some(unit) = unit(&tokens, at, lists)
        {
            tokens[at].kind = Kind::Number(value, Some(unit));
        }
    }
    tokens
}

/// [`tokens`] with the units of the bundled lists.
pub(in crate::rubric) fn quantities(text: &str) -> Vec<Token> {
    tokens(text, Lists::bundled())
}

/// The unit of the number at `at`: the next word, or the word after the range that it begins (`5-6 cm`, `2 to 3 days`).
pub(super) fn unit(tokens: &[Token], at: usize, lists: &Lists) -> Option<String> {
    let in_range = |token: &&Token| match &token.kind {
        Kind::Number(..) => true,
        Kind::Mark(mark) => matches!(mark, '-' | '\u{2013}'),
        Kind::Word(word) => matches!(word.as_str(), "to" | "or"),
        Kind::End(_) => false,
    };
    let after = tokens.get(at + 1..)?;
    let range = after.iter().take_while(in_range).count();
    [0, range].iter().find_map(|&next| lists.units.get(after.get(next)?.word()?).cloned())
}

fn split(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut sentence = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((start, first)) = chars.next() {
        let mut end = start + first.len_utf8();
        let next = |at: usize| text.get(at..).and_then(|rest| rest.chars().next());
        if first.is_ascii_digit() {
            // Commas between digits group them, a point before one begins the fraction.
            while let Some(&(at, c)) = chars.peek() {
                let joins = matches!(c, ',' | '.') && next(at + 1).is_some_and(|c| c.is_ascii_digit());
                let second_point = c == '.' && text.get(start..at).is_some_and(|number| number.contains('.'));
                if !(c.is_ascii_digit() || joins && !second_point) {
                    break;
                }
                end = at + c.len_utf8();
                chars.next();
            }
            let digits: String =
                text.get(start..end).unwrap_or_default().chars().filter(|c| *c != ',').collect();
            // Digits with at most one point are always a number.
            let kind = Kind::Number(digits.parse().unwrap_or(0.0), None);
            tokens.push(Token { kind, sentence, start, end });
        } else if first.is_alphabetic() {
            let mut word: String = first.to_lowercase().collect();
            while let Some(&(at, c)) = chars.peek() {
                let apostrophe = matches!(c, '\'' | '\u{2019}')
                    && next(at + c.len_utf8()).is_some_and(char::is_alphabetic);
                if !(c.is_alphabetic() || apostrophe) {
                    break;
                }
                if apostrophe {
                    word.push('\'')
                } else {
                    word.extend(c.to_lowercase())
                }
                end = at + c.len_utf8();
                chars.next();
            }
            for part in parts(&word) {
                tokens.push(Token { kind: Kind::Word(part.to_owned()), sentence, start, end });
            }
        } else if matches!(first, '%' | '\u{b0}') {
            tokens.push(Token { kind: Kind::Word(first.to_string()), sentence, start, end });
        } else if matches!(first, '!' | '?' | ';' | '\n')
            || (first == '.' && ends(&tokens, sentence, next(end)))
        {
            tokens.push(Token { kind: Kind::End(first), sentence, start, end });
            sentence += 1;
        } else if matches!(
            first,
            ',' | ':'
                | '('
                | ')'
                | '/'
                | '"'
                | '-'
                | '<'
                | '>'
                | '\u{2264}'
                | '\u{2265}'
                | '\u{2013}'
                | '\u{2014}'
                | '\u{201c}'
                | '\u{201d}'
        ) {
            tokens.push(Token { kind: Kind::Mark(first), sentence, start, end });
        }
    }
    tokens
}

/// Whether a point before `next` ends a sentence: not within a number or a word, nor after `e.g`, `Dr` and the like.
fn ends(tokens: &[Token], sentence: usize, next: Option<char>) -> bool {
    let short = |token: &Token| {
        token.sentence == sentence
            && token.word().is_some_and(|word| matches!(word, "e" | "g" | "i" | "dr" | "vs"))
    };
    next.is_none_or(char::is_whitespace) && !tokens.last().is_some_and(short)
}

/// A word in parts: contractions opened, possessives dropped.
fn parts(word: &str) -> Vec<&str> {
    if word == "cannot" {
        return vec!["can", "not"];
    }
    let parts = match word.strip_suffix("n't") {
        Some(verb) => vec![verb, "not"],
        None => vec![word.split('\'').next().unwrap_or(word)],
    };
    parts.into_iter().filter(|part| !part.is_empty()).collect()
}

/// The marks between two tokens that a phrase may have or lack: `x-ray`, `follow up`.
pub(super) fn is_hyphen(token: &Token) -> bool {
    token.mark() == Some('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_units_and_ranges_share_one() {
        let of = |text: &str| -> Vec<(f64, Option<String>)> {
            let tokens = tokens(text, Lists::bundled()).into_iter();
            tokens
                .filter_map(
                    |it| if let Kind::Number(value, unit) = it.kind { Some((value, unit)) } else { None },
                )
                .collect()
        };
        let with = |value: f64, unit: &str| (value, Some(unit.to_owned()));
        assert_eq!(
            of("5-6 cm, 1,500mg and 37.5\u{b0}"),
            [with(5.0, "cm"), with(6.0, "cm"), with(1500.0, "mg"), with(37.5, "degree")]
        );
        assert_eq!(
            of("every 3 to 5 minutes, 2 people."),
            [with(3.0, "minute"), with(5.0, "minute"), (2.0, None)]
        );
        assert_eq!(of("30% of 1.2.3"), [with(30.0, "%"), (1.2, None), (3.0, None)]);
    }

    #[test]
    fn words_are_lower_case_and_contractions_open() {
        assert_eq!(
            words("Don't wait; the doctor\u{2019}s X-ray can't, cannot."),
            ["do", "not", "wait", "the", "doctor", "x", "ray", "ca", "not", "can", "not"]
        );
        let ends: Vec<usize> = tokens("See Dr. Lee, e.g. now. Go!\nRest", Lists::bundled())
            .iter()
            .filter(|token| matches!(token.kind, Kind::End(_)))
            .map(|token| token.start)
            .collect();
        assert_eq!(ends, [21, 25, 26]);
    }
}
