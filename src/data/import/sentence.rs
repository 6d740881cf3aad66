//! Cutting clinical prose into sentences and telling what each is about.

use crate::data::case::{Aspect, Finding};

/// The sentences of a text, trimmed, with their closing mark.
pub fn sentences(text: &str) -> Vec<&str> {
    const SHORT: [&str; 14] =
        ["dr", "mr", "mrs", "ms", "vs", "approx", "e.g", "i.e", "no", "st", "prof", "dept", "temp", "c"];
    let mut out = Vec::new();
    let mut from = 0;
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        let rest = text.get(end..).unwrap_or_default();
        let ends = match c {
            '\n' => true,
            '.' | '!' | '?' | ';' => {
                let before = text.get(from..at).unwrap_or_default();
                let word = before.rsplit([' ', '(']).next().unwrap_or_default().to_lowercase();
                rest.starts_with([' ', '\n']) && !(c == '.' && SHORT.contains(&word.as_str()))
            }
            _ => rest.is_empty(),
        };
        if ends || rest.is_empty() {
            let sentence = text.get(from..end).unwrap_or_default().trim();
            if sentence.chars().any(char::is_alphanumeric) {
                out.push(sentence);
            }
            from = end;
        }
    }
    out
}

/// All aspects of a symptom that a sentence tells: `Began on Monday and has been worsening since` tells two.
pub fn aspects(sentence: &str) -> Vec<Aspect> {
    let first = aspect(sentence);
    let begins = first == Aspect::Course && cued(&sentence.to_lowercase(), &BEGINNINGS);
    std::iter::once(first).chain(begins.then_some(Aspect::Onset)).collect()
}

fn cued(lower: &str, cues: &[&str]) -> bool {
    cues.iter().any(|cue| lower.contains(cue))
}

/// Words of an onset.
const BEGINNINGS: [&str; 8] =
    ["ago", "began", "started", "onset", "since ", "for the past", "history of", "woke"];

/// Whether a sentence tells that something has been getting worse, and names nothing that makes it so.
fn progresses(lower: &str) -> bool {
    const CUES: [&str; 8] = [
        "worsening",
        "worsened",
        "getting worse",
        "gotten worse",
        "got worse",
        "become worse",
        "becoming worse",
        "grown worse",
    ];
    const CAUSES: [&str; 11] =
        ["with", "when", "while", "on", "after", "by", "during", "upon", "at", "if", "whenever"];
    let after = |cue: &&str| lower.split_once(cue).map(|(_, after)| after);
    CUES.iter().filter_map(after).any(|after| {
        let next = after.split_whitespace().next().unwrap_or_default();
        !CAUSES.contains(&next)
    })
}

/// Which aspect of a symptom a sentence tells, the most telling where there are several.
pub fn aspect(sentence: &str) -> Aspect {
    const CUES: [(Aspect, &[&str]); 8] = [
        (Aspect::Radiation, &["radiat", "spreads to", "spreading to", "travels to"]),
        (
            Aspect::Relieving,
            &["relieve", "improve", "better with", "better when", "eases", "alleviat", "resolves with"],
        ),
        (Aspect::Aggravating, &["worse", "aggravat", "exacerbat", "brought on by", "triggered", "provoked"]),
        (Aspect::Severity, &["out of 10", "/10", "severe", "intensity", "unbearable", "mild "]),
        (Aspect::Onset, &BEGINNINGS),
        (
            Aspect::Course,
            &["lasting", "lasts", "episodes", "intermittent", "constant", "progressive", "recurr", "times a"],
        ),
        (
            Aspect::Character,
            &["sharp", "dull", "burning", "throbbing", "cramp", "crushing", "pressure", "stabbing"],
        ),
        (
            Aspect::Location,
            &["located", "left side", "right side", "quadrant", "behind the", "in the middle"],
        ),
    ];
    let lower = sentence.to_lowercase();
    match CUES.iter().find(|(_, cues)| cued(&lower, cues)) {
        // How it has gone is no answer to what makes it worse.
        Some((Aspect::Aggravating, _)) if progresses(&lower) => Aspect::Course,
        Some((aspect, _)) => *aspect,
        None => Aspect::Presence,
    }
}

