//! Why a server gave no answer.

use std::time::Duration;

use thiserror::Error;

use super::key::ApiKey;

/// A request that failed for good.
#[derive(Debug, Error)]
#[error("{url}{}: {failure}", times(*.tries))]
pub struct ServerError {
    /// Where it was sent.
    pub url: String,
    /// How often it was sent.
    pub tries: u32,
    /// What came of the last try.
    #[source]
    pub failure: Failure,
}

fn times(tries: u32) -> String {
    if tries > 1 { format!(" (asked {tries} times)") } else { String::new() }
}

/// What came of one request.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum Failure {
    /// An HTTP status other than 200.
    #[error("status {status}: {message}{}", asked(.retry_after))]
    Status {
        /// The status.
        status: u16,
        /// What the server says of it, or the beginning of what it sent.
        message: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// An error in place of an answer, with status 200.
    #[error("the server reports an error: {message}")]
    Reported {
        /// What it says.
        message: String,
    },
    /// The server cannot hold a reply to a schema.
    #[error("the server does not hold replies to a JSON schema: {message}")]
    SchemaUnsupported {
        /// What it says.
        message: String,
    },
    /// No connection, or one that was lost before an answer began.
    #[error("no connection: {problem}")]
    Connection {
        /// Why.
        problem: String,
    },
    /// The answer's end is missing.
    #[error("the answer's end is missing: {problem}")]
    Truncated {
        /// How that shows.
        problem: String,
    },
    /// A wait came to its end.
    #[error("{wait} took longer than {after:?}")]
    TimedOut {
        /// For what.
        wait: Wait,
        /// How long it was.
        after: Duration,
    },
    /// No answer to the request, and none to another one that takes no time.
    #[error("no answer began within {after:?}, and the server does not list its models either: {problem}")]
    NoSign {
        /// How long nothing came.
        after: Duration,
        /// What came of the other one.
        problem: String,
    },
    /// More than is read.
    #[error("the answer is longer than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// Not the protocol: not HTTP, no TLS, no host of that name, a request that cannot be written.
    #[error("{problem}")]
    Protocol {
        /// What was found.
        problem: String,
    },
    /// The answer is no JSON.
    #[error("the answer is not JSON ({problem}): {found}")]
    NotJson {
        /// Where it is not.
        problem: String,
        /// Its beginning.
        found: String,
    },
    /// JSON, and not of a chat completion.
    #[error("the answer is no chat completion: {field}: {problem}; found {found}")]
    Malformed {
        /// The field.
        field: String,
        /// What is wrong with it.
        problem: String,
        /// What was found, or its beginning.
        found: String,
    },
    /// A complete answer in which nothing is said.
    #[error("the answer has neither content nor thinking (finish_reason `{finish}`)")]
    NothingSaid {
        /// Why it ended, as the server says.
        finish: String,
    },
    /// The model declined in the protocol's own field.
    #[error("the model refused: {message}")]
    Refused {
        /// What it said.
        message: String,
    },
    /// The server's filter took the answer or its end away.
    #[error("the server's content filter ended the answer")]
    Filtered,
}

fn asked(wait: &Option<Duration>) -> String {
    wait.map(|it| format!(" (it asks to wait {it:?})")).unwrap_or_default()
}

/// What was waited for.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
pub enum Wait {
    /// A connection.
    #[error("connecting")]
    Connect,
    /// The whole answer.
    #[error("the whole request")]
    Total,
    /// Its first byte.
    #[error("waiting for the answer to begin")]
    FirstByte,
    /// The next piece of it.
    #[error("waiting for the next part of the answer")]
    Bytes,
    /// A turn, within the limits.
    #[error("waiting for a turn within the limits of requests")]
    Turn,
}

