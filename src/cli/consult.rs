//! `osler consult`

mod input;
mod log;
mod report;
mod roles;
mod served;
mod session;

use std::borrow::Cow;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

use self::log::Log;
use self::session::Session;
use crate::cli::CommandResult;
use crate::cli::cases::reading::Reading;
use crate::cli::initiative::Initiative;
use crate::cli::interrupt::Interrupt;
use crate::cli::options::RoleKernels;
use crate::cli::server::Server;
use crate::data::bank::{Bank, SynthOptions};
use crate::data::case::Case;
use crate::data::lexicon::Lexicon;
use crate::rubric::ModelJudge;
use crate::sim::played::{Settings, SharedUnits};
use crate::sim::{Limits, PatientScript, Persona, PlayedPatient, Prompts};
use crate::train::config::{Role, Roles};

/// Be the doctor of a simulated patient
///
/// The patient answers by rules, from the case; no model is needed. The consultation ends when you name a diagnosis and
/// what to do, send the patient to hospital, say goodbye, or press Ctrl-D; then your messages are marked. In it,
/// /facts shows what you have been told, /marks the marks so far (which gives things away), /end ends, /help helps.
///
/// With --server a model plays the doctor instead; what the patient says is sent to that server. With --models a file names
/// models, served or in this process, for the doctor (you, where it names none), the patient's words, the gate, the check and the judge
/// (docs/models.md); all that a role is shown goes to its server.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  osler consult
  osler consult --seed 7 --persona-seed 3 --show-facts
  osler consult --case acute-appendicitis
  osler consult --cases cases.jsonl --case fhir-00003
  osler consult --server http://127.0.0.1:8080/v1 --server-model smollm2 --seed 7
  osler consult --server http://10.0.0.1:8000/v1 --server http://10.0.0.2:8000/v1 --server-model m
  osler consult --models configs/models-local.toml --dry-run
  osler consult --models configs/models-servers.toml --seed 7 --log turns.jsonl
  osler consult --mode interrupted --seed 7
  printf 'When did it start?\\nGoodbye.\\n' | osler consult --seed 7 --json

JSON (messages are read from stdin, one a line): {\"case_id\", \"persona\", \"consultation\", \"marks\": {\"turns\", \"whole\"},
       \"reward\": {\"whole\", \"mean_reply\"}, \"doctor\"?: {\"model\", \"usage\"?, \"servers\"?}, \"case\"?,
        \"mode\"?, \"patient\"?: {\"gate\", \"voice\", \"check\", \"counts\": {..}},
        \"judge\"?: {\"model\", \"protocol\", \"settings\", \"identity\", \"criteria\", \"judged\", \"coverage\", \"work\": {..}}}
       with --dry-run {\"roles\": [{\"role\", \"model\", \"called\", \"servers\", \"device\"?, \"shown\"}, ..], \"not_built\"}")]
pub struct Arguments {
    /// A file or folder of cases [default: the bundled bank]
    #[arg(long, value_name = "PATH")]
    cases: Option<PathBuf>,

    /// The case's id; without --cases, a presentation of the bundled bank
    #[arg(long, value_name = "ID")]
    case: Option<String>,

    /// Which patient: drawn from the bank by it; with --cases and no --case, the Nth, counting round
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,

    /// Which persona plays the patient, and in which words [default: --seed]
    #[arg(long, value_name = "N")]
    persona_seed: Option<u64>,

    /// Most messages
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    turns: u16,

    /// Show which facts each answer told, and the whole case at the end
    #[arg(long)]
    show_facts: bool,

    /// Print one JSON object on stdout; the consultation goes to stderr
    #[arg(long)]
    json: bool,

    /// Who takes the initiative: the patient too, nobody but the doctor, or nobody else where the patient has just asked
    #[arg(long, value_enum, default_value = "interactive", value_name = "MODE")]
    mode: Initiative,

    /// Add what happened in each turn to this file, one JSON object a line; drafts in it may name the diagnosis
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// File of models and roles: policy (the doctor), patient, gate, check, judge
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    models: Option<PathBuf>,

