//! Letters that only look like Latin ones, and signs that show nothing: a text as a reader sees it.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// `text` in lower case as it looks: what shows no sign is left out, letters are those that they look like, without accents.
pub fn as_seen(text: &str) -> String {
    let shown =
        text.chars().filter(|sign| !is_invisible(*sign)).nfkd().filter(|sign| !is_combining_mark(*sign));
    shown.flat_map(char::to_lowercase).map(latin).collect()
}

/// Signs that take no room: soft hyphen, joiners, marks of direction, the mark of byte order.
pub fn is_invisible(sign: char) -> bool {
    matches!(sign, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// The Latin letter that a Cyrillic or Greek one looks like; the letter itself where it looks like none.
pub fn latin(letter: char) -> char {
    match letter {
        '\u{430}' | '\u{3b1}' => 'a',
        '\u{441}' => 'c',
        '\u{501}' => 'd',
        '\u{435}' => 'e',
        '\u{4bb}' => 'h',
        '\u{456}' | '\u{3b9}' => 'i',
        '\u{458}' => 'j',
        '\u{43a}' | '\u{3ba}' => 'k',
        '\u{43c}' => 'm',
        '\u{43e}' | '\u{3bf}' => 'o',
        '\u{440}' | '\u{3c1}' => 'p',
        '\u{455}' => 's',
        '\u{442}' | '\u{3c4}' => 't',
        '\u{3c5}' => 'u',
        '\u{3bd}' => 'v',
        '\u{51d}' => 'w',
        '\u{445}' | '\u{3c7}' => 'x',
        '\u{443}' | '\u{3b3}' => 'y',
        _ => letter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_as_it_looks() {
        for (text, seen) in [
            ("Appendicitis", "appendicitis"),
            ("\u{410}ppendi\u{441}itis", "appendicitis"),
            ("M\u{e9}ni\u{e8}re's", "meniere's"),
            ("an\u{ad}gi\u{200b}na", "angina"),
            ("\u{ff27}out", "gout"),
            ("", ""),
        ] {
            assert_eq!(as_seen(text), seen, "{text}");
        }
    }
}