/// Whether a sentence denies what it is about.
pub fn finding(sentence: &str) -> Finding {
    let lower = sentence.trim_start().to_lowercase();
    const DENIALS: [&str; 21] = [
        "there is no ",
        "there's no ",
        "there was no ",
        "there are no ",
        "there were no ",
        "there has been no ",
        "does not ",
        "did not ",
        "no ",
        "not ",
        "none",
        "never",
        "denies",
        "deny",
        "negative for",
        "non-",
        "without ",
        "absence of",
        "unremarkable",
        "nil",
        "nothing",
    ];
    // Near the subject the verb denies the whole sentence; further on only what follows it.
    const WITHIN: [&str; 9] = [
        " denies ",
        " has no ",
        " had no ",
        " have no ",
        " does not ",
        " did not ",
        " is not ",
        " reports no ",
        " has not ",
    ];
    let near: String = lower.chars().take(28).collect();
    const UNKNOWN: [&str; 10] = [
        "unknown",
        "not provided",
        "not known",
        "information not",
        "not available",
        "not applicable",
        "does not specify",
        "does not provide",
        "does not know his",
        "does not know her",
    ];
    // A fever of unknown origin is there.
    let causes = [" etiology", " origin", " cause", " reason"]
        .iter()
        .any(|of| lower.contains(&format!("unknown{of}")));
    if UNKNOWN.iter().any(|cue| lower.contains(cue) && !(causes && *cue == "unknown")) {
        Finding::Unknown
    } else if DENIALS.iter().any(|cue| lower.starts_with(cue)) || WITHIN.iter().any(|cue| near.contains(cue))
    {
        Finding::Absent
    } else {
        Finding::Present
    }
}

/// Whether a sentence only says that the chart says nothing: `Information not provided.`, `N/A`. It is no answer that a
/// patient gives.
pub fn says_nothing(sentence: &str) -> bool {
    let lower = sentence.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    const WHOLE: [&str; 5] = ["n/a", "na", "not applicable", "not available", "none provided"];
    const SUBJECTS: [&str; 5] = ["information", "details", "history", "data", "symptoms"];
    const ABSENT: [&str; 4] = ["provided", "specified", "available", "noted"];
    let words: Vec<&str> = lower.split_whitespace().collect();
    let short = words.len() <= 8;
    let about = words.iter().any(|word| SUBJECTS.contains(word));
    let absent = words.last().is_some_and(|last| ABSENT.contains(last));
    let denied = words.iter().any(|word| matches!(*word, "no" | "not"));
    WHOLE.contains(&lower.as_str())
        || lower.starts_with("not applicable")
        || (short && about && absent && denied)
}

/// What a denial denies: `Denies fever, cough, or chest pain.` gives the three; empty where the sentence is no plain
/// list.
pub fn denied(sentence: &str) -> Vec<&str> {
    let sentence = lead(sentence);
    let lower = sentence.to_ascii_lowercase();
    const OPENINGS: [&str; 20] = [
        "there is no history of ",
        "there's no history of ",
        "there was no history of ",
        "there is no ",
        "there's no ",
        "there was no ",
        "there are no ",
        "there were no ",
        "the patient denies experiencing any ",
        "the patient denies any ",
        "the patient denies ",
        "patient denies any ",
        "patient denies ",
        "denies experiencing any ",
        "denies any ",
        "denies ",
        "no history of ",
        "negative for ",
        "no ",
        "he denies ",
    ];
    let Some(opening) = OPENINGS.iter().find(|opening| lower.starts_with(*opening)) else {
        return Vec::new();
    };
    let rest = sentence.get(opening.len()..).unwrap_or_default().trim_end_matches(['.', ';']);
    // What comes after a turn is no longer denied, and a sentence with a verb of its own is no list.
    const TURNS: [&str; 14] = [
        " but ",
        " however ",
        " except ",
        " although ",
        " apart from ",
        " other than ",
        " was ",
        " were ",
        " has ",
        " have ",
        " is ",
        " are ",
        " which ",
        " besides ",
    ];
    let after = lower.get(opening.len()..).unwrap_or_default();
    if TURNS.iter().any(|turn| after.contains(turn)) {
        return Vec::new();
    }
    rest.split([',', ';'])
        .flat_map(|part| part.split(" or "))
        .flat_map(|part| part.split(" nor "))
        .flat_map(|part| part.split(" and "))
        .map(denied_item)
        .filter(|part| !part.is_empty())
        .collect()
}

