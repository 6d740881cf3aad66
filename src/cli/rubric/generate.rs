//! `osler rubric generate`

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::cli::cases::one_or_more;
use crate::cli::cases::reading::Reading;
use crate::cli::interrupt::Interrupt;
use crate::cli::models;
use crate::cli::options::RoleKernels;
use crate::cli::rubric::asked::{client, templates};
use crate::cli::server::Server;
use crate::cli::terminal::{self, Progress};
use crate::cli::{CommandResult, output};
use crate::data::bank::{Bank, SynthOptions};
use crate::rubric::authoring::folder::Step;
use crate::rubric::authoring::sources::knowledge;
use crate::rubric::authoring::{Asked, Scenario, Settings, Sources, Summary, Watch, lines, outcome, run};
use crate::train::config::{Role, Roles};

/// Prompts with rubrics, from cases and reference text
///
/// Without --cases and --knowledge, patients of the bundled bank give the prompts. Everything is done by rules; with --server a
/// model writes prompts, marks, criteria, points and variants, and with --models the one in the role `rubric` does.
#[derive(Args)]
#[command(after_help = "Examples:
  osler rubric generate --count 200 --seed 1 --out ./rubrics
  osler rubric generate --cases cases.jsonl --knowledge guideline.md --variants 2 --out ./rubrics
  osler rubric generate --scenarios triage,note_writing --count 50 --out ./triage
  osler rubric generate --count 20 --server http://127.0.0.1:8080/v1 --server-model qwen --out ./rubrics
  osler rubric generate --count 20 --server http://127.0.0.1:8080/v1 --server-model qwen --out ./rubrics --resume
  osler rubric generate --count 20 --models configs/models-servers.toml --out ./rubrics
  osler rubric generate --cases cases.jsonl --dialogues said.jsonl --persona-seed 3 --out ./rubrics

DIR gets rubrics.jsonl (HealthBench's format), provenance.jsonl (where each criterion came from), summary.json, and a file
for each step. A run that was stopped goes on with --resume and the same options.

JSON: {\"out\", \"summary\": {\"prompts\", \"not_possible\", \"not_possible_because\": {why: n}, \"duplicates\", \"left_out\": {why: n}, \"candidates\", \"alike\", \"surplus\",
       \"wrong_sign\", \"rubrics\", \"variants\", \"criteria\", \"negative\", \"scenarios\": {..}, \"dimensions\": {..},
       \"failures\": [{\"step\", \"line\", \"why\"}]}}")]
pub struct Generate {
    /// Files or folders of cases or records
    #[arg(long, value_name = "PATH", num_args = 1..)]
    cases: Vec<PathBuf>,

    /// Dialogues with patients of the cases, a consultation a line as `consult --json` has it in `consultation`: each gives a prompt
    /// for what the doctor says next
    #[arg(long, value_name = "FILE", num_args = 1..)]
    dialogues: Vec<PathBuf>,

    /// Reference text: plain text, or lines of JSON (.jsonl)
    #[arg(long, value_name = "FILE", num_args = 1..)]
    knowledge: Vec<PathBuf>,

    /// Kinds of prompts made of cases: consultation, question, note_writing, report_interpretation, triage [default: all]
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    scenarios: Vec<Scenario>,

    /// Most prompts, before they are expanded
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = one_or_more)]
    count: usize,

    /// The same seed draws the same prompts
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,

    /// Draw by it who the patients of the cases are as persons; criteria then take that into account [default: nothing is known of it]
    #[arg(long, value_name = "N")]
    persona_seed: Option<u64>,

    /// Folder of the run
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Go on with the run in DIR
    #[arg(long)]
    resume: bool,

    /// Variants of each prompt, beside itself
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u8).range(..=20))]
    variants: u8,

    /// Leave out prompts that share this part of their three-word runs with an earlier one
    #[arg(long, default_value_t = 0.7, value_name = "SHARE")]
    similarity: f64,

    /// Leave out prompts whose marks for constraints, difficulty and value, 1 to 5 each, are less in all
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u8).range(3..=15))]
    least_marks: u8,

    /// Also leave out prompts that say what one of these rubrics' does
    #[arg(long, value_name = "FILE", num_args = 1..)]
    against: Vec<PathBuf>,

    /// Folder of prompts for the model and of dimensions.toml, in place of the bundled ones
    #[arg(long, value_name = "DIR")]
    prompts: Option<PathBuf>,

    /// File of models and roles; the model in the role `rubric` writes
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    models: Option<PathBuf>,

    #[command(flatten)]
    kernels: RoleKernels,

    #[command(flatten)]
    reading: Reading,

    #[command(flatten)]
    server: Server,

    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

