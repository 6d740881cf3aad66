//! An engine's model as one that answers conversations.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::chat::{
    Asked, ChatError, ChatModel, ChatOptions, Finish, Listener, Message, Part, Reading, Reply, Usage,
};
use crate::data::{
    ChatTemplate, RenderOptions, ThinkingMode, ThinkingPart, ThinkingSplitter, Tokenizer, split_thinking,
};
use crate::engine::error::EngineLost;
use crate::engine::open::{ModelBundle, OpenError};
use crate::engine::request::{Event, Request, RequestId, StopReason};
use crate::engine::sampling::SamplingParams;
use crate::engine::text_engine::TextEngine;

/// How conversations become prompts and replies.
#[derive(Debug, Clone)]
pub struct EngineChatSettings {
    /// Renders a conversation.
    pub template: ChatTemplate,
    /// Whether a thinking model is to think.
    pub thinking: ThinkingMode,
    /// The most tokens of a conversation and its reply together.
    pub context: usize,
    /// Sampling where a reply's options say nothing else.
    pub sampling: SamplingParams,
}

/// A model of this process that answers conversations. Threads may ask it at the same time: their conversations are answered in
/// one batch, and what they begin with alike is computed once.
pub struct EngineChat {
    name: String,
    /// Held only for a step, so that whoever waits for it waits no longer than that a thread before it.
    shared: Mutex<Shared>,
    /// Held while waiting for `shared`.
    turn: Mutex<()>,
    tokenizer: Arc<Tokenizer>,
    stop_ids: Vec<u32>,
    settings: EngineChatSettings,
}

/// The engine, and what its steps gave that those who asked have not fetched.
struct Shared {
    engine: Box<dyn TextEngine>,
    unheard: HashMap<RequestId, Vec<Event>>,
}

impl EngineChat {
    /// The model of `bundle`, which runs on `engine`.
    ///
    /// # Errors
    ///
    /// It has no tokenizer that can be used.
    pub fn new(
        bundle: &ModelBundle,
        engine: Box<dyn TextEngine>,
        settings: EngineChatSettings,
    ) -> Result<Self, OpenError> {
        Ok(Self {
            name: bundle.path.display().to_string(),
            shared: Mutex::new(Shared { engine, unheard: HashMap::new() }),
            turn: Mutex::new(()),
            tokenizer: Arc::clone(bundle.tokenizer()?),
            stop_ids: bundle.stop_ids(),
            settings,
        })
    }

    fn shared(&self) -> Result<MutexGuard<'_, Shared>, ChatError> {
        // A thread that has just made a step cannot make the next before one that waits: that one has the turn.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.lock().map_err(|_| ChatError::model(EngineLost { name: self.name.clone() }))
    }

    /// Queues a conversation to be answered.
    fn begin(&self, messages: &[Message], options: &ChatOptions) -> Result<Writing, ChatError> {
        let EngineChatSettings { template, thinking, context, sampling } = &self.settings;
        let rendered =
            template.render(messages, &RenderOptions::prompt(*thinking)).map_err(ChatError::model)?;
        let prompt = self.tokenizer.encode(&rendered, false).map_err(ChatError::model)?;
        let tokens = prompt.len();
        let room = context.saturating_sub(tokens);
        if room == 0 {
            return Err(ChatError::ContextFull { tokens, context: *context });
        }
        let request = Request {
            prompt,
            samples: 1,
            sampling: SamplingParams {
                temperature: options.temperature.unwrap_or(sampling.temperature),
                top_p: options.top_p.unwrap_or(sampling.top_p),
                seed: options.seed.unwrap_or(sampling.seed),
                ..*sampling
            },
            max_new_tokens: options.max_tokens.map_or(room, |most| most.min(room)),
            stop_ids: self.stop_ids.clone(),
            stop_strings: Vec::new(),
        };
        let mut shared = self.shared()?;
        let id = shared.engine.submit(request).map_err(ChatError::model)?;
        shared.unheard.insert(id, Vec::new());
        let opened = rendered.trim_end().ends_with("<think>");
        let usage = Usage { prompt_tokens: tokens as u64, ..Usage::default() };
        let splitter = ThinkingSplitter::new(opened);
        Ok(Writing { id, opened, splitter, whole: String::new(), usage, finish: None })
    }

    /// What is new of `ids`, after a step if nothing is.
    fn events(&self, ids: &[RequestId]) -> Result<Vec<Event>, ChatError> {
        let mut shared = self.shared()?;
        let Shared { engine, unheard } = &mut *shared;
        if ids.iter().all(|id| unheard.get(id).is_none_or(Vec::is_empty)) {
            for event in engine.step() {
                if let Some(events) = unheard.get_mut(&event.request) {
                    events.push(event);
                }
            }
        }
        Ok(ids.iter().flat_map(|id| unheard.get_mut(id).map(mem::take).unwrap_or_default()).collect())
    }

    /// The reply as far as it is written; one that is not at its end is stopped.
    fn end(&self, writing: Writing, listener: &mut dyn Listener) -> Result<Reply, ChatError> {
        let Writing { id, opened, mut splitter, whole, mut usage, finish } = writing;
        let outputs = {
            let mut shared = self.shared()?;
            shared.unheard.remove(&id);
            usage.cached_tokens = shared.engine.cached_tokens(id) as u64;
            shared.engine.cancel(id);
            shared.engine.take(id)
        };
        for output in outputs.unwrap_or_default() {
            output.check().map_err(ChatError::model)?;
        }
        hear(splitter.finish(), listener);
        if finish.is_none() && whole.is_empty() {
            return Err(ChatError::Stopped);
        }
        let whole = if opened { format!("<think>\n{whole}") } else { whole };
        let (thinking, answer) = split_thinking(&whole);
        Ok(Reply {
            message: Message { thinking: thinking.map(str::to_owned), ..Message::assistant(answer) },
            finish: finish.unwrap_or(Finish::Stopped),
            usage: Some(usage),
        })
    }
}

