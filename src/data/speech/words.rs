//! Words and sentences of a message with their places.

use std::ops::Range;

/// A word in lower case, with the bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Lower case, apostrophes kept.
    pub text: String,
    /// Bytes of the message.
    pub span: Range<usize>,
}

/// The words of `text`: runs of letters, digits and apostrophes.
pub fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for (at, letter) in text.char_indices() {
        if !(letter.is_alphanumeric() || letter == '\'' || letter == '\u{2019}') {
            continue;
        }
        let end = at + letter.len_utf8();
        let lower = letter.to_lowercase().map(|c| if c == '\u{2019}' { '\'' } else { c });
        match words.last_mut() {
            Some(word) if word.span.end == at => {
                word.text.extend(lower);
                word.span.end = end;
            }
            _ => words.push(Word { text: lower.collect(), span: at..end }),
        }
    }
    words
}

/// The sentences of `text`, without those that hold no letter or digit. They end at `.`, `!`, `?` or a line's end;
/// a point within a number or a word does not end one.
pub fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut sentences = Vec::new();
    let mut start = 0;
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let ends = match letter {
            '!' | '?' | '\n' => true,
            '.' => letters.peek().is_none_or(|next| next.1.is_whitespace()),
            _ => false,
        };
        if ends {
            push_sentence(text, start..at + letter.len_utf8(), &mut sentences);
            start = at + letter.len_utf8();
        }
    }
    push_sentence(text, start..text.len(), &mut sentences);
    sentences
}

fn push_sentence(text: &str, span: Range<usize>, sentences: &mut Vec<Range<usize>>) {
    let part = &text[span.clone()];
    if part.contains(char::is_alphanumeric) {
        let start = span.start + (part.len() - part.trim_start().len());
        sentences.push(start..start + part.trim().len());
    }
}
