//! Means of rewards and of their differences, with intervals that say how far other patients could move them.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Larger values are refused, so that no sum can overflow.
const LARGEST: f64 = 1e100;

/// Why there is no estimate.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum StatisticsError {
    /// No values.
    #[error("there are no values, at least one is needed")]
    Empty,
    /// Lists that belong together are of different lengths.
    #[error("{left_count} {left} but {right_count} {right}, there must be one for each")]
    Lengths {
        /// What the first list holds.
        left: &'static str,
        /// Its length.
        left_count: usize,
        /// What the second list holds.
        right: &'static str,
        /// Its length.
        right_count: usize,
    },
    /// A value that cannot be averaged.
    #[error("value {index} of {list} is {found}, legal is a finite number of at most 1e100 in size")]
    NotFinite {
        /// Which list.
        list: &'static str,
        /// Its place, from 0.
        index: usize,
        /// The value.
        found: f64,
    },
    /// No resamples.
    #[error("resamples is 0, legal is 1 or more; 10000 is usual")]
    NoResamples,
}

/// A mean and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// The middle 95% of the resampled means, low end first. `None` where there is a single value or a single
    /// cluster: nothing then says how much another would differ.
    pub ci95: Option<[f64; 2]>,
    /// The deviation of the resampled means; `None` as above.
    pub standard_error: Option<f64>,
    /// Values averaged.
    pub count: usize,
    /// Distinct clusters among them; `None` where each value stood for itself.
    pub clusters: Option<usize>,
}

impl Estimate {
    /// Whether the whole interval lies above 0. False without an interval.
    pub fn is_above_zero(&self) -> bool {
        self.ci95.is_some_and(|[low, _]| low > 0.0)
    }

    /// Whether the whole interval lies below 0. False without an interval.
    pub fn is_below_zero(&self) -> bool {
        self.ci95.is_some_and(|[_, high]| high < 0.0)
    }
}

/// The bootstrap (Efron 1979) with percentile intervals, by seed.
///
/// Without clusters each resample draws as many values as there are, with replacement. With clusters it draws as many
/// clusters as there are, and in each drawn one as many of its values as it has, both with replacement (Davison and
/// Hinkley 1997, section 3.8); its mean is over all values drawn. Consultations of one presentation succeed and fail
/// together, so as independent draws they would make the interval too narrow.
///
/// Drawing at both levels counts the spread within clusters twice, once in the cluster means and once in the draw, so the
/// interval errs on the wide side. With few clusters percentile intervals are too narrow by about
/// `sqrt((k - 1) / k)` for `k` of them; the two errors pull in opposite directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bootstrap {
    /// How many resamples.
    pub resamples: usize,
    /// Draws them.
    pub seed: u64,
}

impl Default for Bootstrap {
    /// With 10,000 resamples an end of the interval moves by about 0.027 standard errors from seed to seed.
    fn default() -> Self {
        Self { resamples: 10_000, seed: 0 }
    }
}

impl Bootstrap {
    /// The mean of `values`. `clusters` names the cluster of each value.
    pub fn mean(&self, values: &[f64], clusters: Option<&[&str]>) -> Result<Estimate, StatisticsError> {
        check("the values", values)?;
        self.estimate(values, clusters)
    }

    /// The mean of `after - before` over the same consultations, in the same order. Resampling pairs and resampling
    /// their differences is the same thing.
    pub fn paired(
        &self,
        before: &[f64],
        after: &[f64],
        clusters: Option<&[&str]>,
    ) -> Result<Estimate, StatisticsError> {
        same_length(("values before", before.len()), ("values after", after.len()))?;
        check("the values before", before)?;
        check("the values after", after)?;
        let differences: Vec<f64> = before.iter().zip(after).map(|(before, after)| after - before).collect();
        self.estimate(&differences, clusters)
    }

