//! How the commands read records.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::data::import::{self, Format, ImportOptions, Imported};
use crate::data::lexicon::Lexicon;
use crate::data::phi::{FreeText, PhiPolicy};

/// Where records come from and how they are read.
#[derive(Args, Debug, Clone)]
pub struct Reading {
    /// What the files are [default: told by their names and first lines]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<FormatArgument>,

    /// What happens to records whose free text may identify a person
    #[arg(long, value_enum, default_value_t = PhiArgument::Refuse, value_name = "WHAT", help_heading = "PHI gate")]
    phi: PhiArgument,

    /// Key of the per-patient date shift; keep it as a password is kept
    #[arg(long, default_value_t = 0, value_name = "N", help_heading = "PHI gate")]
    phi_seed: u64,

    /// Pass over bad records and count them instead of stopping at the first
    #[arg(long)]
    skip_bad: bool,
}

/// `--format`.
#[derive(ValueEnum, Debug, Clone, Copy)]
pub enum FormatArgument {
    /// FHIR R4: bundles (.json), bulk export (.ndjson), or a folder of them
    Fhir,
    /// AgentClinic's OSCE stations
    Osce,
    /// mediQ's rows of atomic facts
    Mediq,
    /// The project's own lines
    Jsonl,
}

/// `--phi`.
#[derive(ValueEnum, Debug, Clone, Copy)]
pub enum PhiArgument {
    /// The record is refused with every place named
    Refuse,
    /// What was found is replaced by its class in brackets
    Redact,
    /// It passes, and every place is recorded in the case
    Allow,
}

impl Reading {
    /// Reads `paths`, through the PHI gate.
    pub fn read(&self, paths: &[PathBuf]) -> Result<Imported, import::ImportError> {
        let format = self.format.map(|format| match format {
            FormatArgument::Fhir => Format::Fhir,
            FormatArgument::Osce => Format::Osce,
            FormatArgument::Mediq => Format::Mediq,
            FormatArgument::Jsonl => Format::Jsonl,
        });
        let free_text = match self.phi {
            PhiArgument::Refuse => FreeText::Refuse,
            PhiArgument::Redact => FreeText::Redact,
            PhiArgument::Allow => FreeText::Allow,
        };
        let phi = PhiPolicy { free_text, seed: self.phi_seed };
        let options = ImportOptions { skip_bad: self.skip_bad, phi, ..ImportOptions::default() };
        import::import(paths, format, Lexicon::bundled(), &options)
    }
}