    /// Check the file of --models, print who plays what and what each model is shown, and open nothing
    #[arg(long, requires = "models")]
    dry_run: bool,

    #[command(flatten)]
    kernels: RoleKernels,

    #[command(flatten)]
    reading: Reading,

    #[command(flatten)]
    server: Server,
}

pub fn run(arguments: Arguments) -> CommandResult {
    let roles = arguments.models.as_deref().map(Roles::load).transpose()?;
    if let Some(roles) = roles.as_ref().filter(|_| arguments.dry_run) {
        return roles::tell(roles, arguments.json);
    }
    let case = arguments.choose()?;
    let opened = arguments.open(roles.as_ref())?;
    let doctor = match &opened {
        Some(opened) => opened.model(Role::Policy).cloned(),
        None => arguments.server.client()?,
    };
    let (units, settings, prompts) = match &opened {
        Some(opened) => {
            (opened.patient_units(), opened.patient_settings(), opened.options.patient_prompts()?)
        }
        None => (SharedUnits::default(), Settings::default(), Cow::Borrowed(Prompts::bundled())),
    };
    let log = arguments.log.as_deref().map(Log::open).transpose()?;
    let terminal = doctor.is_none() && !arguments.json && io::stdin().is_terminal();
    // Where only the person is waited for, the line editor hears Ctrl-C.
    let interrupt = if terminal && opened.is_none() { Interrupt::default() } else { Interrupt::watch()? };
    let stopped = || interrupt.is_pressed();
    let judge = match opened.as_ref().and_then(|opened| Some((opened, opened.model(Role::Judge)?))) {
        Some((opened, model)) => {
            let settings = opened.of_judge(opened.options.judge_settings(arguments.seed));
            let judge = ModelJudge::new(model.as_ref(), opened.options.judge_protocol()?, settings)?;
            Some(judge.stopped_by(&stopped))
        }
        None => None,
    };
    let seed = arguments.persona_seed.unwrap_or(arguments.seed);
    let script = PatientScript::of_case(&case, Lexicon::bundled(), Persona::draw(seed), seed);
    let limits = Limits { turns: usize::from(arguments.turns), ..Limits::default() };
    let patient = PlayedPatient::new(&script, limits, units.units(), &prompts, seed)
        .with_settings(settings)
        .in_mode(crate::sim::Initiative::from(arguments.mode).mode(seed));
    let consultation = patient.open();
    let mut session = Session {
        case: &case,
        patient,
        units: units.have_model().then(|| units.names()),
        counts: Default::default(),
        consultation,
        limits,
        arguments: &arguments,
        opened: opened.as_ref(),
        judge,
        log,
        interrupt: interrupt.clone(),
        doctor: None,
    };
    session.begin(terminal)?;
    match doctor {
        Some(doctor) => session.served(doctor.as_ref())?,
        None if terminal => session.interactive()?,
        None => session.piped()?,
    }
    session.finish()
}

impl Arguments {
    /// The case to play.
    fn choose(&self) -> Result<Case, Box<dyn std::error::Error>> {
        let Some(path) = &self.cases else {
            let presentations = self.case.iter().cloned().collect();
            let options = SynthOptions { presentations, ..SynthOptions::any(1) };
            let drawn = Bank::bundled().synth(self.seed, &options)?;
            return drawn.into_iter().next().ok_or_else(|| "the bank drew nobody".into());
        };
        let cases = self.reading.read(std::slice::from_ref(path))?.cases;
        let count = cases.len();
        let ids: Vec<&str> = cases.iter().take(5).map(|case| case.id.as_str()).collect();
        let ids = ids.join(", ");
        let place = self.seed.checked_rem(count as u64).unwrap_or(0) as usize;
        let found = match &self.case {
            Some(id) => cases.into_iter().find(|case| case.id == *id),
            None => cases.into_iter().nth(place),
        };
        found.ok_or_else(|| match &self.case {
            Some(id) if count > 0 => {
                format!("no case is called `{id}`; there are {count} cases: {ids} ..").into()
            }
            _ => format!("{}: there is no case in it", path.display()).into(),
        })
    }
}
