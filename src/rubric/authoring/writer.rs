//! A model that writes: what it is asked, and how its answer is read.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::templates::{Ask, Templates};
use crate::chat::structured::ask_as;
use crate::chat::{ChatError, ChatModel, ChatOptions, Listener, Message, ReplySchema};
use crate::data::hash::fnv1a;

/// Most characters of a text that is asked for. llama.cpp's server takes no schema with a bound of 2,000 or more.
pub const MOST_WRITTEN: usize = 1900;
/// Tokens for what a model thinks before it writes.
const THINKING: usize = 2048;

/// Asks a model for JSON of a given shape.
#[derive(Clone, Copy)]
pub struct Writer<'a> {
    /// Who is asked.
    pub model: &'a (dyn ChatModel + Sync),
    /// What is asked.
    pub templates: &'a Templates,
    /// Draws the replies, as far as the model repeats itself by a seed.
    pub seed: u64,
    /// Most tokens of a reply; fewer where the longest that is asked for, and 2,048 for thinking before it, are fewer.
    pub max_tokens: usize,
    /// How often it is asked again when its reply is not as asked.
    pub again: usize,
}

impl<'a> Writer<'a> {
    /// A writer with 4,096 tokens a reply at most that asks twice again.
    pub fn new(model: &'a (dyn ChatModel + Sync), templates: &'a Templates, seed: u64) -> Self {
        Self { model, templates, seed, max_tokens: 4096, again: 2 }
    }

    /// Fills the text of `kind` with `values` and asks for an object with the `properties`, all of them required.
    ///
    /// # Errors
    /// Those of [`ask_as`].
    pub fn ask<T: DeserializeOwned>(
        &self,
        kind: Ask,
        values: &[(&str, &str)],
        properties: Value,
        listener: &mut dyn Listener,
    ) -> Result<T, ChatError> {
        let text = self.templates.filled(kind, values);
        let required: Vec<&String> = properties.as_object().into_iter().flat_map(|it| it.keys()).collect();
        let schema = json!({
            "type": "object", "required": required, "properties": properties, "additionalProperties": false
        });
        let schema = ReplySchema::new(kind.name(), schema).map_err(ChatError::model)?;
        let need = schema.most_tokens().map_or(self.max_tokens, |answer| answer.saturating_add(THINKING));
        let options = ChatOptions {
            max_tokens: Some(self.max_tokens.min(need)),
            temperature: Some(0.7),
            seed: Some(self.seed_of(&text)),
            schema: Some(Arc::new(schema)),
            ..ChatOptions::default()
        };
        Ok(ask_as(self.model, &[Message::user(text)], &options, self.again, listener)?.value)
    }

    /// The seed of a question: each text draws anew, and the same text the same. It is below 2^63, since servers whose seeds have a sign
    /// refuse others.
    fn seed_of(&self, text: &str) -> u64 {
        (self.seed ^ (fnv1a(text.as_bytes()) as u64 >> 1)) & (u64::MAX >> 1)
    }
}

/// Whether an error is about what was asked, so that the next thing can be asked all the same. Any other (a server that is gone, a key that
/// is refused) would meet everything that follows.
pub fn is_about_this(error: &ChatError) -> bool {
    matches!(error, ChatError::NotAsAsked { .. } | ChatError::ContextFull { .. })
}

/// A list as a model reads it, numbered from 1.
pub fn numbered<'t>(items: impl IntoIterator<Item = &'t str>) -> String {
    let lines: Vec<String> =
        items.into_iter().enumerate().map(|(at, item)| format!("{}. {item}", at + 1)).collect();
    if lines.is_empty() { "(none)".to_owned() } else { lines.join("\n") }
}

#[cfg(test)]
pub(crate) mod scripted {
    //! A model that says what it was given to say, by what it is asked.

    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use super::*;
    use crate::chat::{Finish, Reply};

    /// What is said when asked for something: it is chosen by the name of the schema.
    type Says = Box<dyn Fn(&str, usize) -> Result<String, ChatError> + Send + Sync>;

    /// See above.
    pub struct Scripted {
        says: Says,
        asked: Mutex<BTreeMap<String, usize>>,
    }

    impl Scripted {
        /// `says` gets the kind and how often anything was asked before.
        pub fn new(says: impl Fn(&str, usize) -> Result<String, ChatError> + Send + Sync + 'static) -> Self {
            Self { says: Box::new(says), asked: Mutex::default() }
        }

        /// How often a kind was asked.
        pub fn asked(&self, kind: &str) -> usize {
            self.asked.lock().unwrap().get(kind).copied().unwrap_or(0)
        }
    }

    impl ChatModel for Scripted {
        fn name(&self) -> &str {
            "scripted"
        }

        fn constrains(&self) -> bool {
            true
        }

        fn reply(
            &self,
            _: &[Message],
            options: &ChatOptions,
            _: &mut dyn Listener,
        ) -> Result<Reply, ChatError> {
            let kind = options.schema.as_ref().map_or(String::new(), |schema| schema.name().to_owned());
            let before = {
                let mut asked = self.asked.lock().unwrap();
                let before = asked.values().sum();
                *asked.entry(kind.clone()).or_default() += 1;
                before
            };
            let said = (self.says)(&kind, before)?;
            Ok(Reply { message: Message::assistant(said), finish: Finish::Stop, usage: None })
        }
    }

    #[test]
    fn all_properties_are_required_and_other_replies_are_asked_for_again() {
        let templates = Templates::bundled();
        let model = Scripted::new(|_, before| {
            Ok(if before == 0 { "{}".into() } else { r#"{"points": [3]}"#.into() })
        });
        #[derive(serde::Deserialize)]
        struct Points {
            points: Vec<i8>,
        }
        let writer = Writer::new(&model, &templates, 0);
        let properties = json!({"points": {"type": "array", "items": {"type": "integer"}}});
        let points: Points = writer.ask(Ask::Weights, &[], properties.clone(), &mut ()).unwrap();
        assert_eq!((points.points, model.asked("weights")), (vec![3], 2));
        let model = Scripted::new(|_, _| Ok("no".into()));
        let writer = Writer { again: 1, ..Writer::new(&model, &templates, 0) };
        let error = writer.ask::<Points>(Ask::Weights, &[], properties, &mut ()).err().unwrap();
        assert!(is_about_this(&error) && model.asked("weights") == 2, "{error}");
        assert!(!is_about_this(&ChatError::Stopped));
    }

    #[test]
    fn every_server_takes_the_seed_of_a_question() {
        let (templates, model) = (Templates::bundled(), Scripted::new(|_, _| Ok("no".into())));
        let of = |seed: u64, text: &str| Writer::new(&model, &templates, seed).seed_of(text);
        for seed in [0, 7, 1 << 63, u64::MAX] {
            assert!(i64::try_from(of(seed, "a")).is_ok(), "{seed}");
            assert_ne!(of(seed, "a"), of(seed, "b"));
        }
        assert_ne!(of(0, "a"), of(7, "a"));
    }
}
