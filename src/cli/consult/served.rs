//! A model as the doctor.

use serde::Serialize;

use super::input::LONGEST;
use super::session::{Goes, Session};
use crate::chat::client::ServerFigures;
use crate::chat::{ChatError, ChatModel, ChatOptions, ConversationKey, Finish, Usage};
use crate::cli::interrupt::Waiting;
use crate::cli::server::summarise;
use crate::cli::{CommandResult, terminal};
use crate::data::consultation::DOCTOR_PROMPT;
use crate::data::split_thinking;

/// Most new tokens of one message.
const MAX_TOKENS: usize = 512;

/// Which model was the doctor.
#[derive(Serialize)]
pub struct Doctor {
    model: String,
    /// Tokens of all its messages; absent where one was not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    /// What was asked of each server; absent of a model of this process.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    servers: Vec<ServerFigures>,
}

impl Session<'_> {
    /// Lets `model` be the doctor until the consultation ends; Ctrl-C ends it as the end of the input does. A message that the model
    /// does not give is an error, so that nothing is marked which it did not say.
    pub fn served(&mut self, model: &dyn ChatModel) -> CommandResult {
        let mut usage = Some(Usage::default());
        loop {
            // Each message draws anew, and the whole consultation repeats with the seed as far as the server does.
            let seed = self.arguments.seed.wrapping_add(self.consultation.turns.len() as u64);
            let messages = self.patient.messages(&self.consultation, Some(DOCTOR_PROMPT));
            let options = ChatOptions {
                max_tokens: Some(MAX_TOKENS),
                temperature: Some(0.0),
                seed: Some(seed),
                conversation: Some(ConversationKey::of_dialogue(&messages)),
                ..ChatOptions::default()
            };
            let reply = match model.reply(&messages, &options, &mut Waiting(&self.interrupt)) {
                Err(ChatError::Stopped) => break,
                other => other?,
            };
            match (&mut usage, reply.usage) {
                (Some(sum), Some(more)) => *sum += more,
                (sum, _) => *sum = None,
            }
            if reply.finish == Finish::Length {
                terminal::line(&format!("note: the doctor's message was cut off after {MAX_TOKENS} tokens"));
            }
            let message = split_thinking(&reply.message.content).1.trim();
            if message.len() > LONGEST {
                let bytes = message.len();
                return Err(
                    format!("the doctor's message has {bytes} bytes, at most {LONGEST} are read").into()
                );
            }
            self.show(&format!("doctor: {message}\n"))?;
            if self.say(message)? == Goes::Out {
                break;
            }
        }
        // Those of a file may have more to do, and are summed up at the end.
        if self.opened.is_none() {
            summarise(model);
        }
        self.doctor = Some(Doctor { model: model.name().to_owned(), usage, servers: model.servers() });
        Ok(())
    }
}
