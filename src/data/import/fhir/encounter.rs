//! Choosing the encounter that a case is about.
//!
//! A patient's record spans a life; a case is one visit. Candidates are the encounters that took place and have a
//! condition: one recorded there (`Condition.encounter`, `Encounter.diagnosis`) or named as the reason. Taken is, first,
//! one where a disorder was newly recorded; else one whose reason is a disorder; else any. Among equals the latest, and of
//! two at the same time the one read last.

use serde_json::Value;

use super::fields::{concept, get, has_code, list, moment, text};
use crate::data::phi::{Moment, RawPart, RawRecord};

/// The chosen encounter.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    /// The resource.
    pub encounter: &'a RawPart,
    /// When it began.
    pub start: Moment,
    /// When it ended.
    pub end: Moment,
    /// What was diagnosed, as recorded.
    pub diagnosis: &'a str,
    /// The condition that records it, where one does.
    pub condition: Option<&'a RawPart>,
}

/// How telling a condition is: 2 a disorder, 1 a finding, 0 not one of this visit.
pub(super) fn weight(name: &str) -> u8 {
    let lower = name.to_lowercase();
    let past = lower.contains("(situation)") || lower.starts_with("history of");
    if past { 0 } else { 1 + u8::from(!lower.contains("(finding)")) }
}

/// Whether a condition is said to be so: not refuted and not entered in error.
pub(super) fn stands(condition: &Value) -> bool {
    !has_code(condition.get("verificationStatus"), &["refuted", "entered-in-error"])
}

/// The name of a condition, where it has one.
pub(super) fn name(part: &RawPart) -> Option<&str> {
    part.value.get("code").and_then(concept)
}

/// The encounter that `reference` of a resource names.
pub(super) fn encounter_of(part: &RawPart) -> Option<&str> {
    text(&part.value, &["encounter", "reference"]).or_else(|| text(&part.value, &["context", "reference"]))
}

/// Chooses the encounter.
pub(super) fn choose(record: &RawRecord) -> Option<Visit<'_>> {
    let conditions: Vec<&RawPart> =
        record.parts.iter().filter(|part| part.name == "Condition" && stands(&part.value)).collect();
    let mut best: Option<((u8, i64), Visit<'_>)> = None;
    for encounter in record.parts.iter().filter(|part| part.name == "Encounter") {
        let Some((rank, visit)) = visit(encounter, &conditions) else { continue };
        let key = (rank, visit.start.seconds);
        if best.as_ref().is_none_or(|(other, _)| key >= *other) {
            best = Some((key, visit));
        }
    }
    best.map(|(_, visit)| visit)
}

fn visit<'a>(encounter: &'a RawPart, conditions: &[&'a RawPart]) -> Option<(u8, Visit<'a>)> {
    let value = &encounter.value;
    if matches!(text(value, &["status"]), Some("planned" | "cancelled" | "entered-in-error")) {
        return None;
    }
    let start = moment(value, &["period"])?;
    let end =
        text(value, &["period", "end"]).and_then(Moment::parse).filter(|end| end.seconds >= start.seconds);
    let id = text(value, &["id"]);
    let by_id = |id: &str| conditions.iter().copied().find(|part| text(&part.value, &["id"]) == Some(id));
    let diagnoses =
        list(value, "diagnosis").iter().filter_map(|d| by_id(text(d, &["condition", "reference"])?));
    let recorded = conditions.iter().copied().filter(|part| id.is_some() && encounter_of(part) == id);
    let reasons = list(value, "reasonReference").iter().filter_map(|r| by_id(text(r, &["reference"])?));
    let stated = get(value, &["reasonCode"]).and_then(concept);

    // Rank of a candidate: what it is comes first, then how it is tied to the visit.
    let mut best: Option<(u8, &'a str, Option<&'a RawPart>)> = None;
    let mut consider = |tie: u8, name: Option<&'a str>, part: Option<&'a RawPart>| {
        let Some(name) = name else { return };
        let rank = match (weight(name), tie) {
            (0, _) => return,
            (2, tie) => 3 + tie,
            (_, tie) => tie,
        };
        if best.as_ref().is_none_or(|(other, ..)| rank > *other) {
            best = Some((rank, name, part));
        }
    };
    diagnoses.for_each(|part| consider(2, name(part), Some(part)));
    // What the visit was for goes before what else was found at it.
    let recorded: Vec<&RawPart> = recorded.collect();
    for &part in &recorded {
        if stated.is_some() && name(part) == stated {
            consider(2, name(part), Some(part));
        }
    }
    recorded.iter().for_each(|part| consider(1 + u8::from(stated.is_none()), name(part), Some(part)));
    reasons.for_each(|part| consider(0, name(part), Some(part)));
    consider(0, stated, None);
    let (rank, diagnosis, condition) = best?;
    let visit = Visit { encounter, start, end: end.unwrap_or(start), diagnosis, condition };
    Some((rank, visit))
}
