//! A model whose places several threads share, each with a conversation of its own.

use std::collections::HashSet;
use std::panic;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::client::LOOK;
use super::error::ChatError;
use super::message::Message;
use super::model::{Asked, ChatModel, Listener};
use super::options::{ChatOptions, ConversationKey};
use super::reply::Reply;

/// A model that several threads ask for batches, each of one conversation. No more than so many requests run at once, whoever asks. The first request of
/// a conversation goes alone, and the others of its batch follow when it was answered, so that they find at the server what it has read.
///
/// A thread that begins another conversation waits in [`Pooled::admit`]: one is begun only when those before it leave a place free, so that a
/// server is not given many conversations at a time where one keeps it busy.
pub struct Pooled<'a> {
    model: &'a (dyn ChatModel + Sync),
    at_once: usize,
    places: Mutex<Places>,
    /// Told when a request has ended.
    changed: Condvar,
}

#[derive(Default)]
struct Places {
    /// Requests that run.
    running: usize,
    /// Requests of all batches that are not answered yet, and one for each batch that was admitted and is not there yet.
    open: usize,
    /// Batches that were admitted and are not there yet.
    admitted: usize,
    /// Conversations of which something was asked.
    begun: HashSet<ConversationKey>,
}

impl<'a> Pooled<'a> {
    /// `model`, asked for so many replies at once, at least 1.
    pub fn new(model: &'a (dyn ChatModel + Sync), at_once: usize) -> Self {
        Self { model, at_once: at_once.max(1), places: Mutex::default(), changed: Condvar::new() }
    }

    /// How many requests run at once, at most.
    pub fn at_once(&self) -> usize {
        self.at_once
    }

    /// Waits until a conversation may begin; false where `stopped` says that none is to begin any more. Whoever is admitted asks for a batch.
    pub fn admit(&self, stopped: &dyn Fn() -> bool) -> bool {
        let mut places = self.lock();
        loop {
            if stopped() {
                return false;
            }
            if places.open < self.at_once {
                places.open += 1;
                places.admitted += 1;
                return true;
            }
            places = self.look_again(places);
        }
    }

    /// A batch of so many requests is there.
    fn begin(&self, requests: usize) {
        let mut places = self.lock();
        places.open += requests;
        // It stands for itself now.
        if let Some(left) = places.admitted.checked_sub(1) {
            places.admitted = left;
            places.open -= 1;
        }
    }

    /// Waits for a place. Every request ends by the time limits of whoever answers it, so that one comes free.
    fn place(&self, listener: &mut dyn Listener) -> Result<Place<'_>, ChatError> {
        let mut places = self.lock();
        loop {
            if listener.stopped() {
                places.open -= 1;
                return Err(ChatError::Stopped);
            }
            if places.running < self.at_once {
                places.running += 1;
                return Ok(Place(self));
            }
            places = self.look_again(places);
        }
    }

    /// Whether nothing was asked of the conversation of `asked` before.
    fn is_first(&self, asked: &Asked) -> bool {
        asked.options.conversation.is_some_and(|key| self.lock().begun.insert(key))
    }

    fn ask(&self, asked: &Asked, _place: Place<'_>) -> Result<Reply, ChatError> {
        self.model.reply(&asked.messages, &asked.options, &mut ())
    }

    /// Asks on this thread what the system had no other for.
    fn ask_here(&self, asked: &Asked) -> Result<Reply, ChatError> {
        // With the other thread its place is gone.
        self.lock().open += 1;
        self.ask(asked, self.place(&mut ())?)
    }

    fn look_again<'b>(&'b self, places: MutexGuard<'b, Places>) -> MutexGuard<'b, Places> {
        // Poisoned or not, woken or not: the next round looks again.
        self.changed.wait_timeout(places, LOOK).unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        // The counts are right at every moment, whoever panicked.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that runs, until it is dropped.
struct Place<'a>(&'a Pooled<'a>);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut places = self.0.lock();
        places.running -= 1;
        places.open -= 1;
        drop(places);
        self.0.changed.notify_all();
    }
}

impl ChatModel for Pooled<'_> {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn inner(&self) -> Option<&dyn ChatModel> {
        Some(self.model)
    }

    fn reply(
        &self,
        messages: &[Message],
        options: &ChatOptions,
        listener: &mut dyn Listener,
    ) -> Result<Reply, ChatError> {
        self.begin(1);
        let _place = self.place(listener)?;
        self.model.reply(messages, options, listener)
    }

    fn replies(&self, asked: &[Asked]) -> Vec<Result<Reply, ChatError>> {
        self.begin(asked.len());
        thread::scope(|scope| {
            let mut answers = Vec::with_capacity(asked.len());
            for it in asked {
                answers.push(match self.place(&mut ()) {
                    Err(error) => Answer::there(Err(error)),
                    Ok(place) if self.is_first(it) => Answer::there(self.ask(it, place)),
                    Ok(place) => {
                        let thread = thread::Builder::new().name("chat-reply".to_owned());
                        match thread.spawn_scoped(scope, move || self.ask(it, place)) {
                            Ok(thread) => Answer::Coming(thread),
                            Err(_) => Answer::there(self.ask_here(it)),
                        }
                    }
                });
            }
            answers.into_iter().map(Answer::wait).collect()
        })
    }
}

/// A reply, or the thread that waits for it.
enum Answer<'scope> {
    There(Box<Result<Reply, ChatError>>),
    Coming(thread::ScopedJoinHandle<'scope, Result<Reply, ChatError>>),
}

