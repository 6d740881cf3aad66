//! Requests and answers in the JSON of OpenAI's chat completions.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::Failure;
use super::settings::TokenLimitField;
use crate::chat::error::excerpt;
use crate::chat::message::Message;
use crate::chat::options::ChatOptions;
use crate::chat::reply::{Finish, Reply, Usage};

/// The body of a request, in which `limit` bounds the reply. Thinking of earlier turns is not sent: servers refuse it.
pub(super) fn request(
    model: &str,
    limit: TokenLimitField,
    messages: &[Message],
    options: &ChatOptions,
) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("messages".into(), messages.iter().map(said).collect());
    // What a conversation begins with decides who is asked, and is not sent.
    let ChatOptions { max_tokens, temperature, top_p, seed, stream, schema, conversation: _ } = options;
    if let Some(tokens) = max_tokens {
        body.insert(limit.name().into(), (*tokens).into());
    }
    for (name, value) in [("temperature", temperature), ("top_p", top_p)] {
        if let Some(value) = value {
            body.insert(name.into(), decimal(*value).into());
        }
    }
    if let Some(seed) = seed {
        body.insert("seed".into(), (*seed).into());
    }
    if let Some(schema) = schema {
        let schema = json!({"name": schema.name(), "strict": true, "schema": schema.json()});
        body.insert("response_format".into(), json!({"type": "json_schema", "json_schema": schema}));
    }
    body.insert("stream".into(), (*stream).into());
    if *stream {
        body.insert("stream_options".into(), json!({"include_usage": true}));
    }
    Value::Object(body)
}

fn said(message: &Message) -> Value {
    let Message { role, content, thinking: _, tool_calls, tool_call_id, name } = message;
    let mut fields = Map::new();
    fields.insert("role".into(), role.as_str().into());
    fields.insert("content".into(), content.as_str().into());
    if let Some(calls) = tool_calls {
        fields.insert("tool_calls".into(), calls.clone());
    }
    for (key, value) in [("tool_call_id", tool_call_id), ("name", name)] {
        if let Some(value) = value {
            fields.insert(key.into(), value.as_str().into());
        }
    }
    Value::Object(fields)
}

/// The shortest decimal that is this f32: 0.7 and not 0.699999988079071.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// A message or, in a stream, a part of one.
#[derive(Deserialize)]
pub(super) struct Said {
    pub content: Option<String>,
    // Servers send either name, and some both.
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    pub refusal: Option<String>,
}

impl Said {
    pub fn thinking(&mut self) -> Option<String> {
        self.reasoning_content.take().or(self.reasoning.take())
    }
}

/// One of an answer's choices; osler asks for one.
#[derive(Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    pub index: u64,
    #[serde(alias = "delta")]
    pub message: Said,
    pub finish_reason: Option<String>,
}

/// An answer or, in a stream, a part of one.
#[derive(Deserialize)]
pub(super) struct Completion {
    pub choices: Vec<Choice>,
    #[serde(default)]
    usage: Value,
    /// What llama.cpp's server measured.
    #[serde(default)]
    timings: Value,
}

impl Completion {
    /// Reads an answer. An error that the server sends in its place is one.
    pub fn read(bytes: &[u8]) -> Result<Self, Failure> {
        let text = text(bytes)?;
        let value: Value = serde_json::from_str(text).map_err(|error| {
            if error.is_eof() {
                Failure::Truncated { problem: format!("{error}: {}", excerpt(text)) }
            } else {
                Failure::NotJson { problem: error.to_string(), found: excerpt(text) }
            }
        })?;
        if let Some(message) = reported(&value) {
            return Err(Failure::Reported { message });
        }
        serde_path_to_error::deserialize(&value).map_err(|error| Failure::Malformed {
            field: error.path().to_string(),
            problem: error.inner().to_string(),
            found: excerpt(text),
        })
    }

    /// What it cost, where that is told. Whoever only counts tokens must not lose an answer over them, so what is no count is none.
    pub fn usage(&self) -> Option<Usage> {
        let usage: Usage = serde_json::from_value(self.usage.clone()).ok()?;
        Some(with_cached(usage, self.cached_tokens()))
    }

    /// Of the conversation's tokens, those that were not read again: in `usage.prompt_tokens_details.cached_tokens` as OpenAI and vLLM
    /// have it, or in llama.cpp's `timings.cache_n`.
    pub fn cached_tokens(&self) -> Option<u64> {
        let details = self.usage.get("prompt_tokens_details").and_then(|it| it.get("cached_tokens"));
        let count = |it: Option<&Value>| it.and_then(Value::as_u64);
        count(details).or_else(|| count(self.timings.get("cache_n")))
    }
}

/// A usage with the tokens that were not read again, where that was told; they are no more than there were.
pub(super) fn with_cached(usage: Usage, cached: Option<u64>) -> Usage {
    let cached = cached.unwrap_or(usage.cached_tokens);
    Usage { cached_tokens: cached.min(usage.prompt_tokens), ..usage }
}

