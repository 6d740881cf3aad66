//! A model that nobody has to wait for to the end.

use super::error::ChatError;
use super::message::Message;
use super::model::{Asked, ChatModel, Listener, Part, SharedModel};
use super::options::ChatOptions;
use super::reply::Reply;
use super::together::together;

/// A model of which every answer that is not there yet is given up once somebody says so. Threads may share it.
pub struct Halting<'a> {
    model: &'a SharedModel,
    halted: &'a (dyn Fn() -> bool + Sync),
    at_once: usize,
}

impl<'a> Halting<'a> {
    /// `model`, until `halted` says yes. Of conversations that are given to it together, `at_once` are asked at a time, at least 1.
    pub fn new(model: &'a SharedModel, halted: &'a (dyn Fn() -> bool + Sync), at_once: usize) -> Self {
        Self { model, halted, at_once: at_once.max(1) }
    }
}

impl ChatModel for Halting<'_> {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn inner(&self) -> Option<&dyn ChatModel> {
        Some(&**self.model)
    }

    fn reply(
        &self,
        messages: &[Message],
        options: &ChatOptions,
        listener: &mut dyn Listener,
    ) -> Result<Reply, ChatError> {
        if (self.halted)() {
            return Err(ChatError::Stopped);
        }
        self.model.reply(messages, options, &mut Until { listener, halted: self.halted })
    }

    /// One thread each, since only a listener can stop an answer and a batch has none.
    fn replies(&self, asked: &[Asked]) -> Vec<Result<Reply, ChatError>> {
        together(asked, self.at_once, |it| self.reply(&it.messages, &it.options, &mut ()))
    }
}

/// Hears as another does, and stops when it is halted, too.
struct Until<'a> {
    listener: &'a mut dyn Listener,
    halted: &'a (dyn Fn() -> bool + Sync),
}

impl Listener for Until<'_> {
    fn hear(&mut self, part: Part<'_>) {
        self.listener.hear(part);
    }

    fn stopped(&mut self) -> bool {
        (self.halted)() || self.listener.stopped()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;
    use crate::chat::client::ServerFigures;
    use crate::chat::{Finish, Usage};

    /// Answers the third time it asks whether to stop; counts how often it was asked.
    #[derive(Default)]
    struct Slow(AtomicUsize);

    impl ChatModel for Arc<Slow> {
        fn name(&self) -> &str {
            "slow"
        }

        fn reply(
            &self,
            _: &[Message],
            _: &ChatOptions,
            listener: &mut dyn Listener,
        ) -> Result<Reply, ChatError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            if (0..3).any(|_| listener.stopped()) {
                return Err(ChatError::Stopped);
            }
            let usage = Some(Usage::default());
            Ok(Reply { message: Message::assistant("Yes."), finish: Finish::Stop, usage })
        }
    }

    #[test]
    fn answers_under_way_are_given_up_and_no_other_is_asked_for() {
        let slow = Arc::new(Slow::default());
        let model: SharedModel = Arc::new(Arc::clone(&slow));
        // Says yes from the fifth time it is asked: before the first request, three times in it, in the second.
        let (looks, halted) = (AtomicUsize::new(0), AtomicBool::new(false));
        let halt = || {
            halted.fetch_or(looks.fetch_add(1, Ordering::SeqCst) >= 5, Ordering::SeqCst);
            halted.load(Ordering::SeqCst)
        };
        let halting = Halting::new(&model, &halt, 1);
        let asked = vec![Asked { messages: vec![Message::user("Hm?")], ..Asked::default() }; 4];
        let replies = halting.replies(&asked);
        let answered: Vec<bool> = replies.iter().map(Result::is_ok).collect();
        assert_eq!(answered, [true, false, false, false]);
        assert_eq!(slow.0.load(Ordering::SeqCst), 2, "the third and the fourth were not sent");
        assert_eq!((halting.name(), halting.constrains()), ("slow", false));
    }

    /// Holds replies to schemas, and asks a server.
    struct Held;

    impl ChatModel for Held {
        fn name(&self) -> &str {
            "held"
        }

        fn constrains(&self) -> bool {
            true
        }

        fn servers(&self) -> Vec<ServerFigures> {
            let url = "http://a".to_owned();
            let (usage, cached_ratio) = (Usage::default(), None);
            vec![ServerFigures {
                url,
                requests: 3,
                failures: 0,
                spills: 0,
                usage,
                cached_ratio,
                queue_seconds: 0.0,
                no_schemas: None,
            }]
        }

        fn reply(&self, _: &[Message], _: &ChatOptions, _: &mut dyn Listener) -> Result<Reply, ChatError> {
            Err(ChatError::Stopped)
        }
    }

    #[test]
    fn what_is_said_of_a_model_is_said_of_it_until_it_is_halted() {
        let model: SharedModel = Arc::new(Held);
        let halting = Halting::new(&model, &|| false, 1);
        assert!(halting.constrains());
        assert_eq!((halting.name(), halting.servers()), ("held", model.servers()));
    }
}
