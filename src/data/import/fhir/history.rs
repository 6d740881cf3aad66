//! What was already so before the visit: conditions, drugs, allergies, relatives' illnesses, procedures.

use std::collections::BTreeMap;

use super::encounter::{Visit, encounter_of, name, stands, weight};
use super::fields::{codes, concept, get, has_code, list, moment, span, text};
use super::observation::plain_if_tagged;
use super::procedure;
use crate::data::case::{Aspect, Finding, Importance, PlanStep, Reveal, StepKind, Topic};
use crate::data::import::ImportAccount;
use crate::data::import::concept::{Concepts, plain_name};
use crate::data::import::draft::Draft;
use crate::data::import::voice::i_have;
use crate::data::lexicon::ConceptKind;
use crate::data::phi::{Moment, RawPart, RawRecord};

/// What the history gives a case.
#[derive(Debug, Default)]
pub(super) struct History {
    pub drafts: Vec<Draft>,
    pub comorbidities: Vec<String>,
    pub plan: Vec<PlanStep>,
    /// Symptoms recorded at the visit, in words.
    pub complaints: Vec<String>,
}

/// Several records of one thing, before the visit.
pub(super) struct Repeated<'a> {
    pub(super) name: &'a str,
    pub(super) count: u64,
    pub(super) first: Option<Moment>,
    last: Option<Moment>,
    current: bool,
    detail: Option<String>,
}

/// Groups by name, in the order of first mention.
#[derive(Default)]
pub(super) struct Groups<'a> {
    order: Vec<String>,
    by_name: BTreeMap<String, Repeated<'a>>,
}

impl<'a> Groups<'a> {
    pub(super) fn add(&mut self, name: &'a str, when: Option<Moment>, current: bool, detail: Option<String>) {
        let key = plain_name(name);
        if !self.by_name.contains_key(&key) {
            self.order.push(key.clone());
        }
        let entry = self.by_name.entry(key).or_insert(Repeated {
            name,
            count: 0,
            first: None,
            last: None,
            current: false,
            detail: None,
        });
        entry.count += 1;
        entry.current |= current;
        entry.detail = detail.or(entry.detail.take());
        if let Some(when) = when {
            entry.first = Some(entry.first.filter(|first| first.seconds <= when.seconds).unwrap_or(when));
            entry.last = Some(entry.last.filter(|last| last.seconds >= when.seconds).unwrap_or(when));
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Repeated<'a>> {
        self.order.iter().filter_map(|key| self.by_name.get(key))
    }
}

impl Repeated<'_> {
    /// `first about 3 years before this visit, 4 times`.
    pub(super) fn when(&self, visit: &Visit<'_>) -> String {
        let Some(first) = self.first else { return String::new() };
        let mut text = format!(", {} before this visit", span(first.days_until(visit.start)));
        if self.count > 1 {
            text = format!("{text} and {} times in all", self.count);
        }
        text
    }
}

/// Reads conditions, drugs, allergies, family history and procedures.
pub(super) fn read(
    record: &RawRecord,
    visit: &Visit<'_>,
    concepts: &Concepts,
    account: &mut ImportAccount,
) -> History {
    let mut history = History::default();
    conditions(record, visit, concepts, account, &mut history);
    medicines(record, visit, concepts, account, &mut history);
    for part in &record.parts {
        let result = match part.name.as_str() {
            "AllergyIntolerance" => allergy(part, visit, concepts, &mut history),
            "FamilyMemberHistory" => relative(part, concepts, &mut history),
            _ => continue,
        };
        match result {
            Ok(()) => account.mapped(&part.name),
            Err(reason) => account.skipped(&part.name, reason),
        }
    }
    procedure::read(record, visit, concepts, account, &mut history);
    history
}

/// Whether a resource belongs to the visit by its encounter.
pub(super) fn is_here(part: &RawPart, visit: &Visit<'_>) -> bool {
    encounter_of(part).is_some() && encounter_of(part) == text(&visit.encounter.value, &["id"])
}

fn conditions(
    record: &RawRecord,
    visit: &Visit<'_>,
    concepts: &Concepts,
    account: &mut ImportAccount,
    history: &mut History,
) {
    let mut groups = Groups::default();
    for part in record.parts.iter().filter(|part| part.name == "Condition") {
        match condition(part, visit, concepts, history, &mut groups) {
            Ok(()) => account.mapped("Condition"),
            Err(reason) => account.skipped("Condition", reason),
        }
    }
    for it in groups.iter() {
        let words = plain_if_tagged(it.name);
        let plain = plain_name(it.name);
        let bare = plain.strip_prefix("history of ").unwrap_or(&plain).to_owned();
        let concept = concepts.condition(&bare);
        let days = it.first.map(|first| first.days_until(visit.start));
        let said = match (it.current, days) {
            (true, Some(days)) if days > 30 => format!("I was told {} ago that I have {bare}.", span(days)),
            (true, _) => format!("I have {bare}."),
            (false, Some(days)) if it.count == 1 => format!("I had {bare} {} ago.", span(days)),
            (false, _) if it.count > 1 => format!("I've had {bare} {} times before.", it.count),
            (false, _) => format!("I had {bare} once."),
        };
        let state = if it.current { "" } else { ", resolved" };
        let draft = Draft::new(Topic::History, concept.clone(), format!("{words}{}{state}", it.when(visit)));
        let importance = if it.current { Importance::Useful } else { Importance::Routine };
        history.drafts.push(draft.said(said).importance(importance));
        if it.current {
            history.comorbidities.push(concept);
        }
    }
}

