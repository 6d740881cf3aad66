//! What is wrong with a file of rubrics: everything at once, with its line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::dimension::Dimension;
use super::lines::{self, FileError};
use super::row::{RubricItem, RubricRow};
use crate::chat::Role;
use crate::rubric::text::{plain, sentences, words};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It can be used, and a grader may decide it less surely.
    Warning,
    /// A reader refuses it, or scores it wrongly.
    Error,
}

/// Something wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The line, from 1.
    pub line: u64,
    /// Which criterion of it, from 1; absent where it is about the whole line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criterion: Option<usize>,
    /// How bad it is.
    pub severity: Severity,
    /// What it is, and what is legal.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(criterion) = self.criterion {
            write!(f, ", criterion {criterion}")?;
        }
        let severity = if self.severity == Severity::Error { "error" } else { "warning" };
        write!(f, ": {severity}: {}", self.what)
    }
}

/// A file, examined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Examined {
    /// Lines that are rubrics.
    pub rubrics: usize,
    /// Their criteria.
    pub criteria: usize,
    /// What is wrong, in the order of the lines.
    pub problems: Vec<Problem>,
}

impl Examined {
    /// How many problems are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|it| it.severity == severity).count()
    }
}

/// HealthBench's axes.
const AXES: [&str; 5] =
    ["accuracy", "completeness", "communication_quality", "context_awareness", "instruction_following"];
/// Verbs that criteria begin with; one after `and` begins a second criterion.
const VERBS: &[&str] = &[
    "acknowledges",
    "addresses",
    "advises",
    "arranges",
    "asks",
    "avoids",
    "calls",
    "considers",
    "describes",
    "does",
    "emphasizes",
    "encourages",
    "explains",
    "fails",
    "gives",
    "identifies",
    "includes",
    "informs",
    "lists",
    "mentions",
    "names",
    "notes",
    "orders",
    "prescribes",
    "provides",
    "recommends",
    "records",
    "refers",
    "says",
    "sends",
    "states",
    "suggests",
    "tells",
    "uses",
    "warns",
];

/// Examines a file.
///
/// # Errors
/// The file cannot be read; whatever is wrong in it is no error but a problem.
pub fn examine(path: &Path) -> Result<Examined, FileError> {
    let (lines, _) = lines::lines(path)?;
    let mut examined = Examined { rubrics: 0, criteria: 0, problems: Vec::new() };
    let mut ids: BTreeMap<String, u64> = BTreeMap::new();
    for (line, text) in lines {
        let mut finding = Finding { line, problems: &mut examined.problems };
        match lines::value::<RubricRow>(&text) {
            Ok(row) => {
                examined.rubrics += 1;
                examined.criteria += row.rubrics.len();
                if let Some(before) = ids.insert(row.prompt_id.clone(), line) {
                    finding.error(
                        None,
                        format!("prompt_id `{}` is that of line {before} too, legal is once", row.prompt_id),
                    );
                }
                finding.row(&row);
            }
            Err(problem) => finding.error(None, format!("it is no rubric: {problem}")),
        }
    }
    if examined.rubrics == 0 && examined.problems.is_empty() {
        let what = "there is no rubric in it, legal is one or more".to_owned();
        examined.problems.push(Problem { line: 1, criterion: None, severity: Severity::Error, what });
    }
    Ok(examined)
}

struct Finding<'a> {
    line: u64,
    problems: &'a mut Vec<Problem>,
}

impl Finding<'_> {
    fn error(&mut self, criterion: Option<usize>, what: impl Into<String>) {
        self.push(criterion, Severity::Error, what.into());
    }

    fn warn(&mut self, criterion: Option<usize>, what: impl Into<String>) {
        self.push(criterion, Severity::Warning, what.into());
    }

    fn push(&mut self, criterion: Option<usize>, severity: Severity, what: String) {
        self.problems.push(Problem { line: self.line, criterion, severity, what });
    }

    fn row(&mut self, row: &RubricRow) {
        if row.prompt_id.trim().is_empty() {
            self.error(None, "prompt_id is empty");
        }
        match row.prompt.last() {
            None => self.error(None, "prompt is empty, legal is one message or more"),
            Some(last) if last.role != Role::User => {
                self.error(None, format!("prompt ends with {}, legal is user", last.role));
            }
            Some(last) if last.content.trim().is_empty() => self.error(None, "the last message is empty"),
            Some(_) => {}
        }
        if let Some(twice) = twice(&row.example_tags) {
            self.error(None, format!("example tag `{twice}` is there twice, legal is once"));
        }
        if row.example_tags.iter().filter(|tag| tag.starts_with("theme:")).count() != 1 {
            self.warn(None, "example_tags has not one tag `theme:..`, by which HealthBench groups");
        }
        if row.rubrics.is_empty() {
            self.error(None, "rubrics is empty, legal is one criterion or more");
        } else if !row.rubrics.iter().any(|item| item.points.as_f64().is_some_and(|points| points > 0.0)) {
            self.error(None, "no criterion has positive points, so no answer can be scored");
        }
        let mut said: BTreeMap<String, usize> = BTreeMap::new();
        for (at, item) in row.rubrics.iter().enumerate() {
            let number = at + 1;
            self.item(number, item);
            let text = plain(&item.criterion);
            if text.is_empty() {
                continue;
            }
            if let Some(before) = said.insert(text, number) {
                self.error(Some(number), format!("it says the same as criterion {before}"));
            }
        }
    }

    fn item(&mut self, number: usize, item: &RubricItem) {
        let at = Some(number);
        let points = &item.points;
        if points.as_f64() == Some(0.0) {
            self.error(at, "points are 0, legal is -10 to -1 and 1 to 10");
        } else if item.legal_points().is_none() {
            self.error(at, format!("points are {points}, legal is a whole number from -10 to 10"));
        } else if points.is_f64() {
            self.warn(at, format!("points are written as {points}, and graders are shown the decimals"));
        }
        if words(&item.criterion).is_empty() {
            self.error(at, "the criterion is empty");
        } else if let Some(why) = compound(&item.criterion) {
            self.warn(at, format!("it is compound ({why}): an answer that meets half of it is not met"));
        }
        if let Some(twice) = twice(&item.tags) {
            self.error(at, format!("tag `{twice}` is there twice, legal is once"));
        }
        let axes: Vec<&str> = item.tags.iter().filter_map(|tag| tag.strip_prefix("axis:")).collect();
        match axes.as_slice() {
            [axis] if AXES.contains(axis) => {}
            [axis] => self.error(at, format!("axis:{axis} is no axis, legal are {}", AXES.join(", "))),
            other => self.warn(at, format!("it has {} tags `axis:..`, HealthBench has one", other.len())),
        }
        if let Some(name) = item.tag("dimension").filter(|name| Dimension::named(name).is_none()) {
            let legal = Dimension::ALL.map(Dimension::name).join(", ");
            self.error(at, format!("dimension:{name} is no dimension, legal are {legal}"));
        }
    }
}