impl Failure {
    /// Whether the same request may well be answered if it is sent again. A server that is too slow is not: asking it more makes it slower.
    pub fn may_pass(&self) -> bool {
        match self {
            // 501 and 505 say that it will never be possible.
            Self::Status { status, .. } => {
                matches!(status, 408 | 429) || ((500..600).contains(status) && !matches!(status, 501 | 505))
            }
            Self::Connection { .. } | Self::Truncated { .. } => true,
            _ => false,
        }
    }

    /// Whether it says something of the server and not of the request, so that another server may well answer that.
    pub fn is_of_server(&self) -> bool {
        match self {
            Self::Status { status, .. } => *status == 408 || (500..600).contains(status),
            Self::TimedOut { wait, .. } => *wait != Wait::Turn,
            Self::Connection { .. }
            | Self::NoSign { .. }
            | Self::Truncated { .. }
            | Self::Protocol { .. }
            | Self::NotJson { .. } => true,
            _ => false,
        }
    }

    /// How long the server asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The same with the key taken out of all that the server said.
    pub(super) fn without(mut self, key: &ApiKey) -> Self {
        let hide = |texts: &mut [&mut String]| texts.iter_mut().for_each(|text| **text = key.hide(text));
        match &mut self {
            Self::Status { message, .. }
            | Self::Reported { message }
            | Self::SchemaUnsupported { message }
            | Self::Refused { message } => hide(&mut [message]),
            Self::Connection { problem }
            | Self::NoSign { problem, .. }
            | Self::Truncated { problem }
            | Self::Protocol { problem } => hide(&mut [problem]),
            Self::NotJson { problem, found } => hide(&mut [problem, found]),
            Self::Malformed { field, problem, found } => hide(&mut [field, problem, found]),
            Self::NothingSaid { finish } => hide(&mut [finish]),
            Self::TimedOut { .. } | Self::TooLarge { .. } | Self::Filtered => {}
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> Failure {
        Failure::Status { status, message: "no".into(), retry_after: None }
    }

    #[test]
    fn only_what_may_pass_is_asked_again() {
        for code in [408, 429, 500, 502, 503, 504, 529] {
            assert!(status(code).may_pass(), "{code}");
        }
        for code in [301, 400, 401, 403, 404, 413, 422, 501, 505] {
            assert!(!status(code).may_pass(), "{code}");
        }
        assert!(Failure::Truncated { problem: String::new() }.may_pass());
        assert!(!Failure::TimedOut { wait: Wait::Total, after: Duration::ZERO }.may_pass());
        assert!(!Failure::TooLarge { limit: 1 }.may_pass());
    }

    #[test]
    fn a_server_at_fault_is_told_from_a_request_at_fault() {
        for code in [408, 500, 501, 503, 529] {
            assert!(status(code).is_of_server(), "{code}");
        }
        // A server that limits its callers works.
        for code in [301, 400, 401, 404, 413, 422, 429] {
            assert!(!status(code).is_of_server(), "{code}");
        }
        let timed_out = |wait| Failure::TimedOut { wait, after: Duration::ZERO };
        assert!(
            [Wait::Connect, Wait::FirstByte, Wait::Bytes].into_iter().all(|it| timed_out(it).is_of_server())
        );
        let no_sign = Failure::NoSign { after: Duration::ZERO, problem: String::new() };
        assert!(no_sign.is_of_server() && !no_sign.may_pass());
        assert!(!timed_out(Wait::Turn).is_of_server());
        assert!(!Failure::Filtered.is_of_server());
        assert!(!Failure::NothingSaid { finish: "stop".into() }.is_of_server());
    }

    #[test]
    fn an_error_names_where_how_often_and_what() {
        let failure = Failure::Status {
            status: 429,
            message: "slow down".into(),
            retry_after: Some(Duration::from_secs(90)),
        };
        let error = ServerError { url: "http://host/v1/chat/completions".into(), tries: 3, failure };
        assert_eq!(
            error.to_string(),
            "http://host/v1/chat/completions (asked 3 times): status 429: slow down (it asks to wait 90s)"
        );
    }
}
