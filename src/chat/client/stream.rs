//! A streamed answer, put together from its parts.

use super::error::Failure;
use super::wire::{self, Completion};
use crate::chat::error::excerpt;
use crate::chat::model::{Listener, Part};
use crate::chat::reply::{Finish, Reply, Usage};

/// The data of the event after the last.
const DONE: &str = "[DONE]";

/// What of an answer has arrived.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    content: Option<String>,
    thinking: Option<String>,
    /// The server's word for why it ended.
    finish: Option<String>,
    usage: Option<Usage>,
    /// Tokens that were not read again: some servers tell it in another event than the rest of the usage.
    cached: Option<u64>,
    done: bool,
    /// Events so far.
    events: usize,
}

impl Assembly {
    /// Takes the data of one event and lets `listener` hear what is new in it.
    pub fn take(&mut self, data: &str, listener: &mut dyn Listener) -> Result<(), Failure> {
        if self.done || data.trim().is_empty() {
            return Ok(());
        }
        if data.trim() == DONE {
            self.done = true;
            return Ok(());
        }
        self.events += 1;
        let completion = Completion::read(data.as_bytes())?;
        self.usage = completion.usage().or(self.usage);
        self.cached = completion.cached_tokens().or(self.cached);
        for mut choice in completion.choices.into_iter().filter(|choice| choice.index == 0) {
            if let Some(message) = choice.message.refusal.take().filter(|it| !it.is_empty()) {
                return Err(Failure::Refused { message: excerpt(&message) });
            }
            if let Some(text) = choice.message.thinking() {
                add(&mut self.thinking, &text, |text| listener.hear(Part::Thinking(text)));
            }
            if let Some(text) = &choice.message.content {
                add(&mut self.content, text, |text| listener.hear(Part::Answer(text)));
            }
            self.finish = choice.finish_reason.or(self.finish.take());
        }
        Ok(())
    }

    /// Whether nothing more is to come.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// The stream ended, or said that it is done.
    pub fn finish(self) -> Result<Reply, Failure> {
        let Some(reason) = self.finish else {
            let after = if self.done { "it says that it is done" } else { "it ended" };
            let problem = format!("after {} events {after}, without a finish_reason", self.events);
            return Err(Failure::Truncated { problem });
        };
        let finish = wire::finish(&reason)?;
        let usage = self.usage.map(|usage| wire::with_cached(usage, self.cached));
        wire::whole(self.content, self.thinking, finish, &reason, usage)
    }

    /// The listener stopped it; `None` where nothing was said yet.
    pub fn stopped(self) -> Option<Reply> {
        let said = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        if !said(&self.content) && !said(&self.thinking) {
            return None;
        }
        let usage = self.usage.map(|usage| wire::with_cached(usage, self.cached));
        wire::whole(self.content, self.thinking, Finish::Stopped, "stopped", usage).ok()
    }
}

