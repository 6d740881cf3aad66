//! Several conversations answered at once.

use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::error::ChatError;
use super::model::Asked;
use super::reply::Reply;

/// Answers all of `asked`, at most `at_once` at a time and in that order as far as they wait for each other; the answers are in the same
/// order.
pub(super) fn together(
    asked: &[Asked],
    at_once: usize,
    reply: impl Fn(&Asked) -> Result<Reply, ChatError> + Sync,
) -> Vec<Result<Reply, ChatError>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(it) = asked.get(at) else { return done };
            done.push((at, reply(it)));
        }
    };
    let mut done = thread::scope(|scope| {
        let others = at_once.min(asked.len()).saturating_sub(1);
        // Where the system has no more threads there are fewer at a time, this one at least.
        let others: Vec<_> = (0..others)
            .map_while(|_| {
                thread::Builder::new().name("chat-reply".to_owned()).spawn_scoped(scope, work).ok()
            })
            .collect();
        let mut done = work();
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panicked) => panic::resume_unwind(panicked),
            }
        }
        done
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, reply)| reply).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;
    use crate::chat::message::Message;
    use crate::chat::reply::Finish;

    fn asked(count: usize) -> Vec<Asked> {
        (0..count)
            .map(|it| Asked { messages: vec![Message::user(it.to_string())], ..Asked::default() })
            .collect()
    }

    fn echo(asked: &Asked) -> Result<Reply, ChatError> {
        let said = &asked.messages[0].content;
        match said.as_str() {
            "1" => Err(ChatError::Stopped),
            _ => Ok(Reply { message: Message::assistant(said), finish: Finish::Stop, usage: None }),
        }
    }

    fn said(replies: Vec<Result<Reply, ChatError>>) -> Vec<Option<String>> {
        replies.into_iter().map(|it| it.ok().map(|it| it.message.content)).collect()
    }

    #[test]
    fn order_is_kept_and_a_failure_stays_alone() {
        for (count, at_once) in [(0, 4), (1, 4), (20, 1), (20, 4), (3, 100)] {
            let expected: Vec<_> = (0..count).map(|it| (it != 1).then(|| it.to_string())).collect();
            assert_eq!(said(together(&asked(count), at_once, echo)), expected, "{count} {at_once}");
        }
    }

    #[test]
    fn so_many_are_answered_at_once() {
        // Each waits for three others, which never come if there are fewer at a time.
        let (barrier, running, most) = (Barrier::new(4), AtomicUsize::new(0), AtomicUsize::new(0));
        together(&asked(20), 4, |it| {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            barrier.wait();
            running.fetch_sub(1, Ordering::SeqCst);
            echo(it)
        });
        assert_eq!(most.into_inner(), 4);
    }
}
