//! A server's key, which nothing shows.

use std::env;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;
use ureq::http::HeaderValue;

/// The longest legal key, in bytes.
const LONGEST: usize = 4096;

/// A key that opens a server. It comes from an environment variable or a file, goes into the requests' header, and is shown by
/// nothing: not by `Debug`, not in errors.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

/// Why a key cannot be had. The key, or what stands in its place, is never part of it.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The variable is not there.
    #[error("the environment variable {variable}, which is to hold the server's key, is not set")]
    Unset {
        /// Its name.
        variable: String,
    },
    /// The file cannot be read.
    #[error("the server's key cannot be read from {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is there is no key.
    #[error(
        "the server's key in {place} {problem}; legal is one line of 1 to {} visible ASCII characters",
        LONGEST
    )]
    NoKey {
        /// The variable or file.
        place: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl ApiKey {
    /// The key in an environment variable.
    pub fn from_env(variable: &str) -> Result<Self, KeyError> {
        let value = env::var_os(variable).ok_or_else(|| KeyError::Unset { variable: variable.to_owned() })?;
        Self::read(value.into_encoded_bytes(), || format!("the environment variable {variable}"))
    }

    /// The key that is all of a file, but for white space around it.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let mut bytes = Vec::new();
        // A little more than a key and its line end: enough to see that there is too much.
        File::open(path)
            .and_then(|file| file.take(LONGEST as u64 + 64).read_to_end(&mut bytes))
            .map_err(|source| KeyError::Read { path: path.to_owned(), source })?;
        Self::read(bytes, || path.display().to_string())
    }

    fn read(bytes: Vec<u8>, place: impl Fn() -> String) -> Result<Self, KeyError> {
        let key = bytes.trim_ascii();
        let problem = if key.is_empty() {
            "is empty"
        } else if key.len() > LONGEST {
            "is too long"
        } else if !key.iter().all(u8::is_ascii_graphic) {
            "has blanks or other characters in it that no key has"
        } else {
            return Ok(Self(key.iter().copied().map(char::from).collect()));
        };
        Err(KeyError::NoKey { place: place(), problem })
    }

    /// The `Authorization` header, marked as not to be logged.
    pub(super) fn header(&self) -> Result<HeaderValue, ureq::http::header::InvalidHeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// A text with the key taken out: servers repeat it in their messages.
    pub(super) fn hide(&self, text: &str) -> String {
        text.replace(&self.0, "[key]")
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn key(text: &str) -> Result<ApiKey, KeyError> {
        ApiKey::read(text.as_bytes().to_vec(), || "here".into())
    }

    #[test]
    fn a_key_is_shown_by_nothing() {
        let key = key("sk-secret\r\n").unwrap();
        assert_eq!(format!("{key:?} {:?}", Some(&key)), "ApiKey(..) Some(ApiKey(..))");
        assert_eq!(key.hide("wrong key sk-secret!"), "wrong key [key]!");
        let header = key.header().unwrap();
        assert_eq!((header.to_str().unwrap(), header.is_sensitive()), ("Bearer sk-secret", true));
        assert_eq!(format!("{header:?}"), "Sensitive");
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_repeated() {
        for bad in ["", " \n", "a b", "two\nlines", "ключ", "a\u{0}b", &"x".repeat(LONGEST + 1)] {
            let error = key(bad).unwrap_err().to_string();
            assert!(error.contains("in here"), "{error}");
            assert!(bad.trim().is_empty() || !error.contains(bad), "{error}");
        }
        assert!(key(&"x".repeat(LONGEST)).is_ok());
    }

    #[test]
    fn keys_come_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let missing = ApiKey::from_file(&path).unwrap_err();
        assert!(matches!(&missing, KeyError::Read { path: it, .. } if *it == path), "{missing}");
        fs::write(&path, " sk-1\n").unwrap();
        assert_eq!(ApiKey::from_file(&path).unwrap(), ApiKey("sk-1".into()));
        fs::write(&path, "x".repeat(1 << 20)).unwrap();
        assert!(ApiKey::from_file(&path).unwrap_err().to_string().contains("too long"));
        assert!(matches!(ApiKey::from_env("OSLER_NO_SUCH_KEY"), Err(KeyError::Unset { .. })));
    }
}
