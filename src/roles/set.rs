//! Settings of a configuration over those of whoever asks.

use std::sync::Arc;

use crate::chat::client::ServerFigures;
use crate::chat::{Asked, ChatError, ChatModel, ChatOptions, Listener, Message, Reading, Reply, SharedModel};
use crate::train::config::ReplySettings;

/// A model whose replies are made as the configuration says, whatever else is asked for.
pub(super) struct Set {
    model: SharedModel,
    settings: ReplySettings,
}

impl Set {
    /// `model`, where its configuration says anything; otherwise the model itself.
    pub(super) fn over(model: SharedModel, settings: &ReplySettings) -> SharedModel {
        let ReplySettings { temperature: None, top_p: None, max_tokens: None } = settings else {
            return Arc::new(Self { model, settings: settings.clone() });
        };
        model
    }

    fn options(&self, asked: &ChatOptions) -> ChatOptions {
        let ReplySettings { temperature, top_p, max_tokens } = self.settings;
        let number = |value: Option<f64>| value.map(|value| value as f32);
        ChatOptions {
            temperature: number(temperature).or(asked.temperature),
            top_p: number(top_p).or(asked.top_p),
            max_tokens: max_tokens.or(asked.max_tokens),
            ..asked.clone()
        }
    }
}

impl ChatModel for Set {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn constrains(&self) -> bool {
        self.model.constrains()
    }

    fn servers(&self) -> Vec<ServerFigures> {
        self.model.servers()
    }

    fn reading(&self) -> Option<Reading> {
        self.model.reading()
    }

    fn reply(
        &self,
        messages: &[Message],
        options: &ChatOptions,
        listener: &mut dyn Listener,
    ) -> Result<Reply, ChatError> {
        self.model.reply(messages, &self.options(options), listener)
    }

    fn replies(&self, asked: &[Asked]) -> Vec<Result<Reply, ChatError>> {
        let set = |it: &Asked| Asked { options: self.options(&it.options), messages: it.messages.clone() };
        self.model.replies(&asked.iter().map(set).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::chat::{Finish, Usage};

    /// Says which options it was asked with.
    #[derive(Default)]
    struct Remembers(Mutex<Vec<ChatOptions>>);

    impl ChatModel for Arc<Remembers> {
        fn name(&self) -> &str {
            "remembers"
        }

        fn reply(
            &self,
            _: &[Message],
            options: &ChatOptions,
            _: &mut dyn Listener,
        ) -> Result<Reply, ChatError> {
            self.0.lock().unwrap().push(options.clone());
            let usage = Some(Usage::default());
            Ok(Reply { message: Message::assistant("Yes."), finish: Finish::Stop, usage })
        }
    }

    #[test]
    fn the_configuration_stands_over_the_caller_and_leaves_the_rest() {
        let model = Arc::new(Remembers::default());
        let settings = ReplySettings { temperature: Some(0.5), top_p: None, max_tokens: Some(9) };
        let set = Set::over(Arc::new(Arc::clone(&model)), &settings);
        let options = ChatOptions {
            temperature: Some(0.0),
            top_p: Some(0.75),
            max_tokens: Some(512),
            seed: Some(3),
            ..ChatOptions::default()
        };
        set.reply(&[Message::user("Hm?")], &options, &mut ()).unwrap();
        let asked = Asked { messages: vec![Message::user("Hm?")], options: ChatOptions::default() };
        assert_eq!(set.replies(&[asked.clone(), asked]).len(), 2);
        let heard = model.0.lock().unwrap();
        let first = ChatOptions { temperature: Some(0.5), max_tokens: Some(9), ..options };
        let rest = ChatOptions { temperature: Some(0.5), max_tokens: Some(9), ..ChatOptions::default() };
        assert_eq!(*heard, [first, rest.clone(), rest]);
        assert_eq!(set.name(), "remembers");
    }

    #[test]
    fn a_model_without_settings_is_itself() {
        let model: SharedModel = Arc::new(Arc::new(Remembers::default()));
        let settings = ReplySettings { temperature: None, top_p: None, max_tokens: None };
        assert!(Arc::ptr_eq(&Set::over(Arc::clone(&model), &settings), &model));
    }
}
