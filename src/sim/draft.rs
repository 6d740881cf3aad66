//! A reply in pieces, each saying where it comes from, so that the factual check can judge it piece by piece.

use serde::{Deserialize, Serialize};

/// A draft of a reply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// Its pieces, in order.
    pub pieces: Vec<Piece>,
}

/// One statement of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The words.
    pub text: String,
    /// Where they come from.
    pub source: Source,
}

/// Where a statement comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// It tells the fact of this index.
    Fact(usize),
    /// It reports a finding: the fact of this index, shown by an examination or a test.
    Finding(usize),
    /// It denies a concept that the script has no fact about.
    Denial(String),
    /// It says nothing: not known, not remembered, or held back.
    Blank,
    /// Talk without facts: greetings, thanks, questions of the patient's own.
    Manner,
    /// Unknown: a model wrote it. The check reads what it claims.
    Free,
}

impl Draft {
    /// Adds a piece.
    pub fn push(&mut self, text: impl Into<String>, source: Source) {
        self.pieces.push(Piece { text: text.into(), source });
    }
}
