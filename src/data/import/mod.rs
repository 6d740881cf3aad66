//! Importers: files of records to cases, through the PHI gate, with an account of everything that was read.
//!
//! | format | files | one case a |
//! | --- | --- | --- |
//! | [`Format::Fhir`] | bundles (`.json`), bulk export (`.ndjson`), folders of either | patient |
//! | [`Format::Osce`] | AgentClinic's `.jsonl` | line |
//! | [`Format::Mediq`] | mediQ's `.jsonl` | line |
//! | [`Format::Jsonl`] | the project's own `.jsonl` | line |
//!
//! Each reader makes [`RawRecord`]s. These go through
//! [`PhiGate::admit`](crate::data::phi::PhiGate), and what comes out of it, a
//! [`Deidentified`] record, is all that the functions which build cases take.

pub mod account;
pub mod check;
pub mod concept;
mod conclusion;
mod draft;
pub mod error;
pub mod fhir;
mod files;
mod filing;
pub mod jsonl;
mod lines;
mod mediq;
mod osce;
mod scope;
pub mod sentence;
mod specialty;
mod strict;
mod third_person;
pub mod voice;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_damaged;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use account::{ImportAccount, Problem, Tally};
pub use check::{CaseProblem, check};
pub use error::ImportError;

use self::check::{LEGAL_ID, is_legal_id};
use self::concept::Concepts;
use self::files::{Source, sources};
use self::lines::Lines;
use crate::data::case::{Case, Reveal};
use crate::data::lexicon::Lexicon;
use crate::data::phi::{Deidentified, PhiGate, PhiPolicy, RawRecord};

/// What kind of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// FHIR R4.
    Fhir,
    /// AgentClinic's OSCE stations.
    Osce,
    /// mediQ's rows of atomic facts.
    Mediq,
    /// The project's own lines.
    Jsonl,
}

/// How an import works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportOptions {
    /// Pass over bad records and count them, instead of stopping at the first.
    pub skip_bad: bool,
    /// What the PHI gate does.
    pub phi: PhiPolicy,
    /// The longest legal line, in bytes.
    pub max_line_bytes: usize,
    /// The largest legal bundle, in bytes.
    pub max_file_bytes: u64,
    /// The most that is held of an NDJSON export, in bytes: a patient's resources may lie in any of its files.
    pub max_held_bytes: u64,
}

impl Default for ImportOptions {
    /// Stops at the first bad record; lines to 16 MiB, bundles to 1 GiB, exports to 2 GiB of mapped fields.
    fn default() -> Self {
        Self {
            skip_bad: false,
            phi: PhiPolicy::default(),
            max_line_bytes: 16 << 20,
            max_file_bytes: 1 << 30,
            max_held_bytes: 2 << 30,
        }
    }
}

/// Cases, and what became of everything else.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The cases, in the order of the files.
    pub cases: Vec<Case>,
    /// What was read, mapped and skipped, and why.
    pub account: ImportAccount,
}

/// What building a case needs beside the record.
pub(crate) struct Context<'a> {
    pub lexicon: &'a Lexicon,
    pub concepts: Concepts,
}

/// Reads `paths`, files or folders, as `format`, or as what each file looks like.
pub fn import(
    paths: &[PathBuf],
    format: Option<Format>,
    lexicon: &Lexicon,
    options: &ImportOptions,
) -> Result<Imported, ImportError> {
    let mut run = Run {
        options,
        gate: PhiGate::new(options.phi),
        context: Context { lexicon, concepts: Concepts::new(lexicon) },
        imported: Imported { cases: Vec::new(), account: ImportAccount::default() },
        serial: 0,
        ids: BTreeSet::new(),
    };
    let sources = sources(paths, format)?;
    // The files of one bulk export belong together.
    let mut export: Option<fhir::Patients> = None;
    for (source, number) in sources.iter().zip(1..) {
        run.imported.account.files += 1;
        match source {
            Source::Bundle(path) => {
                let mut patients = fhir::Patients::new(number);
                let read = fhir::read_bundle(path, options, &mut patients, &mut run.imported.account);
                run.file(read)?;
                run.patients(patients)?;
            }
            Source::Export(path) => {
                let patients = export.get_or_insert_with(|| fhir::Patients::new(number));
                run.export(path, patients)?;
            }
            Source::Osce(path) => run.lines(path, number, Format::Osce)?,
            Source::Mediq(path) => run.lines(path, number, Format::Mediq)?,
            Source::Jsonl(path) => run.lines(path, number, Format::Jsonl)?,
        }
    }
    if let Some(patients) = export {
        run.patients(patients)?;
    }
    if run.imported.account.records.read == 0 {
        let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(ImportError::Empty { paths: paths.join(", ") });
    }
    run.imported.account.cases = run.imported.cases.len() as u64;
    let told = |case: &&Case| case.facts.iter().any(|fact| fact.reveal != Reveal::Never);
    run.imported.account.silent = run.imported.cases.iter().filter(|case| !told(case)).count() as u64;
    Ok(run.imported)
}

