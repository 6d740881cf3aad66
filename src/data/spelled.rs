//! Abbreviations spelled letter by letter: `A.C.S.`, `A C S` and `ACS` are one.

/// How many of `words` spell `name`, a letter each; `None` where they do not. Both are in lower case.
pub fn letters<'a>(mut words: impl Iterator<Item = &'a str>, name: &str) -> Option<usize> {
    let mut count = 0;
    for letter in name.chars() {
        let mut word = words.next()?.chars();
        if word.next() != Some(letter) || word.next().is_some() {
            return None;
        }
        count += 1;
    }
    (count > 1).then_some(count)
}

/// The words of a name; one word where they are single letters and nothing else.
pub fn joined(words: Vec<String>) -> Vec<String> {
    let single = |word: &String| word.chars().count() == 1;
    if words.len() > 1 && words.iter().all(single) { vec![words.concat()] } else { words }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_spell_a_word_and_nothing_less() {
        let of = |text: &str, name| letters(text.split(' '), name);
        assert_eq!(of("a c s", "acs"), Some(3));
        assert_eq!(of("a c s was seen", "acs"), Some(3));
        for (text, name) in [("a c", "acs"), ("ac s", "acs"), ("a", "a"), ("", ""), ("a b s", "acs")] {
            assert_eq!(of(text, name), None, "{text} {name}");
        }
        assert_eq!(joined(vec!["a".into(), "c".into(), "s".into()]), ["acs"]);
        assert_eq!(joined(vec!["hepatitis".into(), "a".into()]), ["hepatitis", "a"]);
    }
}
