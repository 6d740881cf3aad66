//! What the gate calls suspicious, and where it stands.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::PhiClass;

/// Where a record was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// 1-based line, or 1-based entry of a bundle.
    pub record: u64,
}

impl Place {
    /// Record `record` of `file`.
    pub fn new(file: impl Into<Arc<str>>, record: u64) -> Self {
        Self { file: file.into(), record }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.record)
    }
}

/// One suspicious place of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Bytes of the text.
    pub span: Range<usize>,
    /// What it looks like.
    pub class: PhiClass,
    /// The rule that found it, in a few words.
    pub rule: &'static str,
}

/// A suspicious place of a record. It never holds the identifier itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhiFinding {
    /// The file as the user named it.
    pub file: String,
    /// 1-based line or bundle entry.
    pub record: u64,
    /// The field, as a dotted path.
    pub field: String,
    /// First byte in the field's text.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What it looks like.
    pub class: PhiClass,
    /// The rule that found it.
    pub rule: String,
    /// What was found with all but its first character masked.
    pub masked: String,
}

impl fmt::Display for PhiFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, record, field, start, end, class, rule, masked } = self;
        write!(f, "{file}:{record}: {field}, bytes {start}..{end}: {class} ({rule}): {masked}")
    }
}

/// Everything suspicious in one record: why it was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhiRefusal {
    /// At least one finding.
    pub findings: Vec<PhiFinding>,
}

impl PhiRefusal {
    /// More than this many places fill the screen and help nobody.
    const SHOWN: usize = 12;
}

impl fmt::Display for PhiRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "may identify a person, so the record was refused:")?;
        for finding in self.findings.iter().take(Self::SHOWN) {
            write!(f, "\n  {finding}")?;
        }
        if self.findings.len() > Self::SHOWN {
            write!(f, "\n  and {} more", self.findings.len() - Self::SHOWN)?;
        }
        write!(
            f,
            "\n  remove them from the source, replace them on reading (--phi redact), or, when each is harmless, let \
             them pass (--phi allow, which is recorded in the cases)"
        )
    }
}

impl std::error::Error for PhiRefusal {}

/// The text with all letters and digits but the first masked: `J*** S****`, `1**-**-****`.
pub fn mask(text: &str) -> String {
    let mut first = true;
    text.chars()
        .map(|c| {
            let shown = !c.is_alphanumeric() || std::mem::take(&mut first);
            if shown { c } else { '*' }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_shows_the_shape_and_the_first_character_only() {
        assert_eq!(mask("123-45-6789"), "1**-**-****");
        assert_eq!(mask("Ångström"), "Å*******");
        assert_eq!(mask(""), "");
    }
}
