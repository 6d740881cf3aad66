//! Which server has read the beginning of which conversation.
//!
//! A server that has read a prompt need not read it again for the next request that begins in the same way, but two requests
//! that come together are both read in full. So the first of a conversation goes alone, and the others follow when it has been read.

use std::collections::HashMap;

use crate::chat::options::ConversationKey;

/// What is known of the conversations asked about last.
#[derive(Debug)]
pub(super) struct Prefixes {
    /// The most conversations remembered.
    most: usize,
    servers: usize,
    /// Requests so far, which tells what was used last.
    uses: u64,
    known: HashMap<ConversationKey, Known>,
}

#[derive(Debug)]
struct Known {
    used: u64,
    /// One for each server.
    stages: Vec<Stage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Unread,
    /// A request is there, and nothing was heard of it yet.
    Reading,
    Read,
}

impl Prefixes {
    /// For so many servers; `most` conversations are remembered, those that were asked about last.
    pub fn new(most: usize, servers: usize) -> Self {
        Self { most, servers, uses: 0, known: HashMap::new() }
    }

    /// Whether a request of the conversation waits before it goes to `server`: its beginning is being read there, or being read
    /// elsewhere for the first time.
    pub fn wait(&self, key: ConversationKey, server: usize) -> bool {
        let Some(known) = self.known.get(&key) else { return false };
        match known.stages.get(server) {
            Some(Stage::Reading) => true,
            Some(Stage::Read) | None => false,
            Some(Stage::Unread) => {
                known.stages.contains(&Stage::Reading) && !known.stages.contains(&Stage::Read)
            }
        }
    }

    /// A request of the conversation goes to `server`.
    pub fn begin(&mut self, key: ConversationKey, server: usize) {
        self.uses += 1;
        if !self.known.contains_key(&key) {
            self.make_room();
        }
        let unread = || Known { used: 0, stages: vec![Stage::Unread; self.servers] };
        let known = self.known.entry(key).or_insert_with(unread);
        known.used = self.uses;
        if let Some(stage) = known.stages.get_mut(server).filter(|it| **it == Stage::Unread) {
            *stage = Stage::Reading;
        }
    }

    /// `server` has read the beginning: it answers.
    pub fn read(&mut self, key: ConversationKey, server: usize) {
        if let Some(stage) = self.known.get_mut(&key).and_then(|known| known.stages.get_mut(server)) {
            *stage = Stage::Read;
        }
    }

    /// A request left `server`; what was not read by now is not being read any more.
    pub fn left(&mut self, key: ConversationKey, server: usize) {
        let Some(known) = self.known.get_mut(&key) else { return };
        if let Some(stage) = known.stages.get_mut(server).filter(|it| **it == Stage::Reading) {
            *stage = Stage::Unread;
        }
        if known.is_unread() {
            self.known.remove(&key);
        }
    }

    /// `server` is out of use, and what it has read may be lost.
    pub fn forget(&mut self, server: usize) {
        self.known.retain(|_, known| {
            if let Some(stage) = known.stages.get_mut(server) {
                *stage = Stage::Unread;
            }
            !known.is_unread()
        });
    }

    /// Forgets the conversation that was asked about the longest ago, where there are too many. One that is being read stays; there are
    /// only as many of these as there are requests at once. The search costs a moment beside the request that follows it.
    fn make_room(&mut self) {
        if self.known.len() < self.most {
            return;
        }
        let idle = self.known.iter().filter(|(_, known)| !known.stages.contains(&Stage::Reading));
        if let Some(key) = idle.min_by_key(|(_, known)| known.used).map(|(key, _)| *key) {
            self.known.remove(&key);
        }
    }
}

impl Known {
    fn is_unread(&self) -> bool {
        self.stages.iter().all(|stage| *stage == Stage::Unread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::message::Message;

    fn key(text: &str) -> ConversationKey {
        ConversationKey::of(&[Message::user(text)])
    }

    fn waits(prefixes: &Prefixes, text: &str) -> [bool; 2] {
        [0, 1].map(|server| prefixes.wait(key(text), server))
    }

    #[test]
    fn others_wait_for_the_first_and_then_for_the_first_at_each_server() {
        let mut prefixes = Prefixes::new(10, 2);
        assert_eq!(waits(&prefixes, "a"), [false, false]);
        prefixes.begin(key("a"), 0);
        assert_eq!((waits(&prefixes, "a"), waits(&prefixes, "b")), ([true, true], [false, false]));
        prefixes.read(key("a"), 0);
        assert_eq!(waits(&prefixes, "a"), [false, false]);
        prefixes.begin(key("a"), 0);
        assert_eq!(waits(&prefixes, "a"), [false, false], "what was read stays so");
        prefixes.begin(key("a"), 1);
        assert_eq!(waits(&prefixes, "a"), [false, true]);
    }

    #[test]
    fn a_first_that_fails_leaves_its_place_to_the_next() {
        let mut prefixes = Prefixes::new(10, 2);
        prefixes.begin(key("a"), 0);
        prefixes.left(key("a"), 0);
        assert_eq!(waits(&prefixes, "a"), [false, false]);
        assert!(prefixes.known.is_empty());
        prefixes.begin(key("a"), 0);
        prefixes.read(key("a"), 0);
        prefixes.left(key("a"), 0);
        prefixes.begin(key("a"), 0);
        assert_eq!(waits(&prefixes, "a"), [false, false], "one that was heard of has been read");
    }

    #[test]
    fn a_server_that_is_out_has_read_nothing() {
        let mut prefixes = Prefixes::new(10, 2);
        for text in ["a", "b"] {
            prefixes.begin(key(text), 0);
            prefixes.read(key(text), 0);
        }
        prefixes.begin(key("b"), 1);
        prefixes.forget(0);
        assert_eq!(prefixes.known.len(), 1);
        assert_eq!((waits(&prefixes, "a"), waits(&prefixes, "b")), ([false, false], [true, true]));
    }

    #[test]
    fn only_the_last_are_remembered() {
        let mut prefixes = Prefixes::new(3, 1);
        for text in ["a", "b", "c"] {
            prefixes.begin(key(text), 0);
            prefixes.read(key(text), 0);
        }
        prefixes.begin(key("a"), 0);
        for text in ["d", "e"] {
            prefixes.begin(key(text), 0);
            assert_eq!(prefixes.known.len(), 3);
        }
        for (text, known) in [("a", true), ("b", false), ("c", false), ("d", true), ("e", true)] {
            assert_eq!(prefixes.known.contains_key(&key(text)), known, "{text}");
        }
        // `d` and `e` are being read, and stay.
        prefixes.begin(key("f"), 0);
        prefixes.begin(key("g"), 0);
        assert_eq!(prefixes.known.len(), 4);
        assert!(["d", "e", "f", "g"].iter().all(|text| prefixes.known.contains_key(&key(text))));
    }
}
