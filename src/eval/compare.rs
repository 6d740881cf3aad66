//! Two doctors on the same patients.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::rubric::Axis;

use super::evaluation::{CaseResult, Evaluation, axis_name};
use super::statistics::{Bootstrap, Estimate, StatisticsError};

/// Why two evaluations could not be compared.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum CompareError {
    /// They are not about the same cases.
    #[error(
        "`{left}` is about {found} and `{right}` about {wanted}, both must be about the same cases in the same order"
    )]
    Cases {
        /// The first evaluation.
        left: String,
        /// What it is about.
        found: String,
        /// The second evaluation.
        right: String,
        /// What that is about.
        wanted: String,
    },
    /// No case was judged in both.
    #[error("no case was judged both in `{left}` and in `{right}`, at least one must be")]
    NothingJudged {
        /// The first evaluation.
        left: String,
        /// The second evaluation.
        right: String,
    },
    /// The numbers could not be averaged.
    #[error("{row}: {source}")]
    Statistics {
        /// What was compared.
        row: String,
        /// Why.
        source: StatisticsError,
    },
}

/// Two doctors on some of the patients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What the patients, or the marks, have in common.
    pub name: String,
    /// The mean reward before.
    pub before: Estimate,
    /// The mean reward after.
    pub after: Estimate,
    /// The mean difference, paired.
    pub gain: Estimate,
}

/// Two doctors on the same patients. Cases that were not judged in both are left out of every row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// All patients.
    pub overall: Row,
    /// By how the patients are new.
    pub parts: Vec<Row>,
    /// By axis of the marks.
    pub axes: Vec<Row>,
    /// By specialty.
    pub specialties: Vec<Row>,
    /// Cases that were not judged in both.
    pub left_out: usize,
    /// How the intervals were drawn.
    pub bootstrap: Bootstrap,
}

impl Comparison {
    /// Compares `before` with `after`, which are about the same cases in the same order. Presentations are the clusters
    /// of the intervals.
    pub fn new(before: &Evaluation, after: &Evaluation, bootstrap: Bootstrap) -> Result<Self, CompareError> {
        let overall = overall(before, after, bootstrap)?;
        let pairs = pairs(before, after)?;
        let left_out = before.cases.len() - pairs.len();
        let rewards = |of: &dyn Fn(&CaseResult) -> bool| rewards(&pairs, of);
        let mut rows = (Vec::new(), Vec::new(), Vec::new());
        for &part in before.parts.keys() {
            rows.0.extend(row(part.title(), &rewards(&|case| case.part == part), bootstrap)?);
        }
        for axis in [Axis::Inquiry, Axis::Diagnosis, Axis::Treatment, Axis::Communication, Axis::Safety] {
            let values: Vec<Pair<'_>> = pairs
                .iter()
                .filter_map(|(left, right)| {
                    Some((left.presentation.as_str(), *left.axes.get(&axis)?, *right.axes.get(&axis)?))
                })
                .collect();
            rows.1.extend(row(axis_name(axis), &values, bootstrap)?);
        }
        for specialty in before.specialties.keys() {
            rows.2.extend(row(specialty, &rewards(&|case| case.specialty == *specialty), bootstrap)?);
        }
        let (parts, axes, specialties) = rows;
        Ok(Self { overall, parts, axes, specialties, left_out, bootstrap })
    }
}

/// The first row of a [`Comparison`] alone.
pub fn overall(before: &Evaluation, after: &Evaluation, bootstrap: Bootstrap) -> Result<Row, CompareError> {
    let pairs = pairs(before, after)?;
    row("all", &rewards(&pairs, &|_| true), bootstrap)?
        .ok_or_else(|| CompareError::NothingJudged { left: before.name.clone(), right: after.name.clone() })
}

/// The rewards of the pairs that `of` picks.
fn rewards<'a>(
    pairs: &[(&'a CaseResult, &'a CaseResult)],
    of: &dyn Fn(&CaseResult) -> bool,
) -> Vec<Pair<'a>> {
    pairs
        .iter()
        .filter(|(left, _)| of(left))
        .filter_map(|(left, right)| Some((left.presentation.as_str(), left.reward?, right.reward?)))
        .collect()
}

/// Presentation, value before, value after.
type Pair<'a> = (&'a str, f64, f64);

/// Cases judged in both, in order.
fn pairs<'a>(
    before: &'a Evaluation,
    after: &'a Evaluation,
) -> Result<Vec<(&'a CaseResult, &'a CaseResult)>, CompareError> {
    let differ = |found: String, wanted: String| CompareError::Cases {
        left: before.name.clone(),
        found,
        right: after.name.clone(),
        wanted,
    };
    let (left, right) = (before.cases.len(), after.cases.len());
    if left != right {
        return Err(differ(format!("{left} cases"), format!("{right} cases")));
    }
    let other = before.cases.iter().zip(&after.cases).find(|(left, right)| left.case_id != right.case_id);
    if let Some((left, right)) = other {
        return Err(differ(format!("case `{}`", left.case_id), format!("case `{}`", right.case_id)));
    }
    let both = before.cases.iter().zip(&after.cases);
    Ok(both.filter(|(left, right)| left.reward.is_some() && right.reward.is_some()).collect())
}

/// `None` of nothing.
fn row(name: &str, pairs: &[Pair<'_>], bootstrap: Bootstrap) -> Result<Option<Row>, CompareError> {
    if pairs.is_empty() {
        return Ok(None);
    }
    let clusters: Vec<&str> = pairs.iter().map(|pair| pair.0).collect();
    let before: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
    let after: Vec<f64> = pairs.iter().map(|pair| pair.2).collect();
    let failed = |source| CompareError::Statistics { row: name.to_owned(), source };
    Ok(Some(Row {
        name: name.to_owned(),
        before: bootstrap.mean(&before, Some(&clusters)).map_err(failed)?,
        after: bootstrap.mean(&after, Some(&clusters)).map_err(failed)?,
        gain: bootstrap.paired(&before, &after, Some(&clusters)).map_err(failed)?,
    }))
}
