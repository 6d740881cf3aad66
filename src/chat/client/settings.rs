//! How a server is asked.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::address::BaseUrl;
use super::key::ApiKey;

/// The longest legal time of any kind.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Which server, which model, and how patiently.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// The server.
    pub url: BaseUrl,
    /// The model's name there.
    pub model: String,
    /// The key, where it needs one.
    pub key: Option<ApiKey>,
    /// How long one request may take.
    pub timeouts: Timeouts,
    /// How often it is repeated.
    pub retries: Retries,
    /// How fast requests may follow each other.
    pub limits: Limits,
    /// The largest reply that is read, in bytes as they are sent.
    pub reply_limit: usize,
    /// Whether the server sends every reply in parts while it is made, also to whoever does not ask for parts. They hear it whole at its
    /// end all the same, so that a reply which breaks off is asked for again. A server is then heard of all the time that it writes.
    pub stream: bool,
    /// What the server calls the most tokens of a reply.
    pub token_limit_field: TokenLimitField,
    /// A folder where replies are kept, by the exact request.
    pub cache: Option<PathBuf>,
}

/// The field of a request that bounds a reply, thinking included. OpenAI's reasoning models refuse the older one, many other servers do not
/// know the newer one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum TokenLimitField {
    /// `max_tokens`.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
}

impl TokenLimitField {
    /// As it stands in a request.
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

/// How long one request may take. Every wait for a server ends at one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Looking up the name, opening the connection, agreeing on keys.
    pub connect: Duration,
    /// The whole request, to the last byte of the answer.
    pub total: Duration,
    /// To the first byte of the answer. One that comes in parts is not waited for any longer. One that comes whole may begin only when all of it
    /// is written, so the server is then asked for its list of models, again each time that so long has passed, and left if it does not
    /// answer that either.
    pub first_byte: Duration,
    /// From asking for that list to its first byte, where the request's own time does not end before.
    pub probe: Duration,
    /// From one piece of an answer to the next.
    pub between_bytes: Duration,
}

/// What is asked again: status 408, 429 and 5xx, a lost connection, an answer whose end is missing. The wait doubles each time and is
/// drawn between half and all of that, so that many clients do not come back at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// The most repeats of one request.
    pub most: u32,
    /// The first wait, before the draw.
    pub first_wait: Duration,
    /// The longest wait, before the draw.
    pub longest_wait: Duration,
    /// The longest wait that a server may ask for with `Retry-After`. If it asks for more, the request fails.
    pub longest_asked: Duration,
}

/// How fast requests may follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most requests at once.
    pub concurrent: usize,
    /// The most requests begun within any minute.
    pub requests_per_minute: Option<u32>,
    /// The most tokens within any minute, of conversations and replies. Estimated from a request's size until the server has counted.
    pub tokens_per_minute: Option<u64>,
    /// The longest wait for a turn.
    pub longest_wait: Duration,
}

/// A setting that is not legal.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum SettingError {
    /// Zero, or beyond a day.
    #[error("{name} is {found:?}, legal is more than 0 and at most a day")]
    Time {
        /// Which.
        name: &'static str,
        /// What it is.
        found: Duration,
    },
    /// Zero.
    #[error("{name} is 0, legal is at least 1")]
    Zero {
        /// Which.
        name: &'static str,
    },
    /// No name at all.
    #[error("the served model's name is empty")]
    NoModel,
    /// A key that could be read on its way.
    #[error("{url} is neither https nor on this machine: a key sent there could be read on its way")]
    OpenKey {
        /// The server.
        url: BaseUrl,
    },
}

impl ClientSettings {
    /// Settings for `model` at `url`, all else as it is by default.
    pub fn new(url: BaseUrl, model: impl Into<String>) -> Self {
        Self {
            url,
            model: model.into(),
            key: None,
            timeouts: Timeouts::default(),
            retries: Retries::default(),
            limits: Limits::default(),
            reply_limit: 8 << 20,
            stream: false,
            token_limit_field: TokenLimitField::default(),
            cache: None,
        }
    }

