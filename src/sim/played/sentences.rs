//! A draft in sentences.

/// Short forms whose full stop ends no sentence.
const SHORT: [&str; 6] = ["dr", "mr", "mrs", "ms", "vs", "st"];

/// The sentences of `text`, each trimmed and none empty. One ends with `.`, `!`, `?` or `…` before a space, and with a line.
pub fn sentences(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for line in text.lines() {
        let mut from = 0;
        let mut chars = line.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let ends = matches!(c, '.' | '!' | '?' | '\u{2026}')
                && chars.peek().is_none_or(|(_, next)| next.is_whitespace())
                && !(c == '.' && is_short(&line[from..at]));
            if ends {
                all.push(&line[from..at + c.len_utf8()]);
                from = at + c.len_utf8();
            }
        }
        all.push(&line[from..]);
    }
    all.into_iter().map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

fn is_short(before: &str) -> bool {
    let word = before.rsplit(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    SHORT.contains(&word.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_before_a_space_end_sentences() {
        let all = sentences("Yes. It was 38.5, Dr. Lee told me!  Why?\nWell… no");
        assert_eq!(all, ["Yes.", "It was 38.5, Dr. Lee told me!", "Why?", "Well\u{2026}", "no"]);
        assert!(sentences(" \n ").is_empty());
    }
}