fn add(to: &mut Option<String>, text: &str, hear: impl FnOnce(&str)) {
    to.get_or_insert_default().push_str(text);
    if !text.is_empty() {
        hear(text);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::chat::message::Message;

    fn part(delta: Value, finish: Value) -> String {
        json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}).to_string()
    }

    /// What was heard, in order.
    #[derive(Default)]
    struct Heard(Vec<(bool, String)>);

    impl Listener for Heard {
        fn hear(&mut self, part: Part<'_>) {
            self.0.push(match part {
                Part::Thinking(text) => (true, text.to_owned()),
                Part::Answer(text) => (false, text.to_owned()),
            });
        }

        fn stopped(&mut self) -> bool {
            false
        }
    }

    fn assembled(events: &[String]) -> (Result<Reply, Failure>, Vec<(bool, String)>) {
        let mut assembly = Assembly::default();
        let mut heard = Heard::default();
        let taken = events.iter().try_for_each(|event| assembly.take(event, &mut heard));
        (taken.and_then(|()| assembly.finish()), heard.0)
    }

    #[test]
    fn parts_become_a_reply_and_are_heard() {
        let usage = json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}).to_string();
        let (reply, heard) = assembled(&[
            part(json!({"role": "assistant", "content": null}), json!(null)),
            part(json!({"reasoning_content": "hm"}), json!(null)),
            part(json!({"content": ""}), json!(null)),
            part(json!({"content": "Hel"}), json!(null)),
            json!({"choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": null}]})
                .to_string(),
            part(json!({"content": "lo"}), json!(null)),
            part(json!({}), json!("stop")),
            usage,
            DONE.to_owned(),
            part(json!({"content": "after the end"}), json!(null)),
        ]);
        let reply = reply.unwrap();
        assert_eq!(reply.message, Message::assistant("Hello").with_thinking("hm"));
        assert_eq!((reply.finish, reply.usage.unwrap().total()), (Finish::Stop, 9));
        assert_eq!(heard, [(true, "hm".into()), (false, "Hel".into()), (false, "lo".into())]);
    }

    #[test]
    fn cached_tokens_may_come_in_another_event_than_the_rest_of_the_usage() {
        let usage = json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}});
        let mut end = json!({"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]});
        end["timings"] = json!({"cache_n": 5});
        for events in [[&end, &usage], [&usage, &end]] {
            let (reply, _) = assembled(&events.map(Value::to_string));
            let expected = Usage { prompt_tokens: 7, completion_tokens: 2, cached_tokens: 5 };
            assert_eq!(reply.unwrap().usage, Some(expected));
        }
    }

    #[test]
    fn an_end_that_is_missing_is_told_from_an_end() {
        let said = part(json!({"content": "Hi"}), json!(null));
        let end = part(json!({}), json!("length"));
        // Without [DONE], and complete all the same.
        assert_eq!(assembled(&[said.clone(), end.clone()]).0.unwrap().finish, Finish::Length);
        for cut in [vec![], vec![said.clone()], vec![DONE.to_owned()], vec![said.clone(), DONE.to_owned()]] {
            let (reply, _) = assembled(&cut);
            assert!(matches!(reply, Err(Failure::Truncated { .. })), "{cut:?}");
        }
        let (reply, _) = assembled(&[said[..said.len() / 2].to_owned()]);
        assert!(matches!(reply, Err(Failure::Truncated { .. })));
        assert!(matches!(assembled(std::slice::from_ref(&end)).0, Err(Failure::NothingSaid { .. })));
    }

    #[test]
    fn an_error_within_a_stream_is_no_answer() {
        let said = part(json!({"content": "Hi"}), json!(null));
        let error = json!({"error": {"message": "out of memory"}}).to_string();
        let (reply, heard) = assembled(&[said.clone(), error]);
        assert_eq!(reply.unwrap_err(), Failure::Reported { message: "out of memory".into() });
        assert_eq!(heard.len(), 1);
        let filtered = part(json!({}), json!("content_filter"));
        assert_eq!(assembled(&[said.clone(), filtered]).0.unwrap_err(), Failure::Filtered);
        let refused = part(json!({"refusal": "No."}), json!(null));
        assert!(matches!(assembled(&[refused]).0, Err(Failure::Refused { .. })));
        assert!(matches!(assembled(&[said, "x".into()]).0, Err(Failure::NotJson { .. })));
    }

    #[test]
    fn what_was_said_before_a_stop_stays() {
        let mut assembly = Assembly::default();
        assembly.take(&part(json!({"content": ""}), json!(null)), &mut ()).unwrap();
        assert!(Assembly::default().stopped().is_none());
        assembly.take(&part(json!({"content": "Hi"}), json!(null)), &mut ()).unwrap();
        let reply = assembly.stopped().unwrap();
        assert_eq!((reply.message.content.as_str(), reply.finish), ("Hi", Finish::Stopped));
    }
}
