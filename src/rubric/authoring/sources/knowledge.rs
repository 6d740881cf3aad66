//! Prompts from reference text: passages that the user gives become standardised questions with their answers.
//!
//! A `.jsonl` file has a passage a line: `{"title"?, "text"}`, or one that is a question already, `{"question", "answer", "points"?}`.
//! Any other file is plain text: a line that begins with `#` is the title of a passage, which goes on to the next such line; before the
//! first title, passages are parted by empty lines.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::chat::{ChatError, Listener};
use crate::data::lexicon::ConceptKind;
use crate::data::utterance::Understanding;
use crate::rubric::authoring::lines::{self, FileError};
use crate::rubric::authoring::prompt::{DraftPrompt, Reference, Source};
use crate::rubric::authoring::scenario::Scenario;
use crate::rubric::authoring::templates::Ask;
use crate::rubric::authoring::writer::{MOST_WRITTEN, Writer};
use crate::rubric::text::sentences;

/// Fewest words of a sentence that says something.
const LEAST_WORDS: usize = 4;
/// Most points of an answer.
const MOST_POINTS: usize = 12;
/// Most characters of a point that a model writes.
const POINT: usize = 400;

/// A passage of reference text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Passage {
    /// The file's name, without its folders.
    pub file: String,
    /// Where it begins, from 1.
    pub line: u64,
    /// What it is about, where that is said.
    pub title: Option<String>,
    /// What it says.
    pub text: String,
    /// The question that it answers, where that is said.
    pub question: Option<String>,
    /// Points of the answer, where they are given.
    pub points: Vec<String>,
}

/// A line of a `.jsonl` file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default)]
    title: Option<String>,
    #[serde(default, alias = "answer")]
    text: String,
    #[serde(default)]
    question: Option<String>,
    #[serde(default)]
    points: Vec<String>,
}

/// Reads the passages of a file.
///
/// # Errors
/// The file cannot be read, is not UTF-8, or has a line that is not as said above.
pub fn read(path: &Path) -> Result<Vec<Passage>, FileError> {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if path.extension().is_none_or(|it| it != "jsonl") {
        let text = std::fs::read_to_string(path).map_err(FileError::on(path))?;
        return Ok(plain(&file, &text));
    }
    let (lines, _) = lines::lines(path)?;
    let passage = |(line, text): (u64, Vec<u8>)| {
        let wrong = |problem: String| FileError::Line { path: path.to_owned(), line, problem };
        let it: Line = lines::value(&text).map_err(wrong)?;
        if it.text.trim().is_empty() {
            let wanted = if it.question.is_some() { "answer" } else { "text" };
            return Err(wrong(format!("`{wanted}` is missing or empty")));
        }
        let (file, text) = (file.clone(), it.text.trim().to_owned());
        Ok(Passage { file, line, title: it.title, text, question: it.question, points: it.points })
    };
    lines.into_iter().map(passage).collect()
}

fn plain(file: &str, text: &str) -> Vec<Passage> {
    let mut passages: Vec<Passage> = Vec::new();
    let mut title: Option<String> = None;
    let mut open = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(heading) = line.strip_prefix('#') {
            title = Some(heading.trim_start_matches('#').trim().to_owned()).filter(|it| !it.is_empty());
            open = false;
        } else if line.is_empty() {
            open &= title.is_some();
        } else if let Some(passage) = passages.last_mut().filter(|_| open) {
            passage.text.push(' ');
            passage.text.push_str(line);
        } else {
            passages.push(Passage {
                file: file.to_owned(),
                line: number as u64 + 1,
                title: title.clone(),
                text: line.to_owned(),
                question: None,
                points: Vec::new(),
            });
            open = true;
        }
    }
    passages
}

/// A question made by rules. Without a title it asks for the condition, drug or test that the passage names first; `None` where there is
/// none of them, or where nothing in the passage is a statement.
pub fn draft(passage: &Passage, understanding: &Understanding) -> Option<DraftPrompt> {
    let points = if passage.points.is_empty() { statements(&passage.text) } else { passage.points.clone() };
    if points.is_empty() {
        return None;
    }
    let title = match &passage.title {
        Some(title) => title.clone(),
        None => {
            let kinds =
                [ConceptKind::Condition, ConceptKind::Substance, ConceptKind::Test, ConceptKind::Measure];
            let mentions = understanding.mentions(&passage.text);
            let first = mentions.into_iter().find(|mention| kinds.contains(&mention.kind));
            match (first, &passage.question) {
                (Some(mention), _) => mention.concept,
                (None, Some(question)) => question.clone(),
                (None, None) => return None,
            }
        }
    };
    let question = passage.question.clone().unwrap_or_else(|| {
        format!(
            "What should be known about {}, and what follows from it for the person concerned?",
            lower_first(&title)
        )
    });
    Some(made(passage, title, question, Reference { answer: passage.text.clone(), points }, None))
}

