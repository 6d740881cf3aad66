//! Whether what a model quotes was said.

/// Shorter quotes prove nothing: they are found in any text.
const SHORTEST: usize = 3;

/// Where `quote` stands in `text`, in bytes. Case, the width of spaces and the shape of quotation marks and dashes do not matter, and
/// marks around the quote are no part of it. `None` where it does not stand there, or is too short to show anything.
pub fn find(text: &str, quote: &str) -> Option<(usize, usize)> {
    let edges = |c: char| c.is_whitespace() || matches!(c, '"' | '\u{201c}' | '\u{201d}' | '.' | '\u{2026}');
    let wanted = folded(quote.trim_matches(edges));
    if wanted.iter().filter(|(c, ..)| c.is_alphanumeric()).count() < SHORTEST {
        return None;
    }
    let text = folded(text);
    let same = |window: &&[(char, usize, usize)]| window.iter().zip(&wanted).all(|(a, b)| a.0 == b.0);
    let window = text.windows(wanted.len()).find(same)?;
    Some((window.first()?.1, window.last()?.2))
}

/// The passages in double quotation marks of `text`.
pub fn quoted(text: &str) -> Vec<&str> {
    let mut passages = Vec::new();
    let mut open: Option<usize> = None;
    for (at, c) in text.char_indices() {
        if !matches!(c, '"' | '\u{201c}' | '\u{201d}') {
            continue;
        }
        match open.take() {
            Some(from) => passages.extend(text.get(from..at)),
            None => open = Some(at + c.len_utf8()),
        }
    }
    passages
}

/// The letters of `text` with their bytes, made alike.
fn folded(text: &str) -> Vec<(char, usize, usize)> {
    let mut letters: Vec<(char, usize, usize)> = Vec::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        if c.is_whitespace() {
            match letters.last_mut() {
                Some((' ', _, before)) => *before = end,
                _ => letters.push((' ', at, end)),
            }
            continue;
        }
        let alike = match c {
            '\u{2018}' | '\u{2019}' => '\'',
            '\u{201c}' | '\u{201d}' => '"',
            '\u{2010}'..='\u{2015}' => '-',
            c => c,
        };
        letters.extend(alike.to_lowercase().map(|c| (c, at, end)));
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_counts_where_it_was_said() {
        let text = "Please go to the\n emergency  department today. It\u{2019}s urgent.";
        let shown = |quote: &str| find(text, quote).map(|(from, to)| &text[from..to]);
        assert_eq!(shown("\"Emergency department\""), Some("emergency  department"));
        assert_eq!(shown("to the emergency"), Some("to the\n emergency"));
        assert_eq!(shown("It's urgent."), Some("It\u{2019}s urgent"));
        assert_eq!(
            (shown("call an ambulance"), shown("go"), shown(""), shown("...")),
            (None, None, None, None)
        );
    }

    #[test]
    fn passages_in_quotation_marks_are_found() {
        assert_eq!(quoted("It says \"go now\" and \u{201c}rest\u{201d}, not \"more"), ["go now", "rest"]);
    }
}
