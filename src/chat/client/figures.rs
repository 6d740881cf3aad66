//! What a server was asked, and what that cost.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::chat::reply::Usage;

/// What one server was asked so far. Replies that were kept on disk are no part of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServerFigures {
    /// Its base URL.
    pub url: String,
    /// Requests that were sent, repeats included.
    pub requests: u64,
    /// Of these, those that got no answer.
    pub failures: u64,
    /// Requests of its conversations that went to another of several servers, because it had too many.
    pub spills: u64,
    /// Tokens of all answers, as far as the server counts them.
    pub usage: Usage,
    /// Of the conversations' tokens, the part that the server had read before: `cached_tokens / prompt_tokens`. `None` where it never
    /// said that it had any.
    pub cached_ratio: Option<f64>,
    /// Seconds that all requests together waited before they were sent: for a place, for the limits of a minute, and for the first request
    /// of their conversation. The waits between two tries are no part of it.
    pub queue_seconds: f64,
    /// What it said when it refused to hold a reply to a JSON schema; from then on it is told the shape in words. Absent where it never did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_schemas: Option<String>,
}

impl ServerFigures {
    /// The same with what several servers add: requests passed on, and the time that requests waited for a server.
    pub(in crate::chat) fn among_others(self, spills: u64, queued: Duration) -> Self {
        Self { spills, queue_seconds: self.queue_seconds + seconds(queued), ..self }
    }
}

/// Seconds, to the millisecond: what is less is the machine's noise.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// Counts requests while they are made.
#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    requests: u64,
    failures: u64,
    usage: Usage,
    queued: Duration,
}

impl Counts {
    /// A request is sent, after so long a wait.
    pub fn sent(&self, queued: Duration) {
        let mut counted = self.lock();
        counted.requests += 1;
        counted.queued += queued;
    }

    /// It got no answer.
    pub fn failed(&self) {
        self.lock().failures += 1;
    }

    /// Its answer took so many tokens.
    pub fn took(&self, usage: Usage) {
        self.lock().usage += usage;
    }

    /// All so far, of the server at `url`.
    pub fn figures(&self, url: String) -> ServerFigures {
        let Counted { requests, failures, usage, queued } = *self.lock();
        let cached = usage.cached_tokens > 0 && usage.prompt_tokens > 0;
        ServerFigures {
            url,
            requests,
            failures,
            spills: 0,
            usage,
            cached_ratio: cached.then(|| usage.cached_tokens as f64 / usage.prompt_tokens as f64),
            queue_seconds: seconds(queued),
            no_schemas: None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        // The counts are whole at every moment, whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_added_up() {
        let counts = Counts::default();
        counts.sent(Duration::from_millis(1500));
        counts.took(Usage { prompt_tokens: 100, completion_tokens: 5, cached_tokens: 0 });
        assert_eq!(counts.figures("u".into()).cached_ratio, None);
        counts.sent(Duration::from_micros(400));
        counts.took(Usage { prompt_tokens: 100, completion_tokens: 5, cached_tokens: 50 });
        counts.sent(Duration::ZERO);
        counts.failed();
        let usage = Usage { prompt_tokens: 200, completion_tokens: 10, cached_tokens: 50 };
        let figures = counts.figures("u".into());
        let expected = ServerFigures {
            url: "u".into(),
            requests: 3,
            failures: 1,
            spills: 0,
            usage,
            cached_ratio: Some(0.25),
            queue_seconds: 1.5,
            no_schemas: None,
        };
        assert_eq!(figures, expected);
        let among = figures.among_others(2, Duration::from_millis(250));
        assert_eq!((among.spills, among.queue_seconds, among.requests), (2, 1.75, 3));
    }
}
