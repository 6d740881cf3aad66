//! Why none of several servers answers.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::chat::client::{Failure, SettingError};

/// A request that no server answered: all of them are out of use, or were asked as often as they may be.
#[derive(Debug, Error)]
#[error("no server answered: {}", listed(.servers))]
pub struct NoServer {
    /// All servers, in the order in which they were named.
    pub servers: Vec<Unanswered>,
}

/// What one server has to do with it.
#[derive(Debug, Clone)]
pub struct Unanswered {
    /// Its base URL.
    pub url: String,
    /// How often this request was sent there.
    pub tries: u32,
    /// What came of the last try, this request's or an earlier one's.
    pub failure: Option<Failure>,
    /// How long it stays out of use, where it is.
    pub out: Option<Duration>,
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)?;
        match self.tries {
            0 => f.write_str(" (not asked)")?,
            1 => {}
            tries => write!(f, " (asked {tries} times)")?,
        }
        if let Some(failure) = &self.failure {
            write!(f, ": {failure}")?;
        }
        if let Some(out) = self.out {
            write!(f, ", out of use for {out:.1?}")?;
        }
        Ok(())
    }
}

fn listed(servers: &[Unanswered]) -> String {
    servers.iter().map(Unanswered::to_string).collect::<Vec<_>>().join("; ")
}

/// Why clients cannot be used together.
#[derive(Debug, Clone, Error, PartialEq)]
pub enum ServersError {
    /// There is none.
    #[error("no server is named")]
    None,
    /// One is there twice.
    #[error("the server {url} is named twice")]
    Twice {
        /// Its base URL.
        url: String,
    },
    /// They do not answer for the same model.
    #[error("the servers have different models, `{first}` and `{other}`; legal is one for all")]
    Models {
        /// The first one's.
        first: String,
        /// Another one's.
        other: String,
    },
    /// A factor that no load can keep to.
    #[error("load_factor is {found}, legal is a number of at least 1")]
    LoadFactor {
        /// What it is.
        found: f64,
    },
    /// Another setting is not legal.
    #[error(transparent)]
    Setting(#[from] SettingError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_is_named_with_its_reason() {
        let lost = || Some(Failure::Connection { problem: "refused".into() });
        let second = Duration::from_millis(1_040);
        let servers = vec![
            Unanswered { url: "http://a".into(), tries: 5, failure: lost(), out: Some(second) },
            Unanswered { url: "http://b".into(), tries: 1, failure: lost(), out: None },
            Unanswered { url: "http://c".into(), tries: 0, failure: lost(), out: Some(second * 2) },
        ];
        assert_eq!(
            NoServer { servers }.to_string(),
            "no server answered: http://a (asked 5 times): no connection: refused, out of use for 1.0s; \
             http://b: no connection: refused; http://c (not asked): no connection: refused, out of use for 2.1s"
        );
    }
}
