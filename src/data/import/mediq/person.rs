//! The person and the visit: what the stratum and the opening hold, and no fact tells again.

use crate::data::import::filing::first;

/// Nouns for a patient.
const PERSONS: [&str; 24] = [
    "man",
    "woman",
    "boy",
    "girl",
    "male",
    "female",
    "infant",
    "newborn",
    "child",
    "patient",
    "student",
    "toddler",
    "primigravida",
    "primigravid",
    "nulligravida",
    "multigravida",
    "gravida",
    "adolescent",
    "athlete",
    "neonate",
    "baby",
    "lady",
    "gentleman",
    "primiparous",
];

/// Words for where somebody's forebears come from.
const ANCESTRY: [&str; 16] = [
    "caucasian",
    "african",
    "american",
    "african-american",
    "hispanic",
    "latino",
    "latina",
    "asian",
    "indian",
    "european",
    "jewish",
    "ashkenazi",
    "japanese",
    "chinese",
    "black",
    "white",
];

fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

/// What a sentence says the patient is: the words after `Patient is`, at most four, without an article.
fn predicate(text: &str) -> Option<Vec<String>> {
    let words: Vec<String> = text.split_whitespace().map(bare).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let rest = match words.as_slice() {
        ["the", "patient", "is" | "was", rest @ ..] | ["patient" | "he" | "she", "is" | "was", rest @ ..] => {
            rest
        }
        _ => return None,
    };
    let rest: Vec<String> =
        rest.iter().filter(|word| !matches!(**word, "a" | "an")).map(|word| (*word).to_owned()).collect();
    (1..=4).contains(&rest.len()).then_some(rest)
}

/// Whether it tells the sex and no more: `Patient is male.`
pub(super) fn is_sex(text: &str) -> bool {
    const MORE: [&str; 2] = ["student", "athlete"];
    let sex = |word: &String| {
        let word = word.as_str();
        PERSONS.contains(&word)
            && !MORE.contains(&word)
            && !word.contains("gravid")
            && !word.contains("parous")
    };
    predicate(text).is_some_and(|rest| rest.iter().all(sex))
}

/// Whether it tells the ancestry and no more: `Patient is Hispanic.`
pub(super) fn is_ancestry(text: &str) -> bool {
    let known = |word: &String| ANCESTRY.contains(&word.as_str()) || PERSONS.contains(&word.as_str());
    predicate(text).is_some_and(|rest| rest.iter().all(known)) && !is_sex(text)
}

/// Whether it tells what somebody is or who came along, which is nothing to complain of.
pub(super) fn is_state(text: &str) -> bool {
    predicate(text).is_some() || first(&text.to_lowercase(), &["accompanied by"]).is_some()
}

/// The words of a fact with the patient as its subject: `A 34-year-old woman presents with pain.` is `Patient presents with
/// pain.` Where no verb follows the person, the words stay as they are. `None` where only age, sex or the visit are left.
pub(super) fn about_patient(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let aged = words.iter().take(8).position(|word| {
        let lower = bare(word);
        lower.ends_with("-old") || lower == "old" || lower == "newborn"
    });
    // `His 6-year-old son` is somebody else.
    let other = |word: &&str| matches!(bare(word).as_str(), "his" | "her" | "their");
    let aged = aged.filter(|at| !words.iter().take(*at).any(other));
    let Some(aged) = aged else {
        return (!is_visit(&text.to_lowercase())).then(|| text.trim().to_owned());
    };
    let person = words.iter().skip(aged).take(7).position(|word| PERSONS.contains(&bare(word).as_str()));
    let person = person.map_or(aged, |at| aged + at);
    let mut rest = words.get(person + 1..).unwrap_or_default();
    // `gravida 2, para 1, woman`
    let mut counting = words.get(person).is_some_and(|word| bare(word) == "gravida");
    while let Some((word, after)) = rest.split_first() {
        let word = bare(word);
        counting |= matches!(word.as_str(), "gravida" | "para");
        let counts = counting && (word == "para" || word.starts_with(|c: char| c.is_ascii_digit()));
        if !(counts || word.is_empty() || PERSONS.contains(&word.as_str())) {
            break;
        }
        rest = after;
    }
    let rest = match rest {
        ["who", rest @ ..] => rest.join(" "),
        ["with", rest @ ..] => format!("has {}", rest.join(" ")),
        rest => rest.join(" "),
    };
    // `man, college student`
    let still = rest.split(' ').count() <= 3
        && rest.split(' ').next_back().is_some_and(|last| PERSONS.contains(&bare(last).as_str()));
    if !rest.chars().any(char::is_alphanumeric) || still || is_visit(&rest.to_lowercase()) {
        return None;
    }
    // A noun there would be taken for a verb.
    let verb = rest.split_whitespace().map(bare).find(|word| !word.ends_with("ly"));
    if verb.is_some_and(|word| is_noun(&word)) {
        return Some(text.trim().to_owned());
    }
    Some(format!("Patient {}", rest.trim_start_matches([',', ' '])))
}