fn twice(tags: &[String]) -> Option<&str> {
    let mut seen = BTreeSet::new();
    tags.iter().map(String::as_str).find(|tag| !seen.insert(*tag))
}

/// Why a criterion is several, if it is: several sentences, or a second verb after `and`. Lists (`such as a and b`) are one.
fn compound(text: &str) -> Option<String> {
    let count = sentences(text).len();
    if count > 1 {
        return Some(format!("{count} sentences"));
    }
    let words = words(text);
    let mut pairs = words.iter().zip(words.iter().skip(1));
    let (and, verb) = pairs.find(|(first, second)| {
        matches!(first.text.as_str(), "and" | "then" | "also") && VERBS.contains(&second.text.as_str())
    })?;
    Some(format!("`{} {}`", and.text, verb.text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examined(text: &str) -> Examined {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, text).unwrap();
        examine(&path).unwrap()
    }

    fn line(id: &str, rubrics: &str) -> String {
        format!(
            "{{\"prompt_id\": \"{id}\", \"prompt\": [{{\"role\": \"user\", \"content\": \"Hi\"}}], \"rubrics\": [{rubrics}], \"example_tags\": [\"theme:hedging\"], \"canary\": \"x\"}}\n"
        )
    }

    fn item(text: &str, points: &str) -> String {
        format!(
            "{{\"criterion\": \"{text}\", \"points\": {points}, \"tags\": [\"level:example\", \"axis:accuracy\"]}}"
        )
    }

    #[test]
    fn a_good_file_has_no_problem() {
        let good = item("Names asthma, such as by its symptoms and signs", "5");
        let it = examined(&format!("{}\n{}", line("a", &good), line("b", &item("Greets", "1"))));
        assert_eq!((it.rubrics, it.criteria, it.problems), (2, 2, vec![]));
    }

    #[test]
    fn everything_is_told_at_once_with_its_place() {
        let text = [
            line(
                "a",
                &[item("Asks", "0"), item("asks!", "11"), item("", "-2.5"), item("Names it", "3.0")]
                    .join(", "),
            ),
            "{\"prompt_id\": 3}\n".into(),
            line("a", &item("Errs", "-3")),
            line("b", &item("Asks about pain and names asthma", "2").replace("axis:accuracy", "axis:x")),
            line("c", &item("Ok", "2").replace("\"level:example\"", "\"axis:accuracy\""))
                .replace("\"role\": \"user\"", "\"role\": \"assistant\""),
        ]
        .concat();
        let it = examined(&text);
        let found: Vec<(u64, Option<usize>, Severity)> =
            it.problems.iter().map(|it| (it.line, it.criterion, it.severity)).collect();
        use Severity::{Error, Warning};
        assert_eq!(
            found,
            [
                (1, Some(1), Error),
                (1, Some(2), Error),
                (1, Some(2), Error),
                (1, Some(3), Error),
                (1, Some(3), Error),
                (1, Some(4), Warning),
                (2, None, Error),
                (3, None, Error),
                (3, None, Error),
                (4, Some(1), Warning),
                (4, Some(1), Error),
                (5, None, Error),
                (5, Some(1), Error),
                (5, Some(1), Warning),
            ],
            "{:#?}",
            it.problems
        );
        assert_eq!(it.count(Error), 11);
        let shown: Vec<String> = it.problems.iter().map(Problem::to_string).collect();
        assert_eq!(shown[0], "line 1, criterion 1: error: points are 0, legal is -10 to -1 and 1 to 10");
        assert!(
            shown[2].contains("the same as criterion 1") && shown[6].contains("it is no rubric"),
            "{shown:?}"
        );
    }

    #[test]
    fn an_empty_file_is_a_problem() {
        assert_eq!(examined("\n").count(Severity::Error), 1);
    }

    #[test]
    fn lists_are_not_compound() {
        for (text, several) in [
            ("Asks when and how the pain began", false),
            ("Recommends rest, ice and compression", false),
            ("Recommends rest and explains why", true),
            ("Recommends rest. Explains why.", true),
            ("Gives 2.5 mg of it", false),
        ] {
            assert_eq!(compound(text).is_some(), several, "{text}");
        }
    }
}
