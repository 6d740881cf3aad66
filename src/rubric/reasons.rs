//! Whether a message gives a reason for what it asks or does.

use std::ops::Range;

use super::text::{Word, sentences, words};

/// What a reason follows, in the words of the message, and how many words have to come after it.
const CUES: &[(&str, usize)] = &[
    ("because", 3),
    ("so that", 3),
    ("so i can", 2),
    ("so we can", 2),
    ("so i know", 2),
    ("so we know", 2),
    ("in order to", 2),
    ("to rule out", 1),
    ("to exclude", 1),
    ("the reason i", 3),
    ("the reason we", 3),
    ("the reason for this", 3),
    ("the reason for that", 3),
    ("the reason is", 3),
    ("the reason why i", 3),
    ("the reason why we", 3),
    // These point back to a reason that stands before.
    ("that is why i", 1),
    ("that is why we", 1),
    ("that's why i", 1),
    ("that's why we", 1),
    ("this is why i", 1),
    ("this is why we", 1),
    ("which is why i", 1),
    ("which is why we", 1),
    ("for this reason i", 1),
    ("for this reason we", 1),
];
/// What may help or show, as in `this helps me ..` and `the result will show us ..`.
const SUBJECTS: &[&str] =
    &["this", "that", "it", "which", "they", "these", "answer", "answers", "result", "results", "test"];
const MODALS: &[&str] = &["will", "would", "can", "could", "may", "might", "should", "also"];
const HELPS: &[&str] = &["help", "helps", "tell", "tells", "show", "shows", "let", "lets", "allow", "allows"];
/// How many words follow `helps me`, at least.
const HELPED: usize = 2;

/// Where a message gives a reason: a sentence with `because`, `so that`, `in order to`, `the reason is`, `that is why`, `this helps me` and
/// the like, and something after it. Whether the reason is a good one no rule can tell.
pub(super) fn reason(message: &str) -> Option<Range<usize>> {
    sentences(message).into_iter().find(|span| {
        let Some(sentence) = message.get(span.clone()) else { return false };
        let words = words(sentence);
        !asks_for_one(sentence, &words) && (0..words.len()).any(|at| begins(&words, at))
    })
}

/// `Is it worse because you moved?`; `Do you smoke, because ..?` gives one.
fn asks_for_one(sentence: &str, words: &[Word]) -> bool {
    const FIRST: &[&str] = &["is", "was", "are", "were", "did", "does", "why", "what", "who", "could", "or"];
    sentence.ends_with('?') && words.first().is_some_and(|word| FIRST.contains(&word.text.as_str()))
}

/// Whether a reason begins at the word `at`.
fn begins(words: &[Word], at: usize) -> bool {
    let word = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    let before = at.checked_sub(1).map_or("", word);
    // `Not because ..`, `just because ..`
    if matches!(before, "not" | "just" | "never") {
        return false;
    }
    let cued = CUES.iter().any(|(cue, least)| {
        let end = at + cue.split(' ').count();
        cue.split(' ').zip(at..).all(|(wanted, at)| word(at) == wanted) && words.len() >= end + least
    });
    let verb = if MODALS.contains(&word(at + 1)) { at + 2 } else { at + 1 };
    let helps = SUBJECTS.contains(&word(at)) && HELPS.contains(&word(verb));
    cued || (helps && matches!(word(verb + 1), "me" | "us") && words.len() >= verb + 2 + HELPED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_found_by_their_own_words() {
        for message in [
            "When did it start? I ask because an early treatment works better.",
            "Do you take any medicines, because some of them thin the blood?",
            "I would like to take some blood so that we can look for an infection.",
            "We do an ECG in order to see your heart at work.",
            "I will arrange a scan to rule out pneumonia.",
            "The reason I ask is that smoking harms the lungs.",
            "Your father had a stroke. That is why I ask.",
            "Your answer will help me find the cause.",
            "This helps us understand the pain.",
        ] {
            assert!(reason(message).is_some(), "{message}");
        }
    }

    #[test]
    fn what_only_sounds_wise_gives_none() {
        for message in [
            "I know.",
            "I understand your symptoms.",
            "This is a common result.",
            "The risk is normal, and I can help.",
            "Because.",
            "I ask because I do.",
            "Is it worse because you moved around?",
            "What is the reason for your visit?",
            "Tell me the reason for your visit.",
            "Not because I think so.",
            "This helps me.",
            "Tell me so that.",
            "",
        ] {
            assert!(reason(message).is_none(), "{message}");
        }
    }
}
