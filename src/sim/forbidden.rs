//! Words that no reply may hold: the names of the hidden diagnosis.

use std::ops::Range;

use crate::data::spelled;

/// What stands where a name was in a finding.
const BLANK: &str = "___";

/// Whether `text` names one of `names`.
pub fn names_any(text: &str, names: &[String]) -> bool {
    next(text, 0, names).is_some()
}

/// `text` with every one of `names` blanked out.
pub fn blank(text: &str, names: &[String]) -> String {
    replace(text, names, BLANK)
}

/// `text` with `stand_in` for every one of `names`.
pub fn replace(text: &str, names: &[String], stand_in: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    while let Some(range) = next(text, from, names) {
        out.push_str(&text[from..range.start]);
        out.push_str(stand_in);
        from = range.end;
    }
    out.push_str(&text[from..]);
    out
}

/// The first name in `text` from byte `from` on. Case, plural endings and the marks between words do not matter, nor
/// whether an abbreviation is spelled letter by letter.
fn next(text: &str, from: usize, names: &[String]) -> Option<Range<usize>> {
    let words = words(text, from);
    let names: Vec<Vec<String>> = names
        .iter()
        .map(|name| spelled::joined(self::words(name, 0).into_iter().map(|(_, word)| word).collect()))
        .filter(|name: &Vec<String>| !name.is_empty())
        .collect();
    (0..words.len()).find_map(|at| {
        let longest = names.iter().filter_map(|name| begins(&words[at..], name)).max()?;
        Some(words[at].0.start..words[at + longest - 1].0.end)
    })
}

/// How many of `words` say `name`, which has at least one word; `None` where they begin with something else.
fn begins(words: &[(Range<usize>, String)], name: &[String]) -> Option<usize> {
    let mut at = 0;
    for want in name {
        let rest = words.get(at..)?;
        let same =
            |word: &str| word.strip_prefix(want.as_str()).is_some_and(|rest| matches!(rest, "" | "s" | "es"));
        at += match rest.first() {
            Some((_, word)) if same(word) => 1,
            _ => spelled::letters(rest.iter().map(|(_, word)| word.as_str()), want)?,
        };
    }
    Some(at)
}

/// Runs of letters and digits in lower case, with where they stand.
fn words(text: &str, from: usize) -> Vec<(Range<usize>, String)> {
    let mut out: Vec<(Range<usize>, String)> = Vec::new();
    for (at, c) in text.char_indices().skip_while(|(at, _)| *at < from) {
        if !c.is_alphanumeric() {
            continue;
        }
        match out.last_mut() {
            Some((range, word)) if range.end == at => {
                word.extend(c.to_lowercase());
                range.end = at + c.len_utf8();
            }
            _ => out.push((at..at + c.len_utf8(), c.to_lowercase().collect())),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_as_words_only() {
        let names = ["heart attack".to_owned(), "flu".into(), String::new(), "heart".into()];
        for text in ["a Heart-Attack!", "two heart attacks", "HEART\nATTACK", "the flu.", "heart's"] {
            assert!(names_any(text, &names), "{text}");
        }
        for text in ["fluid", "", "hearty", "attack"] {
            assert!(!names_any(text, &names), "{text}");
        }
        let short = ["acs".to_owned(), "T.I.A.".into(), "hepatitis a".into()];
        for text in ["an A.C.S. once", "a T.I.A.", "a TIA", "A. C. S.", "hepatitis A. C. difficile"] {
            assert!(names_any(text, &short), "{text}");
        }
        assert!(!names_any("a c. s. difficile or a. b. s.", &["abc".to_owned()]));
        assert_eq!(blank("Had an A.C.S. in May", &short), "Had an ___. in May");
        assert_eq!(blank("Flu or heart attack, fluid; \u{e9} flu", &names), "___ or ___, fluid; \u{e9} ___");
    }
}
