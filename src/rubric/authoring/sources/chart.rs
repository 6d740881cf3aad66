//! A case as material of a prompt.

use crate::data::case::{Age, Case, Fact, Finding, Sex, Topic};

/// `54-year-old man`.
pub fn person(case: &Case) -> String {
    let years = case.stratum.age.years();
    let who = match (case.stratum.sex, years < 18) {
        (Sex::Female, true) => "girl",
        (Sex::Male, true) => "boy",
        (Sex::Other, true) => "child",
        (Sex::Female, false) => "woman",
        (Sex::Male, false) => "man",
        (Sex::Other, false) => "person",
    };
    match years {
        0 => format!("baby under one year ({who})"),
        Age::POOLED_FROM => format!("{who} aged 90 or older"),
        _ => format!("{years}-year-old {who}"),
    }
}

/// A fact as a line of a chart: with its concept, unless its text names it.
pub fn line(fact: &Fact) -> String {
    let text = fact.text.trim();
    let concept = &fact.concept;
    if text.to_lowercase().contains(&concept.to_lowercase()) {
        return text.to_owned();
    }
    match fact.finding {
        Finding::Absent => format!("{concept}: {text} (absent)"),
        _ => format!("{concept}: {text}"),
    }
}

/// What the patient says of a fact unasked, without the yes or no that answers a question; `None` for what the patient cannot know, and for
/// what would name the diagnosis.
pub fn volunteered(case: &Case, fact: &Fact) -> Option<String> {
    let said = fact.said.as_deref()?.trim();
    if said.to_lowercase().contains(&case.truth.diagnosis.to_lowercase()) {
        return None;
    }
    let rest =
        ["Yes, ", "Yes. ", "No, ", "No. "].iter().find_map(|start| said.strip_prefix(start)).unwrap_or(said);
    let mut letters = rest.chars();
    let first = letters.next()?;
    Some(first.to_uppercase().chain(letters).collect())
}

/// The material of a note, as lines under headings; `wanted` says which facts.
pub fn material(case: &Case, wanted: impl Fn(&Fact) -> bool) -> String {
    const HEADINGS: [(&str, &[Topic]); 5] = [
        ("History", &[Topic::Symptom, Topic::Concern]),
        ("Past history, drugs, allergies", &[Topic::History, Topic::Medication, Topic::Allergy]),
        ("Family and social history", &[Topic::Family, Topic::Social]),
        ("Examination", &[Topic::Examination]),
        ("Results", &[Topic::Test]),
    ];
    let mut text = String::new();
    for (heading, topics) in HEADINGS {
        let lines: Vec<String> = case
            .facts
            .iter()
            .filter(|fact| topics.contains(&fact.topic) && wanted(fact))
            .map(|fact| format!("- {}", line(fact)))
            .collect();
        if !lines.is_empty() {
            text.push_str(&format!("{heading}\n{}\n", lines.join("\n")));
        }
    }
    text
}

/// All of a case, with what is hidden from the patient: for whoever writes criteria.
pub fn whole(case: &Case) -> String {
    let truth = &case.truth;
    let mut text = format!("{}\nOpening words: {}\n{}", person(case), case.opening, material(case, |_| true));
    text.push_str(&format!("Diagnosis: {}\n", truth.diagnosis));
    if truth.is_emergency() {
        text.push_str("Has to be sent to an emergency department\n");
    }
    if !truth.differentials.is_empty() {
        text.push_str(&format!("To be considered: {}\n", truth.differentials.join(", ")));
    }
    let flags: Vec<String> =
        truth.red_flags.iter().filter_map(|id| case.fact(id.as_str())).map(line).collect();
    if !flags.is_empty() {
        text.push_str(&format!("Warning signs: {}\n", flags.join("; ")));
    }
    for step in &truth.plan {
        text.push_str(&format!("Plan: {}\n", step.text));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::bank::{Bank, SynthOptions};

    #[test]
    fn charts_hold_every_fact_once_and_material_no_truth() {
        let cases = Bank::bundled().synth(3, &SynthOptions::any(30)).unwrap();
        for case in &cases {
            let text = material(case, |_| true);
            assert_eq!(text.lines().filter(|it| it.starts_with("- ")).count(), case.facts.len());
            assert!(!text.contains("Diagnosis: ") && whole(case).contains("Diagnosis: "));
            for fact in &case.facts {
                assert!(line(fact).contains(fact.text.trim()));
                if let Some(said) = volunteered(case, fact) {
                    assert!(!said.starts_with("Yes, ") && !said.starts_with("No, "), "{said}");
                }
            }
        }
    }
}
