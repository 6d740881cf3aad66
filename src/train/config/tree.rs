//! The values of a TOML file with the line each stands on.

use std::collections::BTreeMap;
use std::fmt;

use toml::de::{DeTable, DeValue};

use super::problem::{Place, Problem, shorten};

/// A table's entries by name.
pub(super) type Table = BTreeMap<String, Node>;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
    /// Of an override, what was given, whatever TOML made of it.
    pub(super) given: Option<String>,
}

/// A value as TOML has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    /// Wide enough for every number that a field can want; TOML's own are of 64 bits.
    Whole(i128),
    Real(f64),
    Switch(bool),
    /// A date, or a number of too many digits: nothing here wants one. As it is written.
    Other(String),
    List(Vec<Node>),
    Table(Table),
}

impl fmt::Display for Node {
    /// As a message quotes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::Text(text) => write!(f, "{:?}", shorten(text)),
            Value::Whole(number) => write!(f, "{number}"),
            Value::Real(number) => write!(f, "{number:?}"),
            Value::Switch(on) => write!(f, "{on}"),
            Value::Other(text) => f.write_str(&shorten(text)),
            Value::List(items) => write!(f, "a list of {}", items.len()),
            Value::Table(entries) => write!(f, "a table of {}", entries.len()),
        }
    }
}

impl Node {
    pub(super) fn new(place: Place, value: Value) -> Self {
        Self { place, value, given: None }
    }

    /// The text of a string; of an override, what was given, whatever TOML makes of it (`--set name=7`).
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::List(_) | Value::Table(_) => None,
            _ => self.given.as_deref(),
        }
    }
}

/// Reads a TOML document; all of its syntax errors where it has any.
pub(super) fn parse(text: &str) -> Result<Table, Vec<Problem>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let lines = Lines::new(text);
        return Ok(table(document.get_ref(), &|at| Place::Line(lines.of(at))));
    }
    let lines = Lines::new(text);
    let problem = |error: toml::de::Error| {
        let place = error.span().map_or(Place::Absent, |span| Place::Line(lines.of(span.start)));
        let at = error.span().and_then(|span| text.get(span)).unwrap_or_default().trim();
        let at = if at.is_empty() { String::new() } else { format!(" at {:?}", shorten(at)) };
        let found = format!("no TOML{at} ({})", error.message());
        Problem { field: "the file".into(), place, found, legal: "TOML (https://toml.io)".into() }
    };
    let mut problems: Vec<Problem> = errors.into_iter().map(problem).collect();
    problems.sort_by_key(|problem| match problem.place {
        Place::Line(line) => line,
        Place::Set(_) | Place::Absent => 0,
    });
    Err(problems)
}

/// Reads the value of an override: as TOML, or else as a string.
pub(super) fn parse_override(given: &str, value: &str) -> Node {
    let place = Place::Set(given.to_owned());
    let value = value.trim();
    let read = match DeValue::parse(value) {
        Ok(parsed) => node(parsed.get_ref(), place.clone(), &|_| place.clone()),
        Err(_) => Node::new(place, Value::Text(value.to_owned())),
    };
    Node { given: Some(value.to_owned()), ..read }
}

fn table(entries: &DeTable<'_>, place: &dyn Fn(usize) -> Place) -> Table {
    let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
        let key: &toml::Spanned<std::borrow::Cow<'_, str>> = key;
        (key.get_ref().to_string(), node(value.get_ref(), place(key.span().start), place))
    };
    entries.iter().map(entry).collect()
}

fn node(value: &DeValue<'_>, at: Place, place: &dyn Fn(usize) -> Place) -> Node {
    let value = match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Whole(number),
            Err(_) => Value::Other(number.to_string()),
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(number) => Value::Real(number),
            Err(_) => Value::Other(number.to_string()),
        },
        DeValue::Boolean(on) => Value::Switch(*on),
        DeValue::Datetime(date) => Value::Other(date.to_string()),
        DeValue::Array(items) => {
            let item =
                |item: &toml::Spanned<DeValue<'_>>| node(item.get_ref(), place(item.span().start), place);
            Value::List(items.iter().map(item).collect())
        }
        DeValue::Table(entries) => Value::Table(table(entries, place)),
    };
    Node::new(at, value)
}

/// Finds the line of a byte.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect())
    }

    fn of(&self, byte: usize) -> usize {
        self.0.partition_point(|end| *end < byte) + 1
    }
}
