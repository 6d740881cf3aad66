//! How fast requests follow each other.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::clock::Clock;
use super::error::{Failure, Wait};
use super::settings::Limits;
use super::transport::{Halt, LOOK};
use crate::chat::model::Listener;

const MINUTE: Duration = Duration::from_secs(60);

/// Lets requests begin as the limits allow: so many at once, and so many requests and tokens within any minute.
#[derive(Debug)]
pub(super) struct Pace {
    limits: Limits,
    state: Mutex<State>,
    /// Told when a request has ended.
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    /// Requests begun within the last minute, oldest first.
    recent: VecDeque<Begun>,
    /// How many have begun.
    count: u64,
}

#[derive(Debug)]
struct Begun {
    id: u64,
    at: Instant,
    tokens: u64,
}

/// A request's turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pace: &'a Pace,
    id: u64,
}

/// What a request waits for.
enum Need {
    Nothing,
    /// The end of another.
    End,
    /// A moment.
    Moment(Instant),
}

impl Pace {
    pub fn new(limits: Limits) -> Self {
        Self { limits, state: Mutex::default(), freed: Condvar::new() }
    }

    /// Waits for a turn for a request of about `tokens` tokens.
    pub fn turn(
        &self,
        tokens: u64,
        clock: &dyn Clock,
        listener: &mut dyn Listener,
    ) -> Result<Turn<'_>, Halt> {
        let until = clock.now() + self.limits.longest_wait;
        loop {
            let now = clock.now();
            let mut state = self.lock();
            match self.need(&mut state, tokens, now) {
                Need::Nothing => {
                    state.running += 1;
                    state.count += 1;
                    let id = state.count;
                    state.recent.push_back(Begun { id, at: now, tokens });
                    return Ok(Turn { pace: self, id });
                }
                _ if listener.stopped() => return Err(Halt::Stopped),
                _ if now >= until => {
                    let after = self.limits.longest_wait;
                    return Err(Failure::TimedOut { wait: Wait::Turn, after }.into());
                }
                Need::End => {
                    // Poisoned or not, woken or not: the next round looks again.
                    drop(self.freed.wait_timeout(state, LOOK));
                }
                Need::Moment(at) => {
                    drop(state);
                    clock.sleep(at.min(until).saturating_duration_since(now).min(LOOK));
                }
            }
        }
    }

    /// What a request of `tokens` tokens has to wait for at `now`.
    fn need(&self, state: &mut State, tokens: u64, now: Instant) -> Need {
        while state.recent.front().is_some_and(|begun| now.saturating_duration_since(begun.at) >= MINUTE) {
            state.recent.pop_front();
        }
        if state.running >= self.limits.concurrent {
            return Need::End;
        }
        let recent = &state.recent;
        // So many of the oldest have to be a minute ago.
        let too_many = match self.limits.requests_per_minute {
            Some(most) => (recent.len() + 1).saturating_sub(most as usize),
            None => 0,
        };
        let too_large = match self.limits.tokens_per_minute {
            Some(most) => {
                let mut sum = recent.iter().fold(tokens, |sum, begun| sum.saturating_add(begun.tokens));
                // A request that is beyond the limit by itself has the minute to itself.
                recent
                    .iter()
                    .take_while(|begun| {
                        let over = sum > most;
                        sum = sum.saturating_sub(begun.tokens);
                        over
                    })
                    .count()
            }
            None => 0,
        };
        match too_many.max(too_large).checked_sub(1).and_then(|index| recent.get(index)) {
            Some(begun) => Need::Moment(begun.at + MINUTE),
            None => Need::Nothing,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole at every moment, whoever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// The request took so many tokens, which was estimated before.
    pub fn took(&self, tokens: u64) {
        let mut state = self.pace.lock();
        if let Some(begun) = state.recent.iter_mut().find(|begun| begun.id == self.id) {
            begun.tokens = tokens;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.pace.lock().running -= 1;
        self.pace.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::SystemTime;

    use super::*;

    /// A clock that only sleeping moves.
    struct Still {
        begun: Instant,
        slept: Mutex<Duration>,
    }

    impl Still {
        fn new() -> Self {
            Self { begun: Instant::now(), slept: Mutex::default() }
        }

        fn slept(&self) -> Duration {
            *self.slept.lock().unwrap()
        }
    }

    impl Clock for Still {
        fn now(&self) -> Instant {
            self.begun + self.slept()
        }

        fn date(&self) -> SystemTime {
            SystemTime::now()
        }

        fn sleep(&self, time: Duration) {
            *self.slept.lock().unwrap() += time;
        }

        fn draw(&self) -> f64 {
            0.5
        }
    }

    fn limits(requests: Option<u32>, tokens: Option<u64>) -> Limits {
        Limits { requests_per_minute: requests, tokens_per_minute: tokens, ..Limits::default() }
    }

    /// Seconds after which each of a row of requests begins.
    fn begins(limits: Limits, tokens: &[u64]) -> Vec<u64> {
        let (pace, clock) = (Pace::new(limits), Still::new());
        let begin = |&tokens: &u64| {
            drop(pace.turn(tokens, &clock, &mut ()).unwrap());
            clock.slept().as_secs()
        };
        tokens.iter().map(begin).collect()
    }

    #[test]
    fn a_minute_has_so_many_requests_and_tokens() {
        assert_eq!(begins(limits(None, None), &[1; 5]), [0; 5]);
        assert_eq!(begins(limits(Some(2), None), &[1; 5]), [0, 0, 60, 60, 120]);
        assert_eq!(begins(limits(None, Some(100)), &[60, 40, 1, 99, 1]), [0, 0, 60, 60, 120]);
        // More than a whole minute's tokens: alone in its minute.
        assert_eq!(begins(limits(None, Some(100)), &[1, 500, 1]), [0, 60, 120]);
        assert_eq!(begins(limits(Some(3), Some(100)), &[100, 100, 1, 1]), [0, 60, 120, 120]);
    }

    #[test]
    fn what_was_counted_replaces_what_was_estimated() {
        let (pace, clock) = (Pace::new(limits(None, Some(100))), Still::new());
        let turn = pace.turn(90, &clock, &mut ()).unwrap();
        turn.took(10);
        drop(turn);
        drop(pace.turn(90, &clock, &mut ()).unwrap());
        assert_eq!(clock.slept(), Duration::ZERO);
    }

    #[test]
    fn a_wait_for_a_turn_ends() {
        let patience = Limits { longest_wait: Duration::from_secs(5), ..limits(Some(1), None) };
        let (pace, clock) = (Pace::new(patience), Still::new());
        drop(pace.turn(1, &clock, &mut ()).unwrap());
        let halt = pace.turn(1, &clock, &mut ()).unwrap_err();
        assert!(matches!(halt, Halt::Failed(Failure::TimedOut { wait: Wait::Turn, .. })), "{halt:?}");
        assert_eq!(clock.slept().as_secs(), 5);

        struct Stops;
        impl Listener for Stops {
            fn hear(&mut self, _: crate::chat::model::Part<'_>) {}
            fn stopped(&mut self) -> bool {
                true
            }
        }
        assert!(matches!(pace.turn(1, &clock, &mut Stops), Err(Halt::Stopped)));
    }

    #[test]
    fn so_many_run_at_once() {
        let pace = Pace::new(Limits { concurrent: 2, ..Limits::default() });
        let clock = Still::new();
        let (first, second) =
            (pace.turn(1, &clock, &mut ()).unwrap(), pace.turn(1, &clock, &mut ()).unwrap());
        let (sender, begun) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                let third = pace.turn(1, &clock, &mut ()).unwrap();
                sender.send(pace.lock().running).unwrap();
                drop(third);
            });
            assert!(begun.recv_timeout(LOOK * 3).is_err(), "a third has begun beside two");
            drop(first);
            assert_eq!(begun.recv_timeout(Duration::from_secs(20)), Ok(2));
        });
        drop(second);
        assert_eq!(pace.lock().running, 0);
    }
}
