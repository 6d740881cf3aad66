//! `osler cases synth`

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{how_many, lines, one_or_more, write};
use crate::cli::{CommandResult, output};
use crate::data::bank::{Bank, SplitOptions, SynthOptions};
use crate::data::case::{AgeBand, Severity, Sex};

/// Patients drawn from the bundled bank
#[derive(Args)]
#[command(after_help = "Examples:
  osler cases synth --count 500 --seed 1 --out cases.jsonl
  osler cases synth --count 20 --specialty cardiology --sex female --age older --out cases.jsonl
  osler cases synth --split --count 2000 --heldout 100 --out ./cases

With --split, DIR gets train.jsonl, heldout-patients.jsonl (other patients of the same presentations) and
heldout-presentations.jsonl (presentations never trained on).

JSON: {\"out\": [{\"path\", \"cases\"}]}")]
pub(super) struct Synth {
    /// How many; with --split, how many to train on
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = one_or_more)]
    count: usize,

    /// The same seed draws the same patients
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,

    /// Where they go, one a line; a folder with --split
    #[arg(long, value_name = "PATH")]
    out: PathBuf,

    /// Write a training set and two held-out sets
    #[arg(long, conflicts_with_all = ["specialty", "presentation", "age", "sex", "severity"])]
    split: bool,

    /// With --split: patients of each held-out set
    #[arg(long, default_value_t = 100, value_name = "N", requires = "split", value_parser = how_many)]
    heldout: usize,

    /// With --split: share of each specialty's presentations that is held out
    #[arg(long, default_value_t = 0.2, value_name = "SHARE", requires = "split")]
    holdout: f64,

    /// Only these specialties
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    specialty: Vec<String>,

    /// Only these presentations
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    presentation: Vec<String>,

    /// Only these ages: child, adolescent, young, middle, older
    #[arg(long, value_delimiter = ',', value_parser = word::<AgeBand>, value_name = "BANDS")]
    age: Vec<AgeBand>,

    /// Only these sexes: female, male, other
    #[arg(long, value_delimiter = ',', value_parser = word::<Sex>, value_name = "SEXES")]
    sex: Vec<Sex>,

    /// Only these severities: mild, moderate, severe
    #[arg(long, value_delimiter = ',', value_parser = word::<Severity>, value_name = "SEVERITIES")]
    severity: Vec<Severity>,

    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

impl Synth {
    pub fn run(self) -> CommandResult {
        #[derive(Serialize)]
        struct Written {
            path: String,
            cases: usize,
        }
        #[derive(Serialize)]
        struct Report {
            out: Vec<Written>,
        }
        let bank = Bank::bundled();
        let sets = if self.split {
            let options = SplitOptions {
                train: self.count,
                heldout_patients: self.heldout,
                heldout_presentations: self.heldout,
                holdout: self.holdout,
            };
            let split = bank.split(self.seed, &options)?;
            std::fs::create_dir_all(&self.out).map_err(|error| format!("{}: {error}", self.out.display()))?;
            vec![
                (self.out.join("train.jsonl"), split.train),
                (self.out.join("heldout-patients.jsonl"), split.heldout_patients),
                (self.out.join("heldout-presentations.jsonl"), split.heldout_presentations),
            ]
        } else {
            let options = SynthOptions {
                count: self.count,
                specialties: self.specialty,
                presentations: self.presentation,
                ages: self.age,
                sexes: self.sex,
                severities: self.severity,
            };
            vec![(self.out, bank.synth(self.seed, &options)?)]
        };
        let mut out = Vec::new();
        for (path, cases) in sets {
            write(&path, &lines(&cases)?)?;
            out.push(Written { path: path.display().to_string(), cases: cases.len() });
        }
        if self.json {
            output::json(&Report { out })?;
        } else {
            let text: String =
                out.iter().map(|it| format!("{} cases written to {}\n", it.cases, it.path)).collect();
            output::text(&text)?;
        }
        Ok(())
    }
}

/// A word of one of the case's own enumerations, by the name it has in files.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::from(text)).map_err(|error| error.to_string())
}
