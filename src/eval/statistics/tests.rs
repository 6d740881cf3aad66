use proptest::prelude::*;

use super::*;

#[derive(Deserialize)]
struct Expected {
    name: String,
    #[serde(default)]
    clusters: Option<Vec<String>>,
    before: Option<Vec<f64>>,
    after: Vec<f64>,
    mean: f64,
    ci95: [f64; 2],
    se: f64,
    #[serde(default)]
    closed_form_se: Option<f64>,
}

#[derive(Deserialize)]
struct File {
    resamples: usize,
    plain: Vec<Expected>,
    clustered: Vec<Expected>,
}

/// Resamples drawn against the fixture.
const DRAWN: usize = 40_000;
/// How many Monte Carlo deviations two implementations may differ by: one in 1.7 million comparisons would by chance.
const DEVIATIONS: f64 = 5.0;

/// The deviation of the difference of two estimates that rest on `ours` and `theirs` resamples, for one of `unit / sqrt(n)`
/// each.
fn both(unit: f64, ours: usize, theirs: usize) -> f64 {
    unit * (1.0 / ours as f64 + 1.0 / theirs as f64).sqrt()
}

#[test]
fn intervals_agree_with_scipy_and_with_a_second_implementation() {
    let file: File =
        serde_json::from_str(include_str!("../../../tests/fixtures/statistics_expected.json")).unwrap();
    assert_eq!((file.plain.len(), file.clustered.len()), (7, 8));
    let mut exact = 0;
    for case in file.plain.iter().chain(&file.clustered) {
        let names: Option<Vec<&str>> =
            case.clusters.as_ref().map(|names| names.iter().map(String::as_str).collect());
        let bootstrap = Bootstrap { resamples: DRAWN, seed: 3 };
        let found = match &case.before {
            Some(before) => bootstrap.paired(before, &case.after, names.as_deref()),
            None => bootstrap.mean(&case.after, names.as_deref()),
        }
        .unwrap();
        assert!((found.mean - case.mean).abs() < 1e-12, "{}", case.name);
        // A p-quantile of n draws has deviation sqrt(p (1 - p) / n) / density; resampled means are nearly normal, whose
        // density there is phi(1.96) / se = 0.05845 / se.
        let unit = (0.025f64 * 0.975).sqrt() / 0.05845 * case.se;
        let allowed = DEVIATIONS * both(unit, DRAWN, file.resamples);
        for (found, want) in found.ci95.unwrap().iter().zip(case.ci95) {
            assert!((found - want).abs() < allowed, "{}: {found} for {want} +- {allowed}", case.name);
        }
        // The deviation of n normal draws has relative deviation 1 / sqrt(2 n); a factor of 1.5 for the kurtosis.
        let unit = 1.5 * case.se / 2f64.sqrt();
        let se = found.standard_error.unwrap();
        let allowed = DEVIATIONS * both(unit, DRAWN, file.resamples);
        assert!((se - case.se).abs() < allowed, "{}: {se} for {} +- {allowed}", case.name, case.se);
        if let Some(want) = case.closed_form_se {
            exact += 1;
            let allowed = DEVIATIONS * unit / (DRAWN as f64).sqrt();
            assert!((se - want).abs() < allowed, "{}: {se} for {want} +- {allowed}", case.name);
        }
    }
    assert_eq!(exact, 6);
}

#[test]
fn consultations_that_succeed_together_widen_the_interval() {
    // Four presentations whose consultations all do the same.
    let values: Vec<f64> = (0..40).map(|at| f64::from(at / 10) * 0.1).collect();
    let names: Vec<&str> = (0..40).map(|at| ["a", "b", "c", "d"][at / 10]).collect();
    let bootstrap = Bootstrap::default();
    let width = |estimate: Estimate| estimate.ci95.map(|[low, high]| high - low).unwrap();
    let alone = bootstrap.mean(&values, None).unwrap();
    let together = bootstrap.mean(&values, Some(&names)).unwrap();
    assert!((alone.mean - together.mean).abs() < 1e-12);
    assert_eq!((alone.clusters, together.clusters), (None, Some(4)));
    // sqrt(10) of 40 values in 4 clusters of equal values.
    assert!(width(together) > 2.5 * width(alone), "{alone:?} {together:?}");
}