/// Bytes as text; a character whose end is missing is an end that is missing.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Failure> {
    std::str::from_utf8(bytes).map_err(|error| {
        let (problem, found) = (format!("not UTF-8: {error}"), excerpt(&String::from_utf8_lossy(bytes)));
        match error.error_len() {
            None => Failure::Truncated { problem: format!("{problem}: {found}") },
            Some(_) => Failure::NotJson { problem, found },
        }
    })
}

/// What an error says that was sent in place of an answer.
pub(super) fn reported(value: &Value) -> Option<String> {
    let error = value.get("error").filter(|error| !error.is_null())?;
    let message = error.get("message").and_then(Value::as_str).or(error.as_str());
    Some(message.map_or_else(|| excerpt(&error.to_string()), excerpt))
}

/// The reply that a whole answer holds.
pub(super) fn reply(bytes: &[u8]) -> Result<Reply, Failure> {
    let completion = Completion::read(bytes)?;
    let usage = completion.usage();
    let malformed = |field: &str, problem: &str| Failure::Malformed {
        field: field.to_owned(),
        problem: problem.to_owned(),
        found: excerpt(&String::from_utf8_lossy(bytes)),
    };
    let choice = completion.choices.into_iter().next().ok_or_else(|| malformed("choices", "it is empty"))?;
    let Choice { mut message, finish_reason, .. } = choice;
    if let Some(message) = message.refusal.take() {
        return Err(Failure::Refused { message: excerpt(&message) });
    }
    let reason = finish_reason.ok_or_else(|| malformed("choices[0].finish_reason", "it is missing"))?;
    let finish = finish(&reason)?;
    let thinking = message.thinking();
    whole(message.content, thinking, finish, &reason, usage)
}

/// Why a reply ended, from the server's word for it.
pub(super) fn finish(reason: &str) -> Result<Finish, Failure> {
    match reason {
        "stop" => Ok(Finish::Stop),
        "length" => Ok(Finish::Length),
        "content_filter" => Err(Failure::Filtered),
        other => Err(Failure::Malformed {
            field: "choices[0].finish_reason".to_owned(),
            problem: "legal are stop, length, content_filter".to_owned(),
            found: excerpt(other),
        }),
    }
}

