//! HealthBench's numbers, as simple-evals computes them.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::rubric::criterion::Verdict;

/// How often the reference draws.
pub const RESAMPLES: usize = 1000;

/// The score of one completion: points of met items, negative ones too, over the points above 0, both of judged items. It is not
/// clipped. `None` where no item above 0 was judged.
pub fn score(items: impl Iterator<Item = (f64, Verdict)>) -> Option<f64> {
    let (mut gained, mut possible) = (0.0, 0.0);
    for (points, verdict) in items.filter(|(_, verdict)| *verdict != Verdict::NotJudged) {
        gained += if verdict == Verdict::Met { points } else { 0.0 };
        possible += points.max(0.0);
    }
    (possible > 0.0).then(|| gained / possible)
}

/// The mean, then clipped to [0, 1]; `None` of nothing.
pub fn clipped_mean(values: &[f64]) -> Option<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (!values.is_empty()).then(|| mean.clamp(0.0, 1.0))
}

/// The deviation (of the whole, `ddof` 0) of the clipped means of [`RESAMPLES`] draws with replacement, each as large as `values`;
/// `None` of nothing. The reference draws without a seed, so the two agree as draws do.
pub fn bootstrap_std(values: &[f64], seed: u64) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let count = values.len();
    let means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            // The product's upper half: even to within 2^-64 times the count.
            let draw = |rng: &mut ChaCha8Rng| ((u128::from(rng.next_u64()) * count as u128) >> 64) as usize;
            let total: f64 = (0..count).map(|_| values[draw(&mut rng)]).sum();
            (total / count as f64).clamp(0.0, 1.0)
        })
        .collect();
    let mean = means.iter().sum::<f64>() / means.len() as f64;
    let variance = means.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / means.len() as f64;
    Some(variance.sqrt())
}

/// The worst of `k` among `scores`, on average over all choices of `k` of them (HealthBench, section 6.4): with `x_1 <= .. <= x_n`,
/// `sum_i x_i C(n - i, k - 1) / C(n, k)`. Not clipped; `None` where there are fewer than `k`, or `k` is 0.
pub fn worst_of(scores: &[f64], k: usize) -> Option<f64> {
    let n = scores.len();
    if k == 0 || k > n {
        return None;
    }
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    // The chance that `x_i` is the worst: C(n - i, k - 1) / C(n, k), which begins at k / n and falls by a ratio.
    let mut chance = k as f64 / n as f64;
    let mut worst = 0.0;
    for (i, x) in (1..=n + 1 - k).zip(&sorted) {
        worst += chance * x;
        if i < n {
            chance *= (n - i + 1 - k) as f64 / (n - i) as f64;
        }
    }
    Some(worst)
}

/// Worst-at-k of several conversations, for `k` from 1 to the least number of completions that one has: the mean of
/// [`worst_of`], then clipped to [0, 1].
pub fn worst_at_k(scores: &[Vec<f64>]) -> Vec<f64> {
    let least = scores.iter().map(Vec::len).min().unwrap_or(0);
    let mean = |k| clipped_mean(&scores.iter().filter_map(|it| worst_of(it, k)).collect::<Vec<f64>>());
    (1..=least).filter_map(mean).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_references_own_example() {
        // simple-evals, healthbench_eval_test.py: 7 + 10 - 6 over 22.
        use Verdict::{Met, NotJudged, NotMet};
        let of = |items: &[(f64, Verdict)]| score(items.iter().copied());
        assert_eq!(of(&[(7.0, Met), (5.0, NotMet), (10.0, Met), (-6.0, Met)]), Some(0.5));
        assert_eq!(of(&[(5.0, NotMet), (-10.0, Met)]), Some(-2.0));
        assert_eq!(of(&[(5.0, Met), (5.0, NotJudged), (-5.0, NotJudged)]), Some(1.0));
        assert_eq!((of(&[(-5.0, Met)]), of(&[(5.0, NotJudged)]), of(&[])), (None, None, None));
    }

    #[test]
    fn a_mean_is_clipped_after_it_is_taken() {
        assert_eq!(clipped_mean(&[-0.5, 0.3]), Some(0.0));
        assert_eq!(clipped_mean(&[-0.5, 1.0]), Some(0.25));
        assert_eq!((clipped_mean(&[]), bootstrap_std(&[], 0)), (None, None));
        assert_eq!(bootstrap_std(&[0.25; 7], 3), Some(0.0));
        // Of 100 zeros and ones the means deviate by 0.05; 1,000 draws of that are within 10% of it.
        let coins: Vec<f64> = (0..100).map(|at| f64::from(at % 2)).collect();
        assert!((bootstrap_std(&coins, 1).unwrap() - 0.05).abs() < 0.005);
        // All means lie below 0, where they are clipped.
        assert_eq!(bootstrap_std(&[-2.0, -1.0, -3.0], 1), Some(0.0));
    }

    /// The mean of the minima of all choices of `k`.
    fn brute(scores: &[f64], k: usize) -> f64 {
        let (mut total, mut count) = (0.0, 0.0);
        for choice in 0u32..1 << scores.len() {
            if choice.count_ones() as usize == k {
                let chosen = scores.iter().enumerate().filter(|(at, _)| choice & (1 << at) != 0);
                total += chosen.map(|(_, x)| *x).fold(f64::INFINITY, f64::min);
                count += 1.0;
            }
        }
        total / count
    }

    proptest! {
        #[test]
        fn the_worst_of_k_is_what_all_choices_give(scores in prop::collection::vec(-2.0f64..1.0, 1..9), k in 1usize..9) {
            match worst_of(&scores, k) {
                Some(worst) => prop_assert!((worst - brute(&scores, k)).abs() < 1e-12),
                None => prop_assert!(k > scores.len()),
            }
        }
    }

    #[test]
    fn worst_at_k_is_clipped_at_last() {
        let all = [vec![0.2, 0.8], vec![-1.0, 0.6, 0.4]];
        // k = 1: the mean of 0.5 and 0.0; k = 2: of 0.2 and the minima -1, -1, 0.4.
        let found = worst_at_k(&all);
        assert!((found[0] - 0.25).abs() < 1e-12 && found[1] == 0.0 && found.len() == 2, "{found:?}");
    }
}
