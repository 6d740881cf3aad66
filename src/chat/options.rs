//! How a reply is to be made.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::chat::digest;
use crate::chat::message::{Message, Role};
use crate::chat::schema::ReplySchema;

/// What many requests have in common at their beginning, so that a model which read it once need not read it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConversationKey(u64);

impl ConversationKey {
    /// The key of requests that all begin with `messages`: the same on every machine.
    pub fn of(messages: &[Message]) -> Self {
        let mut hash = Sha256::new();
        for message in messages {
            let role = message.role.as_str();
            for part in [role, &message.content] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        Self(digest::number(hash))
    }

    /// The key of a conversation that goes on: of its messages up to the first of the user, with which each later turn begins too.
    pub fn of_dialogue(messages: &[Message]) -> Self {
        let first = messages.iter().position(|message| message.role == Role::User);
        Self::of(first.and_then(|at| messages.get(..=at)).unwrap_or(messages))
    }

    /// The key as a number.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Settings of one reply. What is `None` is left to the model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatOptions {
    /// The most new tokens.
    pub max_tokens: Option<usize>,
    /// Divides the logits; 0 takes the likeliest token.
    pub temperature: Option<f32>,
    /// The likeliest tokens that together reach this probability are kept.
    pub top_p: Option<f32>,
    /// Seed of the draws.
    pub seed: Option<u64>,
    /// Whether a server is to send the reply in parts while it is made.
    pub stream: bool,
    /// What the reply must look like. A model that cannot hold a reply to it
    /// ([`ChatModel::constrains`](crate::chat::ChatModel::constrains)) ignores it; [`structured::ask`](crate::chat::structured::ask)
    /// works with either kind.
    pub schema: Option<Arc<ReplySchema>>,
    /// What the conversation begins with as other requests do. It changes no answer, only who is asked and how fast.
    pub conversation: Option<ConversationKey>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialogue_keeps_its_key_and_another_has_its_own() {
        let turns = [
            Message::system("Be brief."),
            Message::user("Hi"),
            Message::assistant("Hello"),
            Message::user("Well?"),
        ];
        let key = ConversationKey::of(&turns[..2]);
        for end in 2..=4 {
            assert_eq!(ConversationKey::of_dialogue(&turns[..end]), key, "{end}");
        }
        assert_ne!(ConversationKey::of_dialogue(&turns[1..]), key);
        assert_eq!(ConversationKey::of_dialogue(&turns[..1]), ConversationKey::of(&turns[..1]));
        assert_eq!(ConversationKey::of_dialogue(&[]), ConversationKey::of(&[]));
    }

    #[test]
    fn where_one_message_ends_is_part_of_the_key() {
        let key = |texts: &[&str]| {
            ConversationKey::of(&texts.iter().copied().map(Message::user).collect::<Vec<_>>())
        };
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(ConversationKey::of(&[Message::assistant("ab")]), key(&["ab"]));
    }
}
