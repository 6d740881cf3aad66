//! A row of HealthBench: a conversation and the criteria that its answer is graded by.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::lines::{LinesError, read};
use crate::chat::{Message, Role};
use crate::data::hash;
use crate::rubric::model_judge::Item;

/// A row. Fields that are not here, such as the canary, are passed over.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Row {
    /// Its name, once a file.
    pub prompt_id: String,
    /// The conversation to be answered; it ends with the user.
    pub prompt: Vec<Message>,
    /// The criteria.
    pub rubrics: Vec<RowItem>,
    /// What the conversation is about: `theme:..`.
    #[serde(default)]
    pub example_tags: Vec<String>,
    /// What physicians wrote, where they did.
    #[serde(default)]
    pub ideal_completions_data: Option<IdealData>,
}

/// One criterion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowItem {
    /// In words.
    pub criterion: String,
    /// From -10 to 10 and not 0; below 0 it describes something undesirable. Kept as it was written: graders are shown it.
    pub points: Number,
    /// `axis:..`, `level:..`, `cluster:..`.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// Completions that physicians wrote or were shown.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct IdealData {
    /// What a physician wrote.
    #[serde(default)]
    pub ideal_completion: Option<String>,
    /// Which models' completions physicians were shown, if any.
    #[serde(default)]
    pub ideal_completions_group: Option<String>,
    /// These completions.
    #[serde(default)]
    pub ideal_completions_ref_completions: Option<Vec<String>>,
}

impl RowItem {
    /// The points as a number.
    pub fn value(&self) -> f64 {
        // JSON numbers always have one: they are read without arbitrary precision.
        self.points.as_f64().unwrap_or(0.0)
    }

    /// The criterion as a grader reads it: `[points] criterion`.
    pub fn item(&self) -> Item {
        Item { text: format!("[{}] {}", self.points, self.criterion), good: self.value() > 0.0 }
    }

    /// A hash of points and words, by which a verdict is found again without them.
    pub fn id(&self) -> String {
        hash::text(hash::fnv1a(self.item().text.as_bytes()))
    }
}

impl Row {
    /// What is wrong with it beyond its shape.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.prompt_id.is_empty() {
            problems.push("prompt_id: is empty, legal is a name".to_owned());
        }
        match self.prompt.last() {
            None => {
                problems.push("prompt: is empty, legal is a conversation that ends with the user".to_owned())
            }
            Some(last) if last.role != Role::User => {
                problems.push(format!("prompt: ends with the {}, legal is the user", last.role));
            }
            Some(_) => {}
        }
        for (at, item) in self.rubrics.iter().enumerate() {
            let points = item.value();
            if points == 0.0 || !(-10.0..=10.0).contains(&points) {
                problems
                    .push(format!("rubrics[{at}].points: is {}, legal is -10 to 10 and not 0", item.points));
            }
            if item.criterion.trim().is_empty() {
                problems.push(format!("rubrics[{at}].criterion: is empty, legal is a text"));
            }
            if let Some(tag) = twice(&item.tags) {
                problems.push(format!("rubrics[{at}].tags: `{tag}` is there twice, legal is once"));
            }
        }
        if !self.rubrics.iter().any(|item| item.value() > 0.0) {
            problems.push(
                "rubrics: none has points above 0, legal is at least one (there is no score without)"
                    .to_owned(),
            );
        }
        if let Some(tag) = twice(&self.example_tags) {
            problems.push(format!("example_tags: `{tag}` is there twice, legal is once"));
        }
        problems
    }
}

fn twice(tags: &[String]) -> Option<&str> {
    let mut seen = BTreeSet::new();
    tags.iter().find(|tag| !seen.insert(*tag)).map(String::as_str)
}

/// Reads a file of HealthBench, JSONL.
///
/// # Errors
///
/// A file that cannot be read, and all bad lines together; a `prompt_id` that was there before is one.
pub fn read_rows(file: &Path) -> Result<Vec<Row>, LinesError> {
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    let rows = read(file, |line, row: &Row| {
        let mut problems = row.problems();
        match first.get(&row.prompt_id) {
            Some(before) => {
                problems
                    .push(format!("prompt_id: `{}` is in line {before} too, legal is once", row.prompt_id));
            }
            None => {
                first.insert(row.prompt_id.clone(), line);
            }
        }
        problems
    })?;
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}
