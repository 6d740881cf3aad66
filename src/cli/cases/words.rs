//! A case as a person reads it.

use serde::Serialize;

use crate::data::case::{Case, Finding, Reveal, Topic};

/// The name that a value of an enumeration has in files.
fn name(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().replace('_', " ")
}

/// A case as a person reads it.
pub fn in_words(case: &Case) -> String {
    let it = &case.stratum;
    let mut text = format!(
        "{}  ({})\n{} {}, {}, {} {}\n\nopening: {}\n",
        case.id,
        case.presentation,
        it.age,
        name(&it.sex),
        it.specialty,
        name(&it.severity),
        name(&it.prevalence),
        case.opening
    );
    const TOPICS: [Topic; 9] = [
        Topic::Symptom,
        Topic::History,
        Topic::Medication,
        Topic::Allergy,
        Topic::Family,
        Topic::Social,
        Topic::Concern,
        Topic::Examination,
        Topic::Test,
    ];
    for topic in TOPICS {
        for (n, fact) in case.facts_on(topic).enumerate() {
            if n == 0 {
                text.push_str(&format!("\n{}\n", name(&topic)));
            }
            let sign = match fact.finding {
                Finding::Present => '+',
                Finding::Absent => '-',
                Finding::Unknown => '?',
            };
            text.push_str(&format!(
                "  {sign} {} [{}, {}",
                fact.text,
                name(&fact.aspect),
                name(&fact.importance)
            ));
            if !matches!(fact.reveal, Reveal::OnQuestion | Reveal::OnExamination | Reveal::OnTest) {
                text.push_str(&format!(", {}", name(&fact.reveal)));
            }
            text.push_str("]\n");
            if let Some(said) = &fact.said {
                text.push_str(&format!("      \"{said}\"\n"));
            }
        }
    }
    let truth = &case.truth;
    text.push_str(&format!("\nhidden\n  diagnosis: {}\n", truth.diagnosis));
    match truth.emergency {
        Some(true) => text.push_str("  emergency\n"),
        Some(false) => {}
        None => text.push_str("  emergency: not known\n"),
    }
    let flags: Vec<&str> = truth.red_flags.iter().map(|id| id.as_str()).collect();
    for (what, list) in [("differentials", truth.differentials.join(", ")), ("red flags", flags.join(", "))] {
        if !list.is_empty() {
            text.push_str(&format!("  {what}: {list}\n"));
        }
    }
    for step in &truth.plan {
        text.push_str(&format!("  {}: {}\n", name(&step.kind), step.text));
    }
    text
}
