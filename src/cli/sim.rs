//! `osler sim`

mod report;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

use clap::{Args, Subcommand, ValueEnum};
use report::{Played, Report, table};

use crate::cli::cases::one_or_more;
use crate::cli::cases::reading::Reading;
use crate::cli::initiative::Initiative;
use crate::cli::interrupt::Interrupt;
use crate::cli::options::RoleKernels;
use crate::cli::server::summarise;
use crate::cli::terminal::Progress;
use crate::cli::{CommandResult, models, output};
use crate::data::bank::{Bank, SynthOptions};
use crate::data::case::Case;
use crate::eval::simulated::sample::{Format, SampleData, written};
use crate::eval::simulated::{
    Backend, Interviewer, ModelBacked, PageData, PlayOptions, RuleBased, Watch, play_watched, render, scored,
};
use crate::eval::{Bootstrap, HeldOut, Part};
use crate::sim::{Limits, Mode};
use crate::train::config::{ModelSource, Role, Roles};

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
///
/// The patients are played by rules, or with --models by the models in the roles patient, gate and check. All that a role is shown goes to
/// its server. Ctrl-C ends it; the interviews that were whole by then are scored.
#[derive(Args)]
#[command(after_help = "Examples:
  osler sim eval --bank 200
  osler sim eval --cases all_dev_good.jsonl --format mediq --phi redact --skip-bad --limit 200 --report sim.html
  osler sim eval --cases all_dev_good.jsonl --format mediq --phi redact --sample 60 --sample-out turns.md
  osler sim eval --cases cases.jsonl --doctors careful,injecting --json
  osler sim eval --bank 5 --models configs/models-servers.toml --turns 15
  osler sim eval --bank 200 --mode drawn

JSON: {\"backend\", \"cases\", \"seed\", \"turns\", \"left_out\", \"stopped\", \"mode\"?, \"patient\"?: {\"gate\", \"voice\", \"check\", \"counts\": {..},
      \"share_fallen_back\", \"share_lost\"}, \"scores\": {\"all\": {..}, \"by_interviewer\": [[name, {..}], ..]}};
      each {..} has \"cases\", \"sessions\", \"turns\", \"withheld\", \"diagnosis_named\", \"demands\", \"dumps\", \"failures\", and, each
      {\"mean\", \"ci95\", \"standard_error\", \"count\", \"clusters\"} or null, \"fact\", \"privacy\", \"volunteered\",
      \"volunteered_facts\", \"personification\", \"persona_consistent\", \"sentences_supported\", \"answered\", \"found_out\"")]
struct Eval {
    /// A file or folder of cases
    #[arg(long, value_name = "PATH", conflicts_with = "bank")]
    cases: Option<PathBuf>,

    /// Draw so many cases from the bundled bank [default: 200 where no --cases are given]
    #[arg(long, value_name = "N", value_parser = one_or_more)]
    bank: Option<usize>,

    /// Only the first so many cases that can tell anything
    #[arg(long, value_name = "N", value_parser = one_or_more)]
    limit: Option<usize>,

    /// Draws cases, personas, wordings and the sample
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,

    /// Who interviews
    #[arg(long, value_enum, value_delimiter = ',', default_value = "careful,careless,adversarial,injecting")]
    #[arg(value_name = "NAMES")]
    doctors: Vec<Doctor>,

    /// Who takes the initiative. Interviewers follow their scripts: `interrupted` patients answer them as `passive` ones do
    #[arg(long, value_enum, default_value = "interactive", value_name = "MODE")]
    mode: Initiative,

    /// Messages of an interview at most
    #[arg(long, default_value_t = 40, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    turns: u16,

    /// Replies to draw for checking by hand
    #[arg(long, default_value_t = 60, value_name = "N")]
    sample: usize,

    /// Write scores, worst replies and the sample as one HTML page
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Write the sample with messages, replies, facts and labels: a Markdown table (.md) or JSON lines (.jsonl)
    #[arg(long, value_name = "FILE", value_parser = sample_file)]
    sample_out: Option<PathBuf>,

    /// File of models and roles; those in the roles patient, gate and check play the patients, rules the others
    #[arg(long, value_name = "FILE")]
    models: Option<PathBuf>,

    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    kernels: RoleKernels,

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

/// A file whose name says how a sample is written.
fn sample_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    Format::of(&path).ok_or("legal is a name that ends in .md or .jsonl")?;
    Ok(path)
}

/// Cases drawn where none are named.
const DRAWN: usize = 200;
/// Faulty replies on the report.
const WORST: usize = 60;
/// Roles of a patient.
const ROLES: [Role; 3] = [Role::Patient, Role::Gate, Role::Check];
/// Most interviews at once, however many requests servers take.
const MOST_THREADS: usize = 256;

pub fn run(arguments: Arguments) -> CommandResult {
    match arguments.command {
        Command::Eval(arguments) => arguments.run(),
    }
}

/// Shows how many interviews are over; Ctrl-C stops the next.
struct Watching {
    interrupt: Interrupt,
    bar: Option<Progress>,
    all: usize,
    over: AtomicUsize,
}

impl Watch for Watching {
    fn interviewed(&self) {
        let over = self.over.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(bar) = &self.bar {
            bar.set(over as u64, self.all as u64);
        }
    }

    fn stopped(&self) -> bool {
        self.interrupt.is_pressed()
    }
}

