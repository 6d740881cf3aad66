//! Names of people and towns in free text: a title, a word of kinship or a given name, then a capitalised word.
//!
//! Medicine is full of names that are nobody's: Crohn, Parkinson, Graves, Hodgkin. A capitalised run that a clinical
//! noun follows (`Crohn disease`, `Marcus Gunn pupil`) is taken for one of these.

use std::ops::Range;

use super::geography::is_wide;
use super::name_lists::NameLists;
use super::{Hit, PhiClass};

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word<'a> {
    text: &'a str,
    span: Range<usize>,
    /// Whether only blanks (or `.` after a title) lie between it and the word before.
    joined: bool,
    /// Whether it opens a sentence or a field.
    opens: bool,
}

/// Names of people and places.
pub(super) fn scan(text: &str, hits: &mut Vec<Hit>) {
    let words = words(text);
    let mut at = 0;
    while at < words.len() {
        at = hit_at(&words, at, hits).max(at + 1);
    }
}

/// Looks whether a name follows word `at`; returns where to go on.
fn hit_at(words: &[Word<'_>], at: usize, hits: &mut Vec<Hit>) -> usize {
    let lists = NameLists::bundled();
    let word = &words[at];
    if let Some(next) = words.get(at + 1)
        && next.joined
        && !(is_title(word.text) && is_name(next.text))
        && is_titled(word.text, next.text)
    {
        hits.push(Hit { span: next.span.clone(), class: PhiClass::Name, rule: "after a title" });
        return at + 2;
    }
    if is_title(word.text) {
        let lead = Lead { from: at + 1, rule: "after a title", class: PhiClass::Name, free: false };
        return report(words, lead, hits, |run| !run.starts_with("Mary Joseph"));
    }
    let lower = word.text.to_lowercase();
    let lower = lower.trim_end_matches("'s");
    if lists.leads.contains(lower) && lower == word.text.to_lowercase() {
        let lead =
            Lead { from: at + 1, rule: "after a word for a person", class: PhiClass::Name, free: false };
        return report(words, lead, hits, |_| true);
    }
    let next = words.get(at + 1).map(|next| next.text.to_lowercase());
    if let Some(next) = &next {
        if lists.lead(lower, next) {
            let lead =
                Lead { from: at + 2, rule: "after words for a person", class: PhiClass::Name, free: false };
            return report(words, lead, hits, |_| true);
        }
        let preposition = matches!(next.as_str(), "in" | "at" | "of" | "near" | "from" | "to" | "is" | "up");
        if lists.place_verbs.contains(lower) && preposition {
            let from = at + 2 + usize::from(next == "up");
            let lead =
                Lead { from, rule: "where somebody lives or was", class: PhiClass::Geography, free: false };
            return report(words, lead, hits, |run| !is_wide(run));
        }
    }
    if is_name(word.text)
        && lists.given.contains(lower)
        && words.get(at + 1).is_some_and(|next| next.joined && is_name(next.text))
    {
        let lead = Lead { from: at, rule: "given name and surname", class: PhiClass::Name, free: true };
        return report(words, lead, hits, |_| true);
    }
    at + 1
}

/// A title as it is written, or a short one in small or large letters.
fn is_title(word: &str) -> bool {
    is_short_title(word) || (is_name(word) && NameLists::bundled().titles.contains(&word.to_lowercase()))
}

/// A title in small or large letters, after which a name need not be written as one either: `dr smith`, `DR SMITH`.
/// `MR` is magnetic resonance as well.
fn is_short_title(word: &str) -> bool {
    matches!(word, "mr" | "mrs" | "MRS" | "dr" | "DR")
}

/// Whether `name` is one after `title`, though one of both is not written as usual.
fn is_titled(title: &str, name: &str) -> bool {
    let lists = NameLists::bundled();
    let lower = name.to_lowercase();
    let letters = name.chars().count();
    if !name.chars().all(|c| c.is_alphabetic() || matches!(c, '\'' | '’' | '-')) || letters < 3 {
        return false;
    }
    let short = is_short_title(title)
        && name.chars().all(char::is_alphabetic)
        && !lists.after_a_title.contains(&lower);
    // `Mr OKONKWO`; shorter words in capitals are wards and machines.
    let loud = matches!(title, "Mr" | "Mrs" | "Ms" | "Miss" | "Dr" | "Prof")
        && letters > 3
        && name.chars().all(|c| !c.is_lowercase());
    // `MR SMITH`: magnetic resonance and multiple sclerosis have no surname, unless it is a word like another.
    let known = lists.titles.contains(&title.to_lowercase())
        && lists.surnames.contains(lower.trim_end_matches("'s").trim_end_matches("’s"))
        && !lists.ordinary.contains(&lower);
    short || loud || known
}

/// Where a name is looked for.
struct Lead {
    /// The first word of the name.
    from: usize,
    rule: &'static str,
    class: PhiClass,
    /// Whether the name may open a sentence.
    free: bool,
}

/// Reports the run of at most three capitalised words that `lead` leads to, unless it is an eponym or `accept` says no;
/// returns where to go on.
fn report(words: &[Word<'_>], lead: Lead, hits: &mut Vec<Hit>, accept: impl Fn(&str) -> bool) -> usize {
    let Lead { from, rule, class, free } = lead;
    let run = words.iter().skip(from).take(3).enumerate();
    let run: Vec<&Word<'_>> = run
        .take_while(|(i, w)| is_name(w.text) && (w.joined || (*i == 0 && (free || !w.opens))))
        .map(|(_, w)| w)
        .collect();
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return from };
    let follows = words.get(from + run.len()).map(|word| word.text.to_lowercase()).unwrap_or_default();
    let name = run.iter().map(|word| word.text).collect::<Vec<_>>().join(" ");
    if !NameLists::bundled().clinical.contains(&follows) && accept(&name) {
        hits.push(Hit { span: first.span.start..last.span.end, class, rule });
    }
    from + run.len()
}

/// A capital followed by small letters: `Smith`, `O'Neil`, `Álvarez`, not `MRI` nor `The`.
fn is_name(word: &str) -> bool {
    let mut chars = word.chars();
    let capital = chars.next().is_some_and(char::is_uppercase);
    let stem = word.trim_end_matches("'s").trim_end_matches("’s");
    capital
        && chars.any(char::is_lowercase)
        && !NameLists::bundled().no_names.contains(stem)
        && stem.chars().count() > 1
}

/// The words of a text: letters and digits with inner apostrophes and hyphens.
fn words(text: &str) -> Vec<Word<'_>> {
    let mut words: Vec<Word<'_>> = Vec::new();
    let mut start = None;
    let inner = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '’' | '-');
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match start {
            None if c.is_alphanumeric() => start = Some(at),
            Some(from) if !inner(c) => {
                let before = words.last().map_or(0, |word| word.span.end);
                let gap = text.get(before..from).unwrap_or_default();
                let after_title =
                    words.last().is_some_and(|word| is_any_title(word.text) || word.text.len() == 1);
                let joined = !words.is_empty() && gap.chars().all(|c| c == ' ' || (c == '.' && after_title));
                // `Father - Alive` is an entry and its value.
                let opens = words.is_empty()
                    || gap.contains('-')
                    || (gap.contains(['.', '!', '?', '\n', ';']) && !after_title);
                let text = text.get(from..at).unwrap_or_default().trim_end_matches(['\'', '’', '-']);
                words.push(Word { text, span: from..from + text.len(), joined, opens });
                start = None;
            }
            _ => {}
        }
    }
    words
}

/// A title in whatever case, which a point may follow: `MR. SMITH`.
fn is_any_title(word: &str) -> bool {
    NameLists::bundled().titles.contains(&word.to_lowercase())
}
