//! mediQ's rows: one JSON object a line, an exam question taken apart into numbered atomic facts.
//!
//! Each atomic fact becomes a fact of the case, in its own words and in the patient's, and is filed under every concept that
//! a question may reach it by. What only an examination or a test shows is a finding, what was done about it afterwards is
//! never told, and the answer of the row is what stays hidden. Questions, options and the prose that the facts were taken
//! from are left out.
//!
//! The answer of a row is not always a diagnosis: some ask for a drug or a mechanism. It is the truth of the case all the
//! same, since it is what the facts must not give away.

mod atom;
mod person;

use serde_json::{Map, Value, json};

use self::atom::Atom;
use super::draft::{Draft, finish, names_of};
use super::error::found;
use super::filing::{shown, told};
use super::{Context, ImportAccount, ImportError, osce, specialty};
use crate::data::case::{
    Age, Case, Finding, Importance, Prevalence, Reveal, Severity, Sex, Specialty, Stratum, Topic, Truth,
};
use crate::data::phi::{Deidentified, Place, RawPart, RawRecord, Schema};

/// What a row is called in the account.
const ROW: &str = "row";

/// A key that rows have and no other format's lines.
pub(super) const TELLING_KEY: &str = "context_len";

/// Fields of a row that no case is made of, with why.
const LEFT_OUT: [(&str, &str); 4] = [
    ("context", "the facts say it again"),
    ("question", "is put to a reader of the whole text"),
    ("options", "are put to a reader of the whole text"),
    ("explanation", "is about the answer"),
];

/// Makes a raw record of a line.
pub(super) fn record(place: Place, value: Value, file_number: u64) -> Result<RawRecord, ImportError> {
    let shape = |field: &str, value: Option<&Value>, legal: &str| ImportError::Shape {
        place: place.clone(),
        field: field.to_owned(),
        found: found(value),
        legal: legal.to_owned(),
    };
    let id = value.get("id");
    let Some(number) = id.and_then(Value::as_u64) else { return Err(shape("id", id, "a whole number")) };
    let answer = value.get("answer");
    if answer.and_then(Value::as_str).is_none_or(|text| text.trim().is_empty()) {
        return Err(shape("answer", answer, "a text"));
    }
    let facts = value.get("facts");
    let Some(items) = facts.and_then(Value::as_array) else {
        return Err(shape("facts", facts, "a list of texts"));
    };
    let mut texts = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let Some(text) = item.as_str() else {
            return Err(shape(&format!("facts[{at}]"), Some(item), "a text"));
        };
        texts.push(Value::from(atom::unnumbered(text)));
    }
    let patient = value.get("patient");
    if !patient.is_some_and(Value::is_object) {
        return Err(shape("patient", patient, "an object"));
    }
    let of_patient = |key: &str| patient.and_then(|patient| patient.get(key));
    for key in ["age", "gender"] {
        if !of_patient(key).is_some_and(|it| it.is_string() || it.is_number()) {
            return Err(shape(&format!("patient.{key}"), of_patient(key), "a text"));
        }
    }
    let counts: Map<String, Value> =
        LEFT_OUT.iter().map(|(key, _)| ((*key).to_owned(), json!(leaves(value.get(*key))))).collect();
    // What no case is made of does not pass the gate either.
    let kept = json!({
        "row": number,
        "answer": answer,
        "age": of_patient("age"),
        "sex": of_patient("gender"),
        "specialty": of_patient("gpt_specialty"),
        "facts": texts,
        "left out": counts,
    });
    let patient = place.to_string();
    let part = RawPart { name: ROW.to_owned(), place: place.clone(), value: kept };
    Ok(RawRecord { schema: Schema::Mediq, place, file_number, patient, parts: vec![part] })
}

/// The texts and numbers in a value.
fn leaves(value: Option<&Value>) -> u64 {
    match value {
        Some(Value::Object(map)) => map.values().map(|value| leaves(Some(value))).sum(),
        Some(Value::Array(items)) => items.iter().map(|item| leaves(Some(item))).sum(),
        Some(Value::String(text)) if text.is_empty() => 0,
        None | Some(Value::Null) => 0,
        Some(_) => 1,
    }
}

