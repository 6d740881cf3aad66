//! Chat templates: from messages to the text a model was trained to read.
//!
//! A template is the Jinja text a model folder carries, rendered as transformers renders it, or one of osler's own
//! ([`BuiltinTemplate`]), which give the same text as the published template of the model they are named after.
//!
//! A template is a program someone else wrote, so running one is bounded: in the length of its text, the depth of its
//! expressions and values, the work it does, the text it writes, and the time it takes ([`TemplateLimits`]). What the
//! bounds cannot stop early (comparing huge values, say) is left behind on its own thread when the deadline passes.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, SystemTime};

use minijinja::value::{Serde, ValueKind};
use minijinja::{AutoEscape, Environment, ErrorKind, Value, syntax::SyntaxConfig};
use serde_json::{Map, Value as Json};

use super::template_error::TemplateError;
use super::{
    template_clock, template_filters as filters, template_guard, template_json, template_methods,
    template_source,
};
use crate::chat::Message;

/// The name errors are reported under inside the engine.
const NAME: &str = "chat_template";
/// Stack of the thread that compiles and renders foreign templates: the compiler recurses once for each link of a
/// chain of operators, and `template_source` bounds those chains to what fits here in an unoptimised build.
const STACK: usize = 64 << 20;

/// Whether the model is to think before it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ThinkingMode {
    /// Think: passes `enable_thinking=true`, `thinking_mode='on'`.
    On,
    /// Do not think: passes `enable_thinking=false`, `thinking_mode='off'`.
    Off,
    /// As the template does by itself: leaves `enable_thinking` undefined, passes `thinking_mode='auto'`.
    #[default]
    Auto,
}

impl ThinkingMode {
    fn as_str(self) -> &'static str {
        match self {
            ThinkingMode::On => "on",
            ThinkingMode::Off => "off",
            ThinkingMode::Auto => "auto",
        }
    }
}

/// The templates osler carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BuiltinTemplate {
    /// Plain ChatML: each message between `<|im_start|>` and `<|im_end|>`, nothing added.
    ChatMl,
    /// Qwen2.5-Instruct: ChatML with a default system message, and tools.
    Qwen2_5,
    /// Qwen3: no default system message, tools, thoughts of earlier turns left out; [`ThinkingMode::Off`] opens the
    /// answer with an empty thought.
    Qwen3,
    /// SmolLM2-Instruct: ChatML with its default system message.
    SmolLm2,
    /// Baichuan-M2. Its card names `thinking_mode` `on`, `off` and `auto`, but the template itself was not available,
    /// so this is inferred: turns as Qwen3 writes them (thoughts of earlier turns left out); then after the
    /// assistant's header `on` opens `<think>`, `off` writes an empty thought, `auto` writes nothing.
    BaichuanM2,
}

impl BuiltinTemplate {
    /// The template's Jinja text. transformers renders it too, so it can be saved with a model.
    pub fn source(self) -> &'static str {
        macro_rules! parts {
            ($($name:literal),*) => { concat!($(include_str!(concat!("templates/", $name, ".jinja"))),*) };
        }
        match self {
            BuiltinTemplate::ChatMl => parts!("chatml"),
            BuiltinTemplate::Qwen2_5 => parts!("tools", "qwen2_5"),
            BuiltinTemplate::Qwen3 => parts!("tools", "qwen3_turns", "qwen3_prompt"),
            BuiltinTemplate::SmolLm2 => parts!("smollm2"),
            BuiltinTemplate::BaichuanM2 => parts!("tools", "qwen3_turns", "baichuan_m2_prompt"),
        }
    }
}

/// How much a template may do. Work and output grow with the conversation; these are what is allowed beside that.
#[derive(Clone, Copy, Debug)]
pub struct TemplateLimits {
    /// Units of work (about one instruction, or 64 bytes of text, each). A message is allowed 4,000 more, and a byte of
    /// input one more.
    pub fuel: u64,
    /// Bytes written. The input's bytes are allowed four times over beside this.
    pub output: usize,
    /// How long compiling, and each rendering, may take.
    pub deadline: Duration,
}

impl Default for TemplateLimits {
    fn default() -> Self {
        TemplateLimits { fuel: 200_000, output: 1 << 20, deadline: Duration::from_secs(10) }
    }
}

/// What a rendering is to contain beside the messages.
#[derive(Clone, Debug, Default)]
pub struct RenderOptions {
    /// End with the header of an assistant message, for the model to go on from.
    pub add_generation_prompt: bool,
    /// Whether the model is to think.
    pub thinking: ThinkingMode,
    /// JSON schemas of the tools the model may call. Empty means none.
    pub tools: Vec<Json>,
    /// Documents for templates that take them (`title` and `text` each). Empty means none.
    pub documents: Vec<Json>,
    /// Further variables, for templates that read some; they override everything but `messages`.
    pub variables: Map<String, Json>,
    /// What `strftime_now` calls now. Left out, it is the time of rendering, in UTC.
    pub now: Option<SystemTime>,
}

