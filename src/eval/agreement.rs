//! How far two sets of rubrics agree, with intervals that say how far other prompts could move the shares.

use std::collections::BTreeMap;

use serde::Serialize;

use super::statistics::{Bootstrap, Estimate, StatisticsError};
use crate::rubric::authoring::agreement::{Compared, Grouping};

/// The two shares of a group of criteria.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shares {
    /// Criteria of the first set.
    pub first: usize,
    /// Those that the second set has too.
    pub first_in_second: usize,
    /// Criteria of the second set.
    pub second: usize,
    /// Those that the first set has too.
    pub second_in_first: usize,
    /// `first_in_second / first`, over prompts; with the first set as the standard it is the recall of the second. `None` where the first set has no
    /// criterion.
    pub recall: Option<Estimate>,
    /// `second_in_first / second`, over prompts; the precision of the second set.
    pub precision: Option<Estimate>,
    /// `2 p r / (p + r)`; `None` where either is missing, 0 where both are 0.
    pub f1: Option<f64>,
}

/// How far points agree, of criteria that have the same intent. Each is in at most one pair. Points are compared without their signs: `fails to
/// ask` at -3 and `asks` at 3 are the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Points {
    /// Pairs.
    pub pairs: usize,
    /// The mean difference.
    pub mean_difference: f64,
    /// The share of pairs that differ by at most two points.
    pub within_two: f64,
}

/// Two sets, compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agreement {
    /// Prompts that both sets have, and that were compared.
    pub prompts: usize,
    /// What criteria were grouped by.
    pub grouping: Grouping,
    /// All criteria.
    pub all: Shares,
    /// By group.
    pub groups: BTreeMap<String, Shares>,
    /// Points; `None` where no two criteria have the same intent.
    pub points: Option<Points>,
}

impl Agreement {
    /// The agreement of prompts that were compared by `grouping`. Prompts are the clusters of the bootstrap.
    ///
    /// # Errors
    /// A bootstrap without resamples.
    pub fn of(
        compared: &[Compared],
        grouping: Grouping,
        bootstrap: &Bootstrap,
    ) -> Result<Self, StatisticsError> {
        let mut names: Vec<&str> = compared
            .iter()
            .flat_map(|it| it.first.iter().chain(&it.second))
            .map(|(group, _)| group.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        let mut groups = BTreeMap::new();
        for name in names {
            groups.insert(name.to_owned(), shares(compared, bootstrap, |group| group == name)?);
        }
        Ok(Self {
            prompts: compared.len(),
            grouping,
            all: shares(compared, bootstrap, |_| true)?,
            groups,
            points: points(compared),
        })
    }
}

/// One set's criteria of a comparison.
type Side = fn(&Compared) -> &[(String, bool)];

fn shares(
    compared: &[Compared],
    bootstrap: &Bootstrap,
    wanted: impl Fn(&str) -> bool,
) -> Result<Shares, StatisticsError> {
    let share = |side: Side| -> Result<(usize, usize, Option<Estimate>), StatisticsError> {
        let (mut values, mut prompts) = (Vec::new(), Vec::new());
        for it in compared {
            for (_, found) in side(it).iter().filter(|(group, _)| wanted(group)) {
                values.push(f64::from(u8::from(*found)));
                prompts.push(it.prompt_id.as_str());
            }
        }
        let found = values.iter().filter(|value| **value > 0.0).count();
        let estimate = if values.is_empty() { None } else { Some(bootstrap.mean(&values, Some(&prompts))?) };
        Ok((values.len(), found, estimate))
    };
    let (first, first_in_second, recall) = share(|it| &it.first)?;
    let (second, second_in_first, precision) = share(|it| &it.second)?;
    let f1 = recall.zip(precision).map(|(recall, precision)| {
        let sum = recall.mean + precision.mean;
        if sum > 0.0 { 2.0 * recall.mean * precision.mean / sum } else { 0.0 }
    });
    Ok(Shares { first, first_in_second, second, second_in_first, recall, precision, f1 })
}

fn points(compared: &[Compared]) -> Option<Points> {
    let differences: Vec<f64> =
        compared.iter().flat_map(|it| &it.points).map(|(a, b)| (a.abs() - b.abs()).abs()).collect();
    let pairs = differences.len();
    (pairs > 0).then(|| Points {
        pairs,
        mean_difference: differences.iter().sum::<f64>() / pairs as f64,
        within_two: differences.iter().filter(|it| **it <= 2.0).count() as f64 / pairs as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(
        id: &str,
        first: &[(&str, bool)],
        second: &[(&str, bool)],
        points: &[(f64, f64)],
    ) -> Compared {
        let list =
            |of: &[(&str, bool)]| of.iter().map(|(group, found)| ((*group).to_owned(), *found)).collect();
        Compared { prompt_id: id.into(), first: list(first), second: list(second), points: points.to_vec() }
    }

    #[test]
    fn shares_are_of_criteria_in_both_directions() {
        let given = [
            compared(
                "a",
                &[("x", true), ("x", false), ("y", true)],
                &[("x", true), ("y", true)],
                &[(3.0, -5.0), (10.0, 2.0)],
            ),
            compared("b", &[("x", true)], &[("x", true), ("x", false)], &[(4.0, 4.0)]),
        ];
        let it = Agreement::of(&given, Grouping::Axis, &Bootstrap { resamples: 50, seed: 1 }).unwrap();
        let all = &it.all;
        assert_eq!((all.first, all.first_in_second, all.second, all.second_in_first), (4, 3, 4, 3));
        assert_eq!((all.recall.unwrap().mean, all.precision.unwrap().mean, all.f1), (0.75, 0.75, Some(0.75)));
        assert_eq!(all.recall.unwrap().clusters, Some(2));
        assert!(all.recall.unwrap().ci95.is_some());
        assert_eq!((it.groups["x"].first, it.groups["x"].first_in_second), (3, 2));
        assert_eq!(it.groups["y"].precision.unwrap().mean, 1.0);
        // 2, 8 and 0.
        let points = it.points.unwrap();
        assert_eq!((points.pairs, points.within_two), (3, 2.0 / 3.0));
        assert!((points.mean_difference - 10.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_to_compare_is_no_agreement_of_zero() {
        let it = Agreement::of(&[], Grouping::None, &Bootstrap::default()).unwrap();
        assert_eq!((it.prompts, it.all.recall, it.all.f1, it.points), (0, None, None, None));
        let one = [compared("a", &[("x", false)], &[], &[])];
        let it = Agreement::of(&one, Grouping::None, &Bootstrap::default()).unwrap();
        assert_eq!((it.all.recall.unwrap().mean, it.all.precision), (0.0, None));
    }
}