/// A question made by a model.
///
/// # Errors
/// Those of [`Writer::ask`].
pub fn write(
    writer: &Writer,
    passage: &Passage,
    listener: &mut dyn Listener,
) -> Result<DraftPrompt, ChatError> {
    #[derive(Deserialize)]
    struct Written {
        question: String,
        answer: String,
        points: Vec<String>,
    }
    let text = |most: usize| json!({"type": "string", "minLength": 10, "maxLength": most});
    let properties = json!({
        "question": text(MOST_WRITTEN), "answer": text(MOST_WRITTEN),
        "points": {"type": "array", "minItems": 1, "maxItems": MOST_POINTS, "items": text(POINT)}
    });
    let titled = match &passage.title {
        Some(title) => format!("{title}\n\n{}", passage.text),
        None => passage.text.clone(),
    };
    let it: Written = writer.ask(Ask::Question, &[("passage", &titled)], properties, listener)?;
    let reference = Reference { answer: it.answer, points: it.points };
    let title = passage.title.clone().unwrap_or_else(|| it.question.clone());
    Ok(made(passage, title, it.question, reference, Some(writer.model.name().to_owned())))
}

fn made(
    passage: &Passage,
    title: String,
    question: String,
    reference: Reference,
    model: Option<String>,
) -> DraftPrompt {
    let source = Source::Knowledge { file: passage.file.clone(), line: passage.line, title, model };
    let body = format!("{question} {}", reference.answer);
    let question = question.trim().to_owned();
    DraftPrompt { body, reference: Some(reference), ..DraftPrompt::new(Scenario::Question, source, question) }
}

/// The sentences of a passage that state something, without their last point.
fn statements(text: &str) -> Vec<String> {
    sentences(text)
        .into_iter()
        .filter_map(|span| text.get(span))
        .filter(|sentence| !sentence.ends_with('?') && sentence.split_whitespace().count() >= LEAST_WORDS)
        .map(|sentence| sentence.trim_end_matches(['.', '!']).to_owned())
        .take(MOST_POINTS)
        .collect()
}

/// A title within a sentence: `Acute asthma` becomes `acute asthma`, `COPD` stays.
fn lower_first(title: &str) -> String {
    let mut letters = title.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() => first.to_lowercase().chain(letters).collect(),
        _ => title.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_parted_by_titles_and_without_them_by_empty_lines() {
        let text = "First.\n\nSecond\none.\n# Acute asthma\nOxygen is given\nat once.\n\nSteroids follow early on.\n## COPD\nx\n";
        let found = plain("a.txt", text);
        let of = |at: usize| (found[at].line, found[at].title.as_deref(), found[at].text.as_str());
        assert_eq!(found.len(), 4);
        assert_eq!((of(0), of(1)), ((1, None, "First."), (3, None, "Second one.")));
        assert_eq!(of(2), (6, Some("Acute asthma"), "Oxygen is given at once. Steroids follow early on."));
        assert_eq!(of(3), (11, Some("COPD"), "x"));
        let drafted = draft(&found[2], Understanding::bundled()).unwrap();
        assert!(drafted.last().contains("about acute asthma, "), "{}", drafted.last());
        assert_eq!(
            drafted.reference.unwrap().points,
            ["Oxygen is given at once", "Steroids follow early on"]
        );
        // One word states nothing.
        assert_eq!(draft(&found[3], Understanding::bundled()), None);
    }

    #[test]
    fn lines_may_hold_questions_and_bad_ones_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k.jsonl");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write(
            "{\"question\": \"Why?\", \"answer\": \"Because it helps.\", \"points\": [\"It helps\"]}\n{\"text\": \"Asthma is treated with inhalers.\"}\n",
        );
        let found = read(&path).unwrap();
        let first = draft(&found[0], Understanding::bundled()).unwrap();
        assert_eq!(first.last(), "Why?");
        assert_eq!(first.reference.unwrap().points, ["It helps"]);
        assert!(draft(&found[1], Understanding::bundled()).unwrap().last().contains("about asthma"));
        for (text, part) in [
            ("{\"question\": \"Why?\"}", "line 1: `answer` is missing"),
            ("{\"text\": \"a\"}\n{\"txt\": \"b\"}", "line 2: "),
            ("nothing", "line 1: "),
        ] {
            write(text);
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
