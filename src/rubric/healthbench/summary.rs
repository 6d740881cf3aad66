//! The grades of a run as scores.

use std::collections::BTreeMap;

use serde::Serialize;

use super::completion::Sample;
use super::grade::GradeKey;
use super::ledger::Ledger;
use super::row::Row;
use super::statistics::{bootstrap_std, clipped_mean, score, worst_at_k};
use crate::rubric::criterion::Verdict;

/// A score over several completions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Metric {
    /// The mean, clipped to [0, 1].
    pub mean: f64,
    /// Completions that it is over.
    pub count: usize,
    /// Its deviation by bootstrap.
    pub bootstrap_std: f64,
}

impl Metric {
    /// `None` where there is nothing to average.
    fn of(values: &[f64], seed: u64) -> Option<Self> {
        Some(Self {
            mean: clipped_mean(values)?,
            count: values.len(),
            bootstrap_std: bootstrap_std(values, seed)?,
        })
    }
}

/// What a run found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Completions.
    pub completions: usize,
    /// Criteria of all of them.
    pub criteria: usize,
    /// Of these, the ones that were judged.
    pub judged: usize,
    /// `judged / criteria`.
    pub coverage: f64,
    /// Completions all of whose criteria were judged.
    pub whole: usize,
    /// Judged criteria that were met.
    pub met: usize,
    /// Completions that say nothing.
    pub empty: usize,
    /// HealthBench's score over judged criteria; absent where no positive one was judged. It is comparable to published scores only
    /// at coverage 1.
    pub score: Option<Metric>,
    /// The score if everything that was not judged had gone against the completions, and if it had gone for them.
    pub bounds: Option<[f64; 2]>,
    /// The same by tag: a row's tags have its score, a criterion's tags the score of the criteria that have it.
    pub tags: BTreeMap<String, Metric>,
    /// Worst-at-k from k = 1, where rows have several completions.
    pub worst_at_k: Vec<f64>,
}

impl Summary {
    /// The summary of `samples` by the grades in `ledger`.
    pub fn of(rows: &[Row], samples: &[Sample], ledger: &Ledger, seed: u64) -> Self {
        let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        let (mut scores, mut low, mut high) = (Vec::new(), Vec::new(), Vec::new());
        let mut by_row: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        let (mut criteria, mut judged, mut met, mut whole) = (0, 0, 0, 0);
        for sample in samples {
            let Some(row) = rows.get(sample.row) else { continue };
            let verdict = |key| ledger.get(&key).map_or(Verdict::NotJudged, |grade| grade.verdict);
            let verdicts: Vec<Verdict> = GradeKey::all(row, sample).into_iter().map(verdict).collect();
            let items = || row.rubrics.iter().zip(&verdicts).map(|(item, verdict)| (item.value(), *verdict));
            let count = |wanted| verdicts.iter().filter(|verdict| **verdict == wanted).count();
            let open = count(Verdict::NotJudged);
            criteria += verdicts.len();
            judged += verdicts.len() - open;
            met += count(Verdict::Met);
            whole += usize::from(open == 0);
            // Against: what is good is not met and what is bad is.
            let if_open = |good, bad| {
                score(items().map(|(points, verdict)| match verdict {
                    Verdict::NotJudged if points > 0.0 => (points, good),
                    Verdict::NotJudged => (points, bad),
                    verdict => (points, verdict),
                }))
            };
            low.extend(if_open(Verdict::NotMet, Verdict::Met));
            high.extend(if_open(Verdict::Met, Verdict::NotMet));
            let Some(overall) = score(items()) else { continue };
            scores.push(overall);
            by_row.entry(sample.row).or_default().push(overall);
            for tag in &row.example_tags {
                values.entry(tag).or_default().push(overall);
            }
            let mut of_tag: BTreeMap<&str, Vec<(f64, Verdict)>> = BTreeMap::new();
            for (item, verdict) in row.rubrics.iter().zip(&verdicts) {
                for tag in &item.tags {
                    of_tag.entry(tag).or_default().push((item.value(), *verdict));
                }
            }
            for (tag, items) in of_tag {
                if let Some(score) = score(items.into_iter()) {
                    values.entry(tag).or_default().push(score);
                }
            }
        }
        let several: Vec<Vec<f64>> = by_row.into_values().collect();
        let repeated = several.iter().all(|scores| scores.len() > 1);
        Self {
            completions: samples.len(),
            criteria,
            judged,
            coverage: if criteria > 0 { judged as f64 / criteria as f64 } else { 0.0 },
            whole,
            met,
            empty: samples.iter().filter(|sample| sample.is_empty()).count(),
            score: Metric::of(&scores, seed),
            bounds: clipped_mean(&low).zip(clipped_mean(&high)).map(|(low, high)| [low, high]),
            tags: values
                .into_iter()
                .filter_map(|(tag, values)| Some((tag.to_owned(), Metric::of(&values, seed)?)))
                .collect(),
            worst_at_k: if repeated { worst_at_k(&several) } else { Vec::new() },
        }
    }
}
