//! What is graded: a model's completions, or the physicians'.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::lines::{LinesError, read};
use super::row::Row;
use crate::chat::Message;
use crate::rubric::model_judge::Exhibit;

/// A line of a file of completions.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Completion {
    /// The row that it answers.
    #[serde(alias = "id")]
    pub prompt_id: String,
    /// What the model said.
    #[serde(alias = "text")]
    pub completion: String,
    /// The conversation as it was sent, where it is not the row's: with a system message, say. Graders are shown it.
    #[serde(default)]
    pub prompt: Option<Vec<Message>>,
}

/// Which of a row's own completions are graded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ideals {
    /// What the physician wrote.
    Written,
    /// Those that the physician was shown.
    References,
}

/// A completion of a row, to be graded.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The place of its row.
    pub row: usize,
    /// Its place among the completions of the row, from 0.
    pub number: usize,
    /// What was said.
    pub text: String,
    /// The conversation as it was sent, where it is not the row's.
    pub prompt: Option<Vec<Message>>,
    /// SHA-256 of the row's id and the text, as simple-evals names completions.
    pub completion_id: String,
}

impl Sample {
    fn new(rows: &[Row], row: usize, number: usize, text: String, prompt: Option<Vec<Message>>) -> Self {
        let id = rows.get(row).map_or("", |row| row.prompt_id.as_str());
        let hash = Sha256::new().chain_update(id).chain_update(&text).finalize();
        let completion_id = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { row, number, text, prompt, completion_id }
    }

    /// Whether nothing is said in it, which is a reply like any other.
    pub fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// The conversation with the completion at its end.
    pub fn exhibit(&self, row: &Row) -> Exhibit {
        Exhibit::completion(self.prompt.as_deref().unwrap_or(&row.prompt), &self.text)
    }
}

/// The completions in `file`, in its order; a row may have several.
///
/// # Errors
///
/// A file that cannot be read, and all bad lines together; one whose row is not among `rows` is.
pub fn samples(rows: &[Row], file: &Path) -> Result<Vec<Sample>, LinesError> {
    let places: BTreeMap<&str, usize> =
        rows.iter().enumerate().map(|(at, row)| (row.prompt_id.as_str(), at)).collect();
    let lines = read(file, |_, it: &Completion| match places.contains_key(it.prompt_id.as_str()) {
        true => Vec::new(),
        false => {
            let legal = format!("legal are the {} that were read", rows.len());
            vec![format!("prompt_id: `{}` is no row's; {legal}", it.prompt_id)]
        }
    })?;
    let mut counts = vec![0; rows.len()];
    let sample = |(_, Completion { prompt_id, completion, prompt }): (usize, Completion)| {
        // Each is there, or it was told above.
        let &row = places.get(prompt_id.as_str())?;
        let count = counts.get_mut(row)?;
        let number = *count;
        *count += 1;
        Some(Sample::new(rows, row, number, completion, prompt))
    };
    Ok(lines.into_iter().filter_map(sample).collect())
}

/// The rows' own completions; rows without them have none.
pub fn own_samples(rows: &[Row], which: Ideals) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let Some(data) = &row.ideal_completions_data else { continue };
        let texts: Vec<&String> = match which {
            Ideals::Written => data.ideal_completion.iter().collect(),
            Ideals::References => data.ideal_completions_ref_completions.iter().flatten().collect(),
        };
        let numbered = texts.into_iter().enumerate();
        samples.extend(numbered.map(|(number, text)| Sample::new(rows, at, number, text.clone(), None)));
    }
    samples
}
