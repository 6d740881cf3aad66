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

#[test]
fn a_sample_is_written_with_its_words_and_labels() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let base = ["sim", "eval", "--bank", "3", "--turns", "12", "--sample", "20", "--json"];
    let (lines, table, page) = (path("turns.jsonl"), path("turns.md"), path("page.html"));
    let report = json_of(&[&base[..], &["--sample-out", &lines, "--report", &page]].concat(), "");
    for field in ["fact", "privacy", "volunteered", "volunteered_facts", "personification"] {
        assert!(report["scores"]["all"][field]["mean"].is_number(), "{field}: {report}");
    }
    let page = fs::read_to_string(page).unwrap();
    let lines = fs::read_to_string(lines).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 20);
    for line in &lines {
        let fields = ["case", "interviewer", "turn", "hidden", "aim", "message", "reply", "record", "labels"];
        assert_eq!(keys(line), fields);
        assert!(line["labels"]["sentences"].is_array() && line["labels"]["told"].is_array(), "{line}");
        // The page shows the same replies.
        let place = [&line["case"], &line["interviewer"]].map(|it| it.as_str().unwrap()).join(", ");
        assert!(page.contains(&format!("{place}, {}", line["turn"])), "{line}");
    }
    stdout(&[&base[..], &["--sample-out", &table]].concat());
    let table = fs::read_to_string(table).unwrap();
    assert_eq!(table.lines().filter(|line| line.starts_with("| ")).count(), 21);
    let other = path("turns.csv");
    let message = refused(2, &[&base[..], &["--sample-out", &other]].concat());
    assert!(message.contains("ends in .md or .jsonl"), "{message}");
    assert!(
        refused(1, &[&base[..], &["--sample-out", "no/such/folder/turns.md"]].concat()).contains("folder")
    );
}
