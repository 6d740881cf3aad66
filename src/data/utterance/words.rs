//! A message as words and marks: lower case, contractions opened, each with where it stood.

use super::vocabulary::Vocabulary;

/// A word or a mark of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    /// The word's number in the vocabulary, or one of the constants below.
    pub id: u32,
    /// First byte in the message.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
}

/// A word that no rule and no concept knows.
pub(super) const UNKNOWN: u32 = 0;
/// A number.
pub(super) const NUMBER: u32 = 1;
/// A comma, bracket, dash or colon.
pub(super) const COMMA: u32 = 2;
/// The end of a sentence.
pub(super) const STOP: u32 = 3;
/// The end of a question.
pub(super) const QUESTION: u32 = 4;
/// Ids below this are not words.
pub(super) const FIRST_WORD: u32 = 5;

impl Token {
    /// Whether it is a mark, not a word.
    pub fn is_mark(self) -> bool {
        matches!(self.id, COMMA | STOP | QUESTION)
    }
}

/// Splits `message` into tokens, calling `each` with the lower-case word (empty for a mark), and its token with the
/// id of the mark or [`UNKNOWN`].
fn scan(message: &str, mut each: impl FnMut(&str, Token)) {
    let mut word = String::new();
    let mut chars = message.char_indices().peekable();
    while let Some((start, first)) = chars.next() {
        if first.is_alphanumeric() {
            word.clear();
            word.extend(first.to_lowercase());
            let mut end = start + first.len_utf8();
            while let Some(&(at, c)) = chars.peek() {
                let inside = c.is_alphanumeric()
                    || (matches!(c, '\'' | '\u{2019}' | '&' | '.')
                        && follows(message, at + c.len_utf8(), c == '.' && first.is_ascii_digit(), c == '.'));
                if !inside {
                    break;
                }
                match c {
                    '\u{2019}' => word.push('\''),
                    '.' if !first.is_ascii_digit() => {}
                    _ => word.extend(c.to_lowercase()),
                }
                end = at + c.len_utf8();
                chars.next();
            }
            open(&word, start, end, &mut each);
        } else {
            let id = match first {
                '?' | '\u{ff1f}' => QUESTION,
                '.' | '!' | ';' | '\n' | '\u{3002}' => {
                    // `Dr. Lee` is no end of a sentence.
                    if first == '.'
                        && matches!(word.as_str(), "dr" | "mr" | "mrs" | "ms" | "vs" | "eg" | "ie")
                    {
                        continue;
                    }
                    STOP
                }
                ',' | ':' | '(' | ')' | '\u{2013}' | '\u{2014}' | '/' | '"' => COMMA,
                '-' if !follows(message, start + 1, false, false) => COMMA,
                _ => continue,
            };
            each("", Token { id, start, end: start + first.len_utf8() });
        }
    }
}

/// Whether a letter or digit stands at byte `at`, so that the mark before it is part of a word. A point belongs to a
/// word only in a number (`digit`) or between single letters (`e.g`).
fn follows(message: &str, at: usize, digit: bool, point: bool) -> bool {
    let mut rest = message.get(at..).unwrap_or_default().chars();
    match rest.next() {
        Some(c) if point && digit => c.is_ascii_digit(),
        Some(c) if point => {
            c.is_ascii_lowercase() && rest.next() == Some('.') && at >= 2 && single(message, at - 2)
        }
        Some(c) => c.is_alphanumeric(),
        None => false,
    }
}

/// Whether the letter at byte `at` has no letter before it.
fn single(message: &str, at: usize) -> bool {
    message.get(..at).is_some_and(|before| !before.ends_with(char::is_alphanumeric))
}

/// Gives `word` in parts: contractions opened, units taken from their numbers, possessives dropped.
fn open(word: &str, start: usize, end: usize, each: &mut impl FnMut(&str, Token)) {
    let mut give = |part: &str| {
        if !part.is_empty() {
            each(part, Token { id: UNKNOWN, start, end });
        }
    };
    let whole = match word {
        "can't" | "cannot" | "cant" => Some(["can", "not"]),
        "won't" | "wont" => Some(["will", "not"]),
        "let's" | "lets" => Some(["let", "us"]),
        "dont" => Some(["do", "not"]),
        "doesnt" => Some(["does", "not"]),
        "didnt" => Some(["did", "not"]),
        "im" => Some(["i", "be"]),
        "youre" => Some(["you", "be"]),
        "ive" => Some(["i", "have"]),
        "youve" => Some(["you", "have"]),
        "whats" => Some(["what", "be"]),
        _ => None,
    };
    if let Some(parts) = whole {
        parts.into_iter().for_each(give);
        return;
    }
    if let Some((base, ending)) = word.rsplit_once('\'') {
        let opened = match ending {
            "t" => base.strip_suffix('n').map(|base| (base, "not")),
            "m" | "re" => Some((base, "be")),
            "ve" => Some((base, "have")),
            "ll" => Some((base, "will")),
            "d" => Some((base, "would")),
            "s" if is_subject(base) => Some((base, "be")),
            "s" => Some((base, "")),
            _ => None,
        };
        if let Some((base, second)) = opened {
            give(base);
            give(second);
        } else {
            give(&word.replace('\'', ""));
        }
        return;
    }
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 0 && matches!(&word[digits..], "mg" | "g" | "ml" | "mcg" | "am" | "pm") {
        give(&word[..digits]);
        give(&word[digits..]);
    } else {
        give(word);
    }
}

fn is_subject(word: &str) -> bool {
    matches!(
        word,
        "it" | "that"
            | "this"
            | "there"
            | "here"
            | "what"
            | "where"
            | "when"
            | "how"
            | "who"
            | "why"
            | "he"
            | "she"
    )
}

/// The tokens of `message` in the numbers of `vocabulary`.
pub(super) fn tokens(message: &str, vocabulary: &Vocabulary) -> Vec<Token> {
    let mut out = Vec::with_capacity(message.len() / 4 + 1);
    let mut buffer = String::new();
    scan(message, |word, mut token| {
        if !word.is_empty() {
            token.id = vocabulary.look_up(word, &mut buffer);
        }
        out.push(token);
    });
    out
}

/// The words of `message`, one for each of its [`tokens`]; a mark is the empty word.
pub(super) fn spelled(message: &str) -> Vec<String> {
    let mut out = Vec::with_capacity(message.len() / 4 + 1);
    scan(message, |word, _| out.push(word.to_owned()));
    out
}

/// The words of `text`, marks left out: for phrases and rules.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    scan(text, |word, _| {
        if !word.is_empty() {
            out.push(word.to_owned());
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contractions_open_and_points_inside_words_stay() {
        let of = |text| words(text).join(" ");
        assert_eq!(of("I'm sorry; what\u{2019}s it like? Don't"), "i be sorry what be it like do not");
        assert_eq!(of("Dr. Lee's 37.5 at A&E, e.g. 500mg"), "dr lee 37.5 at a&e eg 500 mg");
        assert_eq!(of("follow-up -- x-ray/CT"), "follow up x ray ct");
        for odd in
            ["", "'", "''", "a'", "'s", "...", "\u{2019}\u{2019}", "1.", "é'é", "a.b.c.", "🙂't", "n't"]
        {
            words(odd);
        }
    }

    #[test]
    fn marks_end_sentences_but_not_titles() {
        let mut marks = Vec::new();
        scan("Hello, I am Dr. Lee. Well? Yes!\nGo", |word, token| {
            if word.is_empty() {
                marks.push(token.id);
            }
        });
        assert_eq!(marks, [COMMA, STOP, QUESTION, STOP, STOP]);
    }
}
