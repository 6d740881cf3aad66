//! Under what a fact in free text is filed, so that questions, examinations and tests find it.
//!
//! [`told`] is for what the patient knows, [`shown`] for what only an examination or a test shows. Neither reads a format:
//! importers hand it sentences.

mod regions;
pub(super) mod shown;
pub(super) mod told;

/// Where the first of `cues` begins a word of `lower`.
pub(super) fn first(lower: &str, cues: &[&str]) -> Option<usize> {
    let begins =
        |at: usize| !lower.get(..at).is_some_and(|before| before.ends_with(|c: char| c.is_alphanumeric()));
    cues.iter().filter_map(|cue| lower.match_indices(cue).map(|(at, _)| at).find(|at| begins(*at))).min()
}
