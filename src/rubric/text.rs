//! Words and sentences of a message with their places, and how much of it was said before.

use std::collections::HashSet;
use std::ops::Range;

pub use crate::data::speech::words::{Word, sentences, words};

/// A text's words with one space between them: two messages that differ in case or punctuation only are one.
pub fn plain(text: &str) -> String {
    words(text).into_iter().map(|word| word.text).collect::<Vec<_>>().join(" ")
}

/// Runs of [`Runs::LENGTH`] words someone said, to find them again in a message.
#[derive(Debug, Clone, Default)]
pub struct Runs {
    runs: HashSet<String>,
    whole: HashSet<String>,
}

impl Runs {
    /// As many words of someone else's in a row are a copy. Short phrases such as `since this morning` have to be
    /// free for the doctor to say back.
    pub const LENGTH: usize = 7;
    /// A whole message copied counts from this many words on.
    const WHOLE: usize = 3;

    /// Takes in what someone said.
    pub fn add(&mut self, text: &str) {
        let words = words(text);
        for run in words.windows(Self::LENGTH) {
            self.runs.insert(joined(run));
        }
        if words.len() >= Self::WHOLE {
            self.whole.insert(joined(&words));
        }
        for sentence in sentences(text) {
            let sentence = self::words(&text[sentence]);
            if sentence.len() >= Self::WHOLE {
                self.whole.insert(joined(&sentence));
            }
        }
    }

    /// The first copied run of `message`, or the message itself where it is one of the sentences taken in.
    pub fn copied(&self, message: &str) -> Option<Range<usize>> {
        let words = words(message);
        let (first, last) = (words.first()?, words.last()?);
        if self.whole.contains(&joined(&words)) {
            return Some(first.span.start..last.span.end);
        }
        let run = words.windows(Self::LENGTH).find(|run| self.runs.contains(&joined(run)))?;
        Some(run.first()?.span.start..run.last()?.span.end)
    }
}

fn joined(words: &[Word]) -> String {
    words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sentences_and_words_keep_their_places() {
        let text = "Take 2.5 mg now.  Any fever? It\u{2019}s fine";
        let parts: Vec<&str> = sentences(text).into_iter().map(|span| &text[span]).collect();
        assert_eq!(parts, ["Take 2.5 mg now.", "Any fever?", "It\u{2019}s fine"]);
        assert_eq!(plain(text), "take 2 5 mg now any fever it's fine");
    }

    #[test]
    fn a_copy_is_a_long_run_or_a_whole_sentence() {
        let mut runs = Runs::default();
        runs.add("I have had a bad pain in my chest since this morning. It hurts.");
        assert!(runs.copied("You say you have had a bad pain in my chest since").is_some());
        assert!(runs.copied("How long have you had a bad pain in your chest?").is_none());
        runs.add("No, not that.");
        assert_eq!(runs.copied("no not that"), Some(0..11));
        assert!(runs.copied("No").is_none() && runs.copied("").is_none());
    }

    proptest! {
        #[test]
        fn spans_lie_on_letters(text in "\\PC{0,60}") {
            for word in words(&text) {
                prop_assert!(text.get(word.span).is_some());
            }
            for sentence in sentences(&text) {
                prop_assert!(text.get(sentence).is_some_and(|part| !part.trim().is_empty()));
            }
        }
    }
}
