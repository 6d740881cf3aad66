//! Items made several at a time, and handed out in their order.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::chat::{Listener, Part};

/// How long an item is waited for before it is looked whether anybody still wants it.
const LOOK: Duration = Duration::from_millis(50);

/// Items on their way.
pub(super) struct Ahead<'a, T> {
    /// Items to be made.
    jobs: Sender<usize>,
    made: Receiver<(usize, T)>,
    /// Made before their turn.
    early: BTreeMap<usize, T>,
    /// The next to be begun; `None` before the first is asked for.
    begun: Option<usize>,
    count: usize,
    /// How many are begun before the first of them is handed out.
    most: usize,
    halt: &'a AtomicBool,
}

impl<T> Ahead<'_, T> {
    /// Item `at`, which must be one more than the last that was asked for. `None` where `stopped` says so first, or where making one has
    /// panicked, which is passed on.
    pub(super) fn next(&mut self, at: usize, stopped: &mut dyn FnMut() -> bool) -> Option<T> {
        let mut begun = self.begun.unwrap_or(at);
        while begun < self.count.min(at.saturating_add(self.most)) {
            self.jobs.send(begun).ok()?;
            begun += 1;
        }
        self.begun = Some(begun);
        loop {
            if let Some(made) = self.early.remove(&at) {
                return Some(made);
            }
            match self.made.recv_timeout(LOOK) {
                Ok((of, made)) => {
                    self.early.insert(of, made);
                }
                Err(RecvTimeoutError::Timeout) if stopped() || self.halt.load(Ordering::SeqCst) => {
                    return None;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }
}

/// Stops a model once nobody waits for it.
struct Halted<'a>(&'a AtomicBool);

impl Listener for Halted<'_> {
    fn hear(&mut self, _: Part<'_>) {}

    fn stopped(&mut self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Lets `take` ask for items of `count`, in order, each of which `make` makes; at most `at_once` are made at a time, and few are made that
/// nobody comes to ask for. When `take` is done, what is under way is stopped.
///
/// # Errors
///
/// What the system said where not one thread can be started; nothing was asked for then.
///
/// # Panics
/// Where `make` does.
pub(super) fn ahead<T: Send, R>(
    at_once: usize,
    count: usize,
    make: impl Fn(usize, &mut dyn Listener) -> T + Sync,
    take: impl FnOnce(&mut Ahead<'_, T>) -> R,
) -> io::Result<R> {
    ahead_on(|| thread::Builder::new().name("rubric".to_owned()), at_once, count, make, take)
}

/// [`ahead`] on threads of `builder`'s.
fn ahead_on<T: Send, R>(
    builder: impl Fn() -> thread::Builder,
    at_once: usize,
    count: usize,
    make: impl Fn(usize, &mut dyn Listener) -> T + Sync,
    take: impl FnOnce(&mut Ahead<'_, T>) -> R,
) -> io::Result<R> {
    // A server may take thousands of requests; threads beyond the items would make nothing.
    let at_once = at_once.clamp(1, count.max(1));
    let halt = AtomicBool::new(false);
    let (jobs, queue) = mpsc::channel();
    let (sender, made) = mpsc::channel();
    let queue = Mutex::new(queue);
    thread::scope(|scope| {
        for started in 0..at_once {
            let (sender, queue, halt, make) = (Sender::clone(&sender), &queue, &halt, &make);
            let work = move || {
                // One that panics stops the others, so that nobody waits for what it would have made.
                let _gone = Gone(halt);
                while let (false, Some(at)) = (halt.load(Ordering::SeqCst), next(queue)) {
                    if sender.send((at, make(at, &mut Halted(halt)))).is_err() {
                        return;
                    }
                }
            };
            match builder().spawn_scoped(scope, work) {
                Ok(_) => {}
                // Where the system has no more threads there are fewer.
                Err(_) if started > 0 => break,
                Err(error) => return Err(error),
            }
        }
        drop(sender);
        let most = at_once.saturating_mul(2);
        let mut ahead = Ahead { jobs, made, early: BTreeMap::new(), begun: None, count, most, halt: &halt };
        let taken = take(&mut ahead);
        halt.store(true, Ordering::SeqCst);
        Ok(taken)
    })
}

/// Halts everybody where a thread panics.
struct Gone<'a>(&'a AtomicBool);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::SeqCst);
        }
    }
}

