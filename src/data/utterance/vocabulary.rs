//! Words as numbers, with tolerance for one slip of the hand in long words.

use std::collections::HashMap;

use super::stem::stem;
use super::words::{FIRST_WORD, NUMBER, UNKNOWN};

/// Shorter words are not corrected: too many others are one letter away.
const LONG: usize = 6;

/// Every word that a rule or a concept uses, by its stem.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    ids: HashMap<String, u32>,
    stems: Vec<String>,
    /// Long stems with any one letter left out, and the words they come from: two words one edit apart share one
    /// of these, or one of them is among these (Garbe's symmetric delete).
    neighbours: HashMap<String, Vec<u32>>,
}

impl Vocabulary {
    /// The number of `word`, which is added where it is new.
    pub fn add(&mut self, word: &str) -> u32 {
        let mut stemmed = String::new();
        stem(word, &mut stemmed);
        if let Some(&id) = self.ids.get(&stemmed) {
            return id;
        }
        let id = FIRST_WORD + self.stems.len() as u32;
        if word.len() >= LONG && stemmed.len() >= LONG - 1 && stemmed.is_ascii() {
            each_shortened(&stemmed, |short| self.neighbours.entry(short.to_owned()).or_default().push(id));
        }
        self.ids.insert(stemmed.clone(), id);
        self.stems.push(stemmed);
        id
    }

    /// The number of a lower-case `word`, [`NUMBER`] or [`UNKNOWN`]. `buffer` is overwritten.
    pub fn look_up(&self, word: &str, buffer: &mut String) -> u32 {
        stem(word, buffer);
        if let Some(&id) = self.ids.get(buffer.as_str()) {
            return id;
        }
        if word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return NUMBER;
        }
        if word.len() < LONG || buffer.len() < LONG - 1 || !buffer.is_ascii() || buffer.len() > 24 {
            return UNKNOWN;
        }
        self.corrected(buffer)
    }

    /// The word that is one edit away; the first added where there are several.
    fn corrected(&self, wrong: &str) -> u32 {
        let mut best = u32::MAX;
        let mut consider = |id: u32| {
            let right = &self.stems[(id - FIRST_WORD) as usize];
            if right.as_bytes().first() == wrong.as_bytes().first() && one_edit(right, wrong) {
                best = best.min(id);
            }
        };
        self.neighbours.get(wrong).into_iter().flatten().for_each(|&id| consider(id));
        each_shortened(wrong, |short| {
            if short.len() >= LONG - 1
                && let Some(&id) = self.ids.get(short)
            {
                consider(id);
            }
            self.neighbours.get(short).into_iter().flatten().for_each(|&id| consider(id));
        });
        if best == u32::MAX { UNKNOWN } else { best }
    }
}

/// Calls `each` with `word` (ASCII) less one letter, for every letter.
fn each_shortened(word: &str, mut each: impl FnMut(&str)) {
    let mut short = String::with_capacity(word.len());
    for skip in 0..word.len() {
        short.clear();
        short.push_str(&word[..skip]);
        short.push_str(&word[skip + 1..]);
        each(&short);
    }
}

/// Whether one insertion, deletion, substitution or swap of neighbours makes `a` of `b`.
fn one_edit(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[same..], &b[same..]);
    match (a, b) {
        ([x, y, a @ ..], [v, w, b @ ..]) if x == w && y == v && a == b => true,
        ([_, a @ ..], [_, b @ ..]) if a == b => true,
        ([_, rest @ ..], b) if rest == b => true,
        (a, [_, rest @ ..]) => a == rest,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_survive_one_slip_and_short_ones_do_not() {
        let mut vocabulary = Vocabulary::default();
        let nausea = vocabulary.add("nausea");
        let headache = vocabulary.add("headache");
        vocabulary.add("cough");
        let mut buffer = String::new();
        let mut of = |word| vocabulary.look_up(word, &mut buffer);
        for wrong in ["headace", "haedache", "headachee", "headacha", "heedaches"] {
            assert_eq!(of(wrong), headache, "{wrong}");
        }
        assert_eq!(of("nauesa"), nausea);
        assert_eq!((of("tough"), of("geadache"), of("hedace")), (UNKNOWN, UNKNOWN, UNKNOWN));
        assert_eq!((of("37.5"), of("12")), (NUMBER, NUMBER));
    }

    #[test]
    fn edits_are_counted() {
        for (a, b, one) in [
            ("abc", "abd", true),
            ("abc", "acb", true),
            ("abc", "ab", true),
            ("ab", "abc", true),
            ("abc", "bca", false),
            ("abcd", "badc", false),
            ("", "", false),
        ] {
            assert_eq!(one_edit(a, b), one, "{a} {b}");
        }
    }
}
