//! Bringing the resources of each patient together.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{fields, kept, legal};
use crate::data::import::error::found;
use crate::data::import::{ImportAccount, ImportError};
use crate::data::phi::{Place, RawPart, RawRecord, Schema};

/// Resources by patient, in the order they were read.
#[derive(Debug, Default)]
pub(in crate::data::import) struct Patients {
    /// Position in `parts` by the patient's key.
    index: BTreeMap<String, usize>,
    parts: Vec<(String, Vec<RawPart>)>,
    /// Names of medicines by the key of their resource.
    medicines: BTreeMap<String, Value>,
    /// What `fullUrl` of a bundle means, as `Type/id`.
    urls: BTreeMap<String, String>,
    /// 1-based number of the first file.
    file_number: u64,
    /// Bytes of JSON held, roughly.
    held: u64,
}

impl Patients {
    /// An empty set, for the file that is the `file_number`th.
    pub fn new(file_number: u64) -> Self {
        Self { file_number, ..Self::default() }
    }

    /// Bytes of JSON held, roughly.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// Takes a resource: keeps the fields that are read, counts all.
    pub fn take(
        &mut self,
        place: Place,
        url: Option<&str>,
        resource: Value,
        account: &mut ImportAccount,
    ) -> Result<(), ImportError> {
        let shape = |field: &str, value: Option<&Value>, legal: &str| ImportError::Shape {
            place: place.clone(),
            field: field.to_owned(),
            found: found(value),
            legal: legal.to_owned(),
        };
        let Value::Object(fields) = resource else {
            return Err(shape("resource", Some(&resource), "an object with resourceType"));
        };
        let kind = fields.get("resourceType").and_then(Value::as_str);
        let Some(kind) = kind.filter(|kind| !kind.is_empty()).map(str::to_owned) else {
            return Err(shape("resourceType", fields.get("resourceType"), "the name of a FHIR resource"));
        };
        // A name of a type is letters; anything else would put a record's text into the account.
        if kind.len() > 64 || !kind.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(shape("resourceType", fields.get("resourceType"), "the name of a FHIR resource"));
        }
        let Some(keep) = kept(&kind) else {
            account.skipped(&kind, "resource type not covered");
            return Ok(());
        };
        legal::check(&kind, &fields, &place)?;
        let id = match fields.get("id") {
            Some(Value::String(id)) => Some(id.clone()),
            None => None,
            other => return Err(shape(&format!("{kind}.id"), other, "a text")),
        };
        let key = id.map(|id| format!("{kind}/{id}"));
        if let (Some(url), Some(key)) = (url, &key) {
            self.urls.insert(url.to_owned(), key.clone());
        }
        if kind == "Medication" {
            let code = fields.get("code").cloned().unwrap_or(Value::Null);
            // Mapped or not is known when a prescription names it.
            if let Some(key) = key.clone().or_else(|| url.map(str::to_owned)) {
                self.medicines.insert(key, code);
                account.mapped(&kind);
            } else {
                account.skipped(&kind, "has no id");
            }
            return Ok(());
        }
        let owner = match kind.as_str() {
            "Patient" => key.clone().or_else(|| url.map(str::to_owned)),
            "AllergyIntolerance" | "FamilyMemberHistory" => reference(fields.get("patient")),
            _ => reference(fields.get("subject")),
        };
        let Some(owner) = owner else {
            if kind == "Patient" {
                return Err(shape("Patient.id", fields.get("id"), "a text"));
            }
            account.skipped(&kind, "names no patient");
            return Ok(());
        };
        let contained = fields.get("contained").cloned();
        let mut kept_fields = Map::new();
        for (name, value) in fields {
            if name == "resourceType" || name == "contained" {
                continue;
            }
            let field = format!("{kind}.{name}");
            if keep.contains(&name.as_str()) {
                account.field_mapped(&field);
                kept_fields.insert(name, value);
            } else {
                account.field_skipped(&field, "not covered");
            }
        }
        if let Some(medicine) = contained_medicine(&kept_fields, contained.as_ref()) {
            kept_fields.insert("medicationCodeableConcept".to_owned(), medicine);
        }
        // An id in the form that references have, so that the two are equal.
        let own = key.or_else(|| url.map(str::to_owned));
        if let Some(own) = own {
            kept_fields.insert("id".to_owned(), Value::String(own));
        }
        let value = Value::Object(kept_fields);
        self.held += value.to_string().len() as u64;
        let position = *self.index.entry(owner.clone()).or_insert_with(|| {
            self.parts.push((owner, Vec::new()));
            self.parts.len() - 1
        });
        if let Some((_, parts)) = self.parts.get_mut(position) {
            parts.push(RawPart { name: kind, place, value });
        }
        Ok(())
    }

    /// One record a patient. What belongs to a patient whose own resource was not read is counted and left out.
    pub fn records(self, account: &mut ImportAccount) -> Vec<RawRecord> {
        let Self { parts, medicines, urls, file_number, .. } = self;
        let mut records: Vec<(String, Vec<RawPart>)> = Vec::new();
        let mut index: BTreeMap<String, usize> = BTreeMap::new();
        // `urn:uuid:..` and `Patient/..` may mean one patient.
        for (owner, parts) in parts {
            let owner = urls.get(&owner).cloned().unwrap_or(owner);
            let position = *index.entry(owner.clone()).or_insert_with(|| {
                records.push((owner, Vec::new()));
                records.len() - 1
            });
            if let Some((_, all)) = records.get_mut(position) {
                all.extend(parts);
            }
        }
        let mut out = Vec::with_capacity(records.len());
        for (owner, mut parts) in records {
            let Some(patient) = parts.iter().find(|part| part.name == "Patient") else {
                parts.iter().for_each(|part| account.skipped(&part.name, "its patient was not read"));
                continue;
            };
            let place = patient.place.clone();
            parts.iter_mut().for_each(|part| link(&mut part.value, &urls, &medicines));
            out.push(RawRecord { schema: Schema::Fhir, place, file_number, patient: owner, parts });
        }
        out
    }
}

