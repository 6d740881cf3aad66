//! How the words of a fact become an answer.

/// Whether one of `words` stands in `text`, capitals apart.
pub(super) fn has_word(text: &str, words: &[&str]) -> bool {
    text.to_lowercase().split(|c: char| !c.is_alphanumeric()).any(|word| words.contains(&word))
}

/// Whether a `yes` or `no` to this question would not be one to the fact that answers it: `Is the pain mild?`
pub(super) fn qualifies(question: &str) -> bool {
    const WORDS: [&str; 17] = [
        "okay", "ok", "alright", "regular", "gone", "better", "mild", "bad", "severe", "left", "right",
        "still", "what", "how", "which", "when", "where",
    ];
    asks_if_well(question) || has_word(question, &WORDS)
}

/// Whether a question asks if something is as it should be, so that `no` would tell of a complaint: `Are you sleeping well?`
pub(super) fn asks_if_well(question: &str) -> bool {
    const WORDS: [&str; 9] =
        ["good", "well", "fine", "normal", "normally", "healthy", "regularly", "enjoy", "enough"];
    has_word(question, &WORDS)
}

/// What is said after a `Yes,` or `No,` that begins it.
pub(super) fn without_yes(said: &str) -> &str {
    let rest = said.strip_prefix("Yes, ").or_else(|| said.strip_prefix("No, "));
    // `No, no fever.` stays as it is: what is left would be no sentence.
    rest.filter(|rest| rest.split(' ').count() > 2 && !rest.starts_with("no ")).unwrap_or(said)
}

/// `text` as a sentence: a capital first and a mark at the end.
pub(super) fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut chars = text.chars();
    let mut out: String = chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect();
    if !out.is_empty() && !out.ends_with(['.', '!', '?', '\u{2026}', '"']) {
        out.push('.');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_is_dropped_where_it_would_answer_something_else() {
        assert!(qualifies("Is your appetite good?") && qualifies("Are you sleeping well?"));
        assert!(!qualifies("Do you have a fever?"));
        assert!(asks_if_well("Are you sleeping well?") && !asks_if_well("Is the pain mild?"));
        assert_eq!(without_yes("Yes, I cannot eat anything."), "I cannot eat anything.");
        assert_eq!(without_yes("No, no fever."), "No, no fever.");
        assert_eq!(sentence(without_yes("Yes, it itches all over")), "It itches all over.");
    }
}
