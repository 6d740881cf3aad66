//! A consultation under way.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use serde::Serialize;

use super::Arguments;
use super::input::{LONGEST, read_line};
use super::log::Log;
use super::report::{JudgeFacts, PatientFacts, ending, in_words as marks_in_words, told, who};
use super::served::Doctor;
use crate::chat::{ChatError, ChatModel};
use crate::cli::cases::words::in_words;
use crate::cli::interrupt::{Interrupt, Waiting};
use crate::cli::server::summarise;
use crate::cli::{CommandResult, output, terminal};
use crate::data::case::Case;
use crate::data::consultation::Consultation;
use crate::roles::OpenedRoles;
use crate::rubric::{ConsultationMarks, Generator, Judge, ModelJudge, RuleJudge, marks};
use crate::sim::played::{PlayedError, PlayedReply, TurnCounts, UnitNames};
use crate::sim::{Limits, Mode, Persona, PlayedPatient};

/// How often a wait for input looks whether Ctrl-C was pressed.
const LOOK: Duration = Duration::from_millis(50);

/// Whether there is more to come.
#[derive(PartialEq, Eq)]
pub enum Goes {
    On,
    Out,
}

/// A consultation, its patient, and who marks it.
pub struct Session<'a> {
    pub case: &'a Case,
    pub patient: PlayedPatient<'a>,
    /// Who plays the patient's units, where a model plays any.
    pub units: Option<UnitNames>,
    pub counts: TurnCounts,
    pub consultation: Consultation,
    pub limits: Limits,
    pub arguments: &'a Arguments,
    pub opened: Option<&'a OpenedRoles>,
    /// The model that judges; rules do where there is none.
    pub judge: Option<ModelJudge<'a, dyn ChatModel + Send + Sync>>,
    pub log: Option<Log>,
    pub interrupt: Interrupt,
    /// The model that was the doctor, if one was.
    pub doctor: Option<Doctor>,
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
    /// How the patient took part, where not on its own initiative too.
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'a Mode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patient: Option<&'a PatientFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    judge: Option<&'a JudgeFacts>,
}

#[derive(Serialize)]
struct Rewards {
    whole: Option<f64>,
    mean_reply: Option<f64>,
}

impl Session<'_> {
    /// Shows who comes, and with `help` how it goes.
    pub fn begin(&self, help: bool) -> CommandResult {
        if help {
            self.show("Research software: no medical advice. /help shows the commands.\n")?;
        }
        self.show(&format!("{}\npatient: {}\n", who(self.case), self.consultation.opening))?;
        if let Mode::Interrupted(found) = self.patient.mode() {
            self.show(&format!("doctor: {}\npatient: {}\n", found.doctor, found.patient))?;
        }
        Ok(())
    }

    /// The person in the terminal is the doctor. A message that got no reply is said again, or not.
    pub fn interactive(&mut self) -> CommandResult {
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
            match self.line(&line) {
                Ok(Goes::On) => {}
                Ok(Goes::Out) => return Ok(()),
                Err(error) if error.is::<PlayedError>() => {
                    terminal::report(error.as_ref());
                    terminal::line("the message was not taken: say it again, or /end");
                }
                Err(error) => return Err(error),
            }
            if self.interrupt.take() {
                return Ok(());
            }
        }
    }

    /// One message a line from stdin; Ctrl-C ends the consultation as the end of the input does.
    pub fn piped(&mut self) -> CommandResult {
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
            if self.interrupt.take() {
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

    /// Says `message` to the patient. Ctrl-C while a model is waited for ends the consultation as it was before.
    pub fn say(&mut self, message: &str) -> Result<Goes, Box<dyn std::error::Error>> {
        let mut waiting = Waiting(&self.interrupt);
        let played = match self.patient.reply_unless_stopped(&self.consultation, message, &mut waiting) {
            Err(PlayedError::Unit { source: ChatError::Stopped, .. }) => return Ok(Goes::Out),
            other => other,
        };
        let PlayedReply { reply, log } = played.inspect_err(|_| self.counts.lose())?;
        reply.carry_on(&mut self.consultation);
        self.counts.add(&log);
        if let Some(file) = &mut self.log {
            file.add(&log)?;
        }
        for failure in &log.failures {
            let (unit, model) = (failure.unit, &failure.model);
            terminal::line(&format!("note: the patient's {unit} by rules: model `{model}`: {}", failure.why));
        }
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
        let rules = RuleJudge::bundled();
        let judge: &dyn Judge = match &self.judge {
            Some(judge) => judge,
            None => &rules,
        };
        let seen = self.patient.mode().seen(&self.consultation);
        marks(self.case, &seen, &Generator::bundled(self.limits.turns), judge)
    }

    /// Marks the consultation and reports it.
    pub fn finish(&self) -> CommandResult {
        // What ended the consultation does not end its marking.
        self.interrupt.take();
        if let (Some(judge), false) = (&self.judge, self.consultation.turns.is_empty()) {
            terminal::line(&format!("judging by {}; Ctrl-C leaves the rest not judged", judge.model_name()));
        }
        let marks = self.marks();
        let judge = self.judge.as_ref().map(|judge| JudgeFacts::new(judge, &marks));
        let patient = self.units.clone().map(|units| PatientFacts { units, counts: self.counts });
        let (who, capital) =
            if self.doctor.is_some() { ("the doctor", "The doctor") } else { ("you", "You") };
        let mut text = format!("\n{}\n", ending(self.consultation.ending, who));
        if self.consultation.turns.is_empty() {
            text.push_str(&format!("{capital} said nothing, so there is nothing to mark.\n"));
        } else {
            text.push_str(&marks_in_words(&self.consultation, &marks, true));
        }
        if let Some(patient) = &patient {
            text.push_str(&format!("\n{}\n", patient.in_words()));
        }
        if let Some(judge) = &judge {
            text.push_str(&format!("\n{}\n", judge.in_words()));
        }
        text.push_str(&format!("\nThe case was {}: {}.\n", self.case.id, self.case.truth.diagnosis));
        if self.arguments.show_facts {
            text.push_str(&format!("\n{}", in_words(self.case)));
        }
        self.show(&text)?;
        for model in self.opened.iter().flat_map(|opened| opened.distinct()) {
            summarise(model.as_ref());
        }
        if self.arguments.json {
            output::json(&Report {
                case_id: &self.case.id,
                persona: &self.patient.script().persona,
                consultation: &self.consultation,
                marks: &marks,
                reward: Rewards { whole: marks.whole.value(), mean_reply: marks.mean_reply() },
                doctor: self.doctor.as_ref(),
                case: self.arguments.show_facts.then_some(self.case),
                mode: Some(self.patient.mode()).filter(|mode| mode.is_passive()),
                patient: patient.as_ref(),
                judge: judge.as_ref(),
            })?;
        }
        Ok(())
    }

    /// Shows text on stdout; with `--json`, which has stdout to itself, on stderr.
    pub fn show(&self, text: &str) -> CommandResult {
        let text = output::shown(text);
        if self.arguments.json {
            terminal::text(&text);
        } else {
            output::text(&text)?;
        }
        Ok(())
    }
}
