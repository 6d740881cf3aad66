//! OSCE stations as AgentClinic writes them: one JSON object a line, `{"OSCE_Examination": {..}}`.
//!
//! `Patient_Actor` is what the patient knows, `Physical_Examination_Findings` what an examination shows,
//! `Test_Results` what tests show, `Correct_Diagnosis` the truth. `Objective_for_Doctor` is an instruction and names
//! what the patient should tell, so it is left out. The stations differ in their fields; every text in them is either
//! mapped or counted as left out.

mod actor;
mod denial;
mod findings;

use serde_json::Value;

use crate::data::case::{Age, Case, PlanStep, Prevalence, Severity, Sex, StepKind, Stratum, Truth};
use crate::data::import::draft::{Draft, finish, names_of};
use crate::data::import::error::found;
use crate::data::import::voice::i_have;
use crate::data::import::{Context, ImportAccount, ImportError, specialty};
use crate::data::lexicon::ConceptKind;
use crate::data::phi::{Deidentified, Place, RawPart, RawRecord, Schema};

/// The key under which a station stands.
pub(super) const STATION: &str = "OSCE_Examination";

/// Makes a raw record of a line.
pub(super) fn record(place: Place, value: Value, file_number: u64) -> Result<RawRecord, ImportError> {
    let shape = |field: &str, value: Option<&Value>, legal: &str| ImportError::Shape {
        place: place.clone(),
        field: field.to_owned(),
        found: found(value),
        legal: legal.to_owned(),
    };
    let Some(station) = value.get(STATION).filter(|station| station.is_object()) else {
        return Err(shape(STATION, value.get(STATION), "an object"));
    };
    if !station.get("Patient_Actor").is_some_and(Value::is_object) {
        let field = format!("{STATION}.Patient_Actor");
        return Err(shape(&field, station.get("Patient_Actor"), "an object"));
    }
    let diagnosis = station.get("Correct_Diagnosis");
    if diagnosis.and_then(Value::as_str).is_none_or(|text| text.trim().is_empty()) {
        let field = format!("{STATION}.Correct_Diagnosis");
        return Err(shape(&field, diagnosis, "the name of a condition"));
    }
    let patient = place.to_string();
    let part = RawPart { name: STATION.to_owned(), place: place.clone(), value: station.clone() };
    Ok(RawRecord { schema: Schema::Osce, place, file_number, patient, parts: vec![part] })
}

/// Every text of a value, counted.
fn leaves(value: &Value) -> u64 {
    match value {
        Value::Object(map) => map.values().map(leaves).sum(),
        Value::Array(items) => items.iter().map(leaves).sum(),
        Value::Null => 0,
        _ => 1,
    }
}

/// The case of a station, `None` where it has no age or no complaint.
pub(super) fn case(
    record: &Deidentified<RawRecord>,
    id: String,
    context: &Context<'_>,
    account: &mut ImportAccount,
) -> Option<Case> {
    let station = &record.get().parts.first()?.value;
    let actor = station.get("Patient_Actor").unwrap_or(&Value::Null);
    let demographics = actor.get("Demographics").and_then(Value::as_str).unwrap_or_default();
    let objective = station.get("Objective_for_Doctor").and_then(Value::as_str).unwrap_or_default();
    let Some(age) = age(demographics).or_else(|| age(objective)) else {
        account.skipped(STATION, "tells no age");
        return None;
    };
    let history = actor.get("History").and_then(Value::as_str).unwrap_or_default();
    let sex = [demographics, objective, history].into_iter().find_map(sex).unwrap_or(Sex::Other);
    let recorded = station.get("Correct_Diagnosis").and_then(Value::as_str).unwrap_or_default().trim();
    let diagnosis = context.concepts.condition(recorded);
    let forbidden = names_of(recorded, context.lexicon, &context.concepts);

    let mut drafts: Vec<Draft> = Vec::new();
    let mut plan: Vec<PlanStep> = Vec::new();
    let mut complaint = None;
    for (key, value) in station.as_object()? {
        let count = leaves(value);
        let field = |section: &str| format!("{section} (texts)");
        let mapped = match key.as_str() {
            "Patient_Actor" => {
                complaint = actor::facts(value, sex, context, account, &mut drafts);
                continue;
            }
            "Physical_Examination_Findings" => findings::examinations(value, &context.concepts, &mut drafts),
            "Test_Results" => findings::tests(value, &context.concepts, &mut drafts),
            "Correct_Diagnosis" => count,
            "Management_and_Follow_Up" => steps(key, value, context, &mut plan),
            "Objective_for_Doctor" => {
                (0..count).for_each(|_| account.field_skipped(&field(key), "an instruction to the doctor"));
                continue;
            }
            _ => 0,
        };
        (0..mapped).for_each(|_| account.field_mapped(&field(key)));
        (mapped..count).for_each(|_| account.field_skipped(&field(key), "empty or not covered"));
    }
    let Some(complaint) = complaint else {
        account.skipped(STATION, "names no symptom and no history");
        return None;
    };
    account.mapped(STATION);
    let stratum = Stratum {
        specialty: if age.years() == 0 { paediatrics() } else { specialty::of_diagnosis(recorded) },
        age,
        sex,
        severity: Severity::Moderate,
        prevalence: Prevalence::Occasional,
        comorbidities: Vec::new(),
    };
    // Stations do not tell how urgent they are.
    let truth = Truth { diagnosis, differentials: Vec::new(), red_flags: Vec::new(), emergency: None, plan };
    let opening = i_have(&complaint);
    let plain = "I've come because I haven't been feeling right.";
    let (case, hidden) = finish(record, id, stratum, [&opening, plain], drafts, truth, &forbidden);
    account.hidden += hidden;
    Some(case)
}