/// Whether a word behind a person is none that a verb's place has.
fn is_noun(word: &str) -> bool {
    const AUXILIARIES: [&str; 29] = [
        "is",
        "was",
        "has",
        "had",
        "does",
        "did",
        "came",
        "went",
        "fell",
        "felt",
        "got",
        "took",
        "lost",
        "began",
        "woke",
        "underwent",
        "can",
        "cannot",
        "will",
        "being",
        "became",
        "told",
        "saw",
        "ran",
        "hit",
        "met",
        "found",
        "left",
        "slept",
    ];
    let verbal = ["s", "ed", "ing"].iter().any(|end| word.ends_with(end));
    !verbal && !AUXILIARIES.contains(&word) && !PREPOSITIONS.contains(&word)
}

/// Words that go on with the person: `woman at 30 weeks' gestation`, `man in no distress`.
const PREPOSITIONS: [&str; 14] = [
    "at",
    "in",
    "on",
    "from",
    "without",
    "after",
    "since",
    "for",
    "of",
    "and",
    "presented",
    "complaining",
    "brought",
    "to",
];

/// Whether it says that somebody came for an appointment, and no complaint.
pub(super) fn is_appointment(lower: &str) -> bool {
    const FOR: &[&str] = &[
        "for a routine",
        "for routine",
        "for a follow",
        "for follow",
        "for a check",
        "for an annual",
        "for her annual",
        "for his annual",
        "for a physical",
        "for a well",
        "for a health",
        "for evaluation",
        "for an evaluation",
        "for further evaluation",
        "for an appointment",
        "for an examination",
        "for a prenatal",
        "for counsel",
        "for advice",
    ];
    first(lower, COMES).is_some() && first(lower, FOR).is_some() && first(lower, COMPLAINTS).is_none()
}

/// Words after which a complaint stands.
const COMPLAINTS: &[&str] =
    &["because", "with ", "due", "complain", "after", "since", "worr", "concern", "evaluation of"];

const COMES: &[&str] = &[
    "comes to",
    "comes in",
    "presents to",
    "presented to",
    "presents for",
    "is brought",
    "brought to",
    "brought in",
    "is admitted",
    "visits",
    "is seen",
    "is evaluated",
    "is hospitalized",
    "is being evaluated",
    "makes an appointment",
    "arrives",
    "presents.",
];

/// Whether it says that somebody came or was brought, and not why.
fn is_visit(lower: &str) -> bool {
    const WHY: &[&str] = &[
        "because",
        "for",
        "with",
        "due",
        "complain",
        "after",
        "following",
        "since",
        "has",
        "had",
        "concern",
        "worr",
        "seeking",
        "unable",
        "report",
    ];
    first(lower, COMES).is_some() && first(lower, WHY).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_person_is_the_subject_where_a_verb_follows() {
        for (text, wanted) in [
            ("A 34-year-old woman presents with vomiting.", "Patient presents with vomiting."),
            (
                "A 29-year-old gravida 2, para 1, woman goes for a walk each day.",
                "Patient goes for a walk each day.",
            ),
            ("A 29-year-old primigravida woman suddenly feels faint.", "Patient suddenly feels faint."),
            ("A 19-year-old college student.", "None"),
            ("A 19-year-old male college student.", "None"),
            (
                "A 51-year-old man 3 days after a fall feels faint.",
                "A 51-year-old man 3 days after a fall feels faint.",
            ),
            ("A 44-year-old man baker by trade.", "A 44-year-old man baker by trade."),
        ] {
            assert_eq!(about_patient(text).as_deref().unwrap_or("None"), wanted);
        }
    }

    #[test]
    fn what_somebody_is_is_told_from_what_ails() {
        assert!(is_sex("Patient is male.") && is_sex("She is a woman.") && !is_sex("Patient is ill."));
        assert!(!is_sex("Patient is a student."));
        assert!(is_ancestry("Patient is Hispanic.") && !is_ancestry("Patient is female."));
        assert!(is_state("Patient is a vegan.") && is_state("He is accompanied by a neighbour."));
        assert!(!is_state("Patient has a cough."));
    }
}
