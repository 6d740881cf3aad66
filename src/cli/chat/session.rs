//! A conversation: messages from stdin or a terminal, answers as they are made.

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use serde::Serialize;

use crate::chat::client::ServerFigures;
use crate::chat::message::{Message, Role};
use crate::chat::{ChatError, ChatOptions, ConversationKey, Listener, Part, SharedModel, structured};
use crate::cli::interrupt::Interrupt;
use crate::cli::{CommandResult, output, terminal};

/// How often more a model is asked when its answer is not as `--schema` says.
const AGAIN: usize = 2;

#[derive(Serialize)]
struct Report<'a> {
    messages: &'a [Message],
    /// What was asked of servers, where the model is on some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    servers: Vec<ServerFigures>,
}

/// A conversation with a model, and who hears it.
pub(super) struct Chat {
    pub model: SharedModel,
    pub messages: Vec<Message>,
    /// Of the next answer.
    pub options: ChatOptions,
    pub interrupt: Interrupt,
    pub json: bool,
}

const HELP: &str = "/system TEXT  set the system message and start over
/reset        start over
/save FILE    write the conversation as JSON
/quit         leave (Ctrl-D)
";

impl Chat {
    /// One message a line from stdin.
    pub fn piped(&mut self) -> CommandResult {
        for (number, line) in (1..).zip(io::stdin().lock().lines()) {
            let line = line.map_err(|error| format!("stdin, line {number}: {error}"))?;
            if !line.trim().is_empty() {
                self.answer(line, !self.json, false)?;
            }
        }
        if self.json {
            output::json(&Report { messages: &self.messages, servers: self.model.servers() })?;
        }
        Ok(())
    }

    pub fn interactive(&mut self) -> CommandResult {
        let mut editor = DefaultEditor::new()?;
        output::text("Research software: no medical advice. /help shows the commands.\n")?;
        loop {
            self.interrupt.take();
            let line = match editor.readline("> ") {
                Ok(line) => line,
                Err(ReadlineError::Interrupted | ReadlineError::Eof) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            if line.trim().is_empty() {
                continue;
            }
            // A history that cannot be kept is no reason to stop.
            let _ = editor.add_history_entry(&line);
            match line.trim().split_once(' ').map_or((line.trim(), ""), |(c, rest)| (c, rest.trim())) {
                ("/quit" | "/exit", _) => return Ok(()),
                ("/help", _) => output::text(HELP)?,
                ("/reset", _) => self.reset(),
                ("/system", text) => {
                    self.messages = if text.is_empty() { Vec::new() } else { vec![Message::system(text)] };
                }
                ("/save", "") => terminal::line("/save needs a file name"),
                ("/save", file) => match self.save(Path::new(file)) {
                    Ok(path) => terminal::line(&format!("saved {}", path.display())),
                    Err(error) => terminal::line(&format!("error: cannot write {file}: {error}")),
                },
                (command, _) if command.starts_with('/') => {
                    terminal::line(&format!("unknown command {command}; /help shows what there is"));
                }
                _ => {
                    if let Err(error) = self.answer(line, true, true) {
                        if matches!(error.downcast_ref(), Some(ChatError::Stopped)) {
                            continue;
                        }
                        if output::is_closed_pipe(error.as_ref()) {
                            return Err(error);
                        }
                        terminal::report(error.as_ref());
                    }
                }
            }
        }
    }

    fn reset(&mut self) {
        self.messages.retain(|message| message.role == Role::System);
    }

    /// Writes the conversation to a temporary file and renames it into place.
    fn save(&self, path: &Path) -> io::Result<PathBuf> {
        let mut text =
            serde_json::to_string_pretty(&Report { messages: &self.messages, servers: Vec::new() })?;
        text.push('\n');
        output::write_atomically(path, text.as_bytes())?;
        Ok(path.to_owned())
    }

    /// Answers a message; on failure the conversation is as it was.
    fn answer(&mut self, text: String, show: bool, dim: bool) -> CommandResult {
        let before = self.messages.len();
        self.messages.push(Message::user(text));
        match self.reply(show, dim) {
            Ok(message) => self.messages.push(message),
            Err(error) => {
                self.messages.truncate(before);
                return Err(error);
            }
        }
        Ok(())
    }

    fn reply(&mut self, show: bool, dim: bool) -> Result<Message, Box<dyn std::error::Error>> {
        let structured = self.options.schema.is_some();
        let options = ChatOptions {
            stream: show && !structured,
            // All turns go to the server that has read the first.
            conversation: Some(ConversationKey::of_dialogue(&self.messages)),
            ..self.options.clone()
        };
        // Each turn draws anew, and the whole chat repeats with the seed.
        self.options.seed = self.options.seed.map(|seed| seed.wrapping_add(1));
        let mut shown = Shown { show, dim, interrupt: &self.interrupt, any: false, failed: None };
        let result = if structured {
            structured::ask(self.model.as_ref(), &self.messages, &options, AGAIN, &mut shown)
                .map(|it| it.reply)
        } else {
            self.model.reply(&self.messages, &options, &mut shown)
        };
        if let (Ok(reply), true) = (&result, structured) {
            shown.hear(Part::Answer(&reply.message.content));
        }
        if show && (shown.any || result.is_ok()) {
            shown.print("\n");
        }
        match shown.failed {
            Some(error) => Err(error.into()),
            None => Ok(result?.message),
        }
    }
}

/// Shows an answer as it is made.
struct Shown<'a> {
    show: bool,
    /// Whether thinking is shown dimmed.
    dim: bool,
    interrupt: &'a Interrupt,
    any: bool,
    /// Why it cannot be shown any more.
    failed: Option<io::Error>,
}

impl Shown<'_> {
    fn print(&mut self, text: &str) {
        if self.failed.is_none() {
            self.failed = output::text(text).err();
        }
    }
}

impl Listener for Shown<'_> {
    fn hear(&mut self, part: Part<'_>) {
        if !self.show {
            return;
        }
        self.any = true;
        match part {
            Part::Thinking(text) if self.dim => self.print(&format!("\x1b[2m{text}\x1b[0m")),
            Part::Thinking(text) | Part::Answer(text) => self.print(text),
        }
    }

    fn stopped(&mut self) -> bool {
        self.failed.is_some() || self.interrupt.take()
    }
}