/// The next item to be made; `None` where there will be no more.
fn next(queue: &Mutex<Receiver<usize>>) -> Option<usize> {
    // Nothing panics with the lock held.
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::{Barrier, Condvar};

    use super::*;
    use crate::chat::stalled::until_stopped;

    /// Longest wait for another item.
    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn items_come_in_order_whoever_is_first() {
        let runs: [(usize, usize, usize); 5] = [(1, 5, 0), (4, 20, 0), (4, 20, 7), (9, 3, 0), (3, 0, 0)];
        for (at_once, count, first) in runs {
            let (latest, begun) = (Mutex::new(first), Condvar::new());
            let make = |at: usize, _: &mut dyn Listener| {
                let mut latest = latest.lock().unwrap();
                *latest = at.max(*latest);
                begun.notify_all();
                // One in so many is late: another thread, which is done with a later item, has to begin with a next one.
                let overtaken = at + at_once;
                let late = at_once > 1 && (at - first).is_multiple_of(2 * at_once);
                if late && overtaken < count {
                    let early = |latest: &mut usize| *latest < overtaken;
                    let (_latest, waited) = begun.wait_timeout_while(latest, PATIENCE, early).unwrap();
                    assert!(!waited.timed_out(), "nobody overtakes {at}");
                }
                at * at
            };
            let made = ahead(at_once, count, make, |ahead| {
                (first..count).map(|at| ahead.next(at, &mut || false)).collect::<Vec<_>>()
            });
            let expected: Vec<_> = (first..count).map(|at| Some(at * at)).collect();
            assert_eq!(made.unwrap(), expected, "{at_once} {count} {first}");
        }
    }

    #[test]
    fn so_many_are_made_at_once_and_few_for_nobody() {
        // Each waits for three others, which never come if there are fewer at a time.
        let (barrier, begun) = (Barrier::new(4), AtomicUsize::new(0));
        let make = |at: usize, _: &mut dyn Listener| {
            begun.fetch_add(1, Ordering::SeqCst);
            if at < 4 {
                barrier.wait();
            }
        };
        ahead(4, 1000, make, |ahead| assert_eq!(ahead.next(0, &mut || false), Some(()))).unwrap();
        assert!(begun.into_inner() <= 8);
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_panic_is_passed_on_and_nobody_waits_for_ever() {
        let make = |at: usize, _: &mut dyn Listener| assert!(at < 2, "the third cannot be made");
        let all =
            ahead(2, 9, make, |ahead| (0..9).map(|at| ahead.next(at, &mut || false)).collect::<Vec<_>>());
        unreachable!("{all:?}");
    }

    #[test]
    fn whoever_stops_stops_what_is_under_way() {
        let make = |at: usize, listener: &mut dyn Listener| {
            if at > 0 {
                until_stopped(listener);
            }
        };
        let made = ahead(2, 4, make, |ahead| [0, 1].map(|at| ahead.next(at, &mut || at == 1)));
        assert_eq!(made.unwrap(), [Some(()), None]);
    }

    #[test]
    fn a_system_without_threads_is_no_stop() {
        // No machine has a stack of that size to give.
        let builder = || thread::Builder::new().stack_size(usize::MAX / 8);
        let make = |at: usize, _: &mut dyn Listener| at;
        let asked = AtomicBool::new(false);
        let made = ahead_on(builder, 2, 4, make, |ahead| {
            asked.store(true, Ordering::SeqCst);
            ahead.next(0, &mut || false)
        });
        let error = made.unwrap_err();
        assert!(!error.to_string().is_empty() && !asked.into_inner(), "{error}");
    }
}
