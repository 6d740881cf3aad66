//! How far a denial reaches within a sentence: `Does not smoke and drinks wine` denies the one and tells the other.

use super::concept::Concepts;
use super::filing::charted;
use super::sentence::finding;
use crate::data::case::Finding;
use crate::data::lexicon::ConceptKind;

/// What a sentence says of the concept `name`, which it may tell in one part and deny others beside it. A name that it tells
/// anywhere is there; one that stands in no part of its own goes by the sentence as a whole.
pub(super) fn finding_of(sentence: &str, name: &str, kinds: &[ConceptKind], concepts: &Concepts) -> Finding {
    const OF_ALL: [&str; 5] =
        ["unremarkable", "not significant", "not remarkable", "noncontributory", "non-contributory"];
    // `Never had such a pain before`: it is there now.
    const EARLIER: [&str; 5] = [" before", " previously", "like this", "in the past", "similar"];
    let anew = |lower: &str| lower.contains("never ") && EARLIER.iter().any(|cue| lower.contains(cue));
    let (whole, lower) = (finding(sentence), sentence.to_lowercase());
    if whole == Finding::Unknown || OF_ALL.iter().any(|cue| lower.contains(cue)) {
        return whole;
    }
    if kinds == [ConceptKind::Symptom] && anew(&lower) {
        return Finding::Present;
    }
    let mut denied = false;
    for part in parts(&charted(sentence)) {
        if concepts.within(&part.text, kinds).contains(&name) {
            if !part.denied {
                return Finding::Present;
            }
            denied = true;
        }
    }
    if denied { Finding::Absent } else { whole }
}

/// Words side by side that are all told, or all denied.
#[derive(Debug, Default, PartialEq, Eq)]
struct Part {
    text: String,
    denied: bool,
}

/// Words that deny what follows them.
const DENIES: [&str; 12] = [
    "no", "not", "never", "denies", "denied", "deny", "denying", "without", "neither", "nor", "negative",
    "absence",
];

/// Words after which nothing is denied any longer.
const TURNS: [&str; 16] = [
    "but",
    "however",
    "although",
    "though",
    "except",
    "besides",
    "because",
    "despite",
    "until",
    "since",
    "due",
    "which",
    "apart",
    "aside",
    "presents",
    "presented",
];

/// Verbs that tell, where they open a part of their own: a denied verb stands in its bare form.
const TELLS: [&str; 34] = [
    "has",
    "had",
    "have",
    "is",
    "was",
    "reports",
    "drinks",
    "smokes",
    "uses",
    "takes",
    "works",
    "lives",
    "consumes",
    "admits",
    "complains",
    "notes",
    "states",
    "exercises",
    "eats",
    "attends",
    "enjoys",
    "presents",
    "describes",
    "endorses",
    "experiences",
    "feels",
    "drank",
    "smoked",
    "quit",
    "occasional",
    "moderate",
    "social",
    "former",
    "retired",
];

/// Words between the beginning of a part and its verb.
const BEFORE_VERB: [&str; 15] = [
    "he",
    "she",
    "they",
    "patient",
    "the",
    "also",
    "currently",
    "occasionally",
    "now",
    "and",
    "only",
    "sometimes",
    "rarely",
    "who",
    "that",
];

/// What does not happen: `not relieved by ibuprofen` denies the relief, and no drug.
const RESPONSES: [&str; 21] = [
    "relieved",
    "relieve",
    "relief",
    "improved",
    "improve",
    "improvement",
    "respond",
    "responded",
    "responding",
    "response",
    "helped",
    "help",
    "resolve",
    "resolved",
    "controlled",
    "alleviated",
    "adherent",
    "only",
    "always",
    "adhering",
    "consistently",
];

