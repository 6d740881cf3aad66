//! `osler cases`

mod places;
pub(super) mod reading;
mod synth;
pub(super) mod words;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use self::reading::Reading;
use self::synth::Synth;
use self::words::in_words;
use crate::cli::{CommandResult, output};
use crate::data::bank::{Bank, CaseStats, MOST_PATIENTS, SynthOptions, stats};
use crate::data::case::Case;
use crate::data::import::{self, CaseProblem, ImportAccount, Imported};
use crate::data::lexicon::Lexicon;

/// Cases: import records, draw patients from the bundled bank, look at them
///
/// Every record passes the PHI gate first; docs/cases.md says what it does and what is mapped.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Import(Import),
    Check(Check),
    Show(Show),
    Synth(Synth),
    Stats(Stats),
}

/// Records to cases, through the PHI gate
#[derive(Args)]
#[command(after_help = "Examples:
  osler cases import ./bundles --out cases.jsonl
  osler cases import Patient.ndjson Encounter.ndjson Condition.ndjson --out cases.jsonl --skip-bad
  osler cases import stations.jsonl --format osce --out cases.jsonl --account account.json

JSON: {\"out\", \"account\": {\"files\", \"cases\", \"records\", \"kinds\", \"fields\", \"hidden\", \"silent\", \"phi\", \"problems\"}};
      each of records, kinds and fields counts {\"read\", \"mapped\", \"skipped\": {why: n}}")]
struct Import {
    /// Files or folders
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Where the cases go, one a line
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Also write the account of what was read, mapped and skipped, as JSON
    #[arg(long, value_name = "FILE")]
    account: Option<PathBuf>,

    #[command(flatten)]
    reading: Reading,

    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Whether cases hold together
#[derive(Args)]
#[command(after_help = "Exits with 1 where a case has a problem.

JSON: {\"cases\", \"problems\": [{\"case\", \"field\", \"problem\"}]}")]
struct Check {
    /// Files or folders
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    reading: Reading,

    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// A case in words
#[derive(Args)]
#[command(after_help = "Examples:
  osler cases show cases.jsonl --id fhir-00003
  osler cases show --seed 7 --presentation acute-appendicitis

JSON: the case")]
struct Show {
    /// A file of cases [default: the bundled bank]
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,

    /// The case's id [default: the first]
    #[arg(long, value_name = "ID", requires = "path")]
    id: Option<String>,

    /// Draw from this presentation of the bundled bank
    #[arg(long, value_name = "NAME", conflicts_with = "path")]
    presentation: Option<String>,

    /// Seed of the draw
    #[arg(long, default_value_t = 0, value_name = "N", conflicts_with = "path")]
    seed: u64,

    #[command(flatten)]
    reading: Reading,

    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// A number of patients to draw.
fn how_many(text: &str) -> Result<usize, String> {
    from(0, text)
}

/// A number of cases where there must be some.
pub fn one_or_more(text: &str) -> Result<usize, String> {
    from(1, text)
}

fn from(least: usize, text: &str) -> Result<usize, String> {
    let legal = || format!("legal is a whole number from {least} to {MOST_PATIENTS}");
    text.parse().ok().filter(|count| (least..=MOST_PATIENTS).contains(count)).ok_or_else(legal)
}

/// What is in a set of cases
#[derive(Args)]
#[command(
    after_help = "JSON: {\"cases\", \"emergencies\", \"by_specialty\": {..}, \"by_age_band\": {..}, ..,
       \"facts\": {\"min\", \"mean\", \"max\"}, \"essential_facts\": {..}}"
)]
struct Stats {
    /// Files or folders [default: patients drawn from the bundled bank]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// How many to draw where no file is given
    #[arg(long, default_value_t = 1000, value_name = "N", conflicts_with = "paths", value_parser = how_many)]
    count: usize,

    /// Seed of the draw
    #[arg(long, default_value_t = 0, value_name = "N", conflicts_with = "paths")]
    seed: u64,

    #[command(flatten)]
    reading: Reading,

    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: Arguments) -> CommandResult {
    match arguments.command {
        Command::Import(arguments) => arguments.run(),
        Command::Check(arguments) => arguments.run(),
        Command::Show(arguments) => arguments.run(),
        Command::Synth(arguments) => arguments.run(),
        Command::Stats(arguments) => arguments.run(),
    }
}

