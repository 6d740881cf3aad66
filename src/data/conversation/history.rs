//! A consultation as it goes on.

use super::error::{ConversationError, Expected};
use super::format::DialogueFormat;

/// A consultation as ids, growing turn by turn. What is there is never written again, so each prompt begins with the
/// one before it and the reply to it, token for token: a sampler can keep what it computed.
///
/// Cloning one branches it: each of several replies to the same history can be carried on.
#[derive(Debug, Clone)]
pub struct History {
    format: DialogueFormat,
    ids: Vec<u32>,
    next: Expected,
}

impl History {
    /// A consultation in which nobody has spoken.
    pub fn new(format: &DialogueFormat) -> Self {
        Self { ids: format.opening().to_vec(), format: format.clone(), next: Expected::Patient }
    }

    /// A consultation that stood at a reply, from the [`Self::begin_reply`] of that moment.
    pub fn resume(format: &DialogueFormat, prompt: Vec<u32>) -> Self {
        Self { ids: prompt, format: format.clone(), next: Expected::Reply }
    }

    /// The patient speaks; a reply comes next.
    pub fn patient(&mut self, text: &str) -> Result<&mut Self, ConversationError> {
        self.expect(Expected::Patient)?;
        let words = self.format.words(text)?;
        self.ids.extend(words);
        self.ids.extend(self.format.header());
        self.next = Expected::Reply;
        Ok(self)
    }

    /// The prompt of the reply that comes next: everything up to its first token.
    pub fn begin_reply(&self) -> Result<&[u32], ConversationError> {
        self.expect(Expected::Reply)?;
        Ok(&self.ids)
    }

    /// The doctor's reply, as it was sampled. The turn ends as the template ends it: a reply that was cut off, or that
    /// ended with another token (`<|endoftext|>`), gets that end here, in what later replies read. What is trained is
    /// the reply itself, which its trace holds. Thoughts in a reply stay, even where the template would leave them out
    /// of later prompts.
    pub fn reply(&mut self, sampled: &[u32]) -> Result<&mut Self, ConversationError> {
        self.expect(Expected::Reply)?;
        self.ids.extend(self.format.body(sampled));
        self.ids.push(self.format.end());
        self.ids.extend(self.format.between());
        self.next = Expected::Patient;
        Ok(self)
    }

    /// A reply given as text, by somebody who is no model of this vocabulary. Its ids, the end included, are returned.
    pub fn say(&mut self, text: &str) -> Result<Vec<u32>, ConversationError> {
        let mut ids = self.format.words(text)?;
        ids.push(self.format.end());
        self.reply(&ids)?;
        Ok(ids)
    }

    /// All ids so far.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Whose words come next.
    pub fn next(&self) -> Expected {
        self.next
    }

    /// How the conversation is written.
    pub fn format(&self) -> &DialogueFormat {
        &self.format
    }

    fn expect(&self, given: Expected) -> Result<(), ConversationError> {
        let expected = self.next;
        if given == expected { Ok(()) } else { Err(ConversationError::Order { given, expected }) }
    }
}
