//! From the chart's third person to the patient's own words.

use super::third_person::{is_action, is_adverb, is_broken, is_happening, is_somebody, is_verb};
use crate::data::case::Sex;

/// Rewrites a chart sentence as the patient would say it: `The patient denies fever` becomes `I don't have fever`,
/// `She notes that her pain` becomes `I notice that my pain`. Pronouns of the other sex than `sex` are somebody else's. A
/// sentence that the rules would break stays as the chart has it.
pub fn first_person(text: &str, sex: Sex) -> String {
    let turned = turned(text, sex);
    if is_broken(&turned) { finish(text) } else { turned }
}

fn turned(text: &str, sex: Sex) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut out: Vec<String> = Vec::with_capacity(words.len());
    let mut at = 0;
    // What the sentence says is said of `I`.
    let mut mine = false;
    while let Some(&word) = words.get(at) {
        let (plain, tail) = bare(word);
        let lower = plain.to_lowercase();
        let next = words.get(at + 1).map(|w| bare(w).0.to_lowercase()).unwrap_or_default();
        // `Works as a cook`: the chart leaves the patient out.
        if at == 0 && STARTS.contains(&lower.as_str()) {
            out.push("I".to_owned());
            at += verb(&words, at, &mut out);
            mine = true;
            continue;
        }
        // `I have asthma and uses an inhaler`: the second verb has no subject of its own. Nor has one behind an adverb.
        let joined = out.last().is_some_and(|before| matches!(before.as_str(), "and" | "or" | "but"));
        let second = |word: &str| STARTS.contains(&word) || is_verb(word);
        let behind = is_adverb(&lower) && second(&next);
        if mine && joined && lower != "denies" && (second(&lower) || behind) {
            at += verb(&words, at, &mut out);
            continue;
        }
        // `.. but denies having fever`.
        if lower == "denies" {
            at += denies(&next, &mut out);
            continue;
        }
        let subject = if lower == "the" && next == "patient" {
            2
        } else {
            usize::from(lower == "patient" || (matches!(lower.as_str(), "he" | "she") && is_own(&lower, sex)))
        };
        if subject > 0 {
            let word = words.get(at + subject - 1).copied().unwrap_or(word);
            if out.last().is_some_and(|before| is_preposition(&before.to_lowercase())) && subject == 2 {
                out.push(format!("me{}", bare(word).1));
                at += subject;
                continue;
            }
            out.push(format!("I{}", bare(word).1));
            at += subject;
            at += verb(&words, at, &mut out);
            mine = true;
            continue;
        }
        mine &= !matches!(lower.as_str(), "that" | "which" | "who" | "whose" | "he" | "she" | "it" | "they");
        let replaced = match lower.as_str() {
            "patient's" | "patient’s" => Some("my"),
            _ if !is_own(&lower, sex) => None,
            "his" | "hers" => Some("my"),
            "her" if tail.is_empty() && !next.is_empty() && !is_preposition(&next) => Some("my"),
            "her" | "him" => Some("me"),
            "himself" | "herself" => Some("myself"),
            _ => None,
        };
        out.push(replaced.map_or_else(|| word.to_owned(), |new| format!("{new}{tail}")));
        at += 1;
    }
    finish(&out.join(" ").replace("the my ", "my ").replace("The my ", "My "))
}

/// Whether a pronoun may be a patient's of this sex: one of unknown sex may be either.
fn is_own(pronoun: &str, sex: Sex) -> bool {
    match pronoun {
        "he" | "his" | "him" | "himself" => sex != Sex::Female,
        "she" | "her" | "hers" | "herself" => sex != Sex::Male,
        _ => true,
    }
}

/// Verbs that open a chart's sentence about the patient.
const STARTS: [&str; 24] = [
    "works",
    "lives",
    "drinks",
    "smokes",
    "denies",
    "reports",
    "takes",
    "has",
    "uses",
    "exercises",
    "attends",
    "enjoys",
    "complains",
    "states",
    "notes",
    "presents",
    "sleeps",
    "eats",
    "does",
    "is",
    "was",
    "describes",
    "consumes",
    "admits",
];

