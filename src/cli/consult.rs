//! `osler consult`

mod report;
mod roles;
mod served;

use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use serde::Serialize;

use self::report::{ending, in_words as marks_in_words, told, who};
use self::served::Doctor;
use crate::cli::cases::reading::Reading;
use crate::cli::cases::words::in_words;
use crate::cli::interrupt::Interrupt;
use crate::cli::server::Server;
use crate::cli::{CommandResult, output, terminal};
use crate::data::bank::{Bank, SynthOptions};
use crate::data::case::Case;
use crate::data::consultation::Consultation;
use crate::data::lexicon::Lexicon;
use crate::rubric::{ConsultationMarks, Generator, RuleJudge, marks};
use crate::sim::{Limits, Patient, PatientScript, Persona};
use crate::train::config::Roles;

/// The longest legal message, in bytes: far beyond what anybody says, and read in a moment.
const LONGEST: usize = 16 << 10;
/// How often a wait for input looks whether Ctrl-C was pressed.
const LOOK: Duration = Duration::from_millis(50);

/// Be the doctor of a simulated patient
///
/// The patient answers by rules, from the case; no model is needed. The consultation ends when you name a diagnosis and
/// what to do, send the patient to hospital, say goodbye, or press Ctrl-D; then your messages are marked. In it,
/// /facts shows what you have been told, /marks the marks so far (which gives things away), /end ends, /help helps.
///
/// With --server a model plays the doctor instead; what the patient says is sent to that server. With --models a file names the doctor's
/// model, served or in this process (docs/models.md).
#[derive(clap::Args)]
#[command(after_help = "Examples:
  osler consult
  osler consult --seed 7 --persona-seed 3 --show-facts
  osler consult --case acute-appendicitis
  osler consult --cases cases.jsonl --case fhir-00003
  osler consult --server http://127.0.0.1:8080/v1 --server-model smollm2 --seed 7
  osler consult --server http://10.0.0.1:8000/v1 --server http://10.0.0.2:8000/v1 --server-model m
  osler consult --models configs/models-local.toml --dry-run
  printf 'When did it start?\\nGoodbye.\\n' | osler consult --seed 7 --json

JSON (messages are read from stdin, one a line): {\"case_id\", \"persona\", \"consultation\", \"marks\": {\"turns\", \"whole\"},
       \"reward\": {\"whole\", \"mean_reply\"}, \"doctor\"?: {\"model\", \"usage\"?, \"servers\"?}, \"case\"?}
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

    /// File of models and roles; the model in the role `policy` is the doctor
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    models: Option<PathBuf>,

    /// Check the file of --models, print who plays what and what each model is shown, and open nothing
    #[arg(long, requires = "models")]
    dry_run: bool,

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
    let doctor = arguments.doctor(roles.as_ref())?;
    let seed = arguments.persona_seed.unwrap_or(arguments.seed);
    let script = PatientScript::of_case(&case, Lexicon::bundled(), Persona::draw(seed), seed);
    let limits = Limits { turns: usize::from(arguments.turns), ..Limits::default() };
    let patient = Patient::new(&script, limits);
    let consultation = patient.open();
    let mut session =
        Session { case: &case, patient, consultation, limits, arguments: &arguments, doctor: None };
    let terminal = doctor.is_none() && !arguments.json && io::stdin().is_terminal();
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

/// Whether there is more to come.
#[derive(PartialEq, Eq)]
enum Goes {
    On,
    Out,
}

struct Session<'a> {
    case: &'a Case,
    patient: Patient<'a>,
    consultation: Consultation,
    limits: Limits,
    arguments: &'a Arguments,
    /// The model that was the doctor, if one was.
    doctor: Option<Doctor>,
}

const HELP: &str = "/facts  what the patient has told you
/marks  the marks of your messages so far (gives things away)
/end    end the consultation (Ctrl-D)
";

#[derive(Serialize)]
struct Report<'a> {
    case_id: &'a str,
    persona: &'a Persona,
    consultation: &'a Consultation,
    marks: &'a ConsultationMarks,
    reward: Rewards,
    #[serde(skip_serializing_if = "Option::is_none")]
    doctor: Option<&'a Doctor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<&'a Case>,
}

#[derive(Serialize)]
struct Rewards {
    whole: Option<f64>,
    mean_reply: Option<f64>,
}

