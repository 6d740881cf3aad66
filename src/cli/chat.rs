//! `osler chat`

mod session;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Arg, ValueEnum};

use self::session::Chat;
use crate::chat::{ChatOptions, Message, ReplySchema, SharedModel};
use crate::cli::interrupt::Interrupt;
use crate::cli::options::{Model, Runtime, Sampling};
use crate::cli::server::{self, Server};
use crate::cli::{CommandResult, terminal};
use crate::data::{BuiltinTemplate, ChatTemplate, ThinkingMode};
use crate::engine::{EngineChat, EngineChatSettings, ModelBundle, OpenError};

/// Temperature of an answer where none is given.
const TEMPERATURE: f32 = 0.7;

/// Talk with a model
///
/// Streams the answer; thinking is dimmed. In a terminal: /system TEXT sets the system message and starts over,
/// /reset starts over, /save FILE writes the conversation as JSON, /help, /quit. Ctrl-C stops an answer.
#[derive(clap::Args)]
#[command(mut_arg("model", |it| it.required(false).required_unless_present("server")))]
#[command(mut_arg("server", |it| it.conflicts_with_all(ONLY_HERE)))]
#[command(mut_args(of_servers_only))]
#[command(after_help = "Examples:
  osler chat --model SmolLM2-135M-Instruct.gguf
  osler chat --model ./qwen3 --thinking off --system 'You are a patient with a cough.'
  osler chat --server http://127.0.0.1:8080/v1 --server-model smollm2
  osler chat --server https://api.example.org/v1 --server-model m --server-key-env EXAMPLE_KEY
  osler chat --server http://10.0.0.1:8000/v1 --server http://10.0.0.2:8000/v1 --server-model m
  printf 'I have a headache.\\nSince Monday.\\n' | osler chat --model ./my-model --json

JSON (messages are read from stdin, one a line): {\"messages\": [{\"role\", \"content\", \"reasoning_content\"?}, ..],
       \"servers\"?: [{\"url\", \"requests\", \"failures\", \"spills\", \"usage\", \"cached_ratio\", \"queue_seconds\",
        \"no_schemas\"?}, ..]}")]
pub struct Arguments {
    #[command(flatten)]
    model: Option<Model>,

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

    /// JSON schema that every answer must match; one that does not is asked for again, twice at most
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,

    #[command(flatten)]
    server: Server,

    #[command(flatten)]
    sampling: Sampling,

    #[command(flatten)]
    runtime: Runtime,
}

/// Options that only a model of this process can follow.
const ONLY_HERE: [&str; 13] = [
    "model",
    "dtype",
    "activations",
    "memory_limit",
    "thinking",
    "template",
    "context",
    "top_k",
    "min_p",
    "repetition_penalty",
    "device",
    "threads",
    "kernels",
];

/// What says more about a server stands beside `--server` only. That it requires it is not enough: clap asks for nothing that
/// conflicts with what is there.
fn of_servers_only(it: Arg) -> Arg {
    if it.get_id().as_str().starts_with("server_") { it.conflicts_with("model") } else { it }
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
    let schema = arguments.schema.as_deref().map(read_schema).transpose()?;
    let sampling = arguments.sampling.params(TEMPERATURE);
    sampling.validate()?;
    if arguments.max_new_tokens == 0 {
        return Err("--max-new-tokens is 0, legal is at least 1".into());
    }
    let model = match arguments.server.client()? {
        Some(served) => served,
        None => arguments.chat_model()?,
    };
    let interrupt = Interrupt::watch()?;
    let mut chat = Chat {
        model,
        messages: arguments.system.iter().map(Message::system).collect(),
        options: ChatOptions {
            max_tokens: Some(arguments.max_new_tokens),
            temperature: Some(sampling.temperature),
            // 1 keeps all tokens, as models do by themselves.
            top_p: Some(sampling.top_p).filter(|it| *it < 1.0),
            seed: Some(sampling.seed),
            stream: false,
            schema,
            conversation: None,
        },
        interrupt,
        json: arguments.runtime.json,
    };
    if chat.json || !io::stdin().is_terminal() {
        chat.piped()?
    } else {
        chat.interactive()?
    }
    server::summarise(chat.model.as_ref());
    Ok(())
}

impl Arguments {
    /// The model of this process.
    fn chat_model(&self) -> Result<SharedModel, Box<dyn std::error::Error>> {
        let model = self.model.as_ref().ok_or("neither --model nor --server is given")?;
        self.runtime.start()?;
        let bundle = model.open()?;
        bundle.tokenizer()?;
        let template = template(&bundle, self.template)?;
        let limit = bundle.files.config().max_position_embeddings;
        let context = self.context.unwrap_or(4096).min(limit);
        let sampling = self.sampling.params(TEMPERATURE);
        let engine = model.engine(&bundle, &self.runtime, context, 512)?;
        let settings = EngineChatSettings { template, thinking: self.thinking.into(), context, sampling };
        Ok(Arc::new(EngineChat::new(&bundle, engine, settings)?))
    }
}

fn read_schema(path: &Path) -> Result<Arc<ReplySchema>, Box<dyn std::error::Error>> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| told(&error))?;
    let json = serde_json::from_str(&text).map_err(|error| told(&error))?;
    Ok(Arc::new(ReplySchema::new("answer", json).map_err(|error| told(&error))?))
}
