//! One record's way through the gate: every field and every string of it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{PhiGate, Schema};
use crate::data::case::Age;
use crate::data::phi::date::Moment;
use crate::data::phi::geography::zip3;
use crate::data::phi::structured::{self, Handling};
use crate::data::phi::{FreeText, Hit, Known, PhiAccount, PhiClass, PhiFinding, Place, mask, text};

/// Where the walk is.
pub(super) struct At<'a> {
    pub part: &'a str,
    pub place: &'a Place,
    pub path: String,
}

/// One record's way through the gate.
pub(super) struct Walk<'a> {
    pub gate: &'a PhiGate,
    pub schema: Schema,
    pub known: &'a Known,
    pub offset: i64,
    pub links: BTreeMap<String, usize>,
    pub birth: Option<Moment>,
    pub findings: Vec<PhiFinding>,
    pub account: PhiAccount,
    pub remember: Vec<String>,
}

impl Walk<'_> {
    pub fn value(&mut self, value: Value, at: &mut At<'_>, depth: usize) -> Value {
        // Parsed JSON is at most 128 deep; what is deeper was made in memory and is not worth a stack.
        if depth > 128 {
            return Value::Null;
        }
        match value {
            Value::String(text) => Value::String(self.text(text, at)),
            Value::Number(number) => {
                let digits = number.to_string();
                let whole = digits.bytes().all(|b| b.is_ascii_digit()) && digits.len() >= 7;
                if whole { Value::String(self.text(digits, at)) } else { Value::Number(number) }
            }
            Value::Array(items) => {
                let length = at.path.len();
                let walked = items.into_iter().enumerate().map(|(i, item)| {
                    at.path.truncate(length);
                    at.path.push_str(&format!("[{i}]"));
                    self.value(item, at, depth + 1)
                });
                let walked = walked.collect();
                at.path.truncate(length);
                Value::Array(walked)
            }
            Value::Object(map) => Value::Object(self.object(map, at, depth)),
            other => other,
        }
    }

    fn object(&mut self, map: Map<String, Value>, at: &mut At<'_>, depth: usize) -> Map<String, Value> {
        let keys: Vec<String> = map.keys().cloned().collect();
        let system = map.get("system").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut out = Map::new();
        let length = at.path.len();
        for (key, value) in map {
            at.path.truncate(length);
            at.path.push('.');
            at.path.push_str(&key);
            let handling = structured::handling(self.schema, at.part, &key, &value, &keys);
            let name = if self.schema == Schema::Fhir { key } else { self.key(key, at) };
            match handling {
                Handling::Remove(class) => *self.account.removed.entry(class).or_default() += 1,
                Handling::BirthDate => {
                    let birth =
                        value.as_str().and_then(Moment::parse).map(|birth| birth.shifted(self.offset));
                    self.birth = self.birth.or(birth);
                    *self.account.generalised.entry(PhiClass::Date).or_default() += 1;
                }
                Handling::Address => {
                    *self.account.generalised.entry(PhiClass::Geography).or_default() += 1;
                    out.insert(name, address(&value, 0));
                }
                Handling::Link => {
                    let number = self.links.len() + 1;
                    let link = value.as_str().unwrap_or_default().to_owned();
                    let number = *self.links.entry(link).or_insert(number);
                    out.insert(name, Value::String(format!("r{number}")));
                }
                Handling::Vocabulary if value.as_str().is_some_and(structured::is_public_system) => {
                    out.insert(name, value);
                }
                Handling::Code
                    if value.as_str().is_some_and(|code| structured::is_public_code(&system, code)) =>
                {
                    out.insert(name, value);
                }
                Handling::Vocabulary | Handling::Code => {
                    *self.account.removed.entry(PhiClass::OtherId).or_default() += 1;
                }
                Handling::AgeQuantity => {
                    out.insert(name, self.pooled(value, at, depth));
                }
                Handling::Measurement => {
                    out.insert(name, value);
                }
                Handling::Walk => {
                    let value = self.value(value, at, depth + 1);
                    out.insert(name, value);
                }
            }
        }
        at.path.truncate(length);
        out
    }

    /// The name of a field, which is free text outside FHIR.
    fn key(&mut self, key: String, at: &At<'_>) -> String {
        let spaced = key.replace('_', " ");
        if self.gate.clean.contains(&spaced) {
            return key;
        }
        let hits = text::scan(&spaced, self.known);
        self.note(&spaced, &hits, at);
        match self.gate.policy.free_text {
            FreeText::Redact if !hits.is_empty() => text::redact(&spaced, &hits),
            _ => key,
        }
    }

    fn text(&mut self, text: String, at: &At<'_>) -> String {
        if let Some(moment) = Moment::parse(&text).filter(|_| self.schema == Schema::Fhir || text.len() >= 7)
        {
            self.account.dates_shifted += 1;
            return moment.shifted(self.offset).to_string();
        }
        let hits = if self.gate.clean.contains(&text) {
            // Clean for everybody, not for whose name it holds.
            text::scan_own(&text, self.known)
        } else {
            let hits = text::scan(&text, self.known);
            if hits.is_empty() && text.len() <= 200 {
                self.remember.push(text.clone());
            }
            hits
        };
        self.note(&text, &hits, at);
        match self.gate.policy.free_text {
            FreeText::Redact if !hits.is_empty() => text::redact(&text, &hits),
            _ => text,
        }
    }

    fn note(&mut self, text: &str, hits: &[Hit], at: &At<'_>) {
        self.findings.extend(hits.iter().map(|hit| PhiFinding {
            file: at.place.file.to_string(),
            record: at.place.record,
            field: at.path.clone(),
            start: hit.span.start,
            end: hit.span.end,
            class: hit.class,
            rule: hit.rule.to_owned(),
            masked: mask(text.get(hit.span.clone()).unwrap_or_default()),
        }));
    }

    /// An age with its number at most 90.
    fn pooled(&mut self, value: Value, at: &mut At<'_>, depth: usize) -> Value {
        let Value::Object(map) = value else { return self.value(value, at, depth + 1) };
        let mut map = self.object(map, at, depth + 1);
        if let Some(years) = map.get("value").and_then(Value::as_f64).filter(|years| *years >= 90.0) {
            let unit = map.get("unit").or_else(|| map.get("code")).and_then(Value::as_str).unwrap_or("a");
            if years >= 90.0 && unit.starts_with(['a', 'y']) {
                map.insert("value".to_owned(), Value::from(Age::POOLED_FROM));
                *self.account.generalised.entry(PhiClass::Age).or_default() += 1;
            }
        }
        Value::Object(map)
    }
}

/// State, country and three digits of the ZIP code of an address or a list of them.
fn address(value: &Value, depth: usize) -> Value {
    match value {
        Value::Array(items) if depth == 0 => items.iter().map(|item| address(item, 1)).collect(),
        Value::Object(map) => {
            let mut kept = Map::new();
            for key in ["state", "country"] {
                // A state is a word or two; anything longer is something else in the wrong field.
                let plain =
                    |text: &&str| text.len() <= 24 && text.chars().all(|c| c.is_alphabetic() || c == ' ');
                if let Some(text) = map.get(key).and_then(Value::as_str).filter(plain) {
                    kept.insert(key.to_owned(), Value::from(text));
                }
            }
            if let Some(zip) = map.get("postalCode").and_then(Value::as_str).and_then(zip3) {
                kept.insert("postalCode".to_owned(), Value::from(zip));
            }
            Value::Object(kept)
        }
        _ => Value::Null,
    }
}