#[test]
fn one_value_or_one_cluster_has_no_interval() {
    let bootstrap = Bootstrap::default();
    let one = bootstrap.mean(&[0.4], None).unwrap();
    assert_eq!((one.mean, one.ci95, one.count), (0.4, None, 1));
    assert!(!one.is_above_zero() && !one.is_below_zero());
    let cluster = bootstrap.paired(&[0.1, 0.2], &[0.4, 0.6], Some(&["a", "a"])).unwrap();
    assert_eq!((cluster.ci95, cluster.clusters), (None, Some(1)));
}

#[test]
fn what_cannot_be_averaged_is_refused() {
    let bootstrap = Bootstrap::default();
    assert_eq!(bootstrap.mean(&[], None), Err(StatisticsError::Empty));
    assert_eq!(bootstrap.paired(&[], &[], None), Err(StatisticsError::Empty));
    assert!(matches!(
        bootstrap.paired(&[1.0], &[1.0, 2.0], None),
        Err(StatisticsError::Lengths { left_count: 1, right_count: 2, .. })
    ));
    assert!(matches!(
        bootstrap.mean(&[1.0, 2.0], Some(&["a"])),
        Err(StatisticsError::Lengths { left_count: 2, right_count: 1, .. })
    ));
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 2e100] {
        let found = bootstrap.paired(&[1.0, 1.0], &[0.0, bad], None);
        assert!(
            matches!(found, Err(StatisticsError::NotFinite { list: "the values after", index: 1, .. })),
            "{found:?}"
        );
    }
    let none = Bootstrap { resamples: 0, seed: 0 };
    assert_eq!(none.mean(&[1.0, 2.0], None), Err(StatisticsError::NoResamples));
}

#[test]
fn quantiles_are_numpys() {
    let sorted = [1.0, 2.0, 4.0, 8.0];
    assert_eq!(quantile(&sorted, 0.0), 1.0);
    assert_eq!(quantile(&sorted, 0.5), 3.0);
    assert_eq!(quantile(&sorted, 1.0), 8.0);
    // numpy.quantile([1, 2, 4, 8], 0.9) = 6.8
    assert!((quantile(&sorted, 0.9) - 6.8).abs() < 1e-12);
    assert!(quantile(&[], 0.5).is_nan());
}

/// Differences with cluster names.
fn any_values() -> impl Strategy<Value = Vec<(f64, u8)>> {
    prop::collection::vec((-1.0..1.0f64, 0u8..6), 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_interval_lies_within_the_values_and_repeats(given in any_values(), seed in any::<u64>(), shift in -5.0..5.0f64) {
        let bootstrap = Bootstrap { resamples: 200, seed };
        let values: Vec<f64> = given.iter().map(|it| it.0).collect();
        let owned: Vec<String> = given.iter().map(|it| it.1.to_string()).collect();
        let names: Vec<&str> = owned.iter().map(String::as_str).collect();
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for clusters in [None, Some(names.as_slice())] {
            let found = bootstrap.mean(&values, clusters).unwrap();
            prop_assert_eq!(found, bootstrap.mean(&values, clusters).unwrap());
            if let Some([left, right]) = found.ci95 {
                prop_assert!(low - 1e-9 <= left && left <= right && right <= high + 1e-9);
            }
            // The same draws from values moved by a constant move by it.
            let moved: Vec<f64> = values.iter().map(|value| value + shift).collect();
            let moved = bootstrap.mean(&moved, clusters).unwrap();
            prop_assert!((moved.mean - found.mean - shift).abs() < 1e-9);
            if let (Some(a), Some(b)) = (found.ci95, moved.ci95) {
                prop_assert!((b[0] - a[0] - shift).abs() < 1e-9 && (b[1] - a[1] - shift).abs() < 1e-9);
            }
            // A paired comparison is the mean of the differences.
            let before: Vec<f64> = values.iter().map(|value| value * 0.5).collect();
            let after: Vec<f64> = before.iter().zip(&values).map(|(before, value)| before + value).collect();
            let paired = bootstrap.paired(&before, &after, clusters).unwrap();
            prop_assert!((paired.mean - found.mean).abs() < 1e-9);
            prop_assert_eq!(paired.clusters, found.clusters);
        }
    }

    #[test]
    fn nothing_panics(values in prop::collection::vec(any::<f64>(), 0..8), more in prop::collection::vec(any::<f64>(), 0..8)) {
        let bootstrap = Bootstrap { resamples: 20, seed: 1 };
        if let Ok(found) = bootstrap.paired(&values, &more, None) {
            prop_assert!(found.mean.is_finite());
        }
    }
}
