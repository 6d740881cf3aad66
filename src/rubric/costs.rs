//! Whether a message thinks of what tests or treatment cost the patient.

use std::ops::Range;

use super::text::{Word, sentences, words};

/// Words of costs.
const COSTS: &[&str] = &[
    "cost",
    "costs",
    "costly",
    "price",
    "prices",
    "expensive",
    "afford",
    "affordable",
    "cheap",
    "cheaper",
    "cheapest",
    "insurance",
    "insured",
    "pay",
    "paid",
    "payment",
    "money",
    "budget",
    "charge",
    "charges",
    "fee",
    "fees",
];
/// In a sentence that denies one of these, costs are waved away: `I do not care what it costs`.
const HEEDED: &[&str] = &["care", "matter", "matters", "mind", "important", "interest", "object", "business"];

/// The first sentence that speaks of costs and does not wave them away. `Pay attention` and `at all costs` are about none.
pub(super) fn costs(message: &str) -> Option<Range<usize>> {
    sentences(message).into_iter().find(|span| {
        let words = message.get(span.clone()).map(words).unwrap_or_default();
        (0..words.len()).any(|at| is_cost(&words, at)) && !is_waved_away(&words)
    })
}

fn is_cost(words: &[Word], at: usize) -> bool {
    let word = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    let before = at.checked_sub(1).map_or("", word);
    let next = [word(at + 1), word(at + 2)];
    let other = matches!((before, word(at)), ("all" | "any", "cost" | "costs") | ("in", "charge"))
        || (word(at) == "pay" && next.iter().any(|word| matches!(*word, "attention" | "heed")));
    let free = word(at) == "free"
        && (before == "for" || matches!(before, "is" | "are" | "be" | "it's"))
        && !matches!(next[0], "of" | "from" | "to");
    (COSTS.contains(&word(at)) && !other) || free
}

fn is_waved_away(words: &[Word]) -> bool {
    let has = |wanted: &dyn Fn(&str) -> bool| words.iter().any(|word| wanted(&word.text));
    let denies = |word: &str| matches!(word, "not" | "no" | "never" | "cannot") || word.ends_with("n't");
    has(&|word| matches!(word, "regardless" | "whatever" | "ignore" | "forget"))
        || (has(&denies) && has(&|word| HEEDED.contains(&word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_costs_count_and_those_that_wave_them_away_do_not() {
        for message in [
            "I will prescribe ibuprofen, which is cheap.",
            "Can you afford the tablets?",
            "This scan will not cost you anything.",
            "The test is free.",
            "Do you have any insurance?",
            "You need not worry about the price.",
        ] {
            assert!(costs(message).is_some(), "{message}");
        }
        for message in [
            "Take ibuprofen.",
            "Please pay attention to this.",
            "Rest at all costs.",
            "Feel free to call.",
            "Are you free of pain?",
            "Who is in charge at home?",
            "I do not care what it costs.",
            "Take it, whatever the price.",
            "Money is no object.",
            "",
        ] {
            assert!(costs(message).is_none(), "{message}");
        }
    }
}