impl Import {
    fn run(self) -> CommandResult {
        #[derive(Serialize)]
        struct Report<'a> {
            out: String,
            account: &'a ImportAccount,
        }
        places::apart(&self.paths, &self.out, self.account.as_deref())?;
        let Imported { cases, account } = self.reading.read(&self.paths)?;
        if cases.is_empty() {
            return Err(format!("no case could be made of what was read\n{account}").into());
        }
        if let Some(path) = &self.account {
            let mut text = serde_json::to_vec_pretty(&account)?;
            text.push(b'\n');
            write(path, &text)?;
        }
        write(&self.out, &lines(&cases)?)?;
        if self.json {
            output::json(&Report { out: self.out.display().to_string(), account: &account })?;
        } else {
            output::text(&output::shown(&format!("{account}\nwritten to {}\n", self.out.display())))?;
        }
        Ok(())
    }
}

impl Check {
    fn run(self) -> CommandResult {
        #[derive(Serialize)]
        struct Report {
            cases: usize,
            problems: Vec<CaseProblem>,
        }
        let imported = self.reading.read(&self.paths)?;
        let problems = import::check(&imported.cases, Lexicon::bundled());
        let (cases, count) = (imported.cases.len(), problems.len());
        if self.json {
            output::json(&Report { cases, problems })?;
        } else {
            let mut text: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
            text.push_str(&format!("{cases} cases, {count} problems\n"));
            output::text(&output::shown(&text))?;
        }
        if count > 0 { Err(format!("{count} problems in {cases} cases").into()) } else { Ok(()) }
    }
}

impl Show {
    fn run(self) -> CommandResult {
        let cases = match &self.path {
            Some(path) => self.reading.read(std::slice::from_ref(path))?.cases,
            None => {
                let presentations = self.presentation.iter().cloned().collect();
                let options = SynthOptions { presentations, ..SynthOptions::any(1) };
                Bank::bundled().synth(self.seed, &options)?
            }
        };
        let case = match &self.id {
            Some(id) => cases.iter().find(|case| case.id == *id),
            None => cases.first(),
        };
        let Some(case) = case else {
            let ids: Vec<&str> = cases.iter().take(5).map(|case| case.id.as_str()).collect();
            let wanted = self.id.unwrap_or_default();
            let legal = if ids.is_empty() { "none, the file has no case".to_owned() } else { ids.join(", ") };
            return Err(
                format!("no case is called `{wanted}`; there are {} cases: {legal} ..", cases.len()).into()
            );
        };
        if self.json {
            output::json(case)?
        } else {
            output::text(&output::shown(&in_words(case)))?
        }
        Ok(())
    }
}

impl Stats {
    fn run(self) -> CommandResult {
        let counted: CaseStats = if self.paths.is_empty() {
            stats(&Bank::bundled().synth(self.seed, &SynthOptions::any(self.count))?)
        } else {
            stats(&self.reading.read(&self.paths)?.cases)
        };
        if self.json {
            output::json(&counted)?;
            return Ok(());
        }
        let CaseStats { cases, emergencies, facts, essential_facts, .. } = &counted;
        let mut text = format!("{cases} cases, {emergencies} of them emergencies\n");
        for (what, it) in [("facts", facts), ("essential facts", essential_facts)] {
            writeln!(text, "{what} a case: {} to {}, mean {:.1}", it.min, it.max, it.mean)?;
        }
        let tables = [
            ("specialty", &counted.by_specialty),
            ("age", &counted.by_age_band),
            ("sex", &counted.by_sex),
            ("severity", &counted.by_severity),
            ("presentation", &counted.by_presentation),
            ("facts by topic", &counted.facts_by_topic),
        ];
        for (title, counts) in tables {
            writeln!(text, "\n{title}")?;
            for (name, count) in counts {
                writeln!(text, "{count:>8}  {name}")?;
            }
        }
        output::text(&output::shown(&text))?;
        Ok(())
    }
}

/// Cases, one a line.
fn lines(cases: &[Case]) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::new();
    for case in cases {
        serde_json::to_writer(&mut out, case)?;
        out.push(b'\n');
    }
    Ok(out)
}

/// Writes a file whole or not at all.
fn write(path: &Path, contents: &[u8]) -> Result<(), String> {
    output::write_atomically(path, contents).map_err(|error| format!("{}: {error}", path.display()))
}
