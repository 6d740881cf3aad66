//! A verdict on one criterion of one completion, as it is kept.

use serde::{Deserialize, Serialize};

use super::completion::Sample;
use super::row::Row;
use crate::rubric::criterion::{Judgement, Verdict};
use crate::rubric::model_judge::{Opinion, Votes};

/// A line of the file of grades. It names what was judged by hashes and holds none of HealthBench's text, which is not to be spread;
/// the explanation is the judge's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grade {
    /// Which criterion of which completion.
    #[serde(flatten)]
    pub key: GradeKey,
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Bytes of the completion that show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<(usize, usize)>,
    /// What was said how often, where a model judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub votes: Option<Votes>,
    /// The identity of the judge.
    pub judge: String,
}

/// What a grade is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GradeKey {
    /// The row.
    pub prompt_id: String,
    /// The place of the completion among those of the row.
    pub sample: usize,
    /// The place of the criterion.
    pub criterion: usize,
    /// The completion's hash.
    pub completion_id: String,
    /// The criterion's hash.
    pub criterion_id: String,
}

impl GradeKey {
    /// The keys of a completion's criteria, in their order.
    pub fn all(row: &Row, sample: &Sample) -> Vec<Self> {
        let of = |criterion: usize, criterion_id| Self {
            prompt_id: row.prompt_id.clone(),
            sample: sample.number,
            criterion,
            completion_id: sample.completion_id.clone(),
            criterion_id,
        };
        row.rubrics.iter().enumerate().map(|(at, item)| of(at, item.id())).collect()
    }
}

impl Grade {
    /// What rules said.
    pub fn by_rules(key: GradeKey, judgement: Judgement, judge: &str) -> Self {
        let Judgement { verdict, evidence, reason, .. } = judgement;
        Self { key, verdict, reason, evidence, votes: None, judge: judge.to_owned() }
    }

    /// What a model said.
    pub fn by_model(key: GradeKey, opinion: Opinion, judge: &str) -> Self {
        Self { votes: Some(opinion.votes), ..Self::by_rules(key, opinion.judgement, judge) }
    }
}