/// The verb after `I`, in its form; returns how many words it took.
fn verb(words: &[&str], at: usize, out: &mut Vec<String>) -> usize {
    let Some(&word) = words.get(at) else { return 0 };
    let (plain, tail) = bare(word);
    let lower = plain.to_lowercase();
    let next = words.get(at + 1).map(|w| bare(w).0.to_lowercase()).unwrap_or_default();
    if lower == "denies" {
        return denies(&next, out);
    }
    if is_adverb(&lower) {
        out.push(word.to_owned());
        return 1 + verb(words, at + 1, out);
    }
    if lower == "presents" || lower == "presented" {
        let owns = matches!(next.as_str(), "with" | "a" | "an");
        out.push(if owns { "have".to_owned() } else { format!("came{tail}") });
        return if next == "with" { 2 } else { 1 };
    }
    if lower == "complains" && next == "of" {
        out.push("have".to_owned());
        return 2;
    }
    let form = match lower.as_str() {
        "has" => "have".to_owned(),
        "is" => "am".to_owned(),
        "does" => "do".to_owned(),
        "goes" => "go".to_owned(),
        "notes" => "notice".to_owned(),
        "reports" | "states" if is_clause(&next) => "report".to_owned(),
        "reports" | "states" if is_action(&next) || is_happening(&next) => "have been".to_owned(),
        "reports" | "states" if next != "that" => "have".to_owned(),
        "was" | "had" | "did" | "us" => lower.clone(),
        _ if lower.ends_with("ies") && lower.len() > 4 => format!("{}y", lower.trim_end_matches("ies")),
        _ if ["sses", "shes", "ches", "xes", "zes"].iter().any(|end| lower.ends_with(end)) => {
            lower.strip_suffix("es").unwrap_or(&lower).to_owned()
        }
        _ if lower.ends_with('s') && !lower.ends_with("ss") && lower.len() > 3 => {
            lower.strip_suffix('s').unwrap_or(&lower).to_owned()
        }
        _ => plain.to_owned(),
    };
    out.push(format!("{form}{tail}"));
    1
}

/// What the patient says for `denies`, before `next`; returns how many words it took. What is done is denied, and what one
/// has is not had.
fn denies(next: &str, out: &mut Vec<String>) -> usize {
    let done = is_action(next);
    out.push(if done { "deny" } else { "don't have" }.to_owned());
    1 + usize::from(next == "experiencing" || next == "having")
}

/// Whether a whole clause may begin with `word`, so that what goes before reports it and does not have it.
fn is_clause(word: &str) -> bool {
    is_somebody(word)
        || matches!(word, "it" | "his" | "her" | "the" | "this" | "these" | "how" | "when" | "feeling")
}

/// `I have ...` of a symptom's name: `Double vision` becomes `I have double vision.` A sentence is turned as one.
pub fn i_have(symptom: &str) -> String {
    let text = symptom.trim().trim_end_matches('.');
    let first = text.split(' ').next().unwrap_or_default();
    let lower = first.to_lowercase();
    if is_verb(&lower) {
        let mut chars = text.chars();
        let head = chars.next().map(|c| c.to_lowercase().to_string()).unwrap_or_default();
        return first_person(&format!("The patient {head}{}", chars.as_str()), Sex::Other);
    }
    if is_somebody(&lower) {
        return first_person(text, Sex::Other);
    }
    // A word in capitals throughout is an abbreviation.
    let keep = first.chars().count() > 1 && first.chars().all(|c| !c.is_lowercase());
    let mut chars = text.chars();
    let head: String = chars
        .next()
        .map(|c| if keep { c.to_string() } else { c.to_lowercase().to_string() })
        .unwrap_or_default();
    finish(&first_person(&format!("I have {head}{}", chars.as_str()), Sex::Other))
}

/// The same for something that is not there.
pub fn i_have_no(symptom: &str) -> String {
    let text = symptom.trim().trim_end_matches('.');
    finish(&first_person(&format!("I have no {text}"), Sex::Other))
}

fn is_preposition(word: &str) -> bool {
    matches!(
        word,
        "in" | "at"
            | "to"
            | "for"
            | "with"
            | "on"
            | "and"
            | "or"
            | "by"
            | "from"
            | "of"
            | "as"
            | "when"
            | "after"
    )
}

