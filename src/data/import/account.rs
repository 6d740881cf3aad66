//! What an import read, mapped and left out, and why.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::data::phi::PhiAccount;

/// How many of one kind were read and what became of them: `read = mapped + all of skipped`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many were read.
    pub read: u64,
    /// How many went into a case.
    pub mapped: u64,
    /// How many were left out, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<String, u64>,
}

impl Tally {
    /// Whether every one read is accounted for.
    pub fn balances(&self) -> bool {
        self.read == self.mapped + self.skipped.values().sum::<u64>()
    }
}

/// A record that was left out because it was bad.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The whole message, with file and line.
    pub message: String,
}

/// What an import read, mapped and left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportAccount {
    /// Files read.
    pub files: u64,
    /// Cases made.
    pub cases: u64,
    /// Lines, bundle entries and files that were no good.
    pub records: Tally,
    /// By resource type of FHIR, or by section of the others.
    pub kinds: BTreeMap<String, Tally>,
    /// By field of these.
    pub fields: BTreeMap<String, Tally>,
    /// Facts that name the diagnosis: cut, or never told.
    pub hidden: u64,
    /// Cases in which the patient can tell nothing and no finding can be asked for: too thin to learn from.
    pub silent: u64,
    /// What the PHI gate did.
    pub phi: PhiAccount,
    /// The first bad records that were passed over, at most [`ImportAccount::PROBLEMS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

impl ImportAccount {
    /// Bad records that are described; the rest are only counted.
    pub const PROBLEMS: usize = 50;

    /// One of `kind` went into a case.
    pub fn mapped(&mut self, kind: &str) {
        map(self.kinds.entry(kind.to_owned()).or_default());
    }

    /// One of `kind` was left out.
    pub fn skipped(&mut self, kind: &str, reason: &str) {
        skip(self.kinds.entry(kind.to_owned()).or_default(), reason);
    }

    /// One field, `Condition.code`, was used.
    pub fn field_mapped(&mut self, field: &str) {
        map(self.fields.entry(field.to_owned()).or_default());
    }

    /// One field was left out.
    pub fn field_skipped(&mut self, field: &str, reason: &str) {
        skip(self.fields.entry(field.to_owned()).or_default(), reason);
    }

    /// A record was read and was good. What of it went into a case is told by kind.
    pub fn record_mapped(&mut self) {
        map(&mut self.records);
    }

    /// A record was bad and was passed over.
    pub fn record_skipped(&mut self, reason: &str, message: String) {
        skip(&mut self.records, reason);
        if self.problems.len() < Self::PROBLEMS {
            self.problems.push(Problem { message });
        }
    }

    /// Whether every count adds up.
    pub fn balances(&self) -> bool {
        let tallies = self.kinds.values().chain(self.fields.values()).chain([&self.records]);
        tallies.into_iter().all(Tally::balances)
    }
}

fn map(tally: &mut Tally) {
    tally.read += 1;
    tally.mapped += 1;
}

fn skip(tally: &mut Tally, reason: &str) {
    tally.read += 1;
    *tally.skipped.entry(reason.to_owned()).or_default() += 1;
}

impl fmt::Display for ImportAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} cases from {} files", self.cases, self.files)?;
        let widest = self.kinds.keys().chain(self.fields.keys()).map(|key| key.chars().count()).max();
        let width = widest.unwrap_or(0).clamp(40, 56);
        table(f, "records (mapped: read and good)", width, [("records", &self.records)].into_iter())?;
        table(f, "by kind", width, self.kinds.iter().map(|(name, tally)| (name.as_str(), tally)))?;
        table(
            f,
            "by field (mapped: the mapping reads it)",
            width,
            self.fields.iter().map(|(name, tally)| (name.as_str(), tally)),
        )?;
        writeln!(f, "\n{} facts name the diagnosis and were cut or are never told", self.hidden)?;
        writeln!(f, "{} cases hold no fact that can be told", self.silent)?;
        let phi = &self.phi;
        writeln!(f, "PHI gate: {} dates shifted", phi.dates_shifted)?;
        let counts = [
            ("removed", &phi.removed),
            ("generalised", &phi.generalised),
            ("refused in text", &phi.refused),
            ("redacted in text", &phi.redacted),
            ("allowed by the user", &phi.allowed),
        ];
        for (what, counts) in counts {
            if !counts.is_empty() {
                let list: Vec<String> =
                    counts.iter().map(|(class, count)| format!("{class} {count}")).collect();
                writeln!(f, "  {what}: {}", list.join(", "))?;
            }
        }
        for problem in &self.problems {
            writeln!(f, "passed over: {}", problem.message)?;
        }
        Ok(())
    }
}

fn table<'a>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    width: usize,
    rows: impl Iterator<Item = (&'a str, &'a Tally)>,
) -> fmt::Result {
    writeln!(f, "\n{title:<width$} {:>8} {:>8} {:>8}  why skipped", "read", "mapped", "skipped")?;
    for (name, tally) in rows {
        let skipped: u64 = tally.skipped.values().sum();
        let why: Vec<String> = tally.skipped.iter().map(|(why, count)| format!("{why} {count}")).collect();
        let why = why.join("; ");
        writeln!(f, "{name:<width$} {:>8} {:>8} {skipped:>8}  {why}", tally.read, tally.mapped)?;
    }
    Ok(())
}
