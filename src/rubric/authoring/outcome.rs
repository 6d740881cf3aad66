//! What a run leaves: the rubrics, where each criterion came from, and what became of everything.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::assessment::{Assessment, LeftOut};
use super::candidates::Origin;
use super::dimension::Dimension;
use super::folder::{Folder, Step};
use super::lines::write_atomically;
use super::made::{Made, NotPossible};
use super::prompt::{DraftPrompt, Source};
use super::row::{RubricItem, RubricRow};
use super::run::RunError;
use super::scenario::Scenario;
use super::steps::Everything;
use super::variants::{Change, Variant};
use crate::sim::Persona;

/// The rubrics.
pub const RUBRICS: &str = "rubrics.jsonl";
/// Where each criterion came from: a line for each of [`RUBRICS`].
pub const PROVENANCE: &str = "provenance.jsonl";
/// What became of everything.
pub const SUMMARY: &str = "summary.json";

/// Where a prompt and its criteria came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The prompt.
    pub prompt_id: String,
    /// What kind it is.
    pub scenario: Scenario,
    /// Where the prompt came from.
    pub source: Source,
    /// Who the patient is as a person, where that was drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persona: Option<Persona>,
    /// The prompt that it is a variant of, and how it differs.
    pub of: String,
    /// How it differs.
    pub change: Change,
    /// How good the prompt is; absent where a model failed to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assessment: Option<Assessment>,
    /// Prompts that were left out because they say the same.
    pub duplicates: Vec<String>,
    /// One for each criterion, in their order.
    pub criteria: Vec<CriterionProvenance>,
}

/// Where a criterion came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CriterionProvenance {
    /// What it looks at.
    pub dimension: Dimension,
    /// From 1 to 10, before it became points.
    pub importance: u8,
    /// Where it came from.
    pub origin: Origin,
}

/// An item that a model failed at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The step.
    pub step: Step,
    /// Which line of the step's file, from 1.
    pub line: usize,
    /// Why.
    pub why: String,
}

/// What became of everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Prompts made.
    pub prompts: usize,
    /// Prompts that a case or passage did not give.
    pub not_possible: usize,
    /// Of them, how many for each reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_possible_because: BTreeMap<NotPossible, usize>,
    /// Prompts left out because they say what another one does, of this run or of other sets.
    pub duplicates: usize,
    /// Prompts left out by their marks or because there were enough.
    pub left_out: BTreeMap<LeftOut, usize>,
    /// Candidate criteria.
    pub candidates: usize,
    /// Candidates that said the same as a chosen one.
    pub alike: usize,
    /// Candidates above a limit.
    pub surplus: usize,
    /// Criteria dropped because a model's points had the wrong sign.
    pub wrong_sign: usize,
    /// Rubrics written.
    pub rubrics: usize,
    /// Of them, variants.
    pub variants: usize,
    /// Criteria written.
    pub criteria: usize,
    /// Of them, mistakes.
    pub negative: usize,
    /// Rubrics of each kind.
    pub scenarios: BTreeMap<Scenario, usize>,
    /// Criteria of each dimension.
    pub dimensions: BTreeMap<Dimension, usize>,
    /// What a model failed at.
    pub failures: Vec<Failure>,
}

/// Writes rubrics, provenance and summary.
pub(super) fn write(folder: &Folder, made: &Everything) -> Result<Summary, RunError> {
    let mut drafts: BTreeMap<&str, &DraftPrompt> = BTreeMap::new();
    for draft in made.prompts.iter().filter_map(Made::made) {
        // Of several prompts of the same words the first goes on.
        drafts.entry(&draft.id).or_insert(draft);
    }
    let mut alike: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for it in made.duplicates.iter().filter(|it| !it.kept && !it.of_others) {
        alike.entry(&it.leader).or_default().push(it.id.clone());
    }
    let (mut rows, mut provenance) = (Vec::new(), Vec::new());
    let mut summary = begin(made);
    let mut seen = BTreeSet::new();
    for (place, variants) in made.kept.iter().zip(&made.variants) {
        let draft = made.filter.get(*place).and_then(|kept| drafts.get(kept.id.as_str()));
        let (Some(draft), Some(variants)) = (draft, variants.made()) else { continue };
        let assessment = made.assessments.get(*place).and_then(Made::made);
        // A variant may meet another prompt.
        for variant in variants.iter().filter(|it| seen.insert(it.prompt_id.clone())) {
            rows.push(row(draft, variant, assessment));
            provenance.push(Provenance {
                prompt_id: variant.prompt_id.clone(),
                scenario: draft.scenario,
                source: draft.source.clone(),
                persona: draft.persona.clone(),
                of: draft.id.clone(),
                change: variant.change.clone(),
                assessment: assessment.cloned(),
                duplicates: alike.get(draft.id.as_str()).cloned().unwrap_or_default(),
                criteria: variant
                    .criteria
                    .iter()
                    .map(|it| CriterionProvenance {
                        dimension: it.candidate.dimension,
                        importance: it.candidate.importance,
                        origin: it.candidate.origin.clone(),
                    })
                    .collect(),
            });
            summary.rubrics += 1;
            summary.variants += usize::from(variant.change != Change::None);
            summary.criteria += variant.criteria.len();
            summary.negative += variant.criteria.iter().filter(|it| it.points < 0).count();
            *summary.scenarios.entry(draft.scenario).or_default() += 1;
            for it in &variant.criteria {
                *summary.dimensions.entry(it.candidate.dimension).or_default() += 1;
            }
        }
    }
    let path = folder.file(SUMMARY);
    let text = serde_json::to_vec_pretty(&summary).map_err(|error| {
        super::folder::FolderError::from(super::lines::FileError::on(&path)(error.into()))
    })?;
    write_atomically(&path, &text).map_err(super::folder::FolderError::from)?;
    if rows.is_empty() {
        return Err(RunError::Nothing { why: summary.in_words() });
    }
    folder.write(PROVENANCE, &provenance)?;
    // Last, so that whoever finds it finds all.
    folder.write(RUBRICS, &rows)?;
    Ok(summary)
}

