//! A reply that is JSON of a given shape, from any chat model.
//!
//! A model that holds replies to a schema is given it. Any other is told in words. Either is checked, and asked again with what was
//! wrong.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::chat::error::{ChatError, excerpt};
use crate::chat::message::{Message, Role};
use crate::chat::model::{ChatModel, Listener, Silent};
use crate::chat::options::ChatOptions;
use crate::chat::reply::{Finish, Reply};
use crate::chat::schema::ReplySchema;

/// The most characters of a reply that could not be read which its model is shown again: more than any unit's reply has. A server that
/// sends megabytes is not sent them back, once for each time that it is asked again.
const MOST_SHOWN: usize = 20_000;

/// A reply and the JSON it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Structured<T = Value> {
    /// The reply as it was given, perhaps within a code fence.
    pub reply: Reply,
    /// Its JSON, which is as the schema says.
    pub value: T,
}

/// Asks for a reply as `options.schema` says, at most `again` times more when it is not. Without a schema any JSON is taken.
/// `listener` can stop it, and hears nothing: what is heard early may be refused. What is refused is kept by no cache.
///
/// # Errors
///
/// [`ChatError::NotAsAsked`] when no reply is as asked, and whatever the model gives.
pub fn ask(
    model: &dyn ChatModel,
    messages: &[Message],
    options: &ChatOptions,
    again: usize,
    listener: &mut dyn Listener,
) -> Result<Structured, ChatError> {
    ask_as(model, messages, options, again, listener)
}

/// [`ask`] for a reply that is a `T`, too.
///
/// # Errors
///
/// As [`ask`]; a value that the schema allows and `T` does not is not as asked.
pub fn ask_as<T: DeserializeOwned>(
    model: &dyn ChatModel,
    messages: &[Message],
    options: &ChatOptions,
    again: usize,
    listener: &mut dyn Listener,
) -> Result<Structured<T>, ChatError> {
    let options = ChatOptions { stream: false, ..options.clone() };
    let mut listener = Silent(listener);
    let mut conversation = messages.to_vec();
    let mut told = !model.constrains();
    if told {
        tell(&mut conversation, options.schema.as_deref());
    }
    let mut asked = 0;
    loop {
        let reply = match model.reply(&conversation, &options, &mut listener) {
            // The model has just learned that its server cannot: asked in words, this was no try.
            Err(_) if !told && !model.constrains() => {
                told = true;
                tell(&mut conversation, options.schema.as_deref());
                continue;
            }
            other => other?,
        };
        asked += 1;
        if reply.finish == Finish::Stopped {
            return Err(ChatError::Stopped);
        }
        let value = read(&reply, options.schema.as_deref());
        let problem = match value.and_then(|it| serde_json::from_value(it).map_err(|it| it.to_string())) {
            Ok(value) => return Ok(Structured { reply, value }),
            Err(problem) => problem,
        };
        model.forget(&conversation, &options)?;
        if asked > again {
            return Err(ChatError::NotAsAsked { asked, problem, said: excerpt(&reply.message.content) });
        }
        correct(&mut conversation, reply, &problem, options.schema.as_deref());
    }
}

/// What is asked for, in words.
fn rules(schema: Option<&ReplySchema>) -> String {
    let plain = "Reply with one JSON value and nothing else, no explanation and no code fence.";
    match schema {
        Some(schema) => format!("{plain} It must match this JSON schema: {}", schema.json()),
        None => plain.to_owned(),
    }
}

/// Says what was wrong with a reply, so that it is asked for again.
pub(crate) fn correct(
    conversation: &mut Vec<Message>,
    reply: Reply,
    problem: &str,
    schema: Option<&ReplySchema>,
) {
    let rules = rules(schema);
    conversation.push(Message::assistant(shown(reply.message.content)));
    conversation.push(Message::user(format!("That cannot be read: {problem}. {rules}")));
}

/// A reply's content, or its beginning where it is very long.
fn shown(mut content: String) -> String {
    if let Some((end, _)) = content.char_indices().nth(MOST_SHOWN) {
        content.truncate(end);
        content.push_str(" ..");
        content.shrink_to_fit();
    }
    content
}

/// Adds the rules to the last message of the user: some templates take no system message, and none takes two users in a row.
pub(crate) fn tell(conversation: &mut Vec<Message>, schema: Option<&ReplySchema>) {
    let rules = rules(schema);
    match conversation.last_mut().filter(|message| message.role == Role::User) {
        Some(message) => message.content.push_str(&format!("\n\n{rules}")),
        None => conversation.push(Message::user(rules)),
    }
}

/// What is said of a reply whose end is missing.
pub(crate) const CUT_OFF: &str = " (it was cut off at the limit of tokens)";

/// The JSON of a reply, or what is wrong with it.
pub(crate) fn read(reply: &Reply, schema: Option<&ReplySchema>) -> Result<Value, String> {
    let cut = if reply.finish == Finish::Length { CUT_OFF } else { "" };
    let value: Value = serde_json::from_str(unfenced(&reply.message.content))
        .map_err(|error| format!("it is not JSON: {error}{cut}"))?;
    if let Some(schema) = schema {
        schema.check(&value).map_err(|mismatch| mismatch.to_string())?;
    }
    Ok(value)
}

