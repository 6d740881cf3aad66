//! Observations: vital signs, laboratory values, habits, scores.

use std::collections::BTreeMap;

use serde_json::Value;

use super::encounter::{Visit, encounter_of};
use super::fields::{codes, concept, get, has_code, list, moment, span, text};
use crate::data::case::{Aspect, Finding, Importance, Topic};
use crate::data::import::ImportAccount;
use crate::data::import::concept::{Concepts, plain_name};
use crate::data::import::draft::Draft;
use crate::data::lexicon::ConceptKind;
use crate::data::phi::{Moment, RawPart, RawRecord};

/// LOINC codes of tobacco use.
const TOBACCO: [&str; 2] = ["72166-2", "11367-0"];
/// LOINC codes of a pain score from 0 to 10.
const PAIN: [&str; 3] = ["72514-3", "38208-5", "38221-8"];
/// LOINC codes that an export writes after death.
const DEATH: [&str; 2] = ["69453-9", "81956-5"];

/// Turns the observations known at the visit into facts: of each code the latest.
pub(super) fn facts(
    record: &RawRecord,
    visit: &Visit<'_>,
    concepts: &Concepts,
    account: &mut ImportAccount,
    drafts: &mut Vec<Draft>,
) {
    let mut latest: BTreeMap<String, (i64, &RawPart, Moment)> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    for part in record.parts.iter().filter(|part| part.name == "Observation") {
        match candidate(part, visit) {
            Err(reason) => account.skipped("Observation", reason),
            Ok((name, when)) => {
                // One name, one value: exports differ in blanks and invisible marks.
                let key = plain_name(name);
                match latest.get(&key) {
                    Some((seconds, ..)) if *seconds > when.seconds => {
                        account.skipped("Observation", "superseded by a later value");
                    }
                    other => {
                        if other.is_some() {
                            account.skipped("Observation", "superseded by a later value");
                        } else {
                            order.push(key.clone());
                        }
                        latest.insert(key, (when.seconds, part, when));
                    }
                }
            }
        }
    }
    for key in order {
        let Some((_, part, when)) = latest.get(&key) else { continue };
        match draft(part, *when, visit, concepts) {
            Ok(draft) => {
                drafts.push(draft);
                account.mapped("Observation");
            }
            Err(reason) => account.skipped("Observation", reason),
        }
    }
}

/// The name and time of an observation that may be told at the visit.
fn candidate<'a>(part: &'a RawPart, visit: &Visit<'_>) -> Result<(&'a str, Moment), &'static str> {
    let value = &part.value;
    if matches!(text(value, &["status"]), Some("entered-in-error" | "cancelled")) {
        return Err("entered in error or cancelled");
    }
    let code = value.get("code").ok_or("has no code")?;
    if has_code(Some(code), &DEATH) {
        return Err("recorded after death");
    }
    let name = concept(code).ok_or("has no name")?;
    let here = encounter_of(part).is_some() && encounter_of(part) == text(&visit.encounter.value, &["id"]);
    let when = moment(value, &["effectiveDateTime", "effectivePeriod", "effectiveInstant", "issued"]);
    let when = match (here, when) {
        (true, when) => when.unwrap_or(visit.start),
        (false, Some(when)) => when,
        (false, None) => return Err("has no date and no encounter"),
    };
    if !here && when.seconds > visit.end.seconds {
        return Err("later than the encounter");
    }
    Ok((name, when))
}

