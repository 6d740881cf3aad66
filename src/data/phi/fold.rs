//! A text made plain before it is scanned, so that `Ｍｒ Ｓｍｉｔｈ` and `555–123–4567` are what they look like.
//!
//! Full-width and other dressed letters and digits become ASCII, a letter and its accent become one character, blanks of
//! every width become a blank, and what nobody sees is left out. Each piece knows where it stood, so what is found is
//! reported, masked and replaced in the text as it was written.

use std::borrow::Cow;
use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// How characters are read that may part two words or join two halves of one. Which of both the writer meant cannot be
/// known (`husband—John`, `2021—03—05`), so a text that has them is scanned both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marks {
    /// A dash is a hyphen, and what nobody sees is not there.
    Join,
    /// A dash is what it was, and what nobody sees is a blank.
    Part,
}

/// A text made plain, with where each piece of it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folded<'a> {
    text: Cow<'a, str>,
    /// By first byte in `text`: the bytes of the original. Empty where the original is `text`.
    pieces: Vec<(usize, Range<usize>)>,
}

impl Folded<'_> {
    /// The plain text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The bytes of the original that `span` of the plain text was made of. They lie on its characters' boundaries.
    pub fn original(&self, span: Range<usize>) -> Range<usize> {
        if self.pieces.is_empty() {
            return span;
        }
        let piece = |at: usize| {
            let after = self.pieces.partition_point(|(first, _)| *first <= at);
            after.checked_sub(1).and_then(|index| self.pieces.get(index)).map(|(_, place)| place.clone())
        };
        let first = piece(span.start).unwrap_or_default();
        let last = span.end.checked_sub(1).filter(|last| *last > span.start).and_then(piece);
        first.start..last.map_or(first.end, |last| last.end)
    }
}

/// The ways in which `text` has to be scanned: one, or two where it has marks that can be read two ways.
pub(super) fn readings(text: &str) -> Vec<Folded<'_>> {
    let mut readings = vec![fold(text, Marks::Join)];
    if text.chars().any(|c| is_dash(c) || is_unseen(c)) {
        readings.push(fold(text, Marks::Part));
    }
    readings
}

/// `text` made plain, where only the words matter and not where they stood.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    fold(text, Marks::Join).text
}

fn fold(text: &str, marks: Marks) -> Folded<'_> {
    if text.is_ascii() {
        return Folded { text: Cow::Borrowed(text), pieces: Vec::new() };
    }
    let mut plain = String::with_capacity(text.len());
    let mut pieces = Vec::with_capacity(text.len());
    let mut chars = text.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        let mut end = start + c.len_utf8();
        // A letter and the accents after it are one piece.
        while let Some((at, accent)) = chars.next_if(|(_, next)| is_combining_mark(*next) && !is_unseen(c)) {
            end = at + accent.len_utf8();
        }
        let first = plain.len();
        for c in text.get(start..end).unwrap_or_default().nfc() {
            push(c, marks, &mut plain);
        }
        if plain.len() > first {
            pieces.push((first, start..end));
        }
    }
    Folded { text: Cow::Owned(plain), pieces }
}

/// Adds what `c` looks like.
fn push(c: char, marks: Marks, plain: &mut String) {
    if c.is_ascii() {
        plain.push(c);
    } else if is_unseen(c) {
        if marks == Marks::Part {
            plain.push(' ');
        }
    } else if is_dash(c) {
        plain.push(if marks == Marks::Join { '-' } else { c });
    } else if is_ornament(c) {
        // What no letter took in: a stroke or dot drawn over another character.
    } else if c.is_whitespace() {
        plain.push(if matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}') { '\n' } else { ' ' });
    } else if matches!(c, '\u{2044}' | '\u{2215}' | '\u{29f8}') {
        plain.push('/');
    } else if let Some(digit) = digit(c) {
        plain.push(digit);
    } else if !push_dressed(c, plain) {
        plain.push(c);
    }
}

/// Adds the ASCII letters or digits that `c` is a dressed form of (`Ｍ`, `𝐌`, `№`, `㎎`), or the ASCII mark of which it
/// is the wide form; returns whether it is one. Raised and lowered digits stay: `10⁹` is not `109`.
fn push_dressed(c: char, plain: &mut String) -> bool {
    let raised = matches!(c, '\u{b2}' | '\u{b3}' | '\u{b9}' | '\u{2070}'..='\u{209f}');
    let wide = matches!(c, '\u{ff01}'..='\u{ff5e}');
    let mut dress = std::iter::once(c).nfkc();
    let bare = !raised && dress.all(|c| c.is_ascii_alphanumeric() || (wide && c.is_ascii()));
    if bare {
        plain.extend(std::iter::once(c).nfkc());
    }
    bare
}

