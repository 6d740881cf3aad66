//! Simulated patients: what their evaluation and their measurement print and write.

use super::*;

/// A number that JSON holds.
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn simulation_and_judging_are_measured_by_turns() {
    let base = ["bench", "sim", "--cases", "4", "--limit", "8", "--json"];
    let report = json_of(&[&base[..], &["--turns", "60"]].concat(), "");
    assert_eq!(
        keys(&report),
        ["turns", "consultations", "seconds", "turns_per_second", "mean_reward", "tenths"]
    );
    // The consultation that reaches them is led to its end.
    let (turns, consultations) = (number(&report["turns"]), number(&report["consultations"]));
    assert!((60.0..68.0).contains(&turns), "{report}");
    assert!(consultations >= 8.0 && consultations <= turns, "{report}");
    assert!(number(&report["seconds"]) > 0.0 && number(&report["turns_per_second"]) > 0.0, "{report}");
    assert!(number(&report["mean_reward"]).is_finite(), "{report}");
    let tenths = report["tenths"].as_array().unwrap();
    assert_eq!(tenths.len(), 10, "{report}");
    let so_far: Vec<f64> = tenths.iter().map(|tenth| number(&tenth["turns"])).collect();
    assert!(so_far.is_sorted() && so_far[0] >= 6.0 && so_far[9] == turns, "{report}");
    // The same options do the same work.
    let again = json_of(&[&base[..], &["--turns", "60"]].concat(), "");
    for field in ["turns", "consultations", "mean_reward"] {
        assert_eq!(report[field], again[field], "{field}");
    }
    let other = json_of(&[&base[..], &["--turns", "60", "--seed", "1"]].concat(), "");
    assert_ne!(report["mean_reward"], other["mean_reward"]);
    assert!(refused(2, &[&base[..], &["--turns", "9"]].concat()).contains("--turns"));
}