    /// Refuses what cannot work.
    pub(super) fn check(&self) -> Result<(), SettingError> {
        let Self { timeouts, retries, limits, .. } = self;
        for (name, found) in [
            ("timeouts.connect", timeouts.connect),
            ("timeouts.total", timeouts.total),
            ("timeouts.first_byte", timeouts.first_byte),
            ("timeouts.probe", timeouts.probe),
            ("timeouts.between_bytes", timeouts.between_bytes),
            ("retries.first_wait", retries.first_wait),
            ("retries.longest_wait", retries.longest_wait),
            ("retries.longest_asked", retries.longest_asked),
            ("limits.longest_wait", limits.longest_wait),
        ] {
            legal_time(name, found)?;
        }
        for (name, zero) in [
            ("limits.concurrent", limits.concurrent == 0),
            ("limits.requests_per_minute", limits.requests_per_minute == Some(0)),
            ("limits.tokens_per_minute", limits.tokens_per_minute == Some(0)),
            ("reply_limit", self.reply_limit == 0),
        ] {
            if zero {
                return Err(SettingError::Zero { name });
            }
        }
        if self.model.trim().is_empty() {
            return Err(SettingError::NoModel);
        }
        if self.key.is_some() && !self.url.is_secure() && !self.url.is_here() {
            return Err(SettingError::OpenKey { url: self.url.clone() });
        }
        Ok(())
    }
}

/// Refuses a time that is nothing, or beyond a day.
pub(in crate::chat) fn legal_time(name: &'static str, found: Duration) -> Result<(), SettingError> {
    if found.is_zero() || found > LONGEST { Err(SettingError::Time { name, found }) } else { Ok(()) }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            total: Duration::from_secs(600),
            first_byte: Duration::from_secs(300),
            probe: Duration::from_secs(10),
            between_bytes: Duration::from_secs(120),
        }
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            most: 4,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            longest_asked: Duration::from_secs(60),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrent: 4,
            requests_per_minute: None,
            tokens_per_minute: None,
            longest_wait: Duration::from_secs(600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> ClientSettings {
        ClientSettings::new(url.parse().unwrap(), "m")
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        assert_eq!(settings("http://example.org").check(), Ok(()));
        let with = |change: fn(&mut ClientSettings)| {
            let mut settings = settings("http://example.org");
            change(&mut settings);
            settings.check().unwrap_err().to_string()
        };
        for (error, name) in [
            (with(|it| it.timeouts.total = Duration::ZERO), "timeouts.total"),
            (with(|it| it.timeouts.between_bytes = Duration::MAX), "timeouts.between_bytes"),
            (with(|it| it.timeouts.first_byte = Duration::ZERO), "timeouts.first_byte"),
            (with(|it| it.timeouts.probe = Duration::ZERO), "timeouts.probe"),
            (with(|it| it.retries.longest_asked = Duration::from_secs(86_401)), "retries.longest_asked"),
            (with(|it| it.limits.concurrent = 0), "limits.concurrent"),
            (with(|it| it.limits.tokens_per_minute = Some(0)), "limits.tokens_per_minute"),
            (with(|it| it.reply_limit = 0), "reply_limit"),
            (with(|it| it.model = " ".into()), "model"),
        ] {
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn a_key_goes_encrypted_or_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "sk-1").unwrap();
        for (url, legal) in [
            ("http://192.168.0.2/v1", false),
            ("https://192.168.0.2/v1", true),
            ("http://127.0.0.1:8080/v1", true),
        ] {
            let mut settings = settings(url);
            settings.key = Some(ApiKey::from_file(&file).unwrap());
            assert_eq!(settings.check().is_ok(), legal, "{url}");
            assert!(!format!("{settings:?}").contains("sk-1"));
        }
    }
}
