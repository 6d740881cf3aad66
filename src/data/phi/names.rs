//! Names of people and towns in free text: a title, a word of kinship or a given name, then a capitalised word.
//!
//! Medicine is full of names that are nobody's: Crohn, Parkinson, Graves, Hodgkin. A capitalised run that a clinical
//! noun follows (`Crohn disease`, `Marcus Gunn pupil`) is taken for one of these.

use std::ops::Range;

use super::geography::is_wide;
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

const TITLES: [&str; 17] = [
    "Mr",
    "Mrs",
    "Ms",
    "Miss",
    "Mx",
    "Dr",
    "Doctor",
    "Prof",
    "Professor",
    "Nurse",
    "Sir",
    "Rev",
    "Reverend",
    "Pastor",
    "Judge",
    "Officer",
    "Captain",
];

/// Words after which a capitalised word is a person's name.
const LEADS: [&str; 34] = [
    "patient",
    "named",
    "called",
    "husband",
    "wife",
    "spouse",
    "partner",
    "mother",
    "father",
    "brother",
    "sister",
    "daughter",
    "son",
    "uncle",
    "aunt",
    "cousin",
    "friend",
    "grandmother",
    "grandfather",
    "mom",
    "dad",
    "mum",
    "grandson",
    "granddaughter",
    "fiancé",
    "boyfriend",
    "girlfriend",
    "colleague",
    "neighbor",
    "neighbour",
    "guardian",
    "caregiver",
    "carer",
    "roommate",
];

/// Pairs after which a capitalised word is a person's name.
const LEADING_PAIRS: [(&str, &str); 13] = [
    ("name", "is"),
    ("name", "was"),
    ("known", "as"),
    ("seen", "by"),
    ("signed", "by"),
    ("referred", "by"),
    ("dictated", "by"),
    ("reviewed", "by"),
    ("accompanied", "by"),
    ("discussed", "with"),
    ("spoke", "with"),
    ("care", "of"),
    ("followed", "by"),
];

/// Words that a place's name follows.
const PLACE_VERBS: [&str; 16] = [
    "lives",
    "living",
    "live",
    "resides",
    "residing",
    "resident",
    "born",
    "raised",
    "moved",
    "relocated",
    "hometown",
    "native",
    "grew",
    "transferred",
    "visited",
    "traveled",
];

/// Frequent given names, to tell `John Smith` from `Blood Pressure`. Those that are ordinary words are left out.
const GIVEN: [&str; 118] = [
    "Aaron",
    "Abigail",
    "Adam",
    "Ahmed",
    "Alan",
    "Albert",
    "Alexander",
    "Alice",
    "Amanda",
    "Amy",
    "Andrea",
    "Andrew",
    "Angela",
    "Ann",
    "Anna",
    "Anne",
    "Anthony",
    "Arthur",
    "Ashley",
    "Barbara",
    "Benjamin",
    "Betty",
    "Brandon",
    "Brenda",
    "Brian",
    "Carlos",
    "Carol",
    "Caroline",
    "Catherine",
    "Charles",
    "Christina",
    "Christopher",
    "Cynthia",
    "Daniel",
    "David",
    "Deborah",
    "Dennis",
    "Diane",
    "Donald",
    "Donna",
    "Dorothy",
    "Edward",
    "Elizabeth",
    "Emily",
    "Emma",
    "Eric",
    "Eugene",
    "Fatima",
    "Frances",
    "Gary",
    "George",
    "Gerald",
    "Gregory",
    "Harold",
    "Heather",
    "Helen",
    "Henry",
    "Jacob",
    "James",
    "Janet",
    "Jason",
    "Jean",
    "Jeffrey",
    "Jennifer",
    "Jessica",
    "John",
    "Jonathan",
    "Jose",
    "Joseph",
    "Joshua",
    "Joyce",
    "Juan",
    "Judith",
    "Julia",
    "Julie",
    "Karen",
    "Katherine",
    "Kathleen",
    "Keith",
    "Kelly",
    "Kenneth",
    "Kevin",
    "Kimberly",
    "Larry",
    "Laura",
    "Lauren",
    "Linda",
    "Lisa",
    "Margaret",
    "Maria",
    "Marie",
    "Martha",
    "Mary",
    "Matthew",
    "Megan",
    "Melissa",
    "Michael",
    "Michelle",
    "Mohammed",
    "Nancy",
    "Nathan",
    "Nicholas",
    "Nicole",
    "Olivia",
    "Pamela",
    "Patricia",
    "Patrick",
    "Paul",
    "Peter",
    "Rachel",
    "Rebecca",
    "Richard",
    "Robert",
    "Ronald",
    "Sarah",
    "Susan",
    "Thomas",
    "William",
];

/// Nouns that make a capitalised run before them the name of a disease, a sign or a tool.
const CLINICAL: [&str; 70] = [
    "disease",
    "syndrome",
    "sign",
    "signs",
    "test",
    "tests",
    "tumor",
    "tumour",
    "phenomenon",
    "disorder",
    "lymphoma",
    "sarcoma",
    "carcinoma",
    "nodule",
    "nodules",
    "murmur",
    "pupil",
    "reflex",
    "maneuver",
    "manoeuvre",
    "palsy",
    "contracture",
    "hernia",
    "fracture",
    "body",
    "bodies",
    "cell",
    "cells",
    "criteria",
    "classification",
    "scale",
    "score",
    "index",
    "stain",
    "smear",
    "law",
    "point",
    "triad",
    "pentad",
    "anemia",
    "anaemia",
    "ataxia",
    "chorea",
    "thyroiditis",
    "esophagus",
    "oesophagus",
    "diverticulum",
    "gland",
    "glands",
    "angina",
    "virus",
    "procedure",
    "operation",
    "tube",
    "catheter",
    "valve",
    "position",
    "formula",
    "dementia",
    "encephalopathy",
    "neuropathy",
    "paralysis",
    "dystrophy",
    "purpura",
    "ulcer",
    "cyst",
    "duct",
    "method",
    "rule",
    "stage",
];