fn paediatrics() -> crate::data::case::Specialty {
    crate::data::case::Specialty("paediatrics".to_owned())
}

/// Steps of management: each text is one.
fn steps(key: &str, value: &Value, context: &Context<'_>, plan: &mut Vec<PlanStep>) -> u64 {
    const KINDS: [ConceptKind; 4] =
        [ConceptKind::Substance, ConceptKind::Measure, ConceptKind::Test, ConceptKind::Examination];
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| steps(key, value, context, plan)).sum(),
        Value::Array(items) => items.iter().map(|item| steps(key, item, context, plan)).sum(),
        Value::String(text) if !text.trim().is_empty() => {
            let lower = key.to_lowercase();
            let kind = match () {
                () if lower.contains("referral") => StepKind::Referral,
                () if ["medic", "drug", "pharma"].iter().any(|w| lower.contains(w)) => StepKind::Drug,
                () if ["surg", "procedure", "operation"].iter().any(|w| lower.contains(w)) => {
                    StepKind::Procedure
                }
                () if ["test", "investigation", "imaging"].iter().any(|w| lower.contains(w)) => {
                    StepKind::Investigation
                }
                () => StepKind::Advice,
            };
            let concept = context
                .concepts
                .within(text, &KINDS)
                .first()
                .map_or_else(|| key.replace('_', " ").to_lowercase(), |name| (*name).to_owned());
            plan.push(PlanStep { kind, concept, text: text.clone() });
            1
        }
        _ => 0,
    }
}

/// The age in years that a description begins with: `35-year-old woman` 35, `8-month-old boy` 0, `Newborn` 0.
pub(super) fn age(text: &str) -> Option<Age> {
    let lower = text.to_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let year = words.windows(2).find_map(|pair| match pair {
        [number, unit] if unit.starts_with("year") || *unit == "yo" => number.parse::<u32>().ok(),
        _ => None,
    });
    let older = lower.contains("90 or older").then_some(90);
    let young = words.iter().any(|word| {
        word.starts_with("month")
            || word.starts_with("week")
            || word.starts_with("day")
            || *word == "hours"
            || word.starts_with("newborn")
            || word.starts_with("neonat")
            || word.starts_with("infant")
    });
    year.or(older).filter(|&years| years < 150).or(young.then_some(0)).map(Age::new)
}

/// The sex that a description tells.
pub(super) fn sex(text: &str) -> Option<Sex> {
    const FEMALE: [&str; 5] = ["female", "woman", "girl", "lady", "primigravid"];
    const MALE: [&str; 4] = ["male", "man", "boy", "gentleman"];
    text.to_lowercase().split(|c: char| !c.is_alphanumeric()).find_map(|word| {
        if FEMALE.contains(&word) {
            Some(Sex::Female)
        } else if MALE.contains(&word) {
            Some(Sex::Male)
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_sexes_are_read_from_descriptions() {
        let years = |text: &str| age(text).map(Age::years);
        assert_eq!(years("35-year-old female"), Some(35));
        assert_eq!(years("8-month-old boy"), Some(0));
        assert_eq!(years("Newborn, born at 33 weeks of gestation"), Some(0));
        assert_eq!(years("22-year-old female at 30 weeks gestation"), Some(22));
        assert_eq!(years("a person"), None);
        assert_eq!(years("4000000000-year-old"), None);
        assert_eq!(sex("70-year-old man accompanied by his wife"), Some(Sex::Male));
        assert_eq!(sex("23-year-old college student"), None);
    }
}