fn row(draft: &DraftPrompt, variant: &Variant, assessment: Option<&Assessment>) -> RubricRow {
    let mut example_tags = vec![
        format!("theme:{}", draft.scenario.theme()),
        format!("scenario:{}", draft.scenario),
        format!("source:{}", draft.source.kind()),
    ];
    if let Some(case) = &draft.case {
        example_tags.push(format!("specialty:{}", case.stratum.specialty));
    }
    if let Some(assessment) = assessment {
        example_tags.push(format!("difficulty:{}", assessment.difficulty));
    }
    RubricRow {
        prompt_id: variant.prompt_id.clone(),
        prompt: variant.messages.clone(),
        rubrics: variant
            .criteria
            .iter()
            .map(|it| RubricItem::new(it.candidate.text.as_str(), it.points, it.candidate.dimension))
            .collect(),
        example_tags,
        ideal_completions_data: None,
        other: Map::new(),
    }
}

/// What is known before anything is written.
fn begin(made: &Everything) -> Summary {
    let mut left_out = BTreeMap::new();
    for why in made.filter.iter().filter_map(|it| it.left_out) {
        *left_out.entry(why).or_default() += 1;
    }
    let mut not_possible_because = BTreeMap::new();
    for it in &made.prompts {
        if let Made::NotPossible(why) = it {
            *not_possible_because.entry(*why).or_default() += 1;
        }
    }
    let mut failures = Vec::new();
    fail(&mut failures, Step::Prompts, &made.prompts);
    fail(&mut failures, Step::Assessments, &made.assessments);
    fail(&mut failures, Step::Candidates, &made.candidates);
    fail(&mut failures, Step::Weights, &made.weights);
    fail(&mut failures, Step::Variants, &made.variants);
    Summary {
        prompts: made.prompts.iter().filter(|it| it.made().is_some()).count(),
        not_possible: not_possible_because.values().sum(),
        not_possible_because,
        duplicates: made.duplicates.iter().filter(|it| !it.kept).count(),
        left_out,
        candidates: made.candidates.iter().filter_map(Made::made).map(Vec::len).sum(),
        alike: made.selection.iter().map(|it| it.alike).sum(),
        surplus: made.selection.iter().map(|it| it.surplus).sum(),
        wrong_sign: made.weights.iter().filter_map(Made::made).map(|it| it.dropped).sum(),
        rubrics: 0,
        variants: 0,
        criteria: 0,
        negative: 0,
        scenarios: BTreeMap::new(),
        dimensions: BTreeMap::new(),
        failures,
    }
}

fn fail<T>(failures: &mut Vec<Failure>, step: Step, made: &[Made<T>]) {
    for (at, it) in made.iter().enumerate() {
        if let Made::Failed(why) = it {
            failures.push(Failure { step, line: at + 1, why: why.clone() });
        }
    }
}

impl Summary {
    /// A few lines for a terminal.
    pub fn in_words(&self) -> String {
        let left: usize = self.left_out.values().sum();
        let mut text = format!(
            "{} prompts made ({} not possible), {} duplicates, {left} left out\n{} candidates, {} alike, {} above a limit\n\
             {} rubrics ({} of them variants) with {} criteria, {} of them mistakes\n",
            self.prompts,
            self.not_possible,
            self.duplicates,
            self.candidates,
            self.alike,
            self.surplus,
            self.rubrics,
            self.variants,
            self.criteria,
            self.negative
        );
        for (why, count) in &self.not_possible_because {
            text.push_str(&format!("{count} not possible: {}\n", why.in_words()));
        }
        for (scenario, count) in &self.scenarios {
            text.push_str(&format!("  {scenario}: {count}\n"));
        }
        if self.wrong_sign > 0 {
            text.push_str(&format!(
                "{} criteria dropped: the model's points had the wrong sign\n",
                self.wrong_sign
            ));
        }
        if let Some(first) = self.failures.first() {
            let count = self.failures.len();
            text.push_str(&format!(
                "{count} items the model failed at; the first, {}: {}\n",
                first.step.in_words(),
                first.why
            ));
        }
        text
    }
}
