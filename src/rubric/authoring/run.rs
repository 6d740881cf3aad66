//! A run: from sources to rubrics, step by step.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::folder::{Fingerprint, Folder, FolderError, Step};
use super::made::Made;
use super::outcome::{self, Summary};
use super::prompt::DraftPrompt;
use super::row::RubricRow;
use super::scenario::Scenario;
use super::sources::Passage;
use super::steps::{Everything, Running};
use super::templates::{Ask, Templates};
use super::writer::Writer;
use crate::chat::{ChatError, ChatModel};
use crate::data::case::Case;
use crate::data::consultation::Consultation;
use crate::data::hash;

/// How a run goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Most prompts that are kept, before they are expanded.
    pub count: usize,
    /// Draws what is drawn.
    pub seed: u64,
    /// Kinds of prompts made of cases.
    pub scenarios: Vec<Scenario>,
    /// From this similarity on two prompts are one, in (0, 1].
    pub similarity: f64,
    /// Least sum of a prompt's three marks, 3 to 15.
    pub least_marks: u8,
    /// Most variants of each prompt, beside itself.
    pub variants: usize,
    /// Draws who the patients of the cases are as persons; without one nothing is known of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persona_seed: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        let scenarios = Scenario::ALL.to_vec();
        Self {
            count: 100,
            seed: 0,
            scenarios,
            similarity: 0.7,
            least_marks: 5,
            variants: 0,
            persona_seed: None,
        }
    }
}

/// What prompts are made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Sources {
    /// Cases. Each gives two of the kinds in turn.
    pub cases: Vec<Case>,
    /// Dialogues with patients of these cases. Each gives a prompt: what the doctor is to say next.
    pub dialogues: Vec<Consultation>,
    /// Passages of reference text. Each gives a question.
    pub passages: Vec<Passage>,
    /// Rubrics that are there already: a prompt that says what one of theirs does is left out.
    pub others: Vec<RubricRow>,
}

/// A model that writes.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// It.
    pub model: &'a (dyn ChatModel + Sync),
    /// Prompts that it is asked about at once, at least 1. What comes out is the same.
    pub at_once: usize,
}

/// Hears how a run goes on, and can stop it.
pub trait Watch {
    /// So much of a step is done.
    fn at(&mut self, step: Step, done: usize, all: usize);

    /// Whether to stop. Asked before each item, and several times a second while a model is waited for.
    fn stopped(&mut self) -> bool;
}

/// Only waits.
impl Watch for () {
    fn at(&mut self, _: Step, _: usize, _: usize) {}

    fn stopped(&mut self) -> bool {
        false
    }
}

/// Why a run ended before its end. What was done is kept.
#[derive(Debug, Error)]
pub enum RunError {
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The model gave no answer, and would give none to what follows.
    #[error("{step}, item {item} of {all}: {source}; what was done is kept, --resume goes on")]
    Model {
        /// What was done.
        step: &'static str,
        /// Which item, from 1.
        item: usize,
        /// Items of the step.
        all: usize,
        /// Why.
        source: ChatError,
    },
    /// Nobody can ask the model.
    #[error(
        "{step}: no thread can be started to ask the model: {source}; what was done is kept, --resume goes on"
    )]
    Threads {
        /// What was to be done.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It was stopped.
    #[error("stopped; what was done is kept, --resume goes on")]
    Stopped,
    /// A dialogue about nobody.
    #[error("dialogue {number} is about the case `{case}`, which is none of the {cases} cases")]
    NoCase {
        /// Which, from 1.
        number: usize,
        /// The case.
        case: String,
        /// How many cases there are.
        cases: usize,
    },
    /// A setting that cannot be.
    #[error("{field} is {found}, legal is {legal}")]
    Setting {
        /// Which.
        field: &'static str,
        /// What it is.
        found: String,
        /// What it may be.
        legal: &'static str,
    },
    /// Nothing came of it.
    #[error("no rubric came of it: {why}")]
    Nothing {
        /// What became of everything.
        why: String,
    },
}

