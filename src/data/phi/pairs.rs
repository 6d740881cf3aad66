//! A known given name beside a known surname, in whatever case and order: `JOHN SMITH`, `Smith, John`, `john-smith`.
//!
//! One of them alone proves nothing: `GRACE`, `BROWN SPUTUM`, `Thomas splint`. Both together are a person, unless a clinical
//! noun follows (`John Cunningham virus`).

use std::ops::Range;

use super::name_lists::NameLists;
use super::{Hit, PhiClass};

/// A word and what parts it from the one before.
struct Part<'a> {
    text: &'a str,
    /// In lower case, with a plain apostrophe and without a possessive ending.
    lower: String,
    span: Range<usize>,
    gap: Gap,
}

/// What stands between two words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gap {
    Blank,
    /// Between surname and given name: `Smith, John`.
    Comma,
    /// As in ids and file names: `john-smith`, `john_smith`, `john.smith`.
    Tie,
    /// After an initial: `John Q. Smith`.
    Point,
    Other,
}

/// Given names beside surnames.
pub(super) fn scan(text: &str, hits: &mut Vec<Hit>) {
    let lists = NameLists::bundled();
    let parts = parts(text);
    let mut at = 0;
    while at < parts.len() {
        let length = pair(lists, &parts[at..]);
        if let (Some(first), Some(last)) = (parts.get(at), parts.get((at + length).saturating_sub(1)))
            && length > 0
        {
            let span = first.span.start..last.span.end;
            hits.push(Hit { span, class: PhiClass::Name, rule: "given name and surname" });
        }
        at += length.max(1);
    }
}

/// How many words at the beginning of `parts` are a person's name: 0, 2, or 3 with an initial.
fn pair(lists: &NameLists, parts: &[Part<'_>]) -> usize {
    let [first, second, rest @ ..] = parts else { return 0 };
    let clinical = |next: Option<&Part<'_>>| {
        next.is_some_and(|next| {
            matches!(next.gap, Gap::Blank | Gap::Tie) && lists.clinical.contains(&next.lower)
        })
    };
    let eponym = |next: Option<&Part<'_>>| {
        next.is_some_and(|next| {
            next.gap == Gap::Blank || matches!(next.lower.as_str(), "syndrome" | "disease")
        })
    };
    let given = |part: &Part<'_>| lists.given.contains(&part.lower);
    let surname = |part: &Part<'_>| lists.surnames.contains(&part.lower);
    let high = |part: &Part<'_>| part.text.starts_with(char::is_uppercase);
    if given(first) && surname(second) {
        match second.gap {
            // An id in small letters is no eponym: `john-smith-fracture` is John Smith's. A word apart makes it one, and so do
            // the nouns that are named after people most: `steven-johnson-syndrome`, as a presentation is written.
            Gap::Tie
                if !(clinical(rest.first()) && (high(first) && high(second) || eponym(rest.first()))) =>
            {
                return 2;
            }
            Gap::Blank if !clinical(rest.first()) => return 2,
            _ => {}
        }
    }
    if given(first)
        && second.gap == Gap::Blank
        && second.text.chars().count() == 1
        && let [third, rest @ ..] = rest
        && surname(third)
        && matches!(third.gap, Gap::Blank | Gap::Point)
        && !clinical(rest.first())
    {
        return 3;
    }
    if surname(first) && given(second) && !clinical(rest.first()) {
        let capitals = |part: &Part<'_>| part.text.chars().all(|c| !c.is_lowercase());
        let ordered = match second.gap {
            Gap::Comma => high(first) && high(second),
            Gap::Blank => capitals(first) && capitals(second),
            Gap::Tie => true,
            Gap::Point | Gap::Other => false,
        };
        return if ordered { 2 } else { 0 };
    }
    0
}

/// Runs of letters, an apostrophe within them (`O'Brien`).
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    let mut start = None;
    let mut chars = text.char_indices().chain([(text.len(), ' ')]).peekable();
    while let Some((at, c)) = chars.next() {
        let inner = c.is_alphabetic()
            || (matches!(c, '\'' | '’') && chars.peek().is_some_and(|(_, next)| next.is_alphabetic()));
        match start {
            None if c.is_alphabetic() => start = Some(at),
            Some(from) if !inner => {
                let before = parts.last().map_or(0, |part| part.span.end);
                let gap = gap(text.get(before..from).unwrap_or_default());
                let word = text.get(from..at).unwrap_or_default();
                let lower = word.to_lowercase().replace('’', "'");
                let lower = lower.strip_suffix("'s").map(str::to_owned).unwrap_or(lower);
                parts.push(Part { text: word, lower, span: from..at, gap });
                start = None;
            }
            _ => {}
        }
    }
    parts
}

fn gap(between: &str) -> Gap {
    match between {
        " " | "  " => Gap::Blank,
        "," | ", " => Gap::Comma,
        "-" | "_" | "." | "+" => Gap::Tie,
        ". " => Gap::Point,
        _ => Gap::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let mut hits = Vec::new();
        scan(text, &mut hits);
        hits.into_iter().map(|hit| &text[hit.span]).collect()
    }

    #[test]
    fn both_names_together_are_a_person() {
        for (text, name) in [
            ("JOHN SMITH came in", "JOHN SMITH"),
            ("seen: SMITH JOHN, 54", "SMITH JOHN"),
            ("Smith, John", "Smith, John"),
            ("wife of john smith", "john smith"),
            ("john-smith", "john-smith"),
            ("case_smith_john_3", "smith_john"),
            ("john-smith-fracture", "john-smith"),
            ("maria.garcia", "maria.garcia"),
            ("JOHN Q. PATEL", "JOHN Q. PATEL"),
            ("MARY O’BRIEN’S cough", "MARY O’BRIEN’S"),
        ] {
            assert_eq!(found(text), [name], "{text}");
        }
    }

    #[test]
    fn one_name_or_an_eponym_is_nobody() {
        for text in [
            "MAY BE GIVEN",
            "GRACE score 120",
            "BROWN SPUTUM, WHITE CELLS, GREEN STOOL",
            "JOHN CUNNINGHAM VIRUS",
            "Paterson-Brown-Kelly syndrome",
            "Machado-Joseph disease",
            "Steven-Johnson syndrome",
            "steven-johnson syndrome",
            "steven-johnson-syndrome",
            "THOMAS SPLINT, KELLY CLAMP, JONES CRITERIA",
            "James. Smith",
            "an adam; brown urine",
            "john\nsmith",
        ] {
            assert_eq!(found(text), [] as [&str; 0], "{text}");
        }
    }
}
