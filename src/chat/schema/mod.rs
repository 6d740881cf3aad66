//! What a reply must look like: the part of JSON Schema (draft 2020-12) that model servers hold replies to.
//!
//! | keyword | |
//! | --- | --- |
//! | `type` | a name or a list of names |
//! | `enum`, `const` | legal values |
//! | `properties`, `required`, `additionalProperties` | of objects |
//! | `items`, `minItems`, `maxItems` | of arrays |
//! | `minimum`, `maximum` | of numbers, compared as f64 |
//! | `minLength`, `maxLength` | of strings, in characters |
//! | `anyOf` | one of them at least |
//!
//! `title`, `description`, `default`, `examples`, `$schema` and `$comment` say nothing about what is legal and are passed on. Any other
//! keyword is refused: a check that knows it not would let through what it forbids.

mod check;
mod longest;
mod read;

use std::fmt;

use serde_json::Value;
use thiserror::Error;

use self::read::Node;

/// A schema that replies are held to.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplySchema {
    name: String,
    json: Value,
    root: Node,
}

/// Why a schema cannot be used. Places are written as `$.properties.name`.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SchemaError {
    /// A name that servers refuse.
    #[error("the schema's name is `{found}`, legal are 1 to 64 letters, digits, - and _")]
    Name {
        /// The name.
        found: String,
    },
    /// A keyword that is not known here.
    #[error("{at}: keyword `{keyword}` is not supported; legal are: {legal}")]
    Keyword {
        /// Where the schema is that has it.
        at: String,
        /// The keyword.
        keyword: String,
        /// Those that are.
        legal: String,
    },
    /// A keyword with a value that it cannot have.
    #[error("{at}: found {found}, legal is {legal}")]
    Value {
        /// Where.
        at: String,
        /// What is there.
        found: String,
        /// What could be.
        legal: &'static str,
    },
}

/// Where a value is other than its schema says.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{at}: found {found}, legal is {legal}")]
pub struct Mismatch {
    /// Where, as `$.list[0].name`.
    pub at: String,
    /// What is there.
    pub found: String,
    /// What the schema asks for.
    pub legal: String,
}

impl ReplySchema {
    /// Reads a schema. `name` is what servers are told that it is called.
    ///
    /// # Errors
    ///
    /// The first thing that is not supported, with its place.
    pub fn new(name: &str, json: Value) -> Result<Self, SchemaError> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || name.len() > 64 || !name.chars().all(legal) {
            return Err(SchemaError::Name { found: name.to_owned() });
        }
        let root = Node::read(&json, "$")?;
        Ok(Self { name: name.to_owned(), json, root })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As it was written.
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// The most tokens of a reply as the schema says: one for each two characters of its JSON, rounded up. In English and in JSON a token has
    /// three characters and more, so that there is room for spaces between the fields, escapes and other scripts. `None` where the schema
    /// sets no end.
    pub fn most_tokens(&self) -> Option<usize> {
        self.root.longest().map(|characters| characters.div_ceil(2))
    }

    /// Whether `value` is as the schema says.
    ///
    /// # Errors
    ///
    /// The first place where it is not.
    pub fn check(&self, value: &Value) -> Result<(), Mismatch> {
        self.root.check(value, &mut Place::default())
    }
}

/// A place in a value.
#[derive(Default)]
struct Place(Vec<Step>);

enum Step {
    Property(String),
    Item(usize),
}

impl Place {
    /// Does `inside` one step further in.
    fn within<T>(&mut self, step: Step, inside: impl FnOnce(&mut Self) -> T) -> T {
        self.0.push(step);
        let result = inside(self);
        self.0.pop();
        result
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        self.0.iter().try_for_each(|step| match step {
            Step::Property(name) => write!(f, ".{name}"),
            Step::Item(index) => write!(f, "[{index}]"),
        })
    }
}

#[cfg(test)]
mod tests;
