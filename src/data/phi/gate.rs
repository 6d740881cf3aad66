//! The gate, and the only kind of record that has passed it.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::date::{self, Moment};
use super::geography::zip3;
use super::structured::{self, Handling};
use super::{FreeText, Known, PhiAccount, PhiClass, PhiFinding, PhiPolicy, PhiRefusal, Place, mask, text};
use crate::data::case::Age;

/// Which fields a record has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schema {
    /// FHIR R4 resources of one patient.
    Fhir,
    /// An OSCE station of AgentClinic.
    Osce,
    /// A row of mediQ.
    Mediq,
    /// The project's own lines.
    Jsonl,
}

impl Schema {
    /// Its name in `Origin::Imported`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fhir => "fhir",
            Self::Osce => "osce",
            Self::Mediq => "mediq",
            Self::Jsonl => "jsonl",
        }
    }
}

/// One piece of a record: a resource, or the whole line.
#[derive(Debug, Clone, PartialEq)]
pub struct RawPart {
    /// The resource type, or what the line is.
    pub name: String,
    /// Where it was read.
    pub place: Place,
    /// Its fields.
    pub value: Value,
}

/// What one case is made from, as read: it may identify the patient.
#[derive(Debug, Clone, PartialEq)]
pub struct RawRecord {
    /// Which fields it has.
    pub schema: Schema,
    /// Where it begins.
    pub place: Place,
    /// 1-based number of the file among those read; stands for the file's name where that may identify somebody.
    pub file_number: u64,
    /// The patient's id within the source; keys the date shift.
    pub patient: String,
    /// Its pieces, in the order they were read.
    pub parts: Vec<RawPart>,
}

/// A record that has passed the gate. Nothing but [`PhiGate::admit`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Deidentified<T> {
    inner: T,
    /// Shifted day of birth; it serves ages and is told to nobody.
    birth: Option<Moment>,
    source: String,
    record: u64,
    overridden: Vec<String>,
    account: PhiAccount,
}

impl<T> Deidentified<T> {
    /// The record.
    pub fn get(&self) -> &T {
        &self.inner
    }

    /// The age at a (shifted) moment, pooled from 90 on; `None` where no day of birth was given.
    pub fn age_at(&self, moment: Moment) -> Option<Age> {
        self.birth.map(|birth| Age::new(birth.years_until(moment)))
    }

    /// A name for the source file that identifies nobody.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// 1-based line or entry where the record begins.
    pub fn record(&self) -> u64 {
        self.record
    }

    /// Places that were suspicious and let pass by the user.
    pub fn overridden(&self) -> &[String] {
        &self.overridden
    }

    /// What was done to it.
    pub fn account(&self) -> &PhiAccount {
        &self.account
    }
}

/// The gate.
#[derive(Debug, Clone)]
pub struct PhiGate {
    policy: PhiPolicy,
    /// Texts that hold nothing suspicious for anybody: codes' names come thousands of times.
    clean: HashSet<String>,
}

impl PhiGate {
    /// Texts remembered as clean; beyond that they are scanned again.
    const REMEMBERED: usize = 20_000;

    /// A gate that works by `policy`.
    pub fn new(policy: PhiPolicy) -> Self {
        Self { policy, clean: HashSet::new() }
    }

    /// The policy it works by.
    pub fn policy(&self) -> PhiPolicy {
        self.policy
    }

    /// De-identifies a record, or names every suspicious place of it.
    pub fn admit(&mut self, raw: RawRecord) -> Result<Deidentified<RawRecord>, PhiRefusal> {
        let mut known = Known::default();
        for part in &raw.parts {
            structured::harvest(raw.schema, &part.name, &part.value, &mut known);
        }
        let mut walk = Walk {
            gate: self,
            schema: raw.schema,
            known: &known,
            offset: date::offset(self.policy.seed, &raw.patient),
            links: BTreeMap::new(),
            birth: None,
            findings: Vec::new(),
            account: PhiAccount::default(),
            remember: Vec::new(),
        };
        let mut parts = Vec::with_capacity(raw.parts.len());
        for part in raw.parts {
            let mut at = At { part: &part.name, place: &part.place, path: part.name.clone() };
            let value = walk.value(part.value, &mut at, 0);
            parts.push(RawPart { value, name: part.name.clone(), place: part.place.clone() });
        }
        let Walk { birth, findings, mut account, remember, .. } = walk;
        if self.clean.len() < Self::REMEMBERED {
            self.clean.extend(remember);
        }
        let counts = match self.policy.free_text {
            FreeText::Refuse => &mut account.refused,
            FreeText::Redact => &mut account.redacted,
            FreeText::Allow => &mut account.allowed,
        };
        findings.iter().for_each(|finding| *counts.entry(finding.class).or_default() += 1);
        if self.policy.free_text == FreeText::Refuse && !findings.is_empty() {
            return Err(PhiRefusal { findings });
        }
        let overridden = match self.policy.free_text {
            // The file's name may itself name the patient, so it is not repeated here.
            FreeText::Allow => findings
                .iter()
                .map(|f| {
                    format!(
                        "record {}: {}, bytes {}..{}: {} ({})",
                        f.record, f.field, f.start, f.end, f.class, f.rule
                    )
                })
                .collect(),
            FreeText::Refuse | FreeText::Redact => Vec::new(),
        };
        let source = source_name(&raw.place.file, raw.file_number, &known);
        let record = raw.place.record;
        for part in &mut parts {
            part.place.file = source.as_str().into();
        }
        // The patient's id has done its work.
        let inner =
            RawRecord { parts, patient: String::new(), place: Place::new(source.as_str(), record), ..raw };
        Ok(Deidentified { inner, birth, source, record, overridden, account })
    }
}

/// The file's name without its folders, or `file-N` where the name itself looks as if it identified somebody.
fn source_name(file: &str, number: u64, known: &Known) -> String {
    let name = file.rsplit(['/', '\\']).next().unwrap_or_default();
    // Separators of file names would hide words from the scan.
    let spaced = name.replace(['_', '+', '%'], " ");
    let stem = spaced.rsplit_once('.').map_or(spaced.as_str(), |(stem, _)| stem);
    let clean = text::scan(&spaced, known).is_empty() && text::scan(stem, known).is_empty();
    let plain = stem.split([' ', '-', '.']).all(|word| {
        if known.has_name(word) {
            return false;
        }
        // Two capitalised words beside each other are how people's files are called.
        !word.chars().next().is_some_and(char::is_uppercase)
            || word.chars().all(|c| c.is_uppercase() || c.is_numeric())
    });
    let resource = structured::RESOURCES.contains(&stem);
    if (clean && plain) || resource { name.to_owned() } else { format!("file-{number}") }
}

/// Where the walk is.
struct At<'a> {
    part: &'a str,
    place: &'a Place,
    path: String,
}

/// One record's way through the gate.
struct Walk<'a> {
    gate: &'a PhiGate,
    schema: Schema,
    known: &'a Known,
    offset: i64,
    links: BTreeMap<String, usize>,
    birth: Option<Moment>,
    findings: Vec<PhiFinding>,
    account: PhiAccount,
    remember: Vec<String>,
}

impl Walk<'_> {
    fn value(&mut self, value: Value, at: &mut At<'_>, depth: usize) -> Value {
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

    fn note(&mut self, text: &str, hits: &[super::Hit], at: &At<'_>) {
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
