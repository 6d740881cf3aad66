//! Which script a letter is of, as far as the detectors tell scripts apart.

/// A script, or a family of scripts that stand in one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Script {
    /// Latin with its accents.
    Latin,
    /// Greek.
    Greek,
    /// Cyrillic.
    Cyrillic,
    /// Chinese, Japanese and Korean.
    EastAsian,
    /// Any other.
    Other,
}

/// The script of `letter`, by its block (Unicode 16, Blocks.txt); `None` of what is no letter, and of signs that all scripts use.
pub fn script(letter: char) -> Option<Script> {
    if !letter.is_alphabetic() {
        return None;
    }
    match letter {
        // The micro sign and the two ordinals.
        '\u{b5}' | '\u{aa}' | '\u{ba}' => None,
        '\0'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' | '\u{ff21}'..='\u{ff5a}' => Some(Script::Latin),
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Some(Script::Greek),
        '\u{400}'..='\u{52f}' => Some(Script::Cyrillic),
        '\u{1100}'..='\u{11ff}'
        | '\u{3005}'..='\u{30ff}'
        | '\u{3130}'..='\u{318f}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7af}'
        | '\u{20000}'..='\u{323af}' => Some(Script::EastAsian),
        _ => Some(Script::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_by_their_script() {
        for (letter, want) in [
            ('a', Some(Script::Latin)),
            ('\u{e9}', Some(Script::Latin)),
            ('\u{3b2}', Some(Script::Greek)),
            ('\u{430}', Some(Script::Cyrillic)),
            ('\u{75bc}', Some(Script::EastAsian)),
            ('\u{3042}', Some(Script::EastAsian)),
            ('\u{d55c}', Some(Script::EastAsian)),
            ('\u{5d0}', Some(Script::Other)),
            ('\u{b5}', None),
            ('7', None),
            ('?', None),
            ('\u{3002}', None),
        ] {
            assert_eq!(script(letter), want, "{letter}");
        }
    }
}
