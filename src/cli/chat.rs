//! `osler chat`

use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use serde::Serialize;

use crate::chat::message::{Message, Role};
use crate::cli::interrupt::Interrupt;
use crate::cli::options::{Model, Runtime, Sampling};
use crate::cli::{CommandResult, output, terminal};
use crate::data::{
    BuiltinTemplate, ChatTemplate, RenderOptions, ThinkingMode, ThinkingPart, ThinkingSplitter,
    split_thinking,
};
use crate::engine::{ModelBundle, OpenError, Request, TextEngine};

/// Temperature of an answer where none is given.
const TEMPERATURE: f32 = 0.7;

/// Talk with a model
///
/// Streams the answer; thinking is dimmed. In a terminal: /system TEXT sets the system message and starts over,
/// /reset starts over, /save FILE writes the conversation as JSON, /help, /quit. Ctrl-C stops an answer.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  osler chat --model SmolLM2-135M-Instruct.gguf
  osler chat --model ./qwen3 --thinking off --system 'You are a patient with a cough.'
  printf 'I have a headache.\\nSince Monday.\\n' | osler chat --model ./my-model --json

JSON (messages are read from stdin, one a line): {\"messages\": [{\"role\", \"content\", \"reasoning_content\"?}, ..]}")]
pub struct Arguments {
    #[command(flatten)]
    model: Model,

    /// System message
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,

    /// Whether a thinking model is to think
    #[arg(long, value_enum, default_value = "auto")]
    thinking: Thinking,

    /// Chat template in place of the model's own
    #[arg(long, value_enum, value_name = "NAME")]
    template: Option<TemplateName>,

    /// Most new tokens of one answer
    #[arg(long, default_value_t = 512, value_name = "N")]
    max_new_tokens: usize,

    /// Most tokens of the whole conversation [default: the model's context, at most 4096]
    #[arg(long, value_name = "N")]
    context: Option<usize>,

    #[command(flatten)]
    sampling: Sampling,

    #[command(flatten)]
    runtime: Runtime,
}

/// `--thinking`
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thinking {
    /// Think first
    On,
    /// Answer at once
    Off,
    /// As the model's template does by itself
    Auto,
}

impl From<Thinking> for ThinkingMode {
    fn from(thinking: Thinking) -> Self {
        match thinking {
            Thinking::On => Self::On,
            Thinking::Off => Self::Off,
            Thinking::Auto => Self::Auto,
        }
    }
}

/// `--template`
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateName {
    /// Plain ChatML
    Chatml,
    /// Qwen2.5-Instruct
    #[value(name = "qwen2.5")]
    Qwen2_5,
    /// Qwen3
    Qwen3,
    /// SmolLM2-Instruct
    Smollm2,
    /// Baichuan-M2
    BaichuanM2,
}

impl From<TemplateName> for BuiltinTemplate {
    fn from(name: TemplateName) -> Self {
        match name {
            TemplateName::Chatml => Self::ChatMl,
            TemplateName::Qwen2_5 => Self::Qwen2_5,
            TemplateName::Qwen3 => Self::Qwen3,
            TemplateName::Smollm2 => Self::SmolLm2,
            TemplateName::BaichuanM2 => Self::BaichuanM2,
        }
    }
}

/// The template asked for, the model's own, or ChatML.
pub fn template(bundle: &ModelBundle, name: Option<TemplateName>) -> Result<ChatTemplate, OpenError> {
    if let Some(name) = name {
        return Ok(ChatTemplate::builtin(name.into())?);
    }
    match bundle.chat_template()? {
        Some(template) => Ok(template),
        None => {
            terminal::line("note: the model has no chat template, ChatML is used");
            Ok(ChatTemplate::builtin(BuiltinTemplate::ChatMl)?)
        }
    }
}

pub fn run(arguments: Arguments) -> CommandResult {
    arguments.runtime.start()?;
    let bundle = arguments.model.open()?;
    bundle.tokenizer()?;
    let template = template(&bundle, arguments.template)?;
    let limit = bundle.files.config().max_position_embeddings;
    let context = arguments.context.unwrap_or(4096).min(limit);
    let sampling = arguments.sampling.params(TEMPERATURE);
    sampling.validate()?;
    let engine = arguments.model.engine(&bundle, &arguments.runtime, context, 512)?;
    let interrupt = Interrupt::watch()?;
    let mut chat = Chat {
        stop_ids: bundle.stop_ids(),
        messages: arguments.system.iter().map(Message::system).collect(),
        bundle: &bundle,
        template,
        engine,
        context,
        interrupt,
        arguments: &arguments,
        turn: 0,
    };
    if arguments.runtime.json || !io::stdin().is_terminal() { chat.piped() } else { chat.interactive() }
}

