//! Problems collected while a configuration is read, and where each of its values stands.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::near::near;
use super::problem::{Place, Problem};
use super::tree::{Node, Table};

/// What is known so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    problems: Vec<Problem>,
    /// Of each field that was read: where it stands and what is there.
    places: BTreeMap<String, (Place, String)>,
    /// Paths `--set` takes, for names that are almost one of them.
    paths: Vec<String>,
}

impl Findings {
    pub(super) fn new(paths: Vec<String>) -> Self {
        Self { paths, ..Self::default() }
    }

    /// Notes what a field holds, for messages about how it fits with others.
    pub(super) fn saw(&mut self, path: &str, place: Place, found: impl Display) {
        self.places.insert(path.to_owned(), (place, found.to_string()));
    }

    /// Notes that a field cannot hold what it does.
    pub(super) fn refuse(&mut self, path: &str, place: Place, found: impl Display, legal: impl Display) {
        self.problems.push(Problem {
            field: path.to_owned(),
            place,
            found: found.to_string(),
            legal: legal.to_string(),
        });
    }

    /// Notes fields of a table that are not known.
    pub(super) fn unknown(&mut self, prefix: &str, table: &Table, known: &[&'static str]) {
        for (name, node) in table.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
            self.refuse_name(&join(prefix, name), name, node, known);
        }
    }

    fn refuse_name(&mut self, path: &str, name: &str, node: &Node, known: &[&'static str]) {
        let here: Vec<String> =
            near(name, known.iter().copied()).into_iter().map(|name| format!("`{name}`")).collect();
        // The right name in the wrong table.
        let elsewhere = self.paths.iter().filter(|path| path.rsplit('.').next() == Some(name)).take(3);
        let meant: Vec<String> = here.into_iter().chain(elsewhere.map(|path| format!("`{path}`"))).collect();
        let legal = if meant.is_empty() {
            format!("a known field: {}", known.join(", "))
        } else {
            format!("a known field (did you mean {}?)", meant.join(" or "))
        };
        self.refuse(path, node.place.clone(), "not a field", legal);
    }

    /// Notes that fields do not fit together, unless one of them was refused anyway: then nothing is known. The first of
    /// `fields` is the one to blame.
    pub(super) fn require(&mut self, holds: bool, fields: &[&str], legal: impl Display) {
        let refused = |field: &str| {
            let within = |outer: &str| field.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
            self.problems.iter().any(|problem| problem.field == field || within(&problem.field))
        };
        if let (false, Some(blamed)) = (holds || fields.iter().any(|field| refused(field)), fields.first()) {
            let absent = (Place::Absent, "nothing".to_owned());
            let (place, found) = self.places.get(*blamed).cloned().unwrap_or(absent);
            self.refuse(blamed, place, found, legal);
        }
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}

/// A field's path.
pub(super) fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}
