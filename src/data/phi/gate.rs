//! The gate, and the only kind of record that has passed it.

mod walk;

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::walk::{At, Walk};
use super::date::{self, Moment, Precision};
use super::{FreeText, Known, PhiAccount, PhiPolicy, PhiRefusal, Place, structured, text};
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

    /// Whether the day of birth lies after a (shifted) moment. Days are shifted and years are not, so that where one of the
    /// two is a year, it counts as after from two years on. Clocks of other zones may be a day apart.
    pub fn is_born_after(&self, moment: Moment) -> bool {
        self.birth.is_some_and(|birth| {
            let rough = birth.precision == Precision::Year || moment.precision == Precision::Year;
            birth.days_until(moment) < if rough { -2 * 366 } else { -1 }
        })
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