#[derive(Serialize)]
struct Report<'a> {
    messages: &'a [Message],
}

struct Chat<'a> {
    bundle: &'a ModelBundle,
    template: ChatTemplate,
    engine: Box<dyn TextEngine>,
    messages: Vec<Message>,
    stop_ids: Vec<u32>,
    context: usize,
    interrupt: Interrupt,
    arguments: &'a Arguments,
    turn: u64,
}

const HELP: &str = "/system TEXT  set the system message and start over
/reset        start over
/save FILE    write the conversation as JSON
/quit         leave (Ctrl-D)
";

impl Chat<'_> {
    /// One message a line from stdin.
    fn piped(&mut self) -> CommandResult {
        let json = self.arguments.runtime.json;
        for (number, line) in (1..).zip(io::stdin().lock().lines()) {
            let line = line.map_err(|error| format!("stdin, line {number}: {error}"))?;
            if !line.trim().is_empty() {
                self.answer(line, !json, false)?;
            }
        }
        if json {
            output::json(&Report { messages: &self.messages })?;
        }
        Ok(())
    }

    fn interactive(&mut self) -> CommandResult {
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
                        if output::is_closed_pipe(error.as_ref()) {
                            return Err(error);
                        }
                        super::terminal::report(error.as_ref());
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
        let mut text = serde_json::to_string_pretty(&Report { messages: &self.messages })?;
        text.push('\n');
        crate::cli::output::write_atomically(path, text.as_bytes())?;
        Ok(path.to_owned())
    }

    /// Answers a message; on failure the conversation is as it was.
    fn answer(&mut self, text: String, show: bool, dim: bool) -> CommandResult {
        let before = self.messages.len();
        self.messages.push(Message::user(text));
        let result = self.generate(show, dim);
        match result {
            Ok(message) => self.messages.push(message),
            Err(error) => {
                self.messages.truncate(before);
                return Err(error);
            }
        }
        Ok(())
    }

    fn generate(&mut self, show: bool, dim: bool) -> Result<Message, Box<dyn std::error::Error>> {
        let mode = ThinkingMode::from(self.arguments.thinking);
        let rendered = self.template.render(&self.messages, &RenderOptions::prompt(mode))?;
        let prompt = self.bundle.tokenizer()?.encode(&rendered, false)?;
        let room = self.context.saturating_sub(prompt.len());
        if room == 0 {
            let tokens = prompt.len();
            return Err(format!(
                "the conversation has {tokens} tokens, the context is {}: /reset starts over",
                self.context
            )
            .into());
        }
        let mut sampling = self.arguments.sampling.params(TEMPERATURE);
        // Each turn draws anew, and the whole chat repeats with the seed.
        sampling.seed = sampling.seed.wrapping_add(self.turn);
        self.turn += 1;
        let request = Request {
            prompt,
            samples: 1,
            sampling,
            max_new_tokens: self.arguments.max_new_tokens.min(room),
            stop_ids: self.stop_ids.clone(),
            stop_strings: Vec::new(),
        };
        let opened = rendered.trim_end().ends_with("<think>");
        let mut splitter = ThinkingSplitter::new(opened);
        let id = self.engine.submit(request)?;
        let mut whole = String::new();
        while !self.engine.is_idle() {
            for event in self.engine.step() {
                whole.push_str(&event.text);
                if show {
                    print_parts(splitter.push(&event.text), dim)?;
                }
            }
            if self.interrupt.take() {
                self.engine.cancel(id);
            }
        }
        for output in self.engine.take(id).unwrap_or_default() {
            output.check()?;
        }
        if show {
            print_parts(splitter.finish(), dim)?;
            output::text("\n")?;
        }
        let whole = if opened { format!("<think>\n{whole}") } else { whole };
        let (thinking, answer) = split_thinking(&whole);
        Ok(Message { thinking: thinking.map(str::to_owned), ..Message::assistant(answer) })
    }
}

fn print_parts(parts: Vec<ThinkingPart>, dim: bool) -> io::Result<()> {
    for part in parts {
        match part {
            ThinkingPart::Thinking(text) if dim => output::text(&format!("\x1b[2m{text}\x1b[0m"))?,
            ThinkingPart::Thinking(text) | ThinkingPart::Answer(text) => output::text(&text)?,
        }
    }
    Ok(())
}
