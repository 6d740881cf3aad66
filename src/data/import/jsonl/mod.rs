//! The project's own lines: a [`Case`] a line, or the simpler form in which most fields may be left out.
//!
//! A line with `truth` is a whole case, all other lines are the simpler form ([`simple`]). Either may carry `identity`,
//! which the gate uses to look for the patient's names and numbers in the texts and then drops.

pub mod simple;

use serde::de::DeserializeOwned;
use serde_json::Value;

use self::simple::SimpleCase;
use crate::data::case::{Case, Origin};
use crate::data::import::{Context, ImportAccount, ImportError};
use crate::data::phi::{Deidentified, Place, RawPart, RawRecord, Schema};

/// What the record of a line is called in the account.
const KIND: &str = "case";

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
        let found = format!("not as it should be ({})", error.into_inner());
        ImportError::Shape { place: place.clone(), field, found, legal: legal.to_owned() }
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