impl Session<'_> {
    fn begin(&self, help: bool) -> CommandResult {
        if help {
            self.show("Research software: no medical advice. /help shows the commands.\n")?;
        }
        self.show(&format!("{}\npatient: {}\n", who(self.case), self.consultation.opening))
    }

    fn interactive(&mut self) -> CommandResult {
        let mut editor = DefaultEditor::new()?;
        loop {
            let line = match editor.readline("doctor: ") {
                Ok(line) => line,
                Err(ReadlineError::Interrupted | ReadlineError::Eof) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            if !line.trim().is_empty() {
                // A history that cannot be kept is no reason to stop.
                let _ = editor.add_history_entry(&line);
            }
            if self.line(&line)? == Goes::Out {
                return Ok(());
            }
        }
    }

    /// One message a line from stdin; Ctrl-C ends the consultation as the end of the input does.
    fn piped(&mut self) -> CommandResult {
        let interrupt = Interrupt::watch()?;
        // Lines come from a thread of their own, since reading one cannot be interrupted. It ends with the process.
        let (sender, lines) = mpsc::sync_channel(1);
        thread::Builder::new().name("stdin".into()).spawn(move || {
            let mut input = io::stdin().lock();
            for number in 1u64.. {
                let line = read_line(&mut input).map_err(|error| format!("stdin, line {number}: {error}"));
                let last = !matches!(line, Ok(Some(_)));
                if sender.send(line).is_err() || last {
                    return;
                }
            }
        })?;
        loop {
            match lines.recv_timeout(LOOK) {
                Ok(Ok(Some(line))) => {
                    if self.line(&line)? == Goes::Out {
                        return Ok(());
                    }
                }
                Ok(Ok(None)) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Ok(Err(error)) => return Err(error.into()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if interrupt.take() {
                return Ok(());
            }
        }
    }

    /// A message or a command.
    fn line(&mut self, line: &str) -> Result<Goes, Box<dyn std::error::Error>> {
        match line.trim() {
            "" => {}
            "/end" | "/quit" | "/exit" => return Ok(Goes::Out),
            "/help" => self.show(HELP)?,
            "/facts" => self.show(&told(self.case, &self.consultation))?,
            "/marks" => self.show(&marks_in_words(&self.consultation, &self.marks(), false))?,
            command if command.starts_with('/') => {
                terminal::line(&format!("unknown command {command}; /help shows what there is"));
            }
            message if message.len() > LONGEST => {
                terminal::line(&format!(
                    "the message has {} bytes, at most {LONGEST} are read",
                    message.len()
                ));
            }
            message => return self.say(message),
        }
        Ok(Goes::On)
    }

    fn say(&mut self, message: &str) -> Result<Goes, Box<dyn std::error::Error>> {
        self.patient.answer(&mut self.consultation, message);
        let turn = self.consultation.turns.last();
        if let Some(reply) = turn.and_then(|turn| turn.patient.as_deref()) {
            self.show(&format!("patient: {reply}\n"))?;
        }
        let facts: Vec<&str> =
            turn.map(|turn| turn.told.iter().map(|id| id.as_str()).collect()).unwrap_or_default();
        if self.arguments.show_facts && !facts.is_empty() {
            self.show(&format!("  [{}]\n", facts.join(", ")))?;
        }
        Ok(if self.consultation.ending.is_some() { Goes::Out } else { Goes::On })
    }

    fn marks(&self) -> ConsultationMarks {
        marks(self.case, &self.consultation, &Generator::bundled(self.limits.turns), &RuleJudge::bundled())
    }

    fn finish(&self) -> CommandResult {
        let marks = self.marks();
        let (who, capital) =
            if self.doctor.is_some() { ("the doctor", "The doctor") } else { ("you", "You") };
        let mut text = format!("\n{}\n", ending(self.consultation.ending, who));
        if self.consultation.turns.is_empty() {
            text.push_str(&format!("{capital} said nothing, so there is nothing to mark.\n"));
        } else {
            text.push_str(&marks_in_words(&self.consultation, &marks, true));
        }
        text.push_str(&format!("\nThe case was {}: {}.\n", self.case.id, self.case.truth.diagnosis));
        if self.arguments.show_facts {
            text.push_str(&format!("\n{}", in_words(self.case)));
        }
        self.show(&text)?;
        if self.arguments.json {
            output::json(&Report {
                case_id: &self.case.id,
                persona: &self.patient.script().persona,
                consultation: &self.consultation,
                marks: &marks,
                reward: Rewards { whole: marks.whole.value(), mean_reply: marks.mean_reply() },
                doctor: self.doctor.as_ref(),
                case: self.arguments.show_facts.then_some(self.case),
            })?;
        }
        Ok(())
    }

    /// Shows text on stdout; with `--json`, which has stdout to itself, on stderr.
    fn show(&self, text: &str) -> CommandResult {
        let text = output::shown(text);
        if self.arguments.json {
            terminal::text(&text);
        } else {
            output::text(&text)?;
        }
        Ok(())
    }
}

/// A line without its end; `None` at the end of the input. No more of it is held than a message may have.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let mut seen = false;
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        seen = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        // One byte too many is enough to see that it is too long.
        bytes.extend(part.iter().take((LONGEST + 1).saturating_sub(bytes.len())));
        let used = part.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() {
            break;
        }
    }
    if bytes.len() > LONGEST {
        let message = format!("it is too long, at most {LONGEST} bytes are read");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let line = String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"));
    line.map(|line| seen.then_some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_to_their_end_and_no_further_than_a_message_may_go() {
        let mut input = io::BufReader::with_capacity(3, &b"When?\r\n\nlast"[..]);
        let mut lines = || read_line(&mut input).unwrap();
        assert_eq!(
            [lines(), lines(), lines(), lines()],
            ["When?\r", "", "last"]
                .map(|it| Some(it.to_owned()))
                .into_iter()
                .chain([None])
                .collect::<Vec<_>>()[..]
        );
        let long = "x".repeat(LONGEST);
        assert_eq!(read_line(&mut format!("{long}\n").as_bytes()).unwrap(), Some(long.clone()));
        assert!(
            read_line(&mut format!("{long}x\n").as_bytes()).unwrap_err().to_string().contains("too long")
        );
        assert!(read_line(&mut &b"\xff\n"[..]).unwrap_err().to_string().contains("UTF-8"));
    }
}