/// Capitalised words after a lead that are no names: languages, religions, drugs' and tests' short names come in
/// capitals throughout and are told by that.
const NO_NAMES: [&str; 54] = [
    "I",
    "The",
    "A",
    "An",
    "He",
    "She",
    "His",
    "Her",
    "It",
    "They",
    "We",
    "You",
    "My",
    "This",
    "That",
    "There",
    "No",
    "Not",
    "Denies",
    "Reports",
    "Has",
    "Had",
    "Is",
    "Was",
    "Presents",
    "Demographics",
    "History",
    "Actor",
    "Medical",
    "Health",
    "Education",
    "Safety",
    "Care",
    "Questionnaire",
    "Group",
    "Practitioner",
    "Hispanic",
    "Caucasian",
    "African",
    "American",
    "Asian",
    "English",
    "Spanish",
    "French",
    "Chinese",
    "German",
    "Catholic",
    "Jewish",
    "Muslim",
    "Christian",
    "Normal",
    "None",
    "Current",
    "Positive",
];

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
    let word = &words[at];
    if TITLES.contains(&word.text) {
        return report(words, at + 1, 3, "after a title", PhiClass::Name, hits, |run| {
            !run.starts_with("Mary Joseph")
        });
    }
    let lower = word.text.to_lowercase();
    let lower = lower.trim_end_matches("'s");
    if LEADS.contains(&lower) && lower == word.text.to_lowercase() {
        return report(words, at + 1, 3, "after a word for a person", PhiClass::Name, hits, |_| true);
    }
    let next = words.get(at + 1).map(|next| next.text.to_lowercase());
    if let Some(next) = &next {
        if LEADING_PAIRS.contains(&(lower, next.as_str())) {
            return report(words, at + 2, 3, "after words for a person", PhiClass::Name, hits, |_| true);
        }
        let preposition = matches!(next.as_str(), "in" | "at" | "of" | "near" | "from" | "to" | "is" | "up");
        if PLACE_VERBS.contains(&lower) && preposition {
            let from = at + 2 + usize::from(next == "up");
            return report(words, from, 3, "where somebody lives or was", PhiClass::Geography, hits, |run| {
                !is_wide(run)
            });
        }
    }
    if GIVEN.contains(&word.text) && words.get(at + 1).is_some_and(|next| next.joined && is_name(next.text)) {
        return report(words, at, 3, "given name and surname", PhiClass::Name, hits, |_| true);
    }
    at + 1
}

/// Reports the run of at most `most` capitalised words from `from` on, unless it is an eponym or `accept` says no.
fn report(
    words: &[Word<'_>],
    from: usize,
    most: usize,
    rule: &'static str,
    class: PhiClass,
    hits: &mut Vec<Hit>,
    accept: impl Fn(&str) -> bool,
) -> usize {
    let run = words.iter().skip(from).take(most).enumerate();
    let run: Vec<&Word<'_>> = run
        .take_while(|(i, w)| is_name(w.text) && w.joined | (*i == 0 && !w.opens))
        .map(|(_, w)| w)
        .collect();
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return from };
    let follows = words.get(from + run.len()).map(|word| word.text.to_lowercase()).unwrap_or_default();
    let name = run.iter().map(|word| word.text).collect::<Vec<_>>().join(" ");
    if !CLINICAL.contains(&follows.as_str()) && accept(&name) {
        hits.push(Hit { span: first.span.start..last.span.end, class, rule });
    }
    from + run.len()
}

/// A capital followed by small letters: `Smith`, `O'Neil`, `Álvarez`, not `MRI` nor `The`.
fn is_name(word: &str) -> bool {
    let mut chars = word.chars();
    let capital = chars.next().is_some_and(char::is_uppercase);
    let stem = word.trim_end_matches("'s").trim_end_matches("’s");
    capital && chars.any(char::is_lowercase) && !NO_NAMES.contains(&stem) && stem.chars().count() > 1
}

/// The words of a text: letters with inner apostrophes and hyphens.
fn words(text: &str) -> Vec<Word<'_>> {
    let mut words: Vec<Word<'_>> = Vec::new();
    let mut start = None;
    let inner = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '’' | '-');
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (start, inner(c)) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                let before = words.last().map_or(0, |word| word.span.end);
                let gap = text.get(before..from).unwrap_or_default();
                let after_title =
                    words.last().is_some_and(|word| TITLES.contains(&word.text) || word.text.len() == 1);
                let joined = !words.is_empty()
                    && gap.chars().all(|c| c == ' ' || c == '\u{a0}' || (c == '.' && after_title));
                let opens = words.is_empty() || (gap.contains(['.', '!', '?', '\n', ';']) && !after_title);
                if let Some(text) = text.get(from..at) {
                    words.push(Word { text, span: from..at, joined, opens });
                }
                start = None;
            }
            _ => {}
        }
    }
    words
}
