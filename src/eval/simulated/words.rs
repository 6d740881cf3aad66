//! Words of a reply and of the record, plainly: no lexicon, no reading of the patient's own.

use std::collections::BTreeSet;

/// Words without content of their own.
const PLAIN: &[&str] = &[
    "a",
    "about",
    "also",
    "am",
    "an",
    "and",
    "any",
    "are",
    "as",
    "at",
    "be",
    "been",
    "but",
    "by",
    "can",
    "currently",
    "did",
    "do",
    "does",
    "for",
    "from",
    "had",
    "has",
    "have",
    "having",
    "he",
    "her",
    "him",
    "his",
    "i",
    "i'm",
    "i've",
    "in",
    "is",
    "it",
    "it's",
    "its",
    "me",
    "my",
    "no",
    "not",
    "of",
    "on",
    "or",
    "other",
    "patient",
    "patient's",
    "said",
    "she",
    "some",
    "that",
    "the",
    "their",
    "them",
    "there",
    "they",
    "this",
    "to",
    "was",
    "well",
    "were",
    "with",
    "you",
    "your",
    "don't",
    "doesn't",
    "denies",
    "reports",
    "states",
    "none",
    "never",
    "without",
    "nor",
];

/// Words that deny.
const DENYING: &[&str] =
    &["no", "not", "never", "none", "nothing", "without", "nor", "neither", "denies", "denied", "cannot"];

/// How many words a denial reaches.
const REACH: usize = 8;

/// Runs of letters and digits in lower case; a point stays within a number, an apostrophe within a word.
pub fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace('\u{2019}', "'");
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '.');
    text.split(|c: char| !inside(c))
        .map(|word| word.trim_matches(['\'', '.']))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The words that carry content, each by its stem.
pub fn content(words: &[String]) -> BTreeSet<String> {
    words.iter().filter(|word| !PLAIN.contains(&word.as_str())).map(|word| stem(word)).collect()
}

/// A word less the commonest endings.
fn stem(word: &str) -> String {
    if word.len() > 4 && word.is_ascii() {
        for end in ["ing", "ies", "ed", "es", "s", "e"] {
            if let Some(stem) = word.strip_suffix(end).filter(|stem| stem.len() >= 3 && !stem.ends_with('s'))
            {
                return stem.to_owned();
            }
        }
    }
    word.to_owned()
}

/// Whether `part` stands in `whole`, word by word.
pub fn holds(whole: &[String], part: &[String]) -> bool {
    !part.is_empty() && whole.windows(part.len()).any(|window| window == part)
}

/// Whether `word` denies.
pub fn denies(word: &str) -> bool {
    DENYING.contains(&word) || word.ends_with("n't")
}

/// How many of `words` deny.
pub fn denials(words: &[String]) -> usize {
    words.iter().filter(|word| denies(word)).count()
}

/// Whether word `at` is denied by one before it, with no turn between.
pub fn denied_at(words: &[String], at: usize) -> bool {
    let before = words.get(..at).unwrap_or_default();
    let turn = before.iter().rposition(|word| matches!(word.as_str(), "but" | "however" | "although"));
    let from = turn.map_or(0, |turn| turn + 1).max(at.saturating_sub(REACH));
    before.get(from..).unwrap_or_default().iter().any(|word| denies(word))
}

/// The words of `text` between single blanks, so that a cue may begin or end with a word.
pub fn spaced(text: &str) -> String {
    format!(" {} ", words(text).join(" "))
}

/// Whether one of `cues` stands in `spaced` text.
pub fn says_one_of(spaced: &str, cues: &[&str]) -> bool {
    cues.iter().any(|cue| spaced.contains(cue))
}

/// Numbers, as they are written.
pub fn numbers(words: &[String]) -> impl Iterator<Item = &str> {
    words.iter().map(String::as_str).filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_denials_are_plain() {
        let text = words("I don\u{2019}t have fever, but my 38.5 was high.");
        assert_eq!(text, ["i", "don't", "have", "fever", "but", "my", "38.5", "was", "high"]);
        assert!(denied_at(&text, 3) && !denied_at(&text, 8));
        assert_eq!(denials(&text), 1);
        assert_eq!(numbers(&text).collect::<Vec<_>>(), ["38.5"]);
        assert!(
            holds(&text, &words("have fever")) && !holds(&text, &words("fever my")) && !holds(&text, &[])
        );
        let spaced = spaced("Is it, in the end,\n expensive?");
        assert_eq!(spaced, " is it in the end expensive ");
        assert!(
            says_one_of(&spaced, &["cheap", " exp"]) && !says_one_of(&spaced, &[" pens", " expensive it"])
        );
        assert_eq!(content(&words("She has coughed")), content(&words("I am coughing")));
    }
}
