//! `--set key=value`: values put over those of the file before anything is checked.

use super::findings::join;
use super::near::near;
use super::problem::{Place, Problem, shorten};
use super::stage::KINDS;
use super::tree::{Node, Table, Value, parse_override};

/// Puts `key=value` into the tree. The key is a path: `seed`, `optimizer.beta1`, `stage.rl.lr` (the stage of that kind)
/// or `stage.1.lr` (the second stage). Whether the last name is a field is seen when the tree is read.
pub(super) fn apply(root: &mut Table, given: &str) -> Result<(), Problem> {
    let refuse = |field: &str, found: &str, legal: String| Problem {
        field: field.to_owned(),
        place: Place::Set(given.to_owned()),
        found: found.to_owned(),
        legal,
    };
    let legal = "key=value, e.g. stage.rl.lr=1e-6";
    let Some((key, value)) = given.split_once('=') else {
        return Err(refuse(&shorten(given.trim()), "no key=value", legal.into()));
    };
    let names: Vec<&str> = key.split('.').map(str::trim).collect();
    let (Some((last, outer)), false) = (names.split_last(), names.iter().any(|name| name.is_empty())) else {
        return Err(refuse(&shorten(key.trim()), "no path", legal.into()));
    };
    let mut table = root;
    let mut path = String::new();
    let mut outer = outer.iter();
    while let Some(name) = outer.next() {
        path = join(&path, name);
        let place = Place::Set(given.to_owned());
        let node = table.entry((*name).to_owned()).or_insert_with(|| {
            Node::new(
                place,
                if path == "stage" { Value::List(Vec::new()) } else { Value::Table(Table::new()) },
            )
        });
        let found = node.to_string();
        table = match &mut node.value {
            Value::Table(inner) => inner,
            Value::List(stages) if path == "stage" => {
                let Some(which) = outer.next() else {
                    return Err(refuse(
                        "stage",
                        "a list of stages",
                        "stage.KIND.field or stage.INDEX.field".into(),
                    ));
                };
                path = join(&path, which);
                let at = pick(stages, which).map_err(|(found, legal)| refuse(&path, &found, legal))?;
                match stages.get_mut(at).map(|stage| &mut stage.value) {
                    Some(Value::Table(inner)) => inner,
                    _ => return Err(refuse(&path, "no table", "a stage, which is a table".into())),
                }
            }
            _ => return Err(refuse(&path, &found, "a table, to have fields".into())),
        };
    }
    if path.is_empty() && *last == "stage" {
        return Err(refuse("stage", "the whole list", "stage.KIND.field or stage.INDEX.field".into()));
    }
    table.insert((*last).to_owned(), parse_override(given, value));
    Ok(())
}

/// The stage that `which` selects, or what is wrong with it and what would be right.
fn pick(stages: &[Node], which: &str) -> Result<usize, (String, String)> {
    let kinds: Vec<Option<&str>> = stages.iter().map(kind).collect();
    if let Ok(index) = which.parse::<usize>() {
        let there = match stages.len() {
            0 => "nothing: there are no stages".to_owned(),
            count => format!("0 to {}", count - 1),
        };
        return if index < stages.len() { Ok(index) } else { Err(("no stage".into(), there)) };
    }
    let mut with_kind =
        kinds.iter().enumerate().filter(|(_, kind)| **kind == Some(which)).map(|(index, _)| index);
    match (with_kind.next(), with_kind.next()) {
        (Some(index), None) => Ok(index),
        (Some(first), Some(second)) => Err((
            format!("the kind of stages {first} and {second}"),
            format!("stage.{first} or stage.{second}"),
        )),
        (None, _) => {
            let have: Vec<String> = kinds
                .iter()
                .enumerate()
                .map(|(i, kind)| format!("{i} ({})", kind.unwrap_or("no kind")))
                .collect();
            let meant: Vec<&str> = near(which, KINDS.iter().copied());
            let hint = meant.first().map(|kind| format!(" (did you mean `{kind}`?)")).unwrap_or_default();
            Err(("no stage here".into(), format!("the kind or index of a stage: {}{hint}", have.join(", "))))
        }
    }
}

/// The kind a stage says it has.
pub(super) fn kind(stage: &Node) -> Option<&str> {
    match &stage.value {
        Value::Table(table) => table.get("kind").and_then(Node::text),
        _ => None,
    }
}
