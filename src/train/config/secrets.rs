//! Keys of servers never stand in a configuration: it is copied into run folders, shown and shared.

use super::findings::{Findings, join};
use super::legal::Legal;
use super::part::{Part, quoted};
use super::problem::Place;
use super::tree::{Node, Table};
use super::writer::Writer;

/// What people call the field that would hold a key.
const KEYS: [&str; 13] = [
    "key",
    "api_key",
    "api-key",
    "apikey",
    "token",
    "api_token",
    "auth_token",
    "access_token",
    "bearer",
    "secret",
    "password",
    "authorization",
    "credentials",
];

/// The table without fields that would hold a key, each of which is refused. What they hold is not repeated.
pub(super) fn without_keys(found: &mut Findings, path: &str, table: &Table) -> Table {
    let named = |name: &str| KEYS.contains(&name.to_lowercase().as_str());
    let (keys, rest): (Table, Table) = table.clone().into_iter().partition(|(name, _)| named(name));
    for (name, node) in &keys {
        let path = join(path, name);
        let legal = "nothing: name the variable that holds the key in `key_env`, or its file in `key_file`";
        found.refuse(&path, hidden(&node.place, &path), "a key in the text of a configuration", legal);
    }
    rest
}

/// A place that does not repeat what was given there.
pub(super) fn hidden(place: &Place, path: &str) -> Place {
    match place {
        Place::Set(_) => Place::Set(format!("{path}=..")),
        Place::Line(_) | Place::Absent => place.clone(),
    }
}

/// The name of an environment variable that holds a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyVariable(String);

impl KeyVariable {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a text is a variable's name. Most keys are none.
pub(super) fn is_variable(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (1..=128).contains(&text.len())
        && text.chars().all(fits)
        && !text.starts_with(|c: char| c.is_ascii_digit())
}

impl Part for KeyVariable {
    /// What is no variable's name may be the key itself, and is not repeated.
    fn take(found: &mut Findings, path: &str, legal: Legal, node: Option<&Node>, _: Option<Self>) -> Self {
        let place = node.map_or(Place::Absent, |node| hidden(&node.place, path));
        found.saw(path, place.clone(), "a variable's name");
        match node.filter(|node| legal.allows(node)).and_then(Node::text) {
            Some(name) => Self(name.to_owned()),
            None => {
                found.refuse(path, place, "not a variable's name", legal);
                Self(String::new())
            }
        }
    }

    fn write(&self, name: &str, out: &mut Writer) {
        out.value(name, &self.show());
    }

    fn show(&self) -> String {
        quoted(&self.0)
    }
}