/// The case of a row; `None` where it is about no patient, or no fact of it is there to be told.
pub(super) fn case(
    record: &Deidentified<RawRecord>,
    context: &Context<'_>,
    account: &mut ImportAccount,
) -> Option<Case> {
    let row = &record.get().parts.first()?.value;
    let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
    let texts: Vec<&str> =
        row.get("facts").and_then(Value::as_array)?.iter().filter_map(Value::as_str).collect();
    for (key, why) in LEFT_OUT {
        let count = row.get("left out").and_then(|it| it.get(key)).and_then(Value::as_u64).unwrap_or(0);
        (0..count).for_each(|_| account.field_skipped(key, why));
    }
    let mut leave = |why: &str| {
        account.skipped(ROW, why);
        texts.iter().for_each(|_| account.field_skipped("facts", why));
        None
    };
    if text("age") == "study" {
        return leave("is about a study, not a patient");
    }
    let Some(age) = age(row.get("age"), &texts) else { return leave("tells no age") };
    let sex = osce::sex(text("sex")).or_else(|| texts.iter().find_map(|text| osce::sex(text)));
    let sex = sex.unwrap_or(Sex::Other);

    let mut atoms = atom::Reader::new(sex);
    let mut drafts: Vec<Draft> = Vec::new();
    for text in &texts {
        match atoms.read(text, &context.concepts) {
            Atom::Person => account.field_mapped("facts"),
            Atom::Pointer => account.field_skipped("facts", "points to a picture or table"),
            Atom::Aftermath(text) => {
                account.field_mapped("facts");
                drafts.push(aftermath(text));
            }
            Atom::Finding(finding) => {
                account.field_mapped("facts");
                shown::push(&finding, &mut drafts);
            }
            Atom::Told(told) => {
                account.field_mapped("facts");
                drafts.extend(told);
            }
        }
    }
    let opening = open(&mut drafts);
    if drafts.iter().all(|draft| draft.reveal == Reveal::Never) {
        account.skipped(ROW, "has no fact that can be told");
        return None;
    }
    account.mapped(ROW);
    account.field_mapped("answer");
    account.field_mapped("patient");
    let recorded = text("answer").trim().trim_matches('"').trim();
    let forbidden = names_of(recorded, context.lexicon, &context.concepts);
    let specialty = specialty_of(text("specialty")).unwrap_or_else(|| specialty::of_diagnosis(recorded));
    let stratum = Stratum {
        specialty,
        age,
        sex,
        severity: Severity::Moderate,
        prevalence: Prevalence::Occasional,
        comorbidities: Vec::new(),
    };
    let diagnosis = context.concepts.condition(recorded);
    let truth = Truth {
        diagnosis,
        differentials: Vec::new(),
        red_flags: Vec::new(),
        // Nothing in a row tells how urgent it is.
        emergency: None,
        plan: Vec::new(),
    };
    let id = format!("mediq-{:04}", row.get("row").and_then(Value::as_u64).unwrap_or_default());
    let plain = "I've come because I haven't been feeling right.";
    let opening = opening.as_deref().unwrap_or(plain);
    let (case, hidden) = finish(record, id, stratum, [opening, plain], drafts, truth, &forbidden);
    account.hidden += hidden;
    Some(case)
}

/// What was done in the end. It is kept, since a patient who tells it would give away what is to be found out, and answers no
/// question: history is asked for as a whole, a test only by a name of the lexicon, and this has none.
fn aftermath(text: String) -> Draft {
    Draft::new(Topic::Test, "care given", text).reveal(Reveal::Never)
}

/// Makes the first symptom that is there the complaint: told unasked, essential, and the first sentence. Gives the
/// sentence.
fn open(drafts: &mut [Draft]) -> Option<String> {
    let there = |draft: &Draft| {
        draft.topic == Topic::Symptom && draft.finding == Finding::Present && draft.reveal != Reveal::Never
    };
    // What somebody is, is no complaint; `comes for an examination` is none where another fact is one.
    let ails =
        |draft: &&Draft| there(draft) && !(draft.concept == told::UNNAMED && person::is_state(&draft.text));
    let complains = |draft: &&Draft| ails(draft) && !person::is_appointment(&draft.text.to_lowercase());
    let text = drafts.iter().find(complains).or(drafts.iter().find(ails))?.text.clone();
    let mut said = None;
    for draft in drafts.iter_mut().filter(|draft| draft.text == text && there(draft)) {
        draft.reveal = Reveal::Opening;
        draft.importance = Importance::Essential;
        said = said.or(draft.said.clone());
    }
    said
}

/// The age: `55`, `21 years old`, `Newborn`; else what the first facts say.
fn age(value: Option<&Value>, texts: &[&str]) -> Option<Age> {
    let plain = match value {
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => text.trim().to_owned(),
        _ => String::new(),
    };
    let years = plain.parse::<u32>().ok().filter(|years| *years < 150).map(Age::new);
    years.or_else(|| osce::age(&plain)).or_else(|| texts.iter().take(3).find_map(|text| osce::age(text)))
}

/// The project's name of a specialty as mediQ names them; `None` for one it has no name for.
fn specialty_of(name: &str) -> Option<Specialty> {
    let lower = name.to_lowercase();
    const NAMES: [(&str, &str); 17] = [
        ("pediatric", "paediatrics"),
        ("neuro", "neurology"),
        ("obstetric", "gynaecology"),
        ("gastro", "gastroenterology"),
        ("ortho", "musculoskeletal"),
        ("rheumat", "musculoskeletal"),
        ("psychiatr", "psychiatry"),
        ("dermat", "dermatology"),
        ("cardi", "cardiology"),
        ("urolog", "urology"),
        ("nephro", "urology"),
        ("pulmon", "respiratory"),
        ("otolaryng", "ear_nose_throat"),
        ("endocrin", "endocrinology"),
        ("ophthalm", "ophthalmology"),
        ("hematolog", "haematology"),
        ("family medicine", "general_practice"),
    ];
    let found = NAMES.iter().find(|(part, _)| lower.contains(part)).map(|(_, name)| *name)?;
    Some(Specialty(found.to_owned()))
}

#[cfg(test)]
mod tests;