/// The text within one code fence, or the text.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let inside = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    match inside.and_then(|inside| inside.split_once('\n')) {
        Some((_, inside)) => inside.trim(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    /// Says what it was given to say, in order, and remembers what it was asked.
    struct Parrot {
        says: RefCell<Vec<Result<(&'static str, Finish), ()>>>,
        asked: RefCell<Vec<Vec<Message>>>,
        forgotten: RefCell<Vec<Vec<Message>>>,
        constrains: Cell<bool>,
    }

    impl Parrot {
        fn new(constrains: bool, says: &[Result<(&'static str, Finish), ()>]) -> Self {
            let says = says.iter().rev().copied().collect();
            Self {
                says: RefCell::new(says),
                asked: RefCell::default(),
                forgotten: RefCell::default(),
                constrains: Cell::new(constrains),
            }
        }
    }

    impl ChatModel for Parrot {
        fn name(&self) -> &str {
            "parrot"
        }

        fn constrains(&self) -> bool {
            self.constrains.get()
        }

        fn reply(
            &self,
            messages: &[Message],
            _: &ChatOptions,
            _: &mut dyn Listener,
        ) -> Result<Reply, ChatError> {
            self.asked.borrow_mut().push(messages.to_vec());
            match self.says.borrow_mut().pop().unwrap() {
                Ok((said, finish)) => Ok(Reply { message: Message::assistant(said), finish, usage: None }),
                Err(()) => {
                    self.constrains.set(false);
                    Err(ChatError::Stopped)
                }
            }
        }

        fn forget(&self, messages: &[Message], _: &ChatOptions) -> Result<(), ChatError> {
            self.forgotten.borrow_mut().push(messages.to_vec());
            Ok(())
        }
    }

    fn options() -> ChatOptions {
        let schema = json!({"type": "object", "properties": {"met": {"type": "boolean"}},
            "required": ["met"], "additionalProperties": false});
        ChatOptions {
            schema: Some(Arc::new(ReplySchema::new("verdict", schema).unwrap())),
            ..ChatOptions::default()
        }
    }

    fn asked(parrot: &Parrot, again: usize) -> Result<Value, ChatError> {
        ask(parrot, &[Message::user("Well?")], &options(), again, &mut ()).map(|it| it.value)
    }

    const GOOD: Result<(&str, Finish), ()> = Ok(("{\"met\": true}", Finish::Stop));

    #[test]
    fn a_model_that_constrains_is_not_told_in_words() {
        let parrot = Parrot::new(true, &[GOOD]);
        assert_eq!(asked(&parrot, 0).unwrap(), json!({"met": true}));
        assert_eq!(parrot.asked.borrow()[..], [vec![Message::user("Well?")]]);
    }

    #[test]
    fn any_other_is_told_and_asked_again_with_what_is_wrong() {
        let fenced = Ok(("```json\n{\"met\": false}\n```", Finish::Stop));
        let parrot =
            Parrot::new(false, &[Ok(("Yes.", Finish::Stop)), Ok(("{\"met\": 1}", Finish::Stop)), fenced]);
        assert_eq!(asked(&parrot, 2).unwrap(), json!({"met": false}));
        let asked = parrot.asked.borrow();
        assert!(asked[0][0].content.starts_with("Well?\n\nReply with one JSON value"), "{:?}", asked[0]);
        assert!(asked[0][0].content.contains("\"required\":[\"met\"]"), "{:?}", asked[0]);
        let last: Vec<&str> = asked[2].iter().map(|it| it.content.as_str()).collect();
        assert_eq!((last.len(), last[1], last[3]), (5, "Yes.", "{\"met\": 1}"));
        assert!(last[2].contains("not JSON") && last[4].contains("$.met"), "{last:?}");
        // What was refused is not kept, and what was taken is.
        assert_eq!(parrot.forgotten.borrow()[..], asked[..2]);
    }

    #[test]
    fn what_the_schema_allows_and_the_type_does_not_is_asked_for_again() {
        let schema = json!({"type": "integer"});
        let schema = Some(Arc::new(ReplySchema::new("points", schema).unwrap()));
        let options = ChatOptions { schema, ..ChatOptions::default() };
        let parrot = Parrot::new(true, &[Ok(("300", Finish::Stop)), Ok(("3", Finish::Stop))]);
        let points = ask_as::<i8>(&parrot, &[Message::user("How many?")], &options, 1, &mut ());
        assert_eq!(points.unwrap().value, 3);
        assert!(parrot.asked.borrow()[1][2].content.contains("300"), "{:?}", parrot.asked.borrow());
        assert_eq!(parrot.forgotten.borrow().len(), 1);
        let parrot = Parrot::new(true, &[Ok(("300", Finish::Stop))]);
        let refused = ask_as::<i8>(&parrot, &[Message::user("How many?")], &options, 0, &mut ());
        assert!(matches!(refused, Err(ChatError::NotAsAsked { asked: 1, .. })));
    }

    #[test]
    fn a_server_that_cannot_is_found_out_at_no_cost() {
        let parrot = Parrot::new(true, &[Err(()), GOOD]);
        assert_eq!(asked(&parrot, 0).unwrap(), json!({"met": true}));
        assert!(parrot.asked.borrow()[1][0].content.contains("JSON schema"));
    }

    #[test]
    fn a_flood_is_not_sent_back() {
        assert_eq!(shown("é".repeat(MOST_SHOWN)), "é".repeat(MOST_SHOWN));
        assert_eq!(shown("é".repeat(MOST_SHOWN + 1)), format!("{} ..", "é".repeat(MOST_SHOWN)));
    }

    #[test]
    fn it_gives_up_and_says_what_was_said() {
        let cut = Ok(("{\"met\": tr", Finish::Length));
        match asked(&Parrot::new(false, &[cut, cut]), 1) {
            Err(ChatError::NotAsAsked { asked: 2, problem, said }) => {
                assert!(problem.contains("cut off"), "{problem}");
                assert_eq!(said, "{\"met\": tr");
            }
            other => panic!("{other:?}"),
        }
        let stopped = Parrot::new(false, &[Ok(("{\"met\": true}", Finish::Stopped))]);
        assert!(matches!(asked(&stopped, 1), Err(ChatError::Stopped)));
    }
}
