//! Where a server is.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;
use ureq::http::Uri;

/// The base URL of an OpenAI-compatible server, such as `http://127.0.0.1:8080/v1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    text: String,
    secure: bool,
    here: bool,
}

/// Why a text is no base URL. The text itself is not repeated where it may hold a password.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum UrlError {
    /// Not a URL at all.
    #[error("`{found}` is not a URL ({problem}); legal is, for example, http://127.0.0.1:8080/v1")]
    NotUrl {
        /// The text.
        found: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Another scheme.
    #[error("the URL's scheme is {found}, legal are http and https")]
    Scheme {
        /// What it is.
        found: String,
    },
    /// A user or password in it.
    #[error("the URL has a user or password in it: give a key by an environment variable or a file")]
    Credentials,
    /// More than scheme, host and path.
    #[error("the URL has a query or fragment (? or #), a base URL has none")]
    Query,
    /// The URL of one operation.
    #[error("the URL ends in /chat/completions: give what stands before that")]
    Operation,
}

impl BaseUrl {
    /// Where conversations are sent.
    pub fn completions(&self) -> String {
        format!("{}/chat/completions", self.text)
    }

    /// Where a server lists its models.
    pub fn models(&self) -> String {
        format!("{}/models", self.text)
    }

    /// Whether what is sent is encrypted.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether it is on this machine.
    pub fn is_here(&self) -> bool {
        self.here
    }
}

impl FromStr for BaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.contains('@') {
            return Err(UrlError::Credentials);
        }
        // A URI of this type has no fragment, and would drop it.
        if text.contains(['?', '#']) {
            return Err(UrlError::Query);
        }
        let not_url = |problem: String| UrlError::NotUrl { found: text.to_owned(), problem };
        let uri: Uri = text.parse().map_err(|error| not_url(format!("{error}")))?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(found) => return Err(UrlError::Scheme { found: found.to_owned() }),
            None => return Err(not_url("it has no scheme".to_owned())),
        };
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| not_url("it has no host".to_owned()))?;
        let text = text.trim_end_matches('/');
        if text.ends_with("/chat/completions") {
            return Err(UrlError::Operation);
        }
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let here = host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|it| it.is_loopback());
        Ok(Self { text: text.to_owned(), secure, here })
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<BaseUrl, UrlError> {
        text.parse()
    }

    #[test]
    fn conversations_go_below_the_base() {
        for (base, completions) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/chat/completions"),
            ("https://api.example.org/v1/", "https://api.example.org/v1/chat/completions"),
        ] {
            assert_eq!(url(base).unwrap().completions(), completions);
            assert_eq!(url(base).unwrap().models(), completions.replace("chat/completions", "models"));
        }
    }

    #[test]
    fn this_machine_is_known() {
        for here in ["http://localhost:1", "http://LOCALHOST", "http://127.9.0.1/v1", "http://[::1]:8080/v1"]
        {
            assert!(url(here).unwrap().is_here(), "{here}");
        }
        for far in ["http://192.168.0.2", "http://localhost.example.org", "https://127.example.org"] {
            assert!(!url(far).unwrap().is_here(), "{far}");
        }
        assert!(url("https://example.org").unwrap().is_secure());
        assert!(!url("http://example.org").unwrap().is_secure());
    }

    #[test]
    fn what_is_no_base_url_is_refused() {
        assert_eq!(url("http://me:secret@host/v1"), Err(UrlError::Credentials));
        assert_eq!(url("http://host/v1?key=1"), Err(UrlError::Query));
        assert_eq!(url("http://host/v1#a"), Err(UrlError::Query));
        assert_eq!(url("http://host/v1/chat/completions"), Err(UrlError::Operation));
        assert_eq!(url("ftp://host"), Err(UrlError::Scheme { found: "ftp".into() }));
        for bad in ["", "host", "host:8080/v1", "/v1", "http://", "http:///v1", "http://a b/"] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}