/// Runs all steps in `folder`, or those that are left with `resume`. A `model` writes prompts, marks, criteria, points and variants beside and in
/// place of the rules; without one, everything is made by rules.
///
/// # Errors
/// Any of [`RunError`]. All that was done before is kept in the folder.
pub fn run(
    folder: &Path,
    settings: &Settings,
    sources: &Sources,
    templates: &Templates,
    model: Option<Asked>,
    resume: bool,
    watch: &mut dyn Watch,
) -> Result<Summary, RunError> {
    check(settings)?;
    let (model, at_once) = (model.map(|it| it.model), model.map_or(1, |it| it.at_once));
    let begun = fingerprint(settings, sources, templates, model.map(|model| model as &dyn ChatModel));
    let folder = Folder::open(folder, &begun, resume)?;
    let writer = model.map(|model| Writer::new(model, templates, settings.seed));
    let running = Running { folder: &folder, settings, templates, writer, at_once };
    let prompts = running.prompts(sources, watch)?;
    let drafts: Vec<&DraftPrompt> = prompts.iter().filter_map(Made::made).collect();
    let duplicates = running.duplicates(&drafts, &sources.others, watch)?;
    let single: Vec<&DraftPrompt> =
        drafts.iter().zip(&duplicates).filter(|(_, place)| place.kept).map(|(draft, _)| *draft).collect();
    let assessments = running.assessments(&single, watch)?;
    let filter = running.filter(&single, &assessments, watch)?;
    let kept: Vec<usize> =
        filter.iter().enumerate().filter(|(_, it)| it.left_out.is_none()).map(|(at, _)| at).collect();
    let kept_prompts: Vec<&DraftPrompt> = kept.iter().filter_map(|at| single.get(*at).copied()).collect();
    let candidates = running.candidates(&kept_prompts, watch)?;
    let selection = running.selection(&kept_prompts, &candidates, watch)?;
    let weights = running.weights(&kept_prompts, &selection, watch)?;
    let variants = running.variants(&kept_prompts, &weights, watch)?;
    let made = Everything {
        prompts,
        duplicates,
        assessments,
        filter,
        kept,
        candidates,
        selection,
        weights,
        variants,
    };
    outcome::write(&folder, &made)
}

fn check(settings: &Settings) -> Result<(), RunError> {
    let wrong = |field, found: String, legal| Err(RunError::Setting { field, found, legal });
    if !(settings.similarity > 0.0 && settings.similarity <= 1.0) {
        return wrong("similarity", settings.similarity.to_string(), "above 0, at most 1");
    }
    if settings.count == 0 {
        return wrong("count", "0".into(), "1 or more");
    }
    if settings.scenarios.is_empty() {
        return wrong("scenarios", "empty".into(), "one kind of prompt or more");
    }
    if !(3..=15).contains(&settings.least_marks) {
        return wrong("least_marks", settings.least_marks.to_string(), "3 to 15");
    }
    Ok(())
}

fn fingerprint(
    settings: &Settings,
    sources: &Sources,
    templates: &Templates,
    model: Option<&dyn ChatModel>,
) -> Fingerprint {
    // Neither holds what JSON cannot.
    let of = |value: &dyn Fn() -> serde_json::Result<Vec<u8>>| {
        hash::text(hash::fnv1a(&value().unwrap_or_default()))
    };
    let mut begun: Fingerprint = [
        ("settings".to_owned(), serde_json::to_string(settings).unwrap_or_default()),
        ("cases".to_owned(), of(&|| serde_json::to_vec(&sources.cases))),
        ("knowledge".to_owned(), of(&|| serde_json::to_vec(&sources.passages))),
        ("known rubrics".to_owned(), of(&|| serde_json::to_vec(&sources.others))),
        ("dimensions".to_owned(), of(&|| serde_json::to_vec(templates.dimensions()))),
        ("model".to_owned(), model.map_or("rules", |model| model.name()).to_owned()),
    ]
    .into();
    if !sources.dialogues.is_empty() {
        begun.insert("dialogues".to_owned(), of(&|| serde_json::to_vec(&sources.dialogues)));
    }
    if model.is_some() {
        let texts: String = Ask::ALL.map(|ask| templates.text(ask)).join("\u{0}");
        begun.insert("prompts".to_owned(), hash::text(hash::fnv1a(texts.as_bytes())));
    }
    begun
}
