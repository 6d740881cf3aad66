//! The engine's model as one that answers conversations, several at once and from several threads.

mod support;

use std::fs;
use std::thread;

use osler::chat::{Asked, ChatError, ChatModel, ChatOptions, Finish, Listener, Message, Part, Reply};
use osler::data::bpe::{self, BpeOptions};
use osler::data::{BuiltinTemplate, ChatTemplate, ThinkingMode};
use osler::engine::{Device, EngineChat, EngineChatSettings, EngineOptions, ModelBundle, SamplingParams};
use osler::kernels::quantised::Activations;
use serde_json::{Value, json};
use support::{fixtures, write_weights};

const CONTEXT: usize = 600;

/// A tiny model whose tokens are bytes, with special ones for turns.
fn bundle() -> (tempfile::TempDir, ModelBundle) {
    let dir = tempfile::tempdir().unwrap();
    let from = fixtures().join("tiny/qwen2_tiny/config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(from).unwrap()).unwrap();
    config["vocab_size"] = json!(bpe::LEAST_VOCABULARY);
    config["max_position_embeddings"] = json!(CONTEXT);
    config["eos_token_id"] = json!(bpe::LEAST_VOCABULARY - 1);
    fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    write_weights(dir.path());
    let options = BpeOptions { vocab_size: bpe::LEAST_VOCABULARY, min_frequency: 2, system: None };
    for (name, contents) in bpe::train(&["a cough"], &options).unwrap().files() {
        fs::write(dir.path().join(name), contents).unwrap();
    }
    let bundle = ModelBundle::open(dir.path()).unwrap();
    (dir, bundle)
}

fn chat(bundle: &ModelBundle, cache_tokens: usize, prefix_reuse: bool) -> EngineChat {
    let options = EngineOptions { cache_tokens, batch_tokens: 64, memory_limit: None, prefix_reuse };
    let engine = bundle.engine(Device::Cpu, None, Activations::Exact, options, &mut |_, _| {}).unwrap();
    let settings = EngineChatSettings {
        template: ChatTemplate::builtin(BuiltinTemplate::ChatMl).unwrap(),
        thinking: ThinkingMode::Auto,
        context: CONTEXT,
        sampling: SamplingParams::greedy(),
    };
    EngineChat::new(bundle, engine, settings).unwrap()
}

/// Bytes of what all conversations begin with.
const COMMON: usize = 300;

fn asked(number: u64) -> Asked {
    let conversation: String = "My head hurts. Since when? ".chars().cycle().take(COMMON).collect();
    let messages = vec![Message::system(conversation), Message::user(format!("{number} Is it met?"))];
    let options = ChatOptions { max_tokens: Some(12), seed: Some(number), ..ChatOptions::default() };
    Asked { messages, options }
}

fn reply(chat: &EngineChat, asked: &Asked) -> Reply {
    chat.reply(&asked.messages, &asked.options, &mut ()).unwrap()
}

/// The reply with none of its tokens cached.
fn uncached(mut reply: Reply) -> Reply {
    reply.usage.as_mut().unwrap().cached_tokens = 0;
    reply
}

#[test]
fn conversations_that_begin_alike_are_answered_together_as_they_would_be_alone() {
    let (_dir, bundle) = bundle();
    let separate = chat(&bundle, 4096, false);
    let all: Vec<Asked> = (0..5).map(asked).collect();
    let expected: Vec<Reply> = all.iter().map(|it| reply(&separate, it)).collect();
    // In a cache for all, and in one that makes some wait.
    for cache_tokens in [4096, CONTEXT] {
        let shared = chat(&bundle, cache_tokens, true);
        let replies: Vec<Reply> = shared.replies(&all).into_iter().map(Result::unwrap).collect();
        for (number, (reply, expected)) in replies.iter().zip(&expected).enumerate() {
            let usage = reply.usage.unwrap();
            let whole = COMMON as u64 / 16 * 16;
            assert!(
                if number == 0 { usage.cached_tokens == 0 } else { usage.cached_tokens >= whole },
                "{usage:?}"
            );
            assert!(usage.cached_tokens < usage.prompt_tokens, "{usage:?}");
            assert_eq!(expected.usage.unwrap().cached_tokens, 0);
            assert_eq!(&uncached(reply.clone()), expected);
        }
    }
}

#[test]
fn one_that_cannot_be_answered_takes_no_other_with_it() {
    let (_dir, bundle) = bundle();
    let chat = chat(&bundle, 4096, true);
    let long = Asked { messages: vec![Message::user("x".repeat(CONTEXT))], ..Asked::default() };
    let mut replies = chat.replies(&[asked(0), long, asked(1)]);
    assert!(matches!(replies.remove(1), Err(ChatError::ContextFull { context: CONTEXT, .. })));
    for (number, found) in [0, 1].into_iter().zip(replies) {
        assert_eq!(uncached(found.unwrap()), uncached(reply(&chat, &asked(number))));
    }
    assert!(chat.replies(&[]).is_empty());
}

#[test]
fn threads_ask_at_the_same_time() {
    fn from_threads<T: Send + Sync>(model: &T) -> &T {
        model
    }
    let (_dir, bundle) = bundle();
    let separate = chat(&bundle, 4096, false);
    let shared = chat(&bundle, 4096, true);
    let shared = from_threads(&shared);
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|number| scope.spawn(move || reply(shared, &asked(number)))).collect();
        for (number, thread) in (0..).zip(threads) {
            assert_eq!(uncached(thread.join().unwrap()), reply(&separate, &asked(number)), "{number}");
        }
    });
}

/// Asks the same model when it hears a part of a reply, and stops the reply after it.
struct Curious<'a> {
    chat: &'a EngineChat,
    heard: Vec<Reply>,
}

impl Listener for Curious<'_> {
    fn hear(&mut self, _: Part<'_>) {
        self.heard.push(reply(self.chat, &asked(1)));
    }

    fn stopped(&mut self) -> bool {
        !self.heard.is_empty()
    }
}

/// Counts the parts of a reply.
struct Counted(usize);

impl Listener for Counted {
    fn hear(&mut self, _: Part<'_>) {
        self.0 += 1;
    }

    fn stopped(&mut self) -> bool {
        false
    }
}

#[test]
fn a_listener_stops_a_reply_and_may_ask_the_same_model() {
    let (_dir, bundle) = bundle();
    let chat = chat(&bundle, 2 * CONTEXT, true);
    // Tokens are bytes, and not all of them are a character: a reply that is drawn wildly and heard in several parts.
    let drawn = |number: u64| {
        let mut it = asked(number);
        it.options.temperature = Some(5.0);
        it
    };
    let in_parts = |number: &u64| {
        let (Asked { messages, options }, mut parts) = (drawn(*number), Counted(0));
        chat.reply(&messages, &options, &mut parts).unwrap();
        parts.0 >= 3
    };
    let number = (2..200).find(in_parts).unwrap();
    let [whole, other] = [drawn(number), asked(1)].map(|it| uncached(reply(&chat, &it)));
    let mut listener = Curious { chat: &chat, heard: Vec::new() };
    let Asked { messages, options } = drawn(number);
    let stopped = chat.reply(&messages, &options, &mut listener).unwrap();
    assert_eq!(stopped.finish, Finish::Stopped);
    assert!(whole.message.content.starts_with(&stopped.message.content), "{stopped:?} {whole:?}");
    assert!(!listener.heard.is_empty());
    for reply in listener.heard {
        assert_eq!(uncached(reply), other);
    }
    // Its cache was given back.
    assert_eq!(uncached(reply(&chat, &drawn(number))), whole);
}
