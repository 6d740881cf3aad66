//! One turn of a conversation, in the JSON shape every OpenAI-compatible server speaks.
//!
//! A conversation is a plain `Vec<Message>` (or `&[Message]`): it has no invariant of its own that a newtype could
//! keep, since each chat template decides which orders of roles it accepts.

use std::fmt;

use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions that stand above the conversation. OpenAI's newer name `developer` is read as this.
    #[serde(alias = "developer")]
    System,
    /// The person (in osler: the patient, or whoever asks).
    User,
    /// The model being trained or asked.
    Assistant,
    /// The result of a tool the assistant called.
    Tool,
}

impl Role {
    /// The lower-case name used in JSON and in chat templates.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said. `null` (a server's answer that is only tool calls) reads as empty; a list of text parts reads as
    /// their concatenation; parts of any other kind are refused, since nothing here could show them to a model.
    #[serde(default, deserialize_with = "content")]
    pub content: String,
    /// What the assistant thought before it answered, without the `<think>` marks.
    #[serde(
        rename = "reasoning_content",
        alias = "reasoning",
        alias = "thinking",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub thinking: Option<String>,
    /// Tool calls as the server or the caller wrote them; templates read them, osler does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Value>,
    /// Which call a tool message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// The speaker's or the tool's name, where one is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Message {
    /// A message of `role` saying `content`, and nothing else.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Message {
            role,
            content: content.into(),
            thinking: None,
            tool_calls: None,
            tool_call_id: None,
            name: None,
        }
    }

    /// A system message.
    pub fn system(content: impl Into<String>) -> Self {
        Message::new(Role::System, content)
    }

    /// A user message.
    pub fn user(content: impl Into<String>) -> Self {
        Message::new(Role::User, content)
    }

    /// An assistant message.
    pub fn assistant(content: impl Into<String>) -> Self {
        Message::new(Role::Assistant, content)
    }

    /// A tool's result.
    pub fn tool(content: impl Into<String>) -> Self {
        Message::new(Role::Tool, content)
    }

    /// The same message with the thinking that came before it.
    pub fn with_thinking(mut self, thinking: impl Into<String>) -> Self {
        self.thinking = Some(thinking.into());
        self
    }
}

/// Reads `content` as a string, `null`, or a list of text parts.
fn content<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Content;

    /// One element of OpenAI's list form of `content`.
    #[derive(Deserialize)]
    struct Part {
        r#type: String,
        #[serde(default)]
        text: Option<String>,
    }

    impl<'de> Visitor<'de> for Content {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string, null or a list of {\"type\": \"text\", \"text\": ...} parts")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_string<E: de::Error>(self, text: String) -> Result<String, E> {
            Ok(text)
        }

        fn visit_unit<E: de::Error>(self) -> Result<String, E> {
            Ok(String::new())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<String, A::Error> {
            let mut text = String::new();
            while let Some(part) = parts.next_element::<Part>()? {
                match (part.r#type.as_str(), part.text) {
                    ("text", Some(piece)) => text.push_str(&piece),
                    ("text", None) => return Err(de::Error::missing_field("text")),
                    (other, _) => {
                        return Err(de::Error::custom(format!(
                            "content part of type \"{other}\" is not supported, only \"text\" is"
                        )));
                    }
                }
            }
            Ok(text)
        }
    }

    deserializer.deserialize_any(Content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_what_servers_send() {
        let message: Message = serde_json::from_value(json!({
            "role": "assistant", "content": null, "refusal": null, "reasoning": "hm",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "bmi", "arguments": "{}"}}]
        }))
        .unwrap();
        assert_eq!(message.content, "");
        assert_eq!(message.thinking.as_deref(), Some("hm"));
        assert!(message.tool_calls.is_some());
        let parts: Message = serde_json::from_value(json!({
            "role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
        }))
        .unwrap();
        assert_eq!((parts.role, parts.content.as_str()), (Role::System, "ab"));
    }

    #[test]
    fn refuses_what_it_cannot_show() {
        for bad in [
            json!({"role": "doctor", "content": "x"}),
            json!({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}),
            json!({"role": "user", "content": [{"type": "text"}]}),
            json!({"role": "user", "content": 3}),
            json!({"content": "no role"}),
        ] {
            assert!(serde_json::from_value::<Message>(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn writes_no_empty_fields() {
        let json = serde_json::to_string(&Message::user("hi")).unwrap();
        assert_eq!(json, r#"{"role":"user","content":"hi"}"#);
        let json = serde_json::to_string(&Message::assistant("a").with_thinking("t")).unwrap();
        assert_eq!(json, r#"{"role":"assistant","content":"a","reasoning_content":"t"}"#);
    }
}
