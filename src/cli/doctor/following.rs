//! Steps on the terminal and findings in the file, as they come.

use std::path::Path;
use std::time::{Duration, Instant};

use super::{report, write};
use crate::cli::interrupt::Interrupt;
use crate::cli::output;
use crate::cli::terminal::Steps;
use crate::doctor::Follow;
use crate::doctor::report::{DeviceReport, Problem};
use crate::engine::Device;

/// The file is written again so long after it was, at the earliest.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows the examination of one device after another.
pub struct Following<'a> {
    steps: &'a Steps,
    interrupt: &'a Interrupt,
    /// The file, if it can be replaced.
    file: Option<&'a Path>,
    named: bool,
    written: Instant,
    /// Findings of the present device that are in the file.
    noted: usize,
    /// Devices whose examination ended.
    pub done: Vec<DeviceReport>,
}

impl<'a> Following<'a> {
    /// `out` is the file, `named` whether the device was asked for.
    pub fn new(steps: &'a Steps, interrupt: &'a Interrupt, out: Option<&'a Path>, named: bool) -> Self {
        let file = out.filter(|path| output::is_replaced(path));
        Self { steps, interrupt, file, named, written: Instant::now(), noted: 0, done: Vec::new() }
    }
}

impl Follow for Following<'_> {
    fn step(&mut self, device: Device, what: &str) {
        self.steps.say(&format!("{device}: {what}"));
    }

    fn found(&mut self, now: &DeviceReport, step: &str) {
        let Some(path) = self.file else { return };
        let timed = now.speed.as_ref().map_or(0, |speed| speed.ceilings.len() + speed.figures.len());
        let findings = now.checks.len() + timed;
        if findings == self.noted || self.written.elapsed() < PAUSE {
            return;
        }
        // As if it ended here: so it stays if the process is killed.
        let problem = Some(Problem::Interrupted { step: step.to_owned() });
        let now = DeviceReport { problem, ..now.clone() };
        let devices = self.done.iter().cloned().chain([now]).collect();
        // What fails is tried again with more, and at the end, whose error is the command's.
        let _ = write(path, &report(devices, self.named, false));
        (self.written, self.noted) = (Instant::now(), findings);
    }

    fn stopped(&self) -> bool {
        self.interrupt.is_pressed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Check;

    #[test]
    fn the_file_has_what_was_found_while_the_examination_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("doctor.json");
        let (steps, interrupt) = (Steps::new(), Interrupt::default());
        let mut following = Following::new(&steps, &interrupt, Some(&file), true);
        let check = Check {
            op: "norm",
            output: "y",
            case: "case".into(),
            dtype: "f32",
            error: Some(0.0),
            bound: 1.0,
            held: true,
            problem: None,
        };
        let now = DeviceReport {
            device: "cpu".into(),
            problem: None,
            driver: None,
            backend: None,
            features: None,
            hardware: None,
            checks: vec![check],
            speed: None,
        };
        following.found(&now, "norm");
        assert!(!file.exists(), "no second has passed");
        following.written = Instant::now().checked_sub(PAUSE).unwrap();
        following.found(&now, "rotary");
        let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!((&report["held"], &report["interrupted"]), (&false.into(), &true.into()));
        let device = &report["devices"][0];
        assert_eq!(device["checks"].as_array().map(Vec::len), Some(1));
        assert_eq!(device["problem"], serde_json::json!({"kind": "interrupted", "step": "rotary"}));
    }
}