/// An import under way.
struct Run<'a> {
    options: &'a ImportOptions,
    gate: PhiGate,
    context: Context<'a>,
    imported: Imported,
    /// Numbers cases that bring no id.
    serial: u64,
    /// Of the cases so far that came line by line.
    ids: BTreeSet<String>,
}

impl Run<'_> {
    /// Goes on after a bad file where the user wishes so.
    fn file(&mut self, read: Result<(), ImportError>) -> Result<(), ImportError> {
        match read {
            Err(error) if self.options.skip_bad && error.is_of_one_record() => {
                self.imported.account.record_skipped(error.reason(), error.to_string());
                Ok(())
            }
            other => other,
        }
    }

    fn export(&mut self, path: &std::path::Path, patients: &mut fhir::Patients) -> Result<(), ImportError> {
        let mut lines = Lines::open(path, self.options.max_line_bytes)?;
        loop {
            let account = &mut self.imported.account;
            let taken = match lines.next() {
                Ok(None) => return Ok(()),
                Ok(Some((place, value))) => patients.take(place, None, value, account),
                Err(error) => Err(error),
            };
            match taken {
                Ok(()) => account.record_mapped(),
                Err(error) => self.file(Err(error))?,
            }
            let limit = self.options.max_held_bytes;
            if patients.held() > limit {
                return Err(ImportError::TooMuchHeld { file: path.display().to_string(), limit });
            }
        }
    }

    fn patients(&mut self, patients: fhir::Patients) -> Result<(), ImportError> {
        for record in patients.records(&mut self.imported.account) {
            let kinds: Vec<String> = record.parts.iter().map(|part| part.name.clone()).collect();
            let place = record.place.clone();
            let id = format!("fhir-{:05}", self.serial + 1);
            let made = self.admit(record).and_then(|record| {
                fhir::case(&record, &place, id, &self.context, &mut self.imported.account)
            });
            match made {
                Ok(Some(case)) => {
                    self.serial += 1;
                    self.imported.cases.push(case);
                }
                Ok(None) => {}
                Err(error) if self.options.skip_bad => {
                    // The entries were read and good; it is the patient that is left out.
                    let account = &mut self.imported.account;
                    kinds.iter().for_each(|kind| account.skipped(kind, error.reason()));
                    account.record_skipped(error.reason(), error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn lines(&mut self, path: &std::path::Path, number: u64, format: Format) -> Result<(), ImportError> {
        let mut lines = Lines::open(path, self.options.max_line_bytes)?;
        loop {
            match lines.next() {
                Ok(None) => return Ok(()),
                Ok(Some((place, value))) => {
                    let told = place.to_string();
                    match self.line(place, value, number, format) {
                        Ok(true) => self.imported.account.record_mapped(),
                        Ok(false) => {
                            let problem = format!("{told}: no case can be made of it");
                            self.imported.account.record_skipped("no case can be made of it", problem);
                        }
                        Err(error) => self.file(Err(error))?,
                    }
                }
                Err(error) => self.file(Err(error))?,
            }
        }
    }

    /// Whether the line made a case.
    fn line(
        &mut self,
        place: crate::data::phi::Place,
        value: serde_json::Value,
        number: u64,
        format: Format,
    ) -> Result<bool, ImportError> {
        let raw = match format {
            Format::Osce => osce::record(place.clone(), value, number)?,
            Format::Mediq => mediq::record(place.clone(), value, number)?,
            _ => jsonl::record(place.clone(), value, number)?,
        };
        let record = self.admit(raw)?;
        let name = if format == Format::Osce { "osce" } else { "jsonl" };
        let id = format!("{name}-{:05}", self.serial + 1);
        let account = &mut self.imported.account;
        let made = match format {
            Format::Osce => osce::case(&record, id, &self.context, account),
            Format::Mediq => mediq::case(&record, &self.context, account),
            _ => Some(jsonl::case(&record, &place, id, &self.context, account)?),
        };
        let Some(case) = made else { return Ok(false) };
        // The text of an id may identify somebody, so it is not repeated.
        let wrong = |found: &str, legal: &str| ImportError::Shape {
            place: place.clone(),
            field: "id".to_owned(),
            found: found.to_owned(),
            legal: legal.to_owned(),
        };
        if !is_legal_id(&case.id) {
            let found = format!("a text of {} bytes with other characters", case.id.len());
            return Err(wrong(&found, LEGAL_ID));
        }
        if !self.ids.insert(case.id.clone()) {
            return Err(wrong("that of an earlier case", "an id of its own"));
        }
        self.serial += 1;
        self.imported.cases.push(case);
        Ok(true)
    }

    fn admit(&mut self, record: RawRecord) -> Result<Deidentified<RawRecord>, ImportError> {
        let place = record.place.clone();
        match self.gate.admit(record) {
            Ok(record) => {
                self.imported.account.phi.add(record.account());
                Ok(record)
            }
            Err(refusal) => {
                let refused = &mut self.imported.account.phi.refused;
                refusal.findings.iter().for_each(|finding| *refused.entry(finding.class).or_default() += 1);
                Err(ImportError::Phi { place, refusal })
            }
        }
    }
}