/// How many interviews are led at once: as many as there are processors, or as requests that one of the roles' models takes.
fn at_once(roles: &Roles) -> usize {
    let requests = |model: &ModelSource| match model {
        ModelSource::Served(served) => served.concurrency.saturating_mul(served.server.urls().len()),
        ModelSource::Local(_) => 1,
    };
    let most = roles.played().map(|(.., model)| requests(model)).max().unwrap_or(1);
    most.max(available_parallelism().map_or(1, usize::from)).min(MOST_THREADS)
}

impl Eval {
    fn run(self) -> CommandResult {
        for path in self.report.iter().chain(&self.sample_out) {
            output::check_writable(path).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        let roles = self.models.as_deref().map(Roles::load).transpose()?;
        let opened = match (&self.models, &roles) {
            (Some(file), Some(roles)) => Some(models::open_read(file, roles, &ROLES, self.kernels)?),
            _ => None,
        };
        let prompts = opened.as_ref().map(|opened| opened.options.patient_prompts()).transpose()?;
        let (cases, named, left_out) = self.read()?;
        let mut interviewers: Vec<Interviewer> = self.doctors.iter().map(|doctor| (*doctor).into()).collect();
        interviewers.sort_unstable();
        interviewers.dedup();
        let turns = usize::from(self.turns);
        let limits = Limits { turns, ..Limits::default() };
        let cases = cases.into_iter().map(|case| (Part::Imported, case)).collect();
        let initiative = crate::sim::Initiative::from(self.mode);
        let held_out = HeldOut::new(cases, limits, self.seed)?.in_mode(initiative);
        let all = held_out.cases().len() * interviewers.len();
        let bar = io::stderr().is_terminal().then(|| Progress::measurements(all));
        let watching = Watching { interrupt: Interrupt::watch()?, bar, all, over: AtomicUsize::new(0) };
        let options = PlayOptions { interviewers, turns };
        let (name, sessions, played) = match (&opened, &roles, &prompts) {
            (Some(opened), Some(roles), Some(prompts)) => {
                let (units, settings) = (opened.patient_units(), opened.patient_settings());
                let names = units.names();
                // What only the doctor finds is nothing that a patient knows of.
                let passive = self.mode != Initiative::Interactive;
                let mode = if passive { Mode::Passive } else { Mode::Proactive };
                let backend = ModelBacked::new(units, prompts, settings, self.seed, &watching).in_mode(mode);
                let threads =
                    rayon::ThreadPoolBuilder::new().num_threads(at_once(&roles.only(&ROLES))).build()?;
                let sessions = threads.install(|| play_watched(&held_out, &backend, &options, &watching));
                (backend.name().to_owned(), sessions, Some(Played::new(names, backend.counts())))
            }
            _ => {
                let sessions = play_watched(&held_out, &RuleBased, &options, &watching);
                (RuleBased.name().to_owned(), sessions, None)
            }
        };
        if let Some(bar) = &watching.bar {
            bar.finish();
        }
        for model in opened.iter().flat_map(|opened| opened.distinct()) {
            summarise(model.as_ref());
        }
        let stopped = watching.stopped() && sessions.len() < all;
        let failure = sessions.iter().find_map(|session| session.failure.as_deref());
        if sessions.iter().all(|session| session.turns.is_empty()) {
            return Err(match failure {
                Some(failure) => {
                    format!("no patient said anything, so there is nothing to score: {failure}").into()
                }
                None if stopped => "stopped before an interview was whole".into(),
                None => "no patient said anything, so there is nothing to score".into(),
            });
        }
        let scored = scored(&sessions, Bootstrap { seed: self.seed, ..Bootstrap::default() });
        let mut about = named.clone();
        if let Some(words) = initiative.in_words() {
            about.push_str(&format!("; {words}"));
        }
        if stopped {
            about.push_str(&format!("; stopped after {} of {all} interviews", sessions.len()));
        }
        if let Some(played) = &played {
            about.push_str(&format!("; {}", played.in_words()));
        }
        if let Some(path) = &self.report {
            let page = render(&PageData {
                backend: &name,
                cases: &about,
                sessions: &sessions,
                scored: &scored,
                sample: self.sample,
                worst: WORST,
                seed: self.seed,
            });
            write(path, &page)?;
        }
        if let Some((path, format)) = self.sample_out.as_deref().and_then(|it| Some((it, Format::of(it)?))) {
            let (cases, count, seed) = (about.as_str(), self.sample, self.seed);
            write(
                path,
                &written(&SampleData { backend: &name, cases, sessions: &sessions, count, seed }, format)?,
            )?;
        }
        if self.json {
            output::json(&Report {
                backend: &name,
                cases: &named,
                seed: self.seed,
                turns: self.turns,
                left_out,
                stopped,
                mode: Some(self.mode).filter(|mode| *mode != Initiative::Interactive),
                patient: played.as_ref(),
                scores: &scored,
            })?;
        } else {
            let mut text = table(&named, left_out, &scored);
            if let Some(played) = &played {
                text.push_str(&format!("\n{}\n", played.in_words()));
            }
            if let Some(failure) = failure {
                text.push_str(&format!("first of the interviews that broke off: {failure}\n"));
            }
            output::text(&output::shown(&text))?;
        }
        if stopped {
            return Err(format!("stopped; these are {} of {all} interviews", sessions.len()).into());
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

fn write(path: &Path, text: &str) -> Result<(), String> {
    output::write_atomically(path, text.as_bytes()).map_err(|error| format!("{}: {error}", path.display()))
}
