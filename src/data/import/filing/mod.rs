//! Under what a fact in free text is filed, so that questions, examinations and tests find it.
//!
//! [`told`] is for what the patient knows, [`shown`] for what only an examination or a test shows. Neither reads a format:
//! importers hand it sentences.

mod drugs;
mod regions;
pub(super) mod shown;
pub(super) mod told;

/// Where the first of `cues` begins a word of `lower`.
pub(super) fn first(lower: &str, cues: &[&str]) -> Option<usize> {
    let begins =
        |at: usize| !lower.get(..at).is_some_and(|before| before.ends_with(|c: char| c.is_alphanumeric()));
    cues.iter().filter_map(|cue| lower.match_indices(cue).map(|(at, _)| at).find(|at| begins(*at))).min()
}

/// A chart's text in small letters, with what it says in other words than the lexicon put in those, and with words that mean
/// something else beside another put out of the way: a bipolar prosthesis is no bipolar disorder.
pub(super) fn charted(text: &str) -> String {
    const WORDS: [(&str, &str); 16] = [
        ("nonsmoker", "non-smoker"),
        ("nondrinker", "non-drinker"),
        ("pain with urination", "dysuria"),
        ("pain on urination", "dysuria"),
        ("pain upon urination", "dysuria"),
        ("pain during urination", "dysuria"),
        ("pain when urinating", "dysuria"),
        ("pain while urinating", "dysuria"),
        ("burning with urination", "dysuria"),
        ("burning on urination", "dysuria"),
        ("burning during urination", "dysuria"),
        ("bipolar prosthes", "prosthes"),
        ("bipolar hip", "hip"),
        ("bipolar hemiarthroplast", "hemiarthroplast"),
        ("bipolar arthroplast", "arthroplast"),
        ("bipolar cauter", "cauter"),
    ];
    WORDS.iter().fold(text.to_lowercase(), |text, (words, other)| text.replace(words, other))
}
