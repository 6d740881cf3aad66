//! A reply that goes over its own words again and again.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::rl::filter::repetition;
use crate::rubric::coherence::row_of_signs;
use crate::rubric::text::{plain, sentences, words};

/// The largest share of a reply's n-grams that may have stood in it before. A list of questions that begin alike ("I would like to
/// check your ...") comes near a half and is no loop.
const MOST: f64 = 0.5;

/// A sentence said so often is no emphasis any more.
const TIMES: usize = 3;

/// The passage that repeats itself: a row of more than three of one sign, a sentence said three times, or all of a reply more than
/// half of whose pieces of `ngram` words have stood in it before.
pub fn find(reply: &str, ngram: usize) -> Option<Range<usize>> {
    row_of_signs(reply).or_else(|| same_sentence(reply)).or_else(|| {
        let words = words(reply);
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        let span = words.first()?.span.start..words.last()?.span.end;
        (repetition(&texts, ngram) > MOST).then_some(span)
    })
}

fn same_sentence(reply: &str) -> Option<Range<usize>> {
    let mut said: BTreeMap<String, usize> = BTreeMap::new();
    sentences(reply).into_iter().find(|span| {
        let count = said.entry(reply.get(span.clone()).map(plain).unwrap_or_default()).or_default();
        *count += 1;
        *count >= TIMES
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(reply: &str) -> Option<&str> {
        find(reply, 4).map(|span| &reply[span])
    }

    #[test]
    fn loops_are_found() {
        assert_eq!(found("When did it start????? Please say."), Some("????"));
        assert_eq!(found("I see. I see! Go on. I SEE."), Some("I SEE."));
        // 15 words have 12 pieces of four, of which 5 differ: 7 of 12.
        let round = "rest and ice the knee rest and ice the knee rest and ice the knee";
        assert_eq!(found(round), Some(round));
    }

    #[test]
    fn what_is_said_once_or_begins_alike_is_not() {
        for fine in [
            "",
            "When did it start?",
            "I see... When did it start?!",
            "Do you have any fever? Do you have any cough? Do you have any rash?",
            // 3 pieces of each further sentence are the first's: 6 of 18.
            "I would like to check your abdomen. I would like to check your chest. I would like to check your neck.",
            "Goodbye. Goodbye.",
        ] {
            assert_eq!(found(fine), None, "{fine}");
        }
    }
}
