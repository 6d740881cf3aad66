//! Checks of devices.

use super::*;

#[test]
fn the_processor_is_well_and_its_report_has_what_is_documented() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("doctor.json");
    let base = ["doctor", "--device", "cpu", "--no-bench", "--json", "--out", out.to_str().unwrap()];
    let output = run(&base);
    let steps = text(&output.stderr);
    assert!(output.status.success(), "{steps}");
    assert!(steps.starts_with("cpu: looking for the device\n"), "{steps}");
    let step = |line: &str| line.starts_with("cpu: attention_packed, ") && line.ends_with(", f32");
    assert!(steps.lines().any(step), "a line for each step: {steps}");

    let printed = text(&output.stdout);
    assert_eq!(printed.lines().count(), 1, "{printed}");
    let report: Value = serde_json::from_str(printed).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&fs::read(&out).unwrap()).unwrap(), report);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing but the report is left");
    assert_eq!(keys(&report), ["version", "held", "interrupted", "devices"]);
    assert_eq!((&report["version"], &report["held"]), (&json!(env!("CARGO_PKG_VERSION")), &json!(true)));
    assert_eq!(report["interrupted"], false);
    let devices = report["devices"].as_array().unwrap();
    assert_eq!(devices.len(), 1);
    let device = &devices[0];
    assert_eq!(keys(device), ["device", "problem", "backend", "features", "checks", "speed"]);
    assert_eq!(
        (&device["device"], &device["problem"], &device["speed"]),
        (&json!("cpu"), &json!(null), &json!(null))
    );
    assert_eq!(keys(&device["features"]), ["dtypes", "products_in_tf32"]);
    let checks = device["checks"].as_array().unwrap();
    for check in checks {
        assert_eq!(keys(check), ["op", "output", "case", "dtype", "error", "bound", "held", "problem"]);
        assert_eq!((&check["held"], &check["problem"]), (&json!(true), &json!(null)), "{check}");
        assert!(check["error"].as_f64() <= check["bound"].as_f64() && check["error"].is_number(), "{check}");
    }
    for op in [
        "attention_packed",
        "attention_packed_backward",
        "attention_cached",
        "head_loss",
        "kl_sums",
        "sample",
        "rms_norm",
        "add_rms_norm",
        "add_rms_norm_backward",
        "adamw",
        "rounded",
        "adamw_master",
    ] {
        assert!(checks.iter().any(|check| check["op"] == op), "{op}");
    }
    for case in [
        "67 rows of 96 to 1031, capped",
        "67 rows of 96 to 1031, logits to 1e4, 256 columns at once",
        "67 rows of 96 to 1031, with an adapter and a reference, some rows left out",
        "67 rows of 96 to 1031, with an adapter and a reference, all rows left out",
        "130 rows of 896, gradients in f32",
        "a scale of 1e-30, 4 heads on 2 of 64",
        "blocks in no order, a scale of 1e-30, 3 heads on 1 of 64",
    ] {
        assert!(checks.iter().any(|check| check["case"] == case), "{case}");
    }
}

/// Its results so far are printed, and are in the file.
#[test]
#[cfg(unix)]
fn an_interrupted_examination_has_what_was_found() {
    use std::io::{BufRead, BufReader};

    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("doctor.json");
    let base = ["doctor", "--device", "cpu", "--no-bench", "--json", "--out", out.to_str().unwrap()];
    for signal in ["-INT", "-TERM"] {
        let mut child = osler(&base).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut steps = BufReader::new(child.stderr.take().unwrap()).lines();
        // What comes before the head's loss has been found, and the longest is yet to come.
        assert!(steps.any(|line| line.unwrap().starts_with("cpu: head_loss, ")));
        // Twice at once is one press: so `timeout` sends its signal, to the program and to its group.
        let id = child.id().to_string();
        let sent = Command::new("kill").args([signal, &id, &id]).status().unwrap();
        assert!(sent.success());
        let output = child.wait_with_output().unwrap();
        let last = steps.map(Result::unwrap).last().unwrap();
        assert_eq!(output.status.code(), Some(1), "{last}");
        assert!(last.starts_with("error: cpu: interrupted in step `"), "{last}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&report["held"], &report["interrupted"]), (&json!(false), &json!(true)));
        let device = &report["devices"][0];
        assert_eq!(device["problem"]["kind"], "interrupted");
        let checks = device["checks"].as_array().unwrap();
        assert!(checks.iter().any(|check| check["op"] == "rms_norm"), "{device}");
        assert!(checks.iter().all(|check| check["op"] != "attention_cached"), "{device}");
        assert_eq!(serde_json::from_slice::<Value>(&fs::read(&out).unwrap()).unwrap(), report);
    }
}

/// The folder of the file is taken away while devices are examined.
#[test]
#[cfg(unix)]
fn a_report_that_cannot_be_written_is_printed_all_the_same() {
    use std::io::{BufRead, BufReader};

    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("reports");
    fs::create_dir(&folder).unwrap();
    let out = folder.join("doctor.json");
    let args = ["doctor", "--device", "cpu", "--no-bench", "--json", "--out", out.to_str().unwrap()];
    let mut child = osler(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut steps = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(steps.any(|line| line.unwrap().starts_with("cpu: rms_norm, ")));
    fs::remove_dir_all(&folder).unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let last = steps.map(Result::unwrap).last().unwrap();
    assert_eq!(output.status.code(), Some(1), "{last}");
    assert!(last.starts_with("error: --out "), "{last}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(!report["devices"][0]["checks"].as_array().unwrap().is_empty());
}

#[test]
#[cfg(not(feature = "wgpu"))]
fn a_device_that_was_asked_for_and_is_not_there_has_status_1_and_a_report() {
    let output = run(&["doctor", "--device", "wgpu", "--json"]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let message = errors.lines().find_map(|line| line.strip_prefix("error: ")).unwrap();
    assert!(message.contains("--features wgpu"), "{message}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["held"], false);
    assert_eq!(report["devices"][0]["problem"], json!({"kind": "absent", "message": message}));
    let output = run(&["doctor", "--device", "wgpu"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("wgpu: device `wgpu` is not in this build"));
}

#[test]
fn what_cannot_run_is_refused_before_anything_is_examined() {
    assert!(refused(2, &["doctor", "--device", "gpu"]).contains("legal are: cpu, wgpu, cuda, cuda:N"));
    assert!(refused(2, &["doctor", "--step-timeout", "0"]).contains("--step-timeout"));
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("nowhere");
    let file = nowhere.join("doctor.json");
    let to = |path: &Path| refused(1, &["doctor", "--device", "cpu", "--out", path.to_str().unwrap()]);
    let message = to(&file);
    assert!(message.contains(&format!("there is no folder {}", nowhere.display())), "{message}");
    // `refused` has seen that the error is the first line: no step was begun.
    assert!(to(dir.path()).contains("--out"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
