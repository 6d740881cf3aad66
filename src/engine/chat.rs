//! An engine's model as one that answers conversations.

use std::sync::{Arc, Mutex, PoisonError};

use crate::chat::{ChatError, ChatModel, ChatOptions, Finish, Listener, Message, Part, Reply, Usage};
use crate::data::{
    ChatTemplate, RenderOptions, ThinkingMode, ThinkingPart, ThinkingSplitter, Tokenizer, split_thinking,
};
use crate::engine::open::{ModelBundle, OpenError};
use crate::engine::request::{Request, StopReason};
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

/// A model of this process that answers conversations, one at a time; threads may share it, and wait for each other.
pub struct EngineChat {
    name: String,
    engine: Mutex<Box<dyn TextEngine>>,
    tokenizer: Arc<Tokenizer>,
    stop_ids: Vec<u32>,
    settings: EngineChatSettings,
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
            engine: Mutex::new(engine),
            tokenizer: Arc::clone(bundle.tokenizer()?),
            stop_ids: bundle.stop_ids(),
            settings,
        })
    }
}

impl ChatModel for EngineChat {
    fn name(&self) -> &str {
        &self.name
    }

    /// The listener must not ask the same model for another reply, which would wait for this one.
    fn reply(
        &self,
        messages: &[Message],
        options: &ChatOptions,
        listener: &mut dyn Listener,
    ) -> Result<Reply, ChatError> {
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
        let opened = rendered.trim_end().ends_with("<think>");
        let mut splitter = ThinkingSplitter::new(opened);
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        let id = engine.submit(request).map_err(ChatError::model)?;
        let (mut whole, mut count, mut finish) = (String::new(), 0, None);
        while !engine.is_idle() {
            for event in engine.step() {
                count += 1;
                whole.push_str(&event.text);
                hear(splitter.push(&event.text), listener);
                finish = event.stop.map(|stop| match stop {
                    StopReason::Eos | StopReason::Stop => Finish::Stop,
                    StopReason::Length => Finish::Length,
                });
            }
            if finish.is_none() && listener.stopped() {
                engine.cancel(id);
            }
        }
        for output in engine.take(id).unwrap_or_default() {
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
            usage: Some(Usage { prompt_tokens: tokens as u64, completion_tokens: count, cached_tokens: 0 }),
        })
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