fn condition<'a>(
    part: &'a RawPart,
    visit: &Visit<'_>,
    concepts: &Concepts,
    history: &mut History,
    groups: &mut Groups<'a>,
) -> Result<(), &'static str> {
    let value = &part.value;
    if !stands(value) {
        return Err("refuted or entered in error");
    }
    let words = name(part).ok_or("has no name")?;
    if visit.condition.is_some_and(|own| std::ptr::eq(own, part)) {
        // It is the truth of the case.
        return Ok(());
    }
    let when = moment(value, &["onsetDateTime", "onsetPeriod", "recordedDate"]);
    let end = moment(value, &["abatementDateTime", "abatementPeriod"]);
    let same_day = when.is_some_and(|when| when.days_until(visit.start) == 0);
    if is_here(part, visit) || (encounter_of(part).is_none() && same_day) {
        return at_visit(part, words, concepts, history);
    }
    if when.is_some_and(|when| when.seconds > visit.end.seconds) {
        return Err("later than the encounter");
    }
    let over = end.is_some_and(|end| end.seconds <= visit.start.seconds);
    // The status is that of the day of the export; what ended later was still there at the visit.
    let inactive =
        end.is_none() && has_code(value.get("clinicalStatus"), &["resolved", "inactive", "remission"]);
    groups.add(words, when, !over && !inactive && weight(words) > 0, None);
    Ok(())
}

/// A condition recorded at the visit beside the diagnosis.
fn at_visit(
    part: &RawPart,
    words: &str,
    concepts: &Concepts,
    history: &mut History,
) -> Result<(), &'static str> {
    let plain = plain_name(words);
    let symptom = concepts.exact(&plain, &[ConceptKind::Symptom]).map(str::to_owned);
    let coded = part.value.get("code").is_some_and(|code| {
        codes(code).any(|(system, code)| system.contains("icd-10") && code.starts_with('R'))
    });
    if symptom.is_some() || coded {
        let concept = symptom.unwrap_or_else(|| plain.clone());
        let draft = Draft::new(Topic::Symptom, concept, plain_if_tagged(words)).said(i_have(&plain));
        let reveal = if history.complaints.is_empty() { Reveal::Opening } else { Reveal::OnQuestion };
        history.drafts.push(draft.reveal(reveal).importance(Importance::Essential));
        history.complaints.push(plain);
        return Ok(());
    }
    let concept = concepts.condition(words);
    // The patient learns of it at this visit, and so cannot tell it.
    let text = format!("{}, recorded at this visit", plain_if_tagged(words));
    history.drafts.push(Draft::new(Topic::History, concept.clone(), text).reveal(Reveal::Never));
    history.comorbidities.push(concept);
    Ok(())
}

fn medicines(
    record: &RawRecord,
    visit: &Visit<'_>,
    concepts: &Concepts,
    account: &mut ImportAccount,
    history: &mut History,
) {
    let mut groups = Groups::default();
    for part in &record.parts {
        if matches!(part.name.as_str(), "MedicationRequest" | "MedicationStatement") {
            match medicine(part, visit, concepts, history, &mut groups) {
                Ok(()) => account.mapped(&part.name),
                Err(reason) => account.skipped(&part.name, reason),
            }
        }
    }
    for it in groups.iter() {
        let concept = concepts.name(it.name, &[ConceptKind::Substance]);
        let plain = plain_name(it.name);
        let said = if it.current { format!("I take {plain}.") } else { format!("I used to take {plain}.") };
        let state = if it.current { "taken" } else { "taken in the past" };
        let finding = if it.current { Finding::Present } else { Finding::Absent };
        let text = format!("{} ({state}{})", it.name, it.when(visit));
        let draft = Draft::new(Topic::Medication, concept.clone(), text).finding(finding).said(said);
        let importance = if it.current { Importance::Useful } else { Importance::Routine };
        history.drafts.push(draft.importance(importance));
        if let Some(dose) = &it.detail {
            let draft =
                Draft::new(Topic::Medication, concept, format!("{}: {dose}", it.name)).aspect(Aspect::Detail);
            history.drafts.push(draft.said(format!("{dose}.")));
        }
    }
}

