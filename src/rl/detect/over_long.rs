//! A reply that no patient could take in.

use std::ops::Range;

use crate::data::speech::script::{Script, script};
use crate::rubric::text::words;

/// What stands beyond the first `most` words. A letter of a script that writes no spaces between words counts as a word.
pub fn find(reply: &str, most: usize) -> Option<Range<usize>> {
    let words = words(reply);
    let mut count = 0;
    let beyond = words.iter().find(|word| {
        let letters = word.text.chars().filter(|letter| script(*letter) == Some(Script::EastAsian)).count();
        count += letters.max(1);
        count > most
    })?;
    Some(beyond.span.start..words.last()?.span.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_beyond_the_bound_is_found() {
        let reply = "When did it start, and where?";
        assert_eq!(find(reply, 5).map(|span| &reply[span]), Some("where"));
        assert_eq!(find(reply, 2).map(|span| &reply[span]), Some("it start, and where"));
        assert_eq!(find(reply, 6), None);
        assert_eq!(find("", 1), None);
        assert!(find(&"word ".repeat(121), 120).is_some());
        assert!(find(&"word ".repeat(120), 120).is_none());
    }

    #[test]
    fn letters_count_where_words_are_not_parted() {
        let reply = "\u{4f60}\u{54ea}\u{91cc}\u{75bc}"; // four letters, one run
        assert!(find(reply, 3).is_some());
        assert!(find(reply, 4).is_none());
    }
}
