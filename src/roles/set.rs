//! Settings of a configuration over those of whoever asks.

use std::sync::Arc;

use crate::chat::{Asked, ChatError, ChatModel, ChatOptions, Listener, Message, Reply, SharedModel};
use crate::rubric::model_judge::ModelJudgeSettings;
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
}

impl ReplySettings {
    /// The settings of a reply of which `asked` is wanted: those of the configuration stand over them.
    fn over(&self, asked: &ChatOptions) -> ChatOptions {
        let number = |value: Option<f64>| value.map(|value| value as f32);
        ChatOptions {
            temperature: number(self.temperature).or(asked.temperature),
            top_p: number(self.top_p).or(asked.top_p),
            max_tokens: self.max_tokens.or(asked.max_tokens),
            ..asked.clone()
        }
    }

    /// How a judge that wants to ask as `wanted` says will be answered. Every request is set so anyway; who knows it before can tell
    /// what cannot be judged with, and names the judge by what it does.
    pub fn of_judge(&self, wanted: ModelJudgeSettings) -> ModelJudgeSettings {
        let asked = ChatOptions {
            temperature: Some(wanted.temperature),
            max_tokens: Some(wanted.max_tokens),
            ..ChatOptions::default()
        };
        let ChatOptions { temperature, max_tokens, .. } = self.over(&asked);
        ModelJudgeSettings {
            temperature: temperature.unwrap_or(wanted.temperature),
            max_tokens: max_tokens.unwrap_or(wanted.max_tokens),
            ..wanted
        }
    }
}

impl ChatModel for Set {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn inner(&self) -> Option<&dyn ChatModel> {
        Some(&*self.model)
    }

    fn reply(
        &self,
        messages: &[Message],
        options: &ChatOptions,
        listener: &mut dyn Listener,
    ) -> Result<Reply, ChatError> {
        self.model.reply(messages, &self.settings.over(options), listener)
    }

    fn replies(&self, asked: &[Asked]) -> Vec<Result<Reply, ChatError>> {
        let set =
            |it: &Asked| Asked { options: self.settings.over(&it.options), messages: it.messages.clone() };
        self.model.replies(&asked.iter().map(set).collect::<Vec<_>>())
    }

    fn is_kept(&self, messages: &[Message], options: &ChatOptions) -> bool {
        self.model.is_kept(messages, &self.settings.over(options))
    }

    fn forget(&self, messages: &[Message], options: &ChatOptions) -> Result<(), ChatError> {
        self.model.forget(messages, &self.settings.over(options))
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

        fn forget(&self, _: &[Message], options: &ChatOptions) -> Result<(), ChatError> {
            self.0.lock().unwrap().push(options.clone());
            Ok(())
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
        set.forget(&[Message::user("Hm?")], &options).unwrap();
        let heard = model.0.lock().unwrap();
        let first = ChatOptions { temperature: Some(0.5), max_tokens: Some(9), ..options };
        let rest = ChatOptions { temperature: Some(0.5), max_tokens: Some(9), ..ChatOptions::default() };
        // What is forgotten is what was asked.
        assert_eq!(*heard, [first.clone(), rest.clone(), rest, first]);
        assert_eq!(set.name(), "remembers");
    }

    #[test]
    fn a_judge_is_told_what_its_requests_will_have() {
        let wanted = ModelJudgeSettings {
            votes: 3,
            temperature: 0.5,
            max_tokens: 512,
            seed: 7,
            ..ModelJudgeSettings::REPORT
        };
        let told = |temperature, max_tokens| {
            ReplySettings { temperature, top_p: Some(0.5), max_tokens }.of_judge(wanted)
        };
        assert_eq!(told(None, None), wanted);
        assert_eq!(told(Some(0.25), None), ModelJudgeSettings { temperature: 0.25, ..wanted });
        assert_eq!(
            told(Some(0.0), Some(9)),
            ModelJudgeSettings { temperature: 0.0, max_tokens: 9, ..wanted }
        );
    }

    #[test]
    fn a_model_without_settings_is_itself() {
        let model: SharedModel = Arc::new(Arc::new(Remembers::default()));
        let settings = ReplySettings { temperature: None, top_p: None, max_tokens: None };
        assert!(Arc::ptr_eq(&Set::over(Arc::clone(&model), &settings), &model));
    }
}
