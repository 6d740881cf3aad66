//! The project's own lines: a [`Case`] a line, or the simpler form in which most fields may be left out.
//!
//! A line with `truth` is a whole case, all other lines are the simpler form ([`simple`]). Either may carry `identity`,
//! which the gate uses to look for the patient's names and numbers in the texts and then drops.

mod brief;
pub mod simple;

use serde::de::DeserializeOwned;
use serde_json::Value;

use self::simple::SimpleCase;
use crate::data::case::{Case, Origin};
use crate::data::import::concept::slug;
use crate::data::import::{Context, ImportAccount, ImportError};
use crate::data::phi::{Deidentified, Place, RawPart, RawRecord, Schema};

/// What the record of a line is called in the account.
const KIND: &str = "case";

/// Nobody is older, in years.
const OLDEST: f64 = 130.0;

/// Makes a raw record of a line.
pub(super) fn record(place: Place, value: Value, file_number: u64) -> Result<RawRecord, ImportError> {
    if !value.is_object() {
        return Err(ImportError::Shape {
            field: "line".to_owned(),
            found: super::error::found(Some(&value)),
            legal: "an object".to_owned(),
            place,
        });
    }
    let shape = |field: &str, found: String, legal: &str| ImportError::Shape {
        place: place.clone(),
        field: field.to_owned(),
        found,
        legal: legal.to_owned(),
    };
    // Before the gate, which pools all ages from 90 on.
    for field in ["age", "stratum.age"] {
        let age = field.split('.').try_fold(&value, |value, key| value.get(key)).and_then(Value::as_f64);
        if let Some(age) = age.filter(|age| *age > OLDEST) {
            return Err(shape(field, age.to_string(), "whole years from 0 to 130"));
        }
    }
    if value.get("opening").and_then(Value::as_str).is_some_and(|text| text.trim().is_empty()) {
        return Err(shape("opening", "empty".to_owned(), "the patient's first sentence"));
    }
    let key = value.get("identity").and_then(|identity| identity.get("key")).and_then(Value::as_str);
    let patient = key.map_or_else(|| place.to_string(), str::to_owned);
    let part = RawPart { name: KIND.to_owned(), place: place.clone(), value };
    Ok(RawRecord { schema: Schema::Jsonl, place, file_number, patient, parts: vec![part] })
}

/// The case of a line.
pub(super) fn case(
    record: &Deidentified<RawRecord>,
    place: &Place,
    id: String,
    context: &Context<'_>,
    account: &mut ImportAccount,
) -> Result<Case, ImportError> {
    let mut value = record.get().parts.first().map(|part| part.value.clone()).unwrap_or_default();
    let fields: Vec<String> = value.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default();
    if let Some(map) = value.as_object_mut() {
        map.remove("identity");
        name_anew(map, record, &id);
    }
    let case = if value.get("truth").is_some() {
        let mut case: Case = read(value, place, "a case as docs/cases.md describes it")?;
        // What was drawn from the bank stays so: its seed says more than the file it went through.
        if matches!(case.origin, Origin::Imported { .. }) && !record.overridden().is_empty() {
            if let Origin::Imported { overridden, .. } = &mut case.origin {
                overridden.extend_from_slice(record.overridden());
            }
        } else if !record.overridden().is_empty() {
            case.origin = origin(record);
        }
        case
    } else {
        let simple: SimpleCase = read(value, place, "the simpler form, as docs/cases.md describes it")?;
        simple.case(record, place, id, context, account)?
    };
    for field in fields {
        if field == "identity" {
            account.field_skipped("case.identity", "identifies the patient");
        } else {
            account.field_mapped(&format!("case.{field}"));
        }
    }
    account.mapped(KIND);
    Ok(case)
}

/// Reads `value`; an error names the field.
fn read<T: DeserializeOwned>(value: Value, place: &Place, legal: &str) -> Result<T, ImportError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        // Of a line that lacks a field, the path is empty, and what was found names the field.
        let path = error.path().to_string();
        let field = if path == "." { "the line".to_owned() } else { format!("`{path}`") };
        let inner = error.into_inner().to_string();
        // What is read before this stands in no list of fields.
        let beside = if !path.contains(['.', '[']) && inner.starts_with("unknown field") {
            ", with `identity` beside the fields listed, an object of what identifies the patient and a `key`"
        } else {
            ""
        };
        let found = format!("not as it should be ({inner})");
        ImportError::Shape { place: place.clone(), field, found, legal: format!("{legal}{beside}") }
    })
}

fn origin(record: &Deidentified<RawRecord>) -> Origin {
    Origin::Imported {
        format: Schema::Jsonl.name().to_owned(),
        file: record.source().to_owned(),
        record: record.record(),
        overridden: record.overridden().to_vec(),
    }
}

/// Gives `id` to a case whose own the gate has replaced, and leaves its presentation to the diagnosis: `[name]` is a
/// name for neither.
fn name_anew(map: &mut serde_json::Map<String, Value>, record: &Deidentified<RawRecord>, id: &str) {
    if record.account().redacted.is_empty() {
        return;
    }
    let replaced = |map: &serde_json::Map<String, Value>, field: &str| {
        map.get(field).and_then(Value::as_str).is_some_and(|text| text.contains('['))
    };
    if replaced(map, "id") {
        map.insert("id".to_owned(), Value::from(id));
    }
    if replaced(map, "presentation") {
        let diagnosis = map.get("truth").and_then(|truth| truth.get("diagnosis")).and_then(Value::as_str);
        match diagnosis.map(slug) {
            Some(presentation) => map.insert("presentation".to_owned(), Value::from(presentation)),
            None => map.remove("presentation"),
        };
    }
}

#[cfg(test)]
mod tests {
    use crate::data::import::{Format, ImportOptions, check, import};
    use crate::data::lexicon::Lexicon;
    use crate::data::phi::{FreeText, PhiPolicy};

    #[test]
    fn a_name_for_an_id_is_refused_or_replaced_by_a_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cases.jsonl");
        let line = r#"{"id":"john-smith","presentation":"john_smith","age":40,"sex":"female","diagnosis":"pneumonia","symptoms":["cough"]}"#;
        std::fs::write(&path, line).unwrap();
        let read = |free_text| {
            let options = ImportOptions { phi: PhiPolicy { free_text, seed: 1 }, ..ImportOptions::default() };
            import(std::slice::from_ref(&path), Some(Format::Jsonl), Lexicon::bundled(), &options)
        };
        let refused = read(FreeText::Refuse).unwrap_err().to_string();
        assert!(refused.contains("case.id") && refused.contains("case.presentation"), "{refused}");
        assert!(!refused.contains("smith"), "{refused}");
        // A whole case, as it was exported, fares like the simpler form.
        let whole = read(FreeText::Allow).unwrap().cases.remove(0);
        let texts = [line.to_owned(), serde_json::to_string(&whole).unwrap()];
        for text in texts {
            std::fs::write(&path, text).unwrap();
            let case = read(FreeText::Redact).unwrap().cases.remove(0);
            assert_eq!((case.id.as_str(), case.presentation.as_str()), ("jsonl-00001", "pneumonia"));
            assert_eq!(check(&[case], Lexicon::bundled()), []);
        }
    }
}