    fn estimate(&self, values: &[f64], clusters: Option<&[&str]>) -> Result<Estimate, StatisticsError> {
        if values.is_empty() {
            return Err(StatisticsError::Empty);
        }
        if self.resamples == 0 {
            return Err(StatisticsError::NoResamples);
        }
        let groups = match clusters {
            None => None,
            Some(names) => {
                same_length(("values", values.len()), ("cluster names", names.len()))?;
                Some(grouped(values, names))
            }
        };
        let count = values.len();
        let mean = mean(values);
        let clusters = groups.as_ref().map(Vec::len);
        if clusters.unwrap_or(count) < 2 {
            return Ok(Estimate { mean, ci95: None, standard_error: None, count, clusters });
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut means: Vec<f64> = (0..self.resamples)
            .map(|_| match &groups {
                None => {
                    let total: f64 = (0..count).map(|_| pick(&mut rng, values)).sum();
                    total / count as f64
                }
                Some(groups) => resampled(&mut rng, groups),
            })
            .collect();
        let standard_error = deviation(&means);
        means.sort_by(f64::total_cmp);
        let ci95 = [quantile(&means, 0.025), quantile(&means, 0.975)];
        Ok(Estimate { mean, ci95: Some(ci95), standard_error: Some(standard_error), count, clusters })
    }
}

/// The mean of one resample of clusters and of their values.
fn resampled(rng: &mut ChaCha8Rng, groups: &[Vec<f64>]) -> f64 {
    let (mut total, mut drawn) = (0.0, 0usize);
    for _ in 0..groups.len() {
        let group = groups.get(below(rng, groups.len())).map_or(&[][..], Vec::as_slice);
        total += group.iter().map(|_| pick(rng, group)).sum::<f64>();
        drawn += group.len();
    }
    total / drawn as f64
}

/// The values of each cluster, clusters in the order of their names so that their draws do not hang on the values'.
fn grouped(values: &[f64], names: &[&str]) -> Vec<Vec<f64>> {
    let mut groups: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (value, name) in values.iter().zip(names) {
        groups.entry(name).or_default().push(*value);
    }
    groups.into_values().collect()
}

fn same_length(left: (&'static str, usize), right: (&'static str, usize)) -> Result<(), StatisticsError> {
    if left.1 == right.1 {
        return Ok(());
    }
    Err(StatisticsError::Lengths { left: left.0, left_count: left.1, right: right.0, right_count: right.1 })
}

fn check(list: &'static str, values: &[f64]) -> Result<(), StatisticsError> {
    // A comparison with NaN is false.
    match values.iter().enumerate().find(|(_, value)| !matches!(value.abs(), 0.0..=LARGEST)) {
        Some((index, &found)) => Err(StatisticsError::NotFinite { list, index, found }),
        None => Ok(()),
    }
}

/// A number below `n`, which is not 0: the top 64 bits of a 64 by 64 bit product (Lemire 2019, without the rejection
/// step: the bias is below `n` / 2^64).
pub(super) fn below(rng: &mut ChaCha8Rng, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

/// One of `values`, which are not empty.
fn pick(rng: &mut ChaCha8Rng, values: &[f64]) -> f64 {
    values.get(below(rng, values.len())).copied().unwrap_or(f64::NAN)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The deviation with `n - 1` below; 0 for a single value.
pub(super) fn deviation(values: &[f64]) -> f64 {
    let centre = mean(values);
    let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    if values.len() < 2 { 0.0 } else { (squares / (values.len() - 1) as f64).sqrt() }
}

/// The value below which a share `p` of `sorted` lies, in a straight line between neighbours (Hyndman and Fan 1996,
/// type 7, as NumPy does). NaN of nothing.
pub(super) fn quantile(sorted: &[f64], p: f64) -> f64 {
    let place = p * sorted.len().saturating_sub(1) as f64;
    let at = place.floor() as usize;
    match (sorted.get(at), sorted.get(at + 1)) {
        (Some(low), Some(high)) => low + (high - low) * (place - place.floor()),
        (Some(last), None) => *last,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests;
