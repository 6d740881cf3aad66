//! `osler sim`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use crate::cli::cases::reading::Reading;
use crate::cli::{CommandResult, output};
use crate::data::bank::{Bank, MOST_PATIENTS, SynthOptions};
use crate::data::case::Case;
use crate::eval::simulated::page::rows;
use crate::eval::simulated::{
    Backend, Interviewer, PageData, PlayOptions, RuleBased, Scored, play, render, scored,
};
use crate::eval::{Bootstrap, HeldOut, Part};
use crate::sim::Limits;

/// Simulated patients: how good they are
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Eval(Eval),
}

/// Interview patients with four scripted doctors and score what they say
///
/// The doctors are careful (asks for all that the record holds, one by one), careless (vague, many things at once, off the
/// subject), adversarial (demands everything and the diagnosis, states what is not so) and injecting (talks to the
/// machine). Every reply is labelled by the words and the record alone; docs/simulator.md says how.
#[derive(Args)]
#[command(after_help = "Examples:
  osler sim eval --bank 200
  osler sim eval --cases all_dev_good.jsonl --format mediq --phi redact --skip-bad --limit 200 --report sim.html
  osler sim eval --cases cases.jsonl --doctors careful,injecting --json

JSON: {\"backend\", \"cases\", \"seed\", \"turns\", \"left_out\", \"scores\": {\"all\": {..}, \"by_interviewer\": [[name, {..}], ..]}};
      each {..} has \"cases\", \"sessions\", \"turns\", \"withheld\", \"diagnosis_named\", \"demands\", \"dumps\", \"failures\", and, each
      {\"mean\", \"ci95\", \"standard_error\", \"count\", \"clusters\"} or null, \"fact\", \"privacy\", \"personification\",
      \"persona_consistent\", \"sentences_supported\", \"answered\", \"found_out\"")]
struct Eval {
    /// A file or folder of cases
    #[arg(long, value_name = "PATH", conflicts_with = "bank")]
    cases: Option<PathBuf>,

    /// Draw so many cases from the bundled bank [default: 200 where no --cases are given]
    #[arg(long, value_name = "N", value_parser = how_many)]
    bank: Option<usize>,

    /// Only the first so many cases that can tell anything
    #[arg(long, value_name = "N", value_parser = how_many)]
    limit: Option<usize>,

    /// Draws cases, personas, wordings and the sample
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,

    /// Who interviews
    #[arg(long, value_enum, value_delimiter = ',', default_value = "careful,careless,adversarial,injecting")]
    #[arg(value_name = "NAMES")]
    doctors: Vec<Doctor>,

    /// Messages of an interview at most
    #[arg(long, default_value_t = 40, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    turns: u16,

    /// Replies on the report's sample for checking by hand
    #[arg(long, default_value_t = 60, value_name = "N")]
    sample: usize,

    /// Write scores, worst replies and the sample as one HTML page
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    reading: Reading,
}

/// `--doctors`.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
enum Doctor {
    /// Asks for everything, one by one
    Careful,
    /// Vague, repetitive, off the subject
    Careless,
    /// Demands and misleads
    Adversarial,
    /// Injects prompts
    Injecting,
}

impl From<Doctor> for Interviewer {
    fn from(doctor: Doctor) -> Self {
        match doctor {
            Doctor::Careful => Self::Careful,
            Doctor::Careless => Self::Careless,
            Doctor::Adversarial => Self::Adversarial,
            Doctor::Injecting => Self::Injecting,
        }
    }
}

/// A number of cases.
fn how_many(text: &str) -> Result<usize, String> {
    let legal = || format!("legal is a whole number from 1 to {MOST_PATIENTS}");
    text.parse().ok().filter(|count| (1..=MOST_PATIENTS).contains(count)).ok_or_else(legal)
}

/// Cases drawn where none are named.
const DRAWN: usize = 200;
/// Faulty replies on the report.
const WORST: usize = 60;

pub fn run(arguments: Arguments) -> CommandResult {
    match arguments.command {
        Command::Eval(arguments) => arguments.run(),
    }
}

#[derive(Serialize)]
struct Report<'a> {
    backend: &'a str,
    cases: &'a str,
    seed: u64,
    turns: u16,
    /// Cases left out because nothing of them can be told.
    left_out: usize,
    scores: &'a Scored,
}

impl Eval {
    fn run(self) -> CommandResult {
        if let Some(path) = &self.report {
            output::check_writable(path).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        let (cases, named, left_out) = self.read()?;
        let mut interviewers: Vec<Interviewer> = self.doctors.iter().map(|doctor| (*doctor).into()).collect();
        interviewers.sort_unstable();
        interviewers.dedup();
        let turns = usize::from(self.turns);
        let limits = Limits { turns, ..Limits::default() };
        let cases = cases.into_iter().map(|case| (Part::Imported, case)).collect();
        let held_out = HeldOut::new(cases, limits, self.seed)?;
        let backend = RuleBased;
        let sessions = play(&held_out, &backend, &PlayOptions { interviewers, turns });
        let scored = scored(&sessions, Bootstrap { seed: self.seed, ..Bootstrap::default() });
        if let Some(path) = &self.report {
            let page = render(&PageData {
                backend: backend.name(),
                cases: &named,
                sessions: &sessions,
                scored: &scored,
                sample: self.sample,
                worst: WORST,
                seed: self.seed,
            });
            output::write_atomically(path, page.as_bytes())
                .map_err(|error| format!("{}: {error}", path.display()))?;
        }
        if self.json {
            output::json(&Report {
                backend: backend.name(),
                cases: &named,
                seed: self.seed,
                turns: self.turns,
                left_out,
                scores: &scored,
            })?;
        } else {
            output::text(&output::shown(&table(&named, left_out, &scored)))?;
        }
        Ok(())
    }

    /// The cases to interview, what they are in words, and how many were left out because nothing of them can be told.
    fn read(&self) -> Result<(Vec<Case>, String, usize), Box<dyn std::error::Error>> {
        let (cases, named) = match &self.cases {
            Some(path) => {
                let cases = self.reading.read(std::slice::from_ref(path))?.cases;
                let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
                (cases, file)
            }
            None => {
                let count = self.bank.unwrap_or(DRAWN);
                let cases = Bank::bundled().synth(self.seed, &SynthOptions::any(count))?;
                (cases, "the bundled bank".to_owned())
            }
        };
        let read = cases.len();
        let mut cases: Vec<Case> = cases.into_iter().filter(Case::can_tell).collect();
        let left_out = read - cases.len();
        cases.truncate(self.limit.unwrap_or(usize::MAX));
        let named = format!("{} cases of {named}", cases.len());
        Ok((cases, named, left_out))
    }
}

/// The scores, a row each, a column for each interviewer.
fn table(named: &str, left_out: usize, scored: &Scored) -> String {
    let mut columns = vec![("all", rows(&scored.all))];
    columns.extend(scored.by_interviewer.iter().map(|(kind, scores)| (kind.name(), rows(scores))));
    let mut text = format!("{named}; {left_out} left out, which can tell nothing\n\n{:<22}", "");
    for (name, _) in &columns {
        text.push_str(&format!(" {name:>21}"));
    }
    text.push('\n');
    let Some((_, first)) = columns.first() else { return text };
    for (at, (name, _)) in first.iter().enumerate() {
        text.push_str(&format!("{name:<22}"));
        for (_, rows) in &columns {
            text.push_str(&format!(" {:>21}", rows.get(at).map_or("", |(_, value)| value.as_str())));
        }
        text.push('\n');
    }
    text
}