/// A sentence without words that only lead to it.
fn lead(sentence: &str) -> &str {
    const LEADS: [&str; 4] =
        ["on review, ", "on review of systems, ", "on further questioning, ", "on questioning, "];
    let begins =
        |lead: &&&str| sentence.get(..lead.len()).is_some_and(|start| start.eq_ignore_ascii_case(lead));
    LEADS.iter().find(begins).and_then(|lead| sentence.get(lead.len()..)).unwrap_or(sentence)
}

/// One item of a denial without the words that only hold the list together.
fn denied_item(part: &str) -> &str {
    const BEFORE: [&str; 11] = [
        "or ",
        "and ",
        "experiencing ",
        "having ",
        "any ",
        "no ",
        "symptoms of ",
        "history of ",
        "other than ",
        "a ",
        "an ",
    ];
    const AFTER: [&str; 5] = [" mentioned", " reported", " noted", " provided", " described"];
    let mut item = part.trim();
    while let Some(rest) = BEFORE.iter().find_map(|word| item.strip_prefix(word)) {
        item = rest.trim_start();
    }
    while let Some(rest) = AFTER.iter().find_map(|word| item.strip_suffix(word)) {
        item = rest.trim_end();
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_cut_at_ends_of_sentences_only() {
        let text = "Seen by Dr. X at 3.5 mg/dL. No fever; no cough.\nWell?";
        assert_eq!(sentences(text), ["Seen by Dr. X at 3.5 mg/dL.", "No fever;", "no cough.", "Well?"]);
        assert_eq!(sentences("no end"), ["no end"]);
        assert!(sentences(" . ").is_empty());
    }

    #[test]
    fn a_chart_without_an_answer_is_told_from_one() {
        for text in [
            "Information not provided.",
            "N/A",
            "NA",
            "Information not specified.",
            "No additional information provided",
            "No relevant social history provided",
            "No additional symptoms provided.",
            "Not applicable due to patient's age.",
        ] {
            assert!(says_nothing(text), "{text}");
        }
        for text in [
            "No significant medical history.",
            "No family history of breast cancer.",
            "Denies fever.",
            "Newborn, no prior medical history.",
            "No recent travel history.",
            "Not on any regular medications.",
        ] {
            assert!(!says_nothing(text), "{text}");
        }
    }

    #[test]
    fn sentences_tell_aspect_and_finding() {
        assert_eq!(aspect("It began two days ago."), Aspect::Onset);
        assert_eq!(aspect("The pain is worse on walking."), Aspect::Aggravating);
        assert_eq!(aspect("She has a cough."), Aspect::Presence);
        assert_eq!(aspect("The ache has slowly been worsening."), Aspect::Course);
        assert_eq!(aspect("The ache has been worsening with each step."), Aspect::Aggravating);
        assert_eq!(aspects("It started on Monday and is getting worse."), [Aspect::Course, Aspect::Onset]);
        assert_eq!(aspects("It started on Monday."), [Aspect::Onset]);
        assert_eq!(finding("Denies fever."), Finding::Absent);
        assert_eq!(finding("There's no history of falls."), Finding::Absent);
        assert_eq!(denied("On review, there is no history of falls or rash."), ["falls", "rash"]);
        assert_eq!(finding("Non-smoker."), Finding::Absent);
        assert_eq!(finding("Information not provided."), Finding::Unknown);
        assert_eq!(finding("Does not specify any habits."), Finding::Unknown);
        assert_eq!(finding("A cough of unknown cause."), Finding::Present);
        assert_eq!(finding("Smokes ten a day."), Finding::Present);
        assert_eq!(denied("Denies fever, cough, or chest pain."), ["fever", "cough", "chest pain"]);
        assert_eq!(
            denied("No fever, no vomiting, or recent falls reported."),
            ["fever", "vomiting", "recent falls"]
        );
        assert!(denied("Denies fever but has a cough.").is_empty());
        assert_eq!(finding("She has sweaty palms and insomnia but denies having a fever."), Finding::Present);
    }
}