impl RenderOptions {
    /// Options for asking the model to answer.
    pub fn prompt(thinking: ThinkingMode) -> Self {
        RenderOptions { add_generation_prompt: true, thinking, ..RenderOptions::default() }
    }
}

/// A compiled chat template. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    source: Arc<str>,
    env: Arc<Environment<'static>>,
    special_tokens: BTreeMap<String, String>,
    limits: TemplateLimits,
    /// Built in, so known to end: rendered on the caller's own thread.
    trusted: bool,
}

impl ChatTemplate {
    /// Compiles the template of a model folder.
    pub fn new(source: &str) -> Result<Self, TemplateError> {
        Self::with_limits(source, TemplateLimits::default())
    }

    /// Compiles a template that may do more, or less, than usual.
    pub fn with_limits(source: &str, limits: TemplateLimits) -> Result<Self, TemplateError> {
        let prepared = template_source::prepare(source)?;
        let env = on_worker("compiled", limits.deadline, move || compile(prepared))??;
        Ok(Self::wrap(source, env, limits, false))
    }

    /// One of osler's own templates.
    pub fn builtin(template: BuiltinTemplate) -> Result<Self, TemplateError> {
        let source = template.source();
        let env = compile(template_source::prepare(source)?)?;
        Ok(Self::wrap(source, env, TemplateLimits::default(), true))
    }

    fn wrap(source: &str, env: Environment<'static>, limits: TemplateLimits, trusted: bool) -> Self {
        let special_tokens = BTreeMap::new();
        ChatTemplate { source: source.into(), env: Arc::new(env), special_tokens, limits, trusted }
    }

    /// Sets the variables `bos_token`, `eos_token` and their like. Templates see those that are given here.
    pub fn with_special_tokens(mut self, tokens: impl IntoIterator<Item = (String, String)>) -> Self {
        self.special_tokens.extend(tokens);
        self
    }

    /// The template's own text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Renders a conversation.
    pub fn render(&self, messages: &[Message], options: &RenderOptions) -> Result<String, TemplateError> {
        let messages: Vec<Json> = messages
            .iter()
            .map(serde_json::to_value)
            .collect::<Result<_, _>>()
            .map_err(|error| TemplateError::Input { what: "a message", message: error.to_string() })?;
        self.render_json(&messages, options)
    }

    /// Renders a conversation given as JSON messages, whose fields beyond [`Message`]'s the template may read too.
    pub fn render_json(&self, messages: &[Json], options: &RenderOptions) -> Result<String, TemplateError> {
        if messages.is_empty() {
            return Err(TemplateError::NoMessages);
        }
        let messages = messages.iter().map(as_transformers_shows).collect::<Result<Vec<_>, _>>()?;
        let size: usize =
            messages.iter().chain(&options.tools).chain(&options.documents).map(json_size).sum::<usize>()
                + options.variables.values().map(json_size).sum::<usize>();
        let fuel = self.limits.fuel + 4_000 * messages.len() as u64 + size as u64;
        let output = self.limits.output.saturating_add(size.saturating_mul(4));
        let context = self.context(messages, options);
        let env = Arc::clone(&self.env);
        let now = options.now.unwrap_or_else(SystemTime::now);
        let render = move || render_bounded(&env, context, now, fuel, output);
        if self.trusted { render() } else { on_worker("rendered", self.limits.deadline, render)? }
    }

    /// The template's variables, under the names transformers gives them.
    fn context(&self, messages: Vec<Json>, options: &RenderOptions) -> Json {
        let list = |items: &[Json]| if items.is_empty() { Json::Null } else { Json::from(items.to_vec()) };
        let mut context = Map::new();
        context.extend(self.special_tokens.iter().map(|(name, token)| (name.clone(), token.as_str().into())));
        context.insert("tools".into(), list(&options.tools));
        context.insert("documents".into(), list(&options.documents));
        context.insert("add_generation_prompt".into(), options.add_generation_prompt.into());
        match options.thinking {
            ThinkingMode::On => context.insert("enable_thinking".into(), true.into()),
            ThinkingMode::Off => context.insert("enable_thinking".into(), false.into()),
            ThinkingMode::Auto => None,
        };
        context.insert("thinking_mode".into(), options.thinking.as_str().into());
        context.extend(options.variables.iter().map(|(name, value)| (name.clone(), value.clone())));
        context.insert("messages".into(), messages.into());
        Json::Object(context)
    }
}

