//! Which server a conversation belongs to.
//!
//! Rendezvous hashing (Thaler and Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM Transactions on Networking 6(1),
//! 1998): each server has a weight for each conversation, and the conversation prefers the heaviest. A server that comes or goes so
//! moves its own conversations only, and needs no table that several processes would have to share.

use std::cmp::Reverse;

use sha2::{Digest, Sha256};

use crate::chat::digest;
use crate::chat::options::ConversationKey;

/// The places of servers in the order in which a conversation prefers them, whatever order they are named in.
pub(super) fn order<'a>(names: impl IntoIterator<Item = &'a str>, key: ConversationKey) -> Vec<usize> {
    let mut order: Vec<_> =
        names.into_iter().enumerate().map(|(at, name)| (Reverse(weight(name, key)), name, at)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, _, at)| at).collect()
}

/// The weight of a server for a conversation: the first 8 bytes of SHA-256 of both. It is the same on every machine.
fn weight(name: &str, key: ConversationKey) -> u64 {
    digest::number(Sha256::new().chain_update(name).chain_update(key.number().to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chat::message::Message;

    fn key(number: usize) -> ConversationKey {
        ConversationKey::of(&[Message::user(number.to_string())])
    }

    fn named(names: &[String], key: ConversationKey) -> Vec<&str> {
        order(names.iter().map(String::as_str), key).into_iter().map(|at| names[at].as_str()).collect()
    }

    proptest! {
        /// All of the order, not its first place only: so it is known where each conversation goes.
        #[test]
        fn a_server_that_goes_moves_its_own_conversations_only(
            count in 2usize..9, gone in 0usize..9, keys in prop::collection::vec(0usize..1_000_000, 1..50),
        ) {
            let names: Vec<String> = (0..count).map(|it| format!("http://10.0.0.{it}:8000/v1")).collect();
            let gone = &names[gone % count];
            let left: Vec<String> = names.iter().filter(|it| *it != gone).cloned().collect();
            for key in keys.into_iter().map(key) {
                let (before, after) = (named(&names, key), named(&left, key));
                let kept: Vec<&str> = before.iter().copied().filter(|it| it != gone).collect();
                prop_assert_eq!(&kept, &after);
                if before[0] != gone {
                    prop_assert_eq!(before[0], after[0]);
                }
            }
        }

        #[test]
        fn the_order_of_naming_does_not_matter(count in 1usize..9, number in 0usize..1_000_000) {
            let names: Vec<String> = (0..count).map(|it| format!("http://10.0.0.{it}:8000/v1")).collect();
            let turned: Vec<String> = names.iter().rev().cloned().collect();
            prop_assert_eq!(named(&names, key(number)), named(&turned, key(number)));
        }
    }

    #[test]
    fn conversations_are_spread_evenly() {
        let names: Vec<String> = (0..5).map(|it| format!("http://10.0.0.{it}:8000/v1")).collect();
        let mut counts = [0; 5];
        for number in 0..10_000 {
            counts[order(names.iter().map(String::as_str), key(number))[0]] += 1;
        }
        // 2000 each, with a standard deviation of 40.
        assert!(counts.iter().all(|it| (1800..2200).contains(it)), "{counts:?}");
    }
}
