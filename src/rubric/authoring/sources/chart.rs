//! A case as material of a prompt.

use crate::data::case::{Age, Case, Fact, Finding, Reveal, Sex, Topic};
use crate::rubric::text::words;

/// From this age on, in years, somebody says what is wrong in their own words.
const SPEAKS_FROM: u32 = 3;
/// Words of an opening that shows a grown-up speaking for a child.
const OF_A_CHILD: [&str; 9] = ["baby", "child", "son", "daughter", "he", "she", "him", "her", "toddler"];

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
        0 => match case.stratum.sex {
            Sex::Other => "baby under one year".to_owned(),
            Sex::Female | Sex::Male => format!("baby {who} under one year"),
        },
        Age::POOLED_FROM => format!("{who} aged 90 or older"),
        _ => format!("{years}-year-old {who}"),
    }
}

/// `A 54-year-old man`, `An 80-year-old woman`.
pub fn a_person(case: &Case) -> String {
    let article = if matches!(case.stratum.age.years(), 8 | 11 | 18 | 80..=89) { "An" } else { "A" };
    format!("{article} {}", person(case))
}

/// What the patient comes with, as it is said. Imported records have little children speak for themselves (`I have crying`): of them it is
/// told what they have, without words that nobody said.
pub fn opening(case: &Case) -> String {
    if !speaks_too_early(case) {
        return case.opening.trim().to_owned();
    }
    let diagnosis = case.truth.diagnosis.to_lowercase();
    let lines: Vec<String> = case
        .facts
        .iter()
        .filter(|fact| fact.reveal == Reveal::Opening)
        .map(line)
        .filter(|line| !line.to_lowercase().contains(&diagnosis))
        .map(|line| line.trim_end_matches('.').to_owned())
        .collect();
    if lines.is_empty() {
        return "The child is not well.".to_owned();
    }
    format!("The child has this: {}.", lines.join("; "))
}

/// Whether the case has a child speak that cannot do so yet.
fn speaks_too_early(case: &Case) -> bool {
    let said = words(&case.opening);
    let begins = said.first().is_some_and(|word| word.text == "i" || word.text.starts_with("i'"));
    case.stratum.age.years() < SPEAKS_FROM
        && begins
        && !said.iter().any(|word| OF_A_CHILD.contains(&word.text.as_str()))
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
    let of_chart = speaks_too_early(case).then(|| format!("{}.", line(fact).trim_end_matches('.')));
    let said = fact.said.as_deref()?.trim();
    let said = of_chart.as_deref().unwrap_or(said);
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
    let mut text =
        format!("{}\nOpening words: {}\n{}", person(case), opening(case), material(case, |_| true));
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
    fn little_children_do_not_speak_for_themselves() {
        let mut case = Bank::bundled().synth(3, &SynthOptions::any(1)).unwrap().remove(0);
        let said = case.opening.trim().to_owned();
        assert_eq!(opening(&case), said);
        case.facts.truncate(2);
        for (fact, reveal) in case.facts.iter_mut().zip([Reveal::Opening, Reveal::OnQuestion]) {
            fact.finding = Finding::Present;
            fact.concept = "crying".into();
            fact.text = "crying all night".into();
            fact.said = Some("I have crying.".into());
            fact.reveal = reveal;
        }
        case.opening = "I have crying.".into();
        case.stratum.age = Age::new(0);
        case.stratum.sex = Sex::Male;
        assert_eq!(a_person(&case), "A baby boy under one year");
        assert_eq!(opening(&case), "The child has this: crying all night.");
        assert_eq!(volunteered(&case, &case.facts[1]).as_deref(), Some("Crying all night."));
        case.opening = "I am worried about my son, who cries all night.".into();
        assert_eq!(opening(&case), case.opening);
        case.opening = "I have crying.".into();
        case.stratum.age = Age::new(8);
        assert_eq!((opening(&case), a_person(&case)), ("I have crying.".into(), "An 8-year-old boy".into()));
    }

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