fn medicine<'a>(
    part: &'a RawPart,
    visit: &Visit<'_>,
    concepts: &Concepts,
    history: &mut History,
    groups: &mut Groups<'a>,
) -> Result<(), &'static str> {
    let value = &part.value;
    let status = text(value, &["status"]).unwrap_or_default();
    if matches!(status, "entered-in-error" | "cancelled" | "draft" | "not-taken" | "unknown") {
        return Err("not taken, or entered in error");
    }
    if value.get("doNotPerform").and_then(serde_json::Value::as_bool) == Some(true) {
        return Err("an order not to give it");
    }
    let words = value.get("medicationCodeableConcept").and_then(concept).ok_or("names no medicine")?;
    let when = moment(value, &["authoredOn", "effectiveDateTime", "effectivePeriod", "dateAsserted"]);
    let dose =
        ["dosageInstruction", "dosage"].iter().find_map(|key| text(value, &[key, "text"])).map(str::to_owned);
    if is_here(part, visit) && part.name == "MedicationRequest" {
        let concept = concepts.name(words, &[ConceptKind::Substance]);
        let words = dose.map_or_else(|| words.to_owned(), |dose| format!("{words}, {dose}"));
        history.plan.push(PlanStep { kind: StepKind::Drug, concept, text: words });
        return Ok(());
    }
    if when.is_some_and(|when| when.seconds > visit.end.seconds) {
        return Err("later than the encounter");
    }
    let current = matches!(status, "active" | "on-hold" | "intended" | "");
    groups.add(words, when, current, dose);
    Ok(())
}

fn allergy(
    part: &RawPart,
    visit: &Visit<'_>,
    concepts: &Concepts,
    history: &mut History,
) -> Result<(), &'static str> {
    let value = &part.value;
    if !stands(value) {
        return Err("refuted or entered in error");
    }
    if has_code(value.get("clinicalStatus"), &["resolved", "inactive"]) {
        return Err("no longer active");
    }
    let words = value.get("code").and_then(concept).ok_or("has no name")?;
    if moment(value, &["onsetDateTime", "recordedDate"]).is_some_and(|when| when.seconds > visit.end.seconds)
    {
        return Err("later than the encounter");
    }
    let plain = plain_name(words);
    if plain.starts_with("no known") || plain.starts_with("no allerg") {
        let draft = Draft::new(Topic::Allergy, "allergy", words).finding(Finding::Absent);
        history.drafts.push(draft.said("I have no allergies that I know of.").importance(Importance::Useful));
        return Ok(());
    }
    let bare = plain
        .trim_start_matches("allergy to ")
        .trim_start_matches("allergic to ")
        .trim_end_matches(" allergy");
    let bare = bare.trim_end_matches(" intolerance").to_owned();
    let concept = concepts.name(&bare, &[ConceptKind::Substance]);
    let severe = if text(value, &["criticality"]) == Some("high") { ", high risk" } else { "" };
    let draft = Draft::new(Topic::Allergy, concept.clone(), format!("{}{severe}", plain_if_tagged(words)));
    history.drafts.push(draft.said(format!("I'm allergic to {bare}.")).importance(Importance::Essential));
    let reactions: Vec<String> = list(value, "reaction")
        .iter()
        .flat_map(|reaction| list(reaction, "manifestation"))
        .filter_map(|it| self::concept(it))
        .map(plain_name)
        .collect();
    if !reactions.is_empty() {
        let said = format!("It gives me {}.", reactions.join(" and "));
        let draft = Draft::new(Topic::Allergy, concept, format!("{bare}: {}", reactions.join(", ")));
        history.drafts.push(draft.aspect(Aspect::Detail).said(said));
    }
    Ok(())
}

fn relative(part: &RawPart, concepts: &Concepts, history: &mut History) -> Result<(), &'static str> {
    let value = &part.value;
    if text(value, &["status"]) == Some("entered-in-error") {
        return Err("entered in error");
    }
    let who = value.get("relationship").and_then(concept).map(plain_name).ok_or("names no relationship")?;
    let conditions = list(value, "condition");
    let mut any = false;
    for it in conditions {
        let Some(words) = it.get("code").and_then(concept) else { continue };
        any = true;
        let age = get(it, &["onsetAge", "value"]).and_then(serde_json::Value::as_f64);
        let age =
            age.map(
                |years| if years >= 90.0 { " at 90 or older".to_owned() } else { format!(" at {years:.0}") },
            );
        let age = age.unwrap_or_default();
        let plain = plain_name(words);
        let draft = Draft::new(Topic::Family, concepts.condition(words), format!("{who}: {plain}{age}"));
        history.drafts.push(draft.said(format!("My {who} had {plain}{age}.")).importance(Importance::Useful));
    }
    if any { Ok(()) } else { Err("names no condition") }
}