impl Answer<'_> {
    fn there(answer: Result<Reply, ChatError>) -> Self {
        Self::There(Box::new(answer))
    }

    fn wait(self) -> Result<Reply, ChatError> {
        match self {
            Self::There(answer) => *answer,
            Self::Coming(thread) => thread.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::{Barrier, mpsc};

    use super::*;
    use crate::chat::reply::Finish;

    /// Answers with what it is asked, after `meet`, and remembers in which order it was asked.
    struct Echo<F> {
        meet: F,
        running: AtomicUsize,
        most: AtomicUsize,
        asked: Mutex<Vec<String>>,
    }

    impl<F: Fn(&str) + Sync> Echo<F> {
        fn new(meet: F) -> Self {
            Self { meet, running: AtomicUsize::new(0), most: AtomicUsize::new(0), asked: Mutex::default() }
        }
    }

    impl<F: Fn(&str) + Sync> ChatModel for Echo<F> {
        fn name(&self) -> &str {
            "echo"
        }

        fn reply(
            &self,
            messages: &[Message],
            _: &ChatOptions,
            _: &mut dyn Listener,
        ) -> Result<Reply, ChatError> {
            let said = messages[0].content.clone();
            self.most.fetch_max(self.running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            self.asked.lock().unwrap().push(said.clone());
            (self.meet)(&said);
            self.running.fetch_sub(1, Ordering::SeqCst);
            if said.ends_with('!') {
                return Err(ChatError::Stopped);
            }
            Ok(Reply { message: Message::assistant(said), finish: Finish::Stop, usage: None })
        }
    }

    /// Questions of one conversation.
    fn about(conversation: &str, questions: &[&str]) -> Vec<Asked> {
        let key = ConversationKey::of(&[Message::user(conversation)]);
        let options = ChatOptions { conversation: Some(key), ..ChatOptions::default() };
        let asked = |it: &&str| Asked { messages: vec![Message::user(*it)], options: options.clone() };
        questions.iter().map(asked).collect()
    }

    fn said(replies: Vec<Result<Reply, ChatError>>) -> Vec<Option<String>> {
        replies.into_iter().map(|it| it.ok().map(|it| it.message.content)).collect()
    }

    #[test]
    fn the_first_of_a_conversation_goes_alone_and_the_rest_together() {
        // The first leaves the others time to come, who wait for each other.
        let (together, read) = (Barrier::new(3), AtomicBool::new(false));
        let echo = Echo::new(|said: &str| {
            if said == "a" {
                (0..10_000).for_each(|_| thread::yield_now());
                read.store(true, Ordering::SeqCst);
            } else {
                assert!(read.load(Ordering::SeqCst), "{said} was asked before the first was read");
                together.wait();
            }
        });
        let pooled = Pooled::new(&echo, 3);
        let replies = said(pooled.replies(&about("x", &["a", "b", "c!", "d"])));
        assert_eq!(replies, [Some("a".into()), Some("b".into()), None, Some("d".into())]);
        assert_eq!(echo.most.load(Ordering::SeqCst), 3);
        // Of what was read before none goes alone: these three only end if they are there together.
        assert_eq!(pooled.replies(&about("x", &["e", "f", "g"])).len(), 3);
    }

    #[test]
    fn threads_share_the_places() {
        // Four first requests of four conversations are there at once, and never more.
        let four = Barrier::new(4);
        let echo = Echo::new(|_: &str| {
            four.wait();
        });
        let pooled = Pooled::new(&echo, 4);
        thread::scope(|scope| {
            for number in 0..8 {
                let pooled = &pooled;
                scope.spawn(move || {
                    assert!(pooled.admit(&|| false));
                    let replies = said(pooled.replies(&about(&number.to_string(), &["Hm?"])));
                    assert_eq!(replies, [Some("Hm?".into())]);
                });
            }
        });
        assert_eq!((echo.asked.lock().unwrap().len(), echo.most.load(Ordering::SeqCst)), (8, 4));
        assert_eq!(pooled.lock().open, 0);
    }

    #[test]
    fn a_conversation_begins_when_those_before_it_leave_a_place() {
        // Each request waits until it is let go.
        let (go, gate) = mpsc::channel::<()>();
        let (gate, (here, arrived)) = (Mutex::new(gate), mpsc::channel::<()>());
        let here = Mutex::new(here);
        let echo = Echo::new(|_: &str| {
            here.lock().unwrap().send(()).unwrap();
            gate.lock().unwrap().recv().unwrap();
        });
        let pooled = Pooled::new(&echo, 2);
        // Asked so often in vain whether to stop, it would wait on.
        let full = || {
            let looks = AtomicUsize::new(0);
            !pooled.admit(&|| looks.fetch_add(1, Ordering::SeqCst) > 1)
        };
        thread::scope(|scope| {
            assert!(pooled.admit(&|| false));
            let batch = scope.spawn(|| pooled.replies(&about("x", &["a", "b", "c"])));
            arrived.recv().unwrap();
            assert!(full(), "three are open");
            go.send(()).unwrap();
            arrived.recv().unwrap();
            arrived.recv().unwrap();
            assert!(full(), "two are open");
            go.send(()).unwrap();
            go.send(()).unwrap();
            assert_eq!(batch.join().unwrap().len(), 3);
        });
        assert!(!full());
    }
}