fn draft(
    part: &RawPart,
    when: Moment,
    visit: &Visit<'_>,
    concepts: &Concepts,
) -> Result<Draft, &'static str> {
    let value = &part.value;
    let code = value.get("code").ok_or("has no code")?;
    let name = concept(code).ok_or("has no name")?;
    let found = result(value).ok_or("has no value")?;
    let plain = plain_name(name);
    let days = when.days_until(visit.start);
    let ago = if days > 1 { format!(" ({} before this visit)", span(days)) } else { String::new() };
    let text = format!("{}: {found}{ago}", short(name));
    let category = |codes: &[&str]| has_code(value.get("category"), codes);
    let loinc = |wanted: &[&str]| codes(code).any(|(_, code)| wanted.contains(&code));

    if loinc(&PAIN) {
        let score = get(value, &["valueQuantity", "value"]).and_then(Value::as_f64).unwrap_or(0.0);
        let absent = score <= 0.0;
        let said = if absent {
            "I have no pain.".to_owned()
        } else {
            format!("The pain is about {:.0} out of 10.", score)
        };
        let draft = Draft::new(Topic::Symptom, concepts.name("pain", &[ConceptKind::Symptom]), text);
        let aspect = if absent { Aspect::Presence } else { Aspect::Severity };
        let finding = if absent { Finding::Absent } else { Finding::Present };
        return Ok(draft.aspect(aspect).finding(finding).said(said).importance(Importance::Useful));
    }
    if loinc(&TOBACCO) || (category(&["social-history"]) && plain.contains("smok")) {
        let lower = found.to_lowercase();
        let never = lower.contains("never");
        let former = lower.contains("former") || lower.contains("ex-");
        let said = match (never, former) {
            (true, _) => "I've never smoked.",
            (_, true) => "I used to smoke, but I stopped.",
            _ => "Yes, I smoke.",
        };
        let name = concepts.name("smoking", &[ConceptKind::Circumstance]);
        let finding = if never || former { Finding::Absent } else { Finding::Present };
        return Ok(Draft::new(Topic::Social, name, text)
            .finding(finding)
            .said(said)
            .importance(Importance::Useful));
    }
    if category(&["social-history", "survey"]) {
        let name = concepts.name(&plain, &[ConceptKind::Circumstance]);
        let said = format!("{}: {}.", short(name.as_str()), found.trim_end_matches('.'));
        let mut draft = Draft::new(Topic::Social, name, text).said(said);
        // Whom somebody loves, where they live and what they carry is more than most visits need.
        draft.private = true;
        return Ok(draft);
    }
    if category(&["vital-signs", "vital-sign", "exam"]) {
        let name = concepts.name(&plain, &[ConceptKind::Examination, ConceptKind::Test]);
        return Ok(Draft::new(Topic::Examination, name, text));
    }
    let name = concepts.name(&plain, &[ConceptKind::Test, ConceptKind::Examination]);
    Ok(Draft::new(Topic::Test, name, text))
}

/// A name without the brackets of its coding system.
fn short(name: &str) -> String {
    let plain = plain_name(name);
    let mut chars = plain.chars();
    chars.next().map(|c| c.to_uppercase().to_string() + chars.as_str()).unwrap_or_default()
}

/// What was observed: the value, or the components with theirs.
fn result(value: &Value) -> Option<String> {
    let own = single(value);
    let components: Vec<String> = list(value, "component")
        .iter()
        .filter_map(|part| {
            Some(format!("{} {}", plain_name(part.get("code").and_then(concept)?), single(part)?))
        })
        .collect();
    let mut text = match (own, components.is_empty()) {
        (Some(own), true) => own,
        (Some(own), false) => format!("{own}; {}", components.join(", ")),
        (None, false) => components.join(", "),
        (None, true) => return None,
    };
    if let Some(word) = value.get("interpretation").and_then(concept) {
        text.push_str(&format!(", {}", word.to_lowercase()));
    }
    Some(text)
}

fn single(value: &Value) -> Option<String> {
    if let Some(quantity) = value.get("valueQuantity") {
        let amount = quantity.get("value")?.as_f64()?;
        let comparator = text(quantity, &["comparator"]).unwrap_or_default();
        let unit = text(quantity, &["unit"]).or_else(|| text(quantity, &["code"])).unwrap_or_default();
        // UCUM writes annotations in braces, `{score}`, and special units in brackets, `mm[Hg]`.
        let unit = unit.replace(['{', '}', '[', ']'], "");
        return Some(format!("{comparator}{} {unit}", number(amount)).trim_end().to_owned());
    }
    if let Some(words) = value.get("valueCodeableConcept").and_then(concept) {
        return Some(plain_if_tagged(words));
    }
    if let Some(range) = value.get("valueRange") {
        let end = |key: &str| get(range, &[key, "value"]).and_then(Value::as_f64).map(number);
        return Some(format!("{} to {}", end("low")?, end("high")?));
    }
    match value
        .get("valueBoolean")
        .or_else(|| value.get("valueInteger"))
        .or_else(|| value.get("valueString"))?
    {
        Value::Bool(true) => Some("yes".to_owned()),
        Value::Bool(false) => Some("no".to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        _ => None,
    }
}

/// Drops the kind that coding systems put in brackets behind a name.
pub(super) fn plain_if_tagged(words: &str) -> String {
    const TAGS: [&str; 8] = [
        "(finding)",
        "(disorder)",
        "(situation)",
        "(qualifier value)",
        "(procedure)",
        "(morphologic abnormality)",
        "(observable entity)",
        "(substance)",
    ];
    let trimmed = TAGS.iter().find_map(|tag| words.strip_suffix(tag)).unwrap_or(words);
    trimmed.trim().to_owned()
}

/// A number as a chart shows it: three digits that count.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    let text = if magnitude >= 100.0 {
        format!("{value:.0}")
    } else if magnitude >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_with_three_digits() {
        assert_eq!([175.560_995, 36.66, 7.0, 0.5, 120.0].map(number), ["176", "36.7", "7", "0.5", "120"]);
    }
}
