//! One patient's record to one case.

use serde_json::Value;

use super::encounter::{Visit, choose};
use super::fields::{get, has_code, text};
use super::{history, observation};
use crate::data::case::{Case, Prevalence, Severity, Sex, Specialty, Stratum, Truth};
use crate::data::import::draft::{finish, names_of};
use crate::data::import::voice::i_have;
use crate::data::import::{Context, ImportAccount, ImportError, specialty};
use crate::data::phi::{Deidentified, Place, RawRecord};

/// The case of one patient, `None` where there is none to be made; every resource is accounted for either way. Errors, with
/// the place of the patient, where the patient is born after the visit.
pub(in crate::data::import) fn case(
    record: &Deidentified<RawRecord>,
    place: &Place,
    id: String,
    context: &Context<'_>,
    account: &mut ImportAccount,
) -> Result<Option<Case>, ImportError> {
    let raw = record.get();
    let none = |account: &mut ImportAccount, reason: &str| {
        raw.parts.iter().for_each(|part| account.skipped(&part.name, reason));
        Ok(None)
    };
    let Some(visit) = choose(raw) else {
        return none(account, "the patient has no encounter with a condition");
    };
    let patient = raw.parts.iter().find(|part| part.name == "Patient");
    let Some(age) = record.age_at(visit.start) else {
        return none(account, "the patient has no date of birth");
    };
    if record.is_born_after(visit.start) {
        // Both dates are shifted, so neither is shown.
        return Err(ImportError::Shape {
            place: place.clone(),
            field: "Patient.birthDate".to_owned(),
            found: "after the encounter that the case is about".to_owned(),
            legal: "a date not after Encounter.period".to_owned(),
        });
    }
    let sex = match patient.and_then(|part| text(&part.value, &["gender"])) {
        Some("female") => Sex::Female,
        Some("male") => Sex::Male,
        _ => Sex::Other,
    };
    let mut patients = 0;
    for part in &raw.parts {
        match part.name.as_str() {
            // A bundle may repeat the patient.
            "Patient" if patients == 0 => {
                patients += 1;
                account.mapped("Patient");
            }
            "Patient" => account.skipped("Patient", "repeats a patient"),
            "Encounter" if std::ptr::eq(part, visit.encounter) => account.mapped("Encounter"),
            "Encounter" => account.skipped("Encounter", "another encounter was chosen"),
            _ => {}
        }
    }
    let concepts = &context.concepts;
    let history = history::read(raw, &visit, concepts, account);
    let mut drafts = history.drafts;
    observation::facts(raw, &visit, concepts, account, &mut drafts);

    let diagnosis = concepts.condition(visit.diagnosis);
    let class = visit.encounter.value.get("class");
    let urgent = has_code(class, &["EMER"]);
    let forbidden = names_of(visit.diagnosis, context.lexicon, concepts);
    let plain = if urgent {
        "Something is wrong with me and I need help now."
    } else {
        "I've come because I haven't been feeling right."
    };
    let wanted = history.complaints.first().map_or_else(|| plain.to_owned(), |complaint| i_have(complaint));
    let mut comorbidities = history.comorbidities;
    comorbidities.retain(|name| *name != diagnosis);
    comorbidities.sort();
    comorbidities.dedup();
    let stratum = Stratum {
        specialty: specialty_of(&visit),
        age,
        sex,
        severity: severity(&visit),
        prevalence: Prevalence::Occasional,
        comorbidities,
    };
    let truth = Truth {
        diagnosis,
        differentials: Vec::new(),
        red_flags: Vec::new(),
        // A visit of another class may have been one that had to be sent on.
        emergency: urgent.then_some(true),
        plan: history.plan,
    };
    let (case, hidden) = finish(record, id, stratum, [&wanted, plain], drafts, truth, &forbidden);
    account.hidden += hidden;
    Ok(Some(case))
}

/// The specialty of the encounter's service, else that of the diagnosis.
fn specialty_of(visit: &Visit<'_>) -> Specialty {
    let stated = get(&visit.encounter.value, &["serviceType"]).and_then(super::fields::concept);
    let slug = stated.map(|name| crate::data::import::concept::slug(name).replace('-', "_"));
    slug.map_or_else(|| specialty::of_diagnosis(visit.diagnosis), Specialty)
}

/// Emergencies and admissions are severe; else the condition's own severity counts; else moderate.
fn severity(visit: &Visit<'_>) -> Severity {
    let value = &visit.encounter.value;
    if has_code(value.get("class"), &["EMER", "IMP", "ACUTE", "NONAC", "SS"]) {
        return Severity::Severe;
    }
    let coded: Option<&Value> = visit.condition.and_then(|part| part.value.get("severity"));
    let word = coded.and_then(super::fields::concept).unwrap_or_default().to_lowercase();
    if word.contains("severe") || has_code(coded, &["24484000"]) {
        Severity::Severe
    } else if word.contains("mild")
        || has_code(coded, &["255604002"])
        || has_code(value.get("class"), &["VR", "HH"])
    {
        Severity::Mild
    } else {
        Severity::Moderate
    }
}
