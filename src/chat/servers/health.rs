//! Whether a server is in use.
//!
//! A server that failed several times in a row is out for a time, which doubles with each further failure. After it one request goes there as a
//! trial, and decides whether it is in use again. A server that asks to be left alone for a while (`Retry-After`) is out for that long.

use std::time::{Duration, Instant};

use super::settings::Outages;
use crate::chat::client::Failure;

/// The longest time that a server can ask to be left alone for.
const LONGEST_ASKED: Duration = Duration::from_secs(24 * 60 * 60);

/// What is known of one server's state.
#[derive(Debug)]
pub(super) struct Health {
    outages: Outages,
    /// The longest rest that a server may ask for and is waited for.
    longest_rest: Duration,
    /// Failures in a row.
    failures: u32,
    /// The last of them.
    last: Option<Failure>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    In,
    Out {
        until: Instant,
        /// Whether it only asked for it, and not for more than is waited.
        resting: bool,
    },
    /// One request is there to see whether it works again.
    Trial,
}

/// What may be done with a server at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is in use.
    In,
    /// One request may try it.
    Due,
    /// One request is trying it.
    Trial,
    /// It is back in a while, since it only asked for a rest.
    Resting(Instant),
    /// It is out of use.
    Out,
}

/// How a request left a server.
#[derive(Debug, Clone)]
pub(super) enum End {
    /// It was answered.
    Answered,
    /// It failed.
    Failed(Failure),
    /// It was stopped, or never sent.
    Abandoned,
}

impl Health {
    pub fn new(outages: Outages, longest_rest: Duration) -> Self {
        Self { outages, longest_rest, failures: 0, last: None, state: State::In }
    }

    /// What may be done at `now`.
    pub fn standing(&self, now: Instant) -> Standing {
        match self.state {
            State::In => Standing::In,
            State::Trial => Standing::Trial,
            State::Out { until, .. } if now >= until => Standing::Due,
            State::Out { until, resting: true } => Standing::Resting(until),
            State::Out { .. } => Standing::Out,
        }
    }

    /// The request that goes there now is the trial.
    pub fn begin_trial(&mut self) {
        self.state = State::Trial;
    }

    /// A request has left at `now`; `trial` says whether it was one. Returns whether the server was taken out of use, at least for now.
    pub fn left(&mut self, end: &End, trial: bool, now: Instant) -> bool {
        let failure = match end {
            End::Answered => {
                (self.failures, self.last, self.state) = (0, None, State::In);
                return false;
            }
            End::Abandoned => {
                if trial {
                    self.state = State::Out { until: now, resting: false };
                }
                return false;
            }
            End::Failed(failure) => failure,
        };
        // What was on its way when the server was taken out says nothing new.
        if !trial && self.state != State::In {
            return false;
        }
        self.last = Some(failure.clone());
        self.failures = if failure.is_of_server() { self.failures.saturating_add(1) } else { 0 };
        let time = self.failures.checked_sub(self.outages.failures).map(|more| self.outages.time(more));
        let asked = failure.retry_after().map(|it| it.min(LONGEST_ASKED));
        self.state = match (time, asked) {
            (None, None) => State::In,
            (time, asked) => State::Out {
                until: now + time.unwrap_or_default().max(asked.unwrap_or_default()),
                resting: time.is_none() && asked.is_some_and(|it| it <= self.longest_rest),
            },
        };
        time.is_some()
    }

    /// The last failure since it last answered.
    pub fn last(&self) -> Option<&Failure> {
        self.last.as_ref()
    }

    /// How long it stays out of use.
    pub fn out_for(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Out { until, .. } => Some(until.saturating_duration_since(now)).filter(|it| !it.is_zero()),
            State::In | State::Trial => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTAGES: Outages =
        Outages { failures: 2, first: Duration::from_secs(1), longest: Duration::from_secs(5) };

    fn sound() -> Health {
        Health::new(OUTAGES, Duration::from_secs(60))
    }

    fn lost() -> End {
        End::Failed(Failure::Connection { problem: "reset".into() })
    }

    fn status(status: u16, retry_after: Option<u64>) -> End {
        let retry_after = retry_after.map(Duration::from_secs);
        End::Failed(Failure::Status { status, message: String::new(), retry_after })
    }

    /// One whose first two requests failed at `now`.
    fn out(now: Instant) -> Health {
        let mut health = sound();
        assert!(!health.left(&lost(), false, now));
        assert_eq!(health.standing(now), Standing::In);
        assert!(health.left(&lost(), false, now));
        assert_eq!(health.standing(now), Standing::Out);
        health
    }

    #[test]
    fn failures_in_a_row_take_it_out_for_a_growing_time() {
        let mut now = Instant::now();
        let mut health = out(now);
        for seconds in [1, 2, 4, 5, 5] {
            assert_eq!(health.out_for(now), Some(Duration::from_secs(seconds)));
            now += Duration::from_secs(seconds);
            assert_eq!((health.standing(now), health.out_for(now)), (Standing::Due, None));
            health.begin_trial();
            assert_eq!(health.standing(now), Standing::Trial);
            assert!(health.left(&lost(), true, now));
        }
        now += Duration::from_secs(5);
        health.begin_trial();
        health.left(&End::Answered, true, now);
        assert_eq!((health.standing(now), health.last()), (Standing::In, None));
        // It begins anew.
        assert!(!health.left(&lost(), false, now));
    }

    #[test]
    fn an_answer_between_them_ends_the_row() {
        let now = Instant::now();
        let mut health = sound();
        for _ in 0..5 {
            assert!(!health.left(&lost(), false, now));
            health.left(&End::Answered, false, now);
        }
        for _ in 0..5 {
            assert!(!health.left(&lost(), false, now));
            // The server works, and says no.
            assert!(!health.left(&status(400, None), false, now));
        }
        assert_eq!(health.standing(now), Standing::In);
    }

    #[test]
    fn what_was_on_its_way_does_not_lengthen_it() {
        let now = Instant::now();
        let mut health = out(now);
        for _ in 0..5 {
            assert!(!health.left(&lost(), false, now));
        }
        assert_eq!(health.out_for(now), Some(Duration::from_secs(1)));
        // An answer shows that it works.
        health.left(&End::Answered, false, now);
        assert_eq!(health.standing(now), Standing::In);
    }

    #[test]
    fn a_trial_that_was_given_up_is_still_due() {
        let now = Instant::now();
        let mut health = out(now);
        health.begin_trial();
        health.left(&End::Abandoned, true, now);
        assert_eq!(health.standing(now), Standing::Due);
        let mut health = sound();
        health.left(&End::Abandoned, false, now);
        assert_eq!(health.standing(now), Standing::In);
    }

    #[test]
    fn a_server_may_ask_for_a_rest() {
        let now = Instant::now();
        let after = |end: End| {
            let mut health = sound();
            let out = health.left(&end, false, now);
            (health.standing(now), out)
        };
        let seconds = Duration::from_secs;
        assert_eq!(after(status(429, Some(7))), (Standing::Resting(now + seconds(7)), false));
        assert_eq!(after(status(429, None)), (Standing::In, false));
        // Longer than anybody waits.
        assert_eq!(after(status(503, Some(61))), (Standing::Out, false));
        // With the failures that take it out, the longer time counts.
        let mut health = sound();
        health.left(&lost(), false, now);
        assert!(health.left(&status(503, Some(3)), false, now));
        assert_eq!((health.standing(now), health.out_for(now)), (Standing::Out, Some(seconds(3))));
    }
}