impl Generate {
    pub fn run(self) -> CommandResult {
        #[derive(Serialize)]
        struct Report<'a> {
            out: String,
            summary: &'a Summary,
        }
        let read =
            self.models.as_deref().map(|file| Roles::load(file).map(|read| (file, read))).transpose()?;
        let roles = match &read {
            Some((file, read)) => Some(models::open_read(file, read, &[Role::Rubric], self.kernels)?),
            None => None,
        };
        let writes =
            read.as_ref().and_then(|(_, read)| read.played().find(|(role, ..)| *role == Role::Rubric));
        let at_once = writes.map_or_else(|| self.server.at_once(), |(.., source)| source.at_once());
        let templates = templates(self.prompts.as_deref(), roles.as_ref())?;
        let client = client(Role::Rubric, roles.as_ref(), &self.server)?;
        let scenarios =
            if self.scenarios.is_empty() { Scenario::ALL.to_vec() } else { distinct(&self.scenarios) };
        let settings = Settings {
            count: self.count,
            seed: self.seed,
            scenarios,
            similarity: self.similarity,
            least_marks: self.least_marks,
            variants: self.variants.into(),
            persona_seed: self.persona_seed,
        };
        let sources = self.sources()?;
        let mut watching = Watching::new()?;
        let model = client.as_deref().map(|model| Asked { model, at_once });
        let made = run(&self.out, &settings, &sources, &templates, model, self.resume, &mut watching);
        watching.finish();
        let summary = made?;
        if self.json {
            output::json(&Report { out: self.out.display().to_string(), summary: &summary })?;
        } else {
            let path = self.out.join(outcome::RUBRICS);
            output::text(&output::shown(&format!("{}written to {}\n", summary.in_words(), path.display())))?;
        }
        Ok(())
    }

    fn sources(&self) -> Result<Sources, Box<dyn std::error::Error>> {
        let cases = if !self.cases.is_empty() {
            self.reading.read(&self.cases)?.cases
        } else if self.knowledge.is_empty() {
            Bank::bundled().synth(self.seed, &SynthOptions::any(self.count))?
        } else {
            Vec::new()
        };
        let mut sources = Sources { cases, ..Sources::default() };
        for path in &self.dialogues {
            sources.dialogues.extend(lines::read(path)?);
        }
        for path in &self.knowledge {
            sources.passages.extend(knowledge::read(path)?);
        }
        for path in &self.against {
            sources.others.extend(lines::read(path)?);
        }
        Ok(sources)
    }
}

fn distinct(scenarios: &[Scenario]) -> Vec<Scenario> {
    let mut distinct = Vec::new();
    for scenario in scenarios {
        if !distinct.contains(scenario) {
            distinct.push(*scenario);
        }
    }
    distinct
}

/// Shows how far a run is: a bar on a terminal, a line a step elsewhere. Ctrl-C stops it.
struct Watching {
    interrupt: Interrupt,
    bar: Option<Progress>,
    step: Option<Step>,
}

impl Watching {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let bar = io::stderr().is_terminal().then(|| Progress::measurements(0));
        Ok(Self { interrupt: Interrupt::watch()?, bar, step: None })
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}

impl Watch for Watching {
    fn at(&mut self, step: Step, done: usize, all: usize) {
        let begins = self.step.replace(step) != Some(step);
        match &self.bar {
            Some(bar) => {
                bar.set(done as u64, all as u64);
                if begins {
                    bar.say(step.in_words());
                }
            }
            None if begins => terminal::line(&format!("{} ({all})", step.in_words())),
            None => {}
        }
    }

    fn stopped(&mut self) -> bool {
        self.interrupt.is_pressed()
    }
}