/// A reply while it is written.
struct Writing {
    id: RequestId,
    /// Whether the prompt has opened a thought.
    opened: bool,
    splitter: ThinkingSplitter,
    whole: String,
    usage: Usage,
    finish: Option<Finish>,
}

impl Writing {
    fn push(&mut self, event: &Event, listener: &mut dyn Listener) {
        self.usage.completion_tokens += 1;
        self.whole.push_str(&event.text);
        hear(self.splitter.push(&event.text), listener);
        self.finish = event.stop.map(|stop| match stop {
            StopReason::Eos | StopReason::Stop => Finish::Stop,
            StopReason::Length => Finish::Length,
        });
    }
}

impl ChatModel for EngineChat {
    fn name(&self) -> &str {
        &self.name
    }

    fn reading(&self) -> Option<Reading> {
        self.shared().ok().map(|shared| shared.engine.reading())
    }

    fn reply(
        &self,
        messages: &[Message],
        options: &ChatOptions,
        listener: &mut dyn Listener,
    ) -> Result<Reply, ChatError> {
        let mut writing = self.begin(messages, options)?;
        while writing.finish.is_none() {
            for event in self.events(&[writing.id])? {
                writing.push(&event, listener);
            }
            if writing.finish.is_none() && listener.stopped() {
                break;
            }
        }
        self.end(writing, listener)
    }

    /// All are queued before the first step.
    fn replies(&self, asked: &[Asked]) -> Vec<Result<Reply, ChatError>> {
        let mut all: Vec<Result<Writing, ChatError>> =
            asked.iter().map(|it| self.begin(&it.messages, &it.options)).collect();
        loop {
            let mut open: HashMap<RequestId, &mut Writing> = all
                .iter_mut()
                .flatten()
                .filter(|it| it.finish.is_none())
                .map(|writing| (writing.id, writing))
                .collect();
            if open.is_empty() {
                break;
            }
            let ids: Vec<RequestId> = open.keys().copied().collect();
            // An engine that is lost is told of at the end of each.
            let Ok(events) = self.events(&ids) else { break };
            for event in events {
                if let Some(writing) = open.get_mut(&event.request) {
                    writing.push(&event, &mut ());
                }
            }
        }
        all.into_iter().map(|writing| self.end(writing?, &mut ())).collect()
    }
}

fn hear(parts: Vec<ThinkingPart>, listener: &mut dyn Listener) {
    for part in &parts {
        listener.hear(match part {
            ThinkingPart::Thinking(text) => Part::Thinking(text),
            ThinkingPart::Answer(text) => Part::Answer(text),
        });
    }
}
