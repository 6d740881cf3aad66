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
    /// Whether only blanks (or `.` after a title or an initial) lie between it and the word before.
    joined: bool,
    /// Whether a point follows it.
    pointed: bool,
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
    // `mr t spine` is magnetic resonance.
    let after_title = Lead { parts: word.text != "mr", ..Lead::person(at + 1, "after a title") };
    if let Some(next) = words.get(at + 1)
        && next.joined
        && (!is_title(word.text) || after_title.name(words).is_empty())
        && is_titled(word.text, next.text)
    {
        hits.push(Hit { span: next.span.clone(), class: PhiClass::Name, rule: "after a title" });
        return at + 2;
    }
    if is_title(word.text) {
        return report(words, after_title, hits, |run| !run.starts_with("Mary Joseph"));
    }
    let lower = word.text.to_lowercase();
    let lower = lower.trim_end_matches("'s");
    if lists.leads.contains(lower) && lower == word.text.to_lowercase() {
        return report(words, Lead::person(at + 1, "after a word for a person"), hits, |_| true);
    }
    if lower == "signed" {
        let lead = Lead { parts: true, ..Lead::person(at + 1, "after `signed`") };
        let known = |word: &str| lists.given.contains(word) || lists.surnames.contains(word);
        // What is signed may have a capital as well: `signed Consent`.
        if lead.name(words).iter().any(|word| is_initial(word.text) || known(&word.text.to_lowercase())) {
            return report(words, lead, hits, |_| true);
        }
    }
    if let Some(surname) = initialled(words, at) {
        let span = word.span.start..words[surname].span.end;
        hits.push(Hit { span, class: PhiClass::Name, rule: "initials and surname" });
        return surname + 1;
    }
    let next = words.get(at + 1).map(|next| next.text.to_lowercase());
    if let Some(next) = &next {
        if lists.lead(lower, next) {
            // `followed by E. Coli`, `known as von Recklinghausen`.
            let parts = !matches!(lower, "followed" | "known");
            let lead = Lead { parts, ..Lead::person(at + 2, "after words for a person") };
            return report(words, lead, hits, |_| true);
        }
        let preposition =
            |word: &str| matches!(word, "in" | "at" | "of" | "near" | "from" | "to" | "is" | "up");
        // `grew up in`, `moved here from`.
        let filled = matches!(next.as_str(), "up" | "here" | "there" | "back" | "over" | "away");
        let goes_on = words.get(at + 2).is_some_and(|word| preposition(&word.text.to_lowercase()));
        if lists.place_verbs.contains(lower) && (preposition(next) || (filled && goes_on)) {
            let from = at + 2 + usize::from(filled);
            let lead =
                Lead { class: PhiClass::Geography, ..Lead::person(from, "where somebody lives or was") };
            return report(words, lead, hits, |run| !is_wide(run));
        }
    }
    if is_name(word.text)
        && lists.given.contains(lower)
        && words.get(at + 1).is_some_and(|next| next.joined && is_name(next.text))
    {
        let lead = Lead { free: true, ..Lead::person(at, "given name and surname") };
        return report(words, lead, hits, |_| true);
    }
    at + 1
}

/// The surname after the initials that begin at word `at`: `J. Smith`, `A. B. Jones`. After one initial a surname that is a
/// word like another is none: `A. Brown sputum`.
fn initialled(words: &[Word<'_>], at: usize) -> Option<usize> {
    let lists = NameLists::bundled();
    let joined = |word: &&Word<'_>| word.joined;
    let initials =
        1 + words.get(at + 1..)?.iter().take_while(|word| word.joined && is_initial(word.text)).count();
    let written = words.get(at..at + initials)?.iter().all(|word| is_initial(word.text) && word.pointed);
    let surname = words.get(at + initials).filter(joined)?;
    let lower = surname.text.to_lowercase();
    let bare = lower.trim_end_matches("'s").trim_end_matches("’s");
    let known = is_name(surname.text) && lists.surnames.contains(bare);
    let plain = initials == 1 && lists.ordinary.contains(bare);
    let next = words.get(at + initials + 1).map(|next| next.text.to_lowercase());
    let eponym = next.is_some_and(|next| lists.clinical.contains(&next));
    (written && initials <= 3 && known && !plain && !eponym).then_some(at + initials)
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
    let bare = lower.trim_end_matches("'s").trim_end_matches("’s");
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
        && (lists.surnames.contains(bare) || (is_name(name) && lists.given.contains(bare)))
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
    /// Whether initials and particles may belong to it.
    parts: bool,
}

impl Lead {
    /// To a person's capitalised name from word `from` on.
    fn person(from: usize, rule: &'static str) -> Self {
        Self { from, rule, class: PhiClass::Name, free: false, parts: false }
    }

    /// The run of at most three capitalised words that it leads to, with the initials and particles before them.
    fn name<'w, 't>(&self, words: &'w [Word<'t>]) -> &'w [Word<'t>] {
        let rest = words.get(self.from..).unwrap_or_default();
        let (mut length, mut whole, mut names) = (0, 0, 0);
        for word in rest {
            if names == 3 || !(word.joined || (length == 0 && (self.free || !word.opens))) {
                break;
            }
            let initial = is_initial(word.text) && (word.pointed || (word.joined && whole == 0));
            let particle = word.joined && NameLists::bundled().particles.contains(word.text);
            length += 1;
            if is_name(word.text) {
                names += 1;
                // Initials and particles are a name's only where one follows.
                whole = length;
            } else if !(self.parts && (initial || particle)) {
                break;
            }
        }
        rest.get(..whole).unwrap_or_default()
    }
}

/// Reports the name that `lead` leads to, unless it is an eponym or `accept` says no; returns where to go on.
fn report(words: &[Word<'_>], lead: Lead, hits: &mut Vec<Hit>, accept: impl Fn(&str) -> bool) -> usize {
    let run = lead.name(words);
    let Lead { from, rule, class, .. } = lead;
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return from };
    let follows = words.get(from + run.len()).map(|word| word.text.to_lowercase()).unwrap_or_default();
    let name = run.iter().map(|word| word.text).collect::<Vec<_>>().join(" ");
    if !NameLists::bundled().clinical.contains(&follows) && accept(&name) {
        hits.push(Hit { span: first.span.start..last.span.end, class, rule });
    }
    from + run.len()
}

/// One capital: `J` of `J. Smith`.
fn is_initial(word: &str) -> bool {
    let mut chars = word.chars();
    chars.next().is_some_and(char::is_uppercase) && chars.next().is_none()
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
                let after_title = words
                    .last()
                    .is_some_and(|word| is_any_title(word.text) || word.text.chars().count() == 1);
                // `H.-J. Weber`.
                let tied = gap == ".-" && after_title;
                let joined =
                    tied || (!words.is_empty() && gap.chars().all(|c| c == ' ' || (c == '.' && after_title)));
                // `Father - Alive` is an entry and its value.
                let opens = words.is_empty()
                    || (gap.contains('-') && !tied)
                    || (gap.contains(['.', '!', '?', '\n', ';']) && !after_title);
                let text = text.get(from..at).unwrap_or_default().trim_end_matches(['\'', '’', '-']);
                words.push(Word { text, span: from..from + text.len(), joined, pointed: c == '.', opens });
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