/// The ASCII digit for one of another script.
fn digit(c: char) -> Option<char> {
    // Arabic, Persian, Devanagari, Bengali, Gurmukhi, Gujarati, Tamil, Telugu, Thai: each zero begins a run of ten.
    const ZEROS: [u32; 9] = [0x660, 0x6f0, 0x966, 0x9e6, 0xa66, 0xae6, 0xbe6, 0xc66, 0xe50];
    let value = ZEROS.iter().find_map(|zero| u32::from(c).checked_sub(*zero).filter(|value| *value < 10))?;
    char::from_digit(value, 10)
}

/// Hyphens, dashes and the minus sign beyond ASCII.
fn is_dash(c: char) -> bool {
    const SINGLE: [char; 11] = [
        '\u{2d7}', '\u{58a}', '\u{5be}', '\u{1806}', '\u{2043}', '\u{2212}', '\u{2796}', '\u{2e3a}',
        '\u{2e3b}', '\u{fe58}', '\u{fe63}',
    ];
    matches!(c, '\u{2010}'..='\u{2015}' | '\u{ff0d}') || SINGLE.contains(&c)
}

/// What takes no place on the page: soft hyphens, zero-width blanks and joiners, marks of direction, fillers, tags.
fn is_unseen(c: char) -> bool {
    const SINGLE: [char; 8] =
        ['\u{ad}', '\u{34f}', '\u{61c}', '\u{115f}', '\u{1160}', '\u{3164}', '\u{feff}', '\u{ffa0}'];
    let general = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
    let variants = matches!(c, '\u{180b}'..='\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}');
    !c.is_ascii() && (general || variants || SINGLE.contains(&c))
}

/// Accents that stand beside a letter where no single character has both.
fn is_ornament(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(text: &str) -> Vec<String> {
        readings(text).iter().map(|reading| reading.text().to_owned()).collect()
    }

    #[test]
    fn what_looks_alike_reads_alike() {
        for (text, want) in [
            ("Ｍｒ　Ｓｍｉｔｈ", "Mr Smith"),
            ("𝐌𝐫 𝑆𝑚𝑖𝑡ℎ", "Mr Smith"),
            ("５５５－１２３－４５６７", "555-123-4567"),
            ("555\u{2011}123\u{2012}4567", "555-123-4567"),
            ("2021–03—05", "2021-03-05"),
            ("M\u{200b}r Smi\u{ad}th", "Mr Smith"),
            ("5\u{202f}/\u{a0}3 ⁄ 2021", "5 / 3 / 2021"),
            ("٠٥٥-१२३", "055-123"),
            ("jane＠mail．org", "jane@mail.org"),
            ("MRN № 5", "MRN No 5"),
            ("Jose\u{301} M\u{338}r", "José Mr"),
            ("10⁹/L, 2½, m², 37℃", "10⁹/L, 2½, m², 37℃"),
            ("Ærø ’s", "Ærø ’s"),
        ] {
            assert_eq!(texts(text)[0], want, "{text}");
        }
        assert_eq!(texts("a\u{200b}b–c"), ["ab-c", "a b–c"]);
        assert_eq!(texts("naïve"), ["naïve"]);
    }

    #[test]
    fn a_span_leads_back_to_what_was_written() {
        let text = "see Ｍ\u{200b}ｒ Jose\u{301} ﬁn";
        let folded = fold(text, Marks::Join);
        assert_eq!(folded.text(), "see Mr José fin");
        let back = |part: &str| {
            let at = folded.text().find(part).unwrap();
            &text[folded.original(at..at + part.len())]
        };
        assert_eq!(back("see"), "see");
        assert_eq!(back("Mr"), "Ｍ\u{200b}ｒ");
        assert_eq!(back("José"), "Jose\u{301}");
        // Half of a ligature is all of it.
        assert_eq!(back("in"), "ﬁn");
    }

    proptest! {
        #[test]
        fn ascii_is_left_alone(text in "[ -~\\n\\t]{0,80}") {
            let readings = readings(&text);
            prop_assert_eq!(readings.len(), 1);
            prop_assert_eq!(readings[0].text(), &text);
            prop_assert!((0..=text.len()).all(|end| readings[0].original(0..end) == (0..end)));
        }

        #[test]
        fn offsets_lie_on_boundaries_of_the_original(
            text in "(\\PC|[a-z0-9 ./\u{ad}\u{200b}-\u{200f}\u{2010}-\u{2015}\u{300}-\u{310}\u{ff01}-\u{ff5e}\u{fb00}-\u{fb06}]){0,60}",
        ) {
            for reading in readings(&text) {
                let bounds: Vec<usize> = reading.text().char_indices().map(|(at, _)| at).chain([reading.text().len()]).collect();
                let mut before = 0;
                for pair in bounds.windows(2) {
                    let place = reading.original(pair[0]..pair[1]);
                    prop_assert!(text.get(place.clone()).is_some_and(|part| !part.is_empty()), "{:?}", place);
                    prop_assert!(place.start >= before, "in the order of the text");
                    before = place.start;
                    let rest = reading.original(pair[0]..reading.text().len());
                    prop_assert!(text.get(rest).is_some());
                }
            }
        }
    }
}