/// The key that a reference names: `urn:uuid:..` as it is, else `Type/id` without server and version.
fn reference(value: Option<&Value>) -> Option<String> {
    value?.get("reference")?.as_str().map(plain)
}

fn plain(reference: &str) -> String {
    if reference.starts_with("urn:") {
        return reference.to_owned();
    }
    let reference = reference.split("/_history/").next().unwrap_or(reference);
    let mut parts = reference.rsplit('/');
    match (parts.next(), parts.next()) {
        (Some(id), Some(kind)) => format!("{kind}/{id}"),
        _ => reference.to_owned(),
    }
}

/// Makes references and ids comparable, and puts the names of medicines in the place of references to them.
fn link(value: &mut Value, urls: &BTreeMap<String, String>, medicines: &BTreeMap<String, Value>) {
    let key = |reference: &str| {
        let plain = plain(reference);
        urls.get(&plain).cloned().unwrap_or(plain)
    };
    if let Value::Object(map) = value {
        if !map.contains_key("medicationCodeableConcept") {
            let name = map.get("medicationReference").and_then(|medicine| {
                let resource =
                    medicine.get("reference").and_then(Value::as_str).and_then(|r| medicines.get(&key(r)));
                // The reference may carry the name itself.
                let display =
                    || fields::text(medicine, &["display"]).map(|text| serde_json::json!({ "text": text }));
                resource.cloned().or_else(display)
            });
            if let Some(name) = name {
                map.insert("medicationCodeableConcept".to_owned(), name);
            }
        }
        map.remove("medicationReference");
    }
    link_in(value, &key);
}

fn link_in(value: &mut Value, key: &impl Fn(&str) -> String) {
    match value {
        Value::Object(map) => {
            for (name, value) in map.iter_mut() {
                match value {
                    Value::String(text) if name == "reference" => *text = key(text),
                    other => link_in(other, key),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| link_in(item, key)),
        _ => {}
    }
}

/// The name of a medicine that lies inside the prescription: `#id` names one of `contained`.
fn contained_medicine(fields: &Map<String, Value>, contained: Option<&Value>) -> Option<Value> {
    let wanted = fields.get("medicationReference")?.get("reference")?.as_str()?.strip_prefix('#')?;
    let items = contained?.as_array()?;
    let medicine = items.iter().find(|item| fields::text(item, &["id"]) == Some(wanted))?;
    medicine.get("code").cloned()
}