/// A word and the punctuation after it.
fn bare(word: &str) -> (&str, &str) {
    let end = word.trim_end_matches([',', '.', ';', ':', ')', '!', '?']).len();
    word.split_at(end)
}

/// A capital first and a full stop last.
fn finish(text: &str) -> String {
    let text = text.trim().trim_end_matches([';', ',']);
    let mut chars = text.chars();
    let mut out: String = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    out.push_str(chars.as_str());
    if !out.is_empty() && !out.ends_with(['.', '!', '?']) {
        out.push('.');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chart_becomes_the_patients_words() {
        assert_eq!(
            first_person("The patient denies experiencing any fever.", Sex::Other),
            "I don't have any fever."
        );
        assert_eq!(
            first_person("She notes that her pain worsens with food", Sex::Other),
            "I notice that my pain worsens with food."
        );
        assert_eq!(
            first_person("He works as a cook and was seen by his GP.", Sex::Other),
            "I work as a cook and was seen by my GP."
        );
        assert_eq!(first_person("The patient's mother carries him.", Sex::Other), "My mother carries me.");
        assert_eq!(i_have("Double vision"), "I have double vision.");
        assert_eq!(i_have("MRSA infection"), "I have MRSA infection.");
        assert_eq!(i_have_no("fever"), "I have no fever.");
        assert_eq!(first_person("Works as a cook.", Sex::Other), "I work as a cook.");
        assert_eq!(
            first_person("She has a cough but denies having fever.", Sex::Other),
            "I have a cough but don't have fever."
        );
        assert_eq!(first_person("due to the age of the patient", Sex::Other), "Due to the age of me.");
        assert_eq!(first_person("", Sex::Other), "");
    }

    #[test]
    fn adverbs_and_second_verbs_do_not_stop_the_turn() {
        for (chart, said) in [
            ("Patient regularly takes ropinirole.", "I regularly take ropinirole."),
            ("The patient suddenly feels faint.", "I suddenly feel faint."),
            ("She sometimes hears a hum.", "I sometimes hear a hum."),
            ("She cannot cook and complains of thirst.", "I cannot cook and have thirst."),
            ("She is well and currently lives alone.", "I am well and currently live alone."),
            ("Patient denies smoking cigars.", "I deny smoking cigars."),
            ("Patient denies wheezing.", "I don't have wheezing."),
            ("She reports her ear itches.", "I report my ear itches."),
            ("She reports swelling of the hand.", "I have swelling of the hand."),
            // None of the first person's.
            ("Patient college student.", "Patient college student."),
            ("Patient 2, para 2, is in labor.", "Patient 2, para 2, is in labor."),
            ("Patient woman goes home.", "Patient woman goes home."),
        ] {
            assert_eq!(first_person(chart, Sex::Female), said);
        }
        assert_eq!(i_have("Appears tired"), "I appear tired.");
        assert_eq!(i_have("Expresses anger"), "I express anger.");
        assert_eq!(i_have("She tried a herbal tea"), "I tried a herbal tea.");
        assert_eq!(i_have("Mother reports a cough"), "Mother reports a cough.");
        assert_eq!(i_have("Burning feet"), "I have burning feet.");
    }

    #[test]
    fn pronouns_of_the_other_sex_are_somebody_elses() {
        assert_eq!(
            first_person("Her grandfather says that she left his house.", Sex::Female),
            "My grandfather says that I left his house."
        );
        assert_eq!(first_person("His mother lost her job.", Sex::Male), "My mother lost her job.");
        assert_eq!(first_person("He drives her to work.", Sex::Female), "He drives me to work.");
    }

    #[test]
    fn second_verbs_are_the_patients_too() {
        assert_eq!(
            first_person("She has asthma and uses an inhaler.", Sex::Female),
            "I have asthma and use an inhaler."
        );
        // The pain's verb is not.
        assert_eq!(
            first_person("He notes that the pain comes and is sharp.", Sex::Male),
            "I notice that the pain comes and is sharp."
        );
    }
}