/// The parts of a sentence in small letters.
fn parts(sentence: &str) -> Vec<Part> {
    let lower = sentence.to_lowercase().replace('’', "'");
    let words: Vec<&str> = lower.split_whitespace().collect();
    let bare = |at: usize| {
        words.get(at).map_or("", |word| word.trim_matches(|c: char| !c.is_alphanumeric() && c != '\''))
    };
    let mut all: Vec<Part> = Vec::new();
    let mut now = Part::default();
    // `Without` denies less than other words: up to `, and`.
    let mut weak = false;
    // At the beginning of a part, where a verb may tell.
    let mut fresh = true;
    let turn = |now: &mut Part, all: &mut Vec<Part>, denied: bool| {
        let before = std::mem::replace(now, Part { text: String::new(), denied });
        if !before.text.is_empty() {
            all.push(before);
        }
    };
    for (at, word) in words.iter().enumerate() {
        let plain = bare(at);
        let own = plain.strip_prefix("non-").or_else(|| {
            plain.strip_prefix("non").filter(|rest| matches!(*rest, "smoker" | "drinker" | "smoking"))
        });
        if let Some(own) = own {
            // It denies its own word only.
            let denied = now.denied;
            turn(&mut now, &mut all, denied);
            all.push(Part { text: own.to_owned(), denied: true });
        } else {
            let denies = DENIES.contains(&plain) || plain.ends_with("n't");
            // `has not been relieved`.
            let next =
                at + 1 + usize::from(matches!(bare(at + 1), "been" | "much" | "significant" | "fully"));
            let well = bare(next) == "feeling" && bare(next + 1) == "well";
            let response = well || RESPONSES.contains(&bare(next));
            let before = at.checked_sub(1).and_then(|at| words.get(at)).copied().unwrap_or_default();
            let ends = weak && plain == "and" && before.ends_with(',');
            // What has an article is there already: `no drainage from the wound`.
            let known = matches!(plain, "from" | "to" | "before" | "after" | "during" | "by")
                && matches!(bare(at + 1), "the" | "this" | "these" | "his" | "her");
            let other = plain == "than" && before == "other";
            let turns = TURNS.contains(&plain) || other || known || ends;
            if turns || (fresh && now.denied && TELLS.contains(&plain)) {
                turn(&mut now, &mut all, false);
            }
            if denies && !response {
                weak = plain == "without";
                turn(&mut now, &mut all, true);
            }
            if !now.text.is_empty() {
                now.text.push(' ');
            }
            now.text.push_str(word);
        }
        let ends = word.ends_with([',', ';', ':', '.']);
        fresh = ends || matches!(plain, "and" | "or" | "but") || (fresh && BEFORE_VERB.contains(&plain));
        // Another sentence.
        if word.ends_with(';') || (word.ends_with('.') && plain.len() > 2) {
            turn(&mut now, &mut all, false);
        }
    }
    turn(&mut now, &mut all, false);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::lexicon::Lexicon;

    fn of(sentence: &str, name: &str) -> Finding {
        use ConceptKind::{Circumstance, Condition, Substance, Symptom};
        let concepts = Concepts::new(Lexicon::bundled());
        finding_of(sentence, name, &[Circumstance, Condition, Substance, Symptom], &concepts)
    }

    #[test]
    fn a_denial_reaches_its_own_part_of_the_sentence() {
        use Finding::{Absent, Present};
        for (sentence, told) in [
            ("Non-smoker, drinks beer at weekends.", [("smoking", Absent), ("alcohol", Present)]),
            ("Nonsmoker and has wine with meals.", [("smoking", Absent), ("alcohol", Present)]),
            ("Non-smoker, occasional alcohol.", [("smoking", Absent), ("alcohol", Present)]),
            ("He does not smoke and drinks beer on Sundays.", [("smoking", Absent), ("alcohol", Present)]),
            ("She is a non-smoker and does not drink alcohol.", [("smoking", Absent), ("alcohol", Absent)]),
            ("Does not smoke or drink alcohol.", [("smoking", Absent), ("alcohol", Absent)]),
            (
                "A baker with no history of smoking, alcohol, or cocaine.",
                [("smoking", Absent), ("alcohol", Absent)],
            ),
            ("Smokes a pipe, but no alcohol or cocaine.", [("smoking", Present), ("alcohol", Absent)]),
            ("She also has nausea but has not vomited so far.", [("nausea", Present), ("vomiting", Absent)]),
            (
                "Once there, there's no history of cough, fever, or rash.",
                [("cough", Absent), ("rash", Absent)],
            ),
            ("Cough without fever.", [("cough", Present), ("fever", Absent)]),
            ("Denies cough except for a fever at night.", [("cough", Absent), ("fever", Present)]),
            ("Cough not relieved by codeine.", [("cough", Present), ("codeine", Present)]),
            ("Nausea without vomiting, and a dull headache.", [("vomiting", Absent), ("headache", Present)]),
            (
                "He couldn't sleep and that he feels dizzy, with cough.",
                [("dizziness", Present), ("cough", Present)],
            ),
            ("No fever comes from the rash.", [("fever", Absent), ("rash", Present)]),
        ] {
            for (name, finding) in told {
                assert_eq!(of(sentence, name), finding, "{name} in {sentence}");
            }
        }
        assert_eq!(of("Cocaine unknown.", "recreational drug use"), Finding::Unknown);
        // New to the patient is there now.
        let concepts = Concepts::new(Lexicon::bundled());
        let anew = "He has never had a cough like this before, with fever.";
        for name in ["cough", "fever"] {
            assert_eq!(finding_of(anew, name, &[ConceptKind::Symptom], &concepts), Present, "{name}");
        }
    }
}