/// A reply from its parts. Thinking that fills a reply to its limit of tokens leaves no content, and is one; nothing at all is none.
pub(super) fn whole(
    content: Option<String>,
    thinking: Option<String>,
    finish: Finish,
    reason: &str,
    usage: Option<Usage>,
) -> Result<Reply, Failure> {
    let thinking = thinking.filter(|text| !text.is_empty());
    if content.is_none() && thinking.is_none() {
        return Err(Failure::NothingSaid { finish: reason.to_owned() });
    }
    let message = Message { thinking, ..Message::assistant(content.unwrap_or_default()) };
    Ok(Reply { message, finish, usage })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::chat::options::ConversationKey;
    use crate::chat::schema::ReplySchema;

    #[test]
    fn a_request_has_what_was_asked_and_nothing_else() {
        let messages = [
            Message::system("Be brief."),
            Message::user("Hi"),
            Message::assistant("Hello").with_thinking("a greeting"),
            Message { tool_call_id: Some("c1".into()), ..Message::tool("22") },
        ];
        let sent = json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"}, {"role": "tool", "content": "22", "tool_call_id": "c1"}]);
        assert_eq!(
            request("m", TokenLimitField::MaxTokens, &messages, &ChatOptions::default()),
            json!({"model": "m", "messages": sent, "stream": false})
        );
        let schema = json!({"type": "object"});
        let options = ChatOptions {
            max_tokens: Some(5),
            temperature: Some(0.7),
            top_p: Some(0.95),
            seed: Some(u64::MAX),
            stream: true,
            schema: Some(Arc::new(ReplySchema::new("verdict", schema.clone()).unwrap())),
            conversation: Some(ConversationKey::of(&messages)),
        };
        assert_eq!(
            request("m", TokenLimitField::MaxTokens, &messages[1..2], &options),
            json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5, "temperature": 0.7,
                "top_p": 0.95, "seed": u64::MAX, "stream": true, "stream_options": {"include_usage": true},
                "response_format": {"type": "json_schema",
                    "json_schema": {"name": "verdict", "strict": true, "schema": schema}}})
        );
    }

    #[test]
    fn the_limit_of_a_reply_stands_in_the_field_that_the_server_knows() {
        let sent = |limit, max_tokens| {
            request("m", limit, &[], &ChatOptions { max_tokens, ..ChatOptions::default() })
        };
        let newer = sent(TokenLimitField::MaxCompletionTokens, Some(5));
        assert_eq!(newer, json!({"model": "m", "messages": [], "max_completion_tokens": 5, "stream": false}));
        assert_eq!(sent(TokenLimitField::MaxCompletionTokens, None), sent(TokenLimitField::MaxTokens, None));
    }

    fn read(value: Value) -> Result<Reply, Failure> {
        reply(value.to_string().as_bytes())
    }

    fn answer(message: Value, finish: Value) -> Value {
        json!({"id": "x", "object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}})
    }

    #[test]
    fn answers_of_servers_are_read() {
        let reply = read(answer(json!({"role": "assistant", "content": "Hi"}), json!("stop"))).unwrap();
        assert_eq!(reply.message, Message::assistant("Hi"));
        assert_eq!((reply.finish, reply.usage.unwrap().total()), (Finish::Stop, 15));
        // vLLM sends both names of thinking.
        let thought =
            json!({"role": "assistant", "content": null, "reasoning": "hm", "reasoning_content": "hm"});
        let reply = read(answer(thought, json!("length"))).unwrap();
        assert_eq!((reply.message.thinking.as_deref(), reply.finish), (Some("hm"), Finish::Length));
        // An empty content is what the model said; that it is missing is not.
        assert!(read(answer(json!({"role": "assistant", "content": ""}), json!("stop"))).is_ok());
        let mut uncounted = answer(json!({"content": "Hi"}), json!("stop"));
        uncounted["usage"] = json!({"prompt_tokens": -1});
        assert_eq!(read(uncounted).unwrap().usage, None);
    }

    #[test]
    fn tokens_that_were_not_read_again_are_counted_as_servers_tell_them() {
        let counted = |usage: Value, timings: Value| {
            let mut answer = answer(json!({"content": "Hi"}), json!("stop"));
            answer["usage"] = usage;
            answer["timings"] = timings;
            read(answer).unwrap().usage.map(|it| (it.prompt_tokens, it.cached_tokens))
        };
        let told = |details: Value| json!({"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": details});
        let timings = json!({"cache_n": 8, "prompt_n": 4});
        assert_eq!(counted(told(json!({"cached_tokens": 9, "audio_tokens": 0})), json!(null)), Some((12, 9)));
        assert_eq!(counted(told(json!(null)), timings.clone()), Some((12, 8)));
        assert_eq!(counted(told(json!({"cached_tokens": null})), timings.clone()), Some((12, 8)));
        // A server's own field goes before its measurements.
        assert_eq!(counted(told(json!({"cached_tokens": 0})), timings.clone()), Some((12, 0)));
        assert_eq!(counted(told(json!(null)), json!(null)), Some((12, 0)));
        // What cannot be is not believed, and costs no answer.
        assert_eq!(counted(told(json!({"cached_tokens": 99})), json!(null)), Some((12, 12)));
        assert_eq!(counted(told(json!({"cached_tokens": -1})), json!({"cache_n": "x"})), Some((12, 0)));
        assert_eq!(counted(json!(null), timings), None);
    }

    #[test]
    fn what_is_no_answer_is_an_error_of_its_own() {
        let said = |message, finish| read(answer(message, finish)).unwrap_err();
        assert!(matches!(said(json!({"content": null}), json!("stop")), Failure::NothingSaid { .. }));
        assert_eq!(said(json!({"content": "Hi"}), json!("content_filter")), Failure::Filtered);
        assert!(matches!(
            said(json!({"content": null, "refusal": "No."}), json!("stop")),
            Failure::Refused { message } if message == "No."
        ));
        assert!(
            matches!(said(json!({"content": 5}), json!("stop")), Failure::Malformed { field, .. } if field == "choices[0].message.content")
        );
        for finish in [json!(null), json!("tool_calls")] {
            assert!(
                matches!(said(json!({"content": "Hi"}), finish), Failure::Malformed { field, .. } if field.ends_with("finish_reason"))
            );
        }
        assert!(
            matches!(read(json!({"choices": []})), Err(Failure::Malformed { field, .. }) if field == "choices")
        );
        assert!(matches!(read(json!({"object": "list"})), Err(Failure::Malformed { .. })));
        assert!(matches!(read(json!([1])), Err(Failure::Malformed { .. })));
        for error in [json!({"error": {"message": "overloaded", "code": 1}}), json!({"error": "overloaded"})]
        {
            assert_eq!(read(error).unwrap_err(), Failure::Reported { message: "overloaded".into() });
        }
        let half = answer(json!({"content": "Hi"}), json!("stop")).to_string();
        for end in 0..half.len() {
            let failure = reply(&half.as_bytes()[..end]).unwrap_err();
            assert!(matches!(failure, Failure::Truncated { .. }), "{end}: {failure:?}");
        }
        assert!(matches!(reply(b"<html>"), Err(Failure::NotJson { .. })));
        assert!(matches!(reply(b"{\"a\": \"\xff\"}"), Err(Failure::NotJson { .. })));
        assert!(matches!(reply(b"{\"a\": \"\xc3"), Err(Failure::Truncated { .. })));
    }
}