/// A message as transformers hands it to a template: `null` fields left out, and the thinking under both names in use.
fn as_transformers_shows(message: &Json) -> Result<Json, TemplateError> {
    let Json::Object(fields) = message else {
        let message = format!("found {message}, a message is a JSON object");
        return Err(TemplateError::Input { what: "a message", message });
    };
    let fields: Map<_, _> =
        fields.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect();
    let thinking =
        ["reasoning_content", "thinking", "reasoning"].iter().find_map(|name| fields.get(*name)).cloned();
    Ok(Json::Object(match thinking {
        None => fields,
        Some(thinking) => {
            let mut shown = Map::new();
            shown.insert("thinking".into(), thinking.clone());
            shown.extend(fields);
            shown.insert("reasoning_content".into(), thinking);
            shown
        }
    }))
}

/// Roughly how many bytes a JSON value takes; only used to scale limits.
fn json_size(value: &Json) -> usize {
    8 + match value {
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(json_size).sum(),
        Json::Object(fields) => fields.iter().map(|(key, value)| key.len() + json_size(value)).sum(),
        _ => 0,
    }
}

/// The template, compiled in an environment of its own.
fn compile(prepared: String) -> Result<Environment<'static>, TemplateError> {
    static BASE: OnceLock<Environment<'static>> = OnceLock::new();
    let mut env = BASE.get_or_init(environment).clone();
    env.add_template_owned(NAME, prepared).map_err(|error| engine_error(&error, 0, 0))?;
    Ok(env)
}

/// An environment with Jinja2's behaviour and transformers' additions.
fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    // The source has been through Jinja2's own handling of the last newline already.
    let syntax =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    // Only delimiters of one's own can be refused, and there are none here.
    env.set_syntax(syntax.unwrap_or_default());
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_debug(false);
    env.set_formatter(filters::write_value);
    env.set_unknown_method_callback(template_methods::call);
    env.add_filter("tojson", template_json::tojson);
    env.add_filter("string", filters::string);
    env.add_filter("join", filters::join);
    env.add_function("raise_exception", filters::raise_exception);
    // Jinja2 counts strings and dictionaries among the sequences.
    env.add_test("sequence", |value: &Value| {
        matches!(value.kind(), ValueKind::Seq | ValueKind::String | ValueKind::Map | ValueKind::Undefined)
    });
    // Not in Jinja2; and they build nested values, or walk them, without passing a bound.
    for name in ["zip", "chain", "pprint"] {
        env.remove_filter(name);
    }
    env.remove_global("debug");
    template_guard::install(&mut env);
    env
}

fn render_bounded(
    env: &Environment<'static>,
    context: Json,
    now: SystemTime,
    fuel: u64,
    output: usize,
) -> Result<String, TemplateError> {
    // Limits belong to the environment, which is shared; a copy of it shares the compiled template.
    let mut env = env.clone();
    env.set_fuel(Some(fuel));
    template_clock::install(&mut env, now);
    let template = env.get_template(NAME).map_err(|error| engine_error(&error, fuel, output))?;
    let mut text = Limited { bytes: Vec::new(), limit: output };
    let rendered = template.render_captured_to(Value::from(Serde(context)), &mut text);
    rendered.map_err(|error| engine_error(&error, fuel, output))?;
    String::from_utf8(text.bytes)
        .map_err(|error| TemplateError::Render { line: 0, message: error.to_string() })
}

/// A writer that takes no more than its limit.
struct Limited {
    bytes: Vec<u8>,
    limit: usize,
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn engine_error(error: &minijinja::Error, fuel: u64, output: usize) -> TemplateError {
    let line = error.line().unwrap_or(0);
    // The interesting error may be wrapped by the operation it happened in.
    let mut causes = std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |e| e.source());
    if let Some(raised) = causes.find_map(|e| e.downcast_ref::<filters::Raised>()) {
        return TemplateError::Raised { line, message: raised.0.clone() };
    }
    let message = || match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    match error.kind() {
        ErrorKind::OutOfFuel => TemplateError::OutOfFuel { line, fuel },
        ErrorKind::WriteFailure => TemplateError::OutputTooLarge { legal: output },
        ErrorKind::SyntaxError | ErrorKind::BadEscape => TemplateError::Syntax { line, message: message() },
        _ => TemplateError::Render { line, message: message() },
    }
}

/// Runs `work` on a thread with a stack of its own, and waits for it no longer than `deadline`.
fn on_worker<T: Send + 'static>(
    what: &'static str,
    deadline: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, TemplateError> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let worker = thread::Builder::new().name("chat-template".into()).stack_size(STACK).spawn(move || {
        // The receiver is gone if the deadline has passed; then nobody wants the answer.
        let _ = sender.send(work());
    });
    worker.map_err(|error| TemplateError::Worker { message: error.to_string() })?;
    receiver.recv_timeout(deadline).map_err(|error| match error {
        mpsc::RecvTimeoutError::Timeout => TemplateError::Deadline { what, waited: deadline },
        mpsc::RecvTimeoutError::Disconnected => {
            TemplateError::Worker { message: "it ended without an answer".into() }
        }
    })
}
