//! A run's progress on stderr: bars on a terminal, lines elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::interrupt::Interrupt;
use crate::cli::terminal::line;
use crate::pipeline::{Part, Watch};
use crate::train::config::Detector;
use crate::train::run::{Judged, PlayedTurns, RubricChanges, StepMetrics, Verdicts};

/// Where stderr is no terminal, supervised steps are reported at most so often.
const QUIET: Duration = Duration::from_secs(5);

/// Shows what a run does, and asks it to stop on Ctrl-C.
pub struct Bars {
    interrupt: Interrupt,
    stopping: bool,
    terminal: bool,
    /// What the bar shows now.
    shown: String,
    bar: ProgressBar,
    last_line: Option<Instant>,
}

impl Bars {
    /// Nothing is shown yet.
    pub fn new(interrupt: Interrupt) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self {
            interrupt,
            stopping: false,
            terminal,
            shown: String::new(),
            bar: ProgressBar::hidden(),
            last_line: None,
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// A bar for `what`; a new one where it is another thing than before.
    fn show(&mut self, what: &str, template: &str, done: u64, total: u64) {
        if self.shown != what {
            self.shown = what.to_owned();
            self.last_line = None;
            self.bar.finish_and_clear();
            self.bar = ProgressBar::new(total).with_prefix(what.to_owned());
            // The templates are constants; a typo in one would show as the plain style.
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style);
            }
            // A stage that was taken up again is not as fast as its first step makes it look.
            self.bar.set_position(done.saturating_sub(1));
            self.bar.reset_eta();
        }
        self.bar.set_length(total);
        self.bar.set_position(done);
    }
}

impl Watch for Bars {
    fn part(&mut self, part: Part, done: u64, total: u64) {
        let (what, unit) = match part {
            Part::Patients => ("patients", ""),
            Part::Lessons => ("consultations to learn from", ""),
            Part::Vocabulary => ("vocabulary", ""),
            Part::Weights => ("weights", "bytes"),
            Part::HeldOut("before") => ("held-out consultations, before", ""),
            Part::HeldOut("after") => ("held-out consultations, after", ""),
            Part::HeldOut(_) => ("held-out consultations, on the way", ""),
            Part::Baselines => ("other doctors", ""),
            Part::Export => ("export", "bytes"),
        };
        if !self.terminal {
            if self.shown != what {
                self.shown = what.to_owned();
                self.last_line = None;
                line(what);
            }
            return;
        }
        let template = match unit {
            "bytes" => "{prefix} {bar:30} {binary_bytes}/{binary_total_bytes}",
            _ => "{prefix} {bar:30} {pos}/{len} {elapsed}",
        };
        self.show(what, template, done, total);
    }

    fn step(&mut self, metrics: &StepMetrics, done: u64, total: u64) {
        let words = in_words(metrics);
        if self.terminal {
            let template = "{prefix} {bar:24} {pos}/{len} {elapsed} left {eta} {per_sec} {msg}";
            self.show(&metrics.stage, template, done, total);
            self.bar.set_message(words);
            return;
        }
        self.shown.clone_from(&metrics.stage);
        let due = self.last_line.is_none_or(|last| last.elapsed() >= QUIET);
        if metrics.rl.is_some() || due || done == total {
            self.last_line = Some(Instant::now());
            line(&format!("{} {done}/{total}: {words}", metrics.stage));
        }
    }

    fn judged(&mut self, done: u64, total: u64) {
        if self.terminal {
            self.bar.set_message(format!("{done} of {total} replies judged"));
        }
    }

    fn note(&mut self, note: &str) {
        // Without a bar on screen `println` would say nothing.
        self.bar.suspend(|| line(note));
    }

    fn should_stop(&mut self) -> bool {
        if !self.stopping && self.interrupt.is_pressed() {
            self.stopping = true;
            self.note(
                "stopping: the step at hand is finished and saved, or given up if it waits for a model; Ctrl-C again ends at once",
            );
        }
        self.stopping
    }
}

fn in_words(metrics: &StepMetrics) -> String {
    let timing = &metrics.timing;
    match &metrics.rl {
        Some(rl) => format!(
            "reward {:.3}, {:.0} tokens a reply{}{}{}{}, {:.2} s (rollout {:.2}, judge {:.2}, forward/backward {:.2}, optimizer {:.2})",
            rl.reward.mean,
            rl.reply_tokens.mean,
            noise_in_words(&rl.noise),
            rubric_in_words(rl.rubric.as_ref()),
            verdicts_in_words(rl.judged.as_ref(), timing.verdicts.as_ref()),
            patients_in_words(rl.patients.as_ref()),
            timing.seconds,
            timing.rollout,
            timing.judge,
            timing.forward_backward,
            timing.optimizer
        ),
        None => format!("loss {:.3}, {:.0} tokens/s", metrics.loss, timing.tokens_per_second),
    }
}

/// What detectors found, e.g. `, noise: over_long 2`; nothing where none fired.
fn noise_in_words(noise: &BTreeMap<Detector, u64>) -> String {
    let fired = noise.iter().filter(|(_, count)| **count > 0);
    let words: Vec<String> = fired.map(|(detector, count)| format!("{} {count}", detector.name())).collect();
    if words.is_empty() { String::new() } else { format!(", noise: {}", words.join(" ")) }
}

/// How rubrics changed; nothing where they do not change.
fn rubric_in_words(rubric: Option<&RubricChanges>) -> String {
    let Some(rubric) = rubric else { return String::new() };
    let RubricChanges { active, on_trial, admitted, retired, .. } = rubric;
    format!(", rubrics +{active} ({admitted} admitted, {retired} retired, {on_trial} on trial)")
}

/// What a model that judges did; nothing where rules judge.
fn verdicts_in_words(judged: Option<&Judged>, verdicts: Option<&Verdicts>) -> String {
    let (Some(judged), Some(verdicts)) = (judged, verdicts) else { return String::new() };
    let Judged { criteria, not_judged, without_reward, .. } = judged;
    let cached = verdicts.cached.map(|it| format!(", {:.0}% cached", 100.0 * it)).unwrap_or_default();
    format!(
        ", {not_judged} of {criteria} criteria not judged, {without_reward} replies without reward, {} requests{cached} in {:.2} s",
        verdicts.requests, verdicts.seconds
    )
}

/// How patients that models play answered; nothing where rules play them.
fn patients_in_words(patients: Option<&PlayedTurns>) -> String {
    let Some(PlayedTurns { turns, stepped_in, regenerations, safe_replies }) = patients else {
        return String::new();
    };
    format!(
        ", {turns} replies of patients ({regenerations} times other words, {safe_replies} safe replies, {stepped_in} by rules)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_judges_is_in_the_line() {
        assert_eq!(verdicts_in_words(None, None), "");
        let judged = Judged { criteria: 40, not_judged: 3, without_reward: 1, ..Judged::default() };
        let verdicts = Verdicts { requests: 42, failed: 2, cached: Some(0.634), seconds: 1.5 };
        let words =
            ", 3 of 40 criteria not judged, 1 replies without reward, 42 requests, 63% cached in 1.50 s";
        assert_eq!(verdicts_in_words(Some(&judged), Some(&verdicts)), words);
        let uncounted = Verdicts { cached: None, ..verdicts };
        assert!(verdicts_in_words(Some(&judged), Some(&uncounted)).ends_with("42 requests in 1.50 s"));
    }

    #[test]
    fn rubrics_that_change_are_in_the_line() {
        assert_eq!(rubric_in_words(None), "");
        let rubric = RubricChanges { active: 2, on_trial: 3, admitted: 1, ..RubricChanges::default() };
        assert_eq!(rubric_in_words(Some(&rubric)), ", rubrics +2 (1 admitted, 0 retired, 3 on trial)");
    }

    #[test]
    fn patients_that_models_play_are_in_the_line() {
        assert_eq!(patients_in_words(None), "");
        let turns = PlayedTurns { turns: 24, stepped_in: 2, regenerations: 5, safe_replies: 1 };
        let words = ", 24 replies of patients (5 times other words, 1 safe replies, 2 by rules)";
        assert_eq!(patients_in_words(Some(&turns)), words);
    }

    #[test]
    fn only_detectors_that_fired_are_in_the_line() {
        assert_eq!(noise_in_words(&BTreeMap::new()), "");
        let quiet = BTreeMap::from([(Detector::OverLong, 0)]);
        assert_eq!(noise_in_words(&quiet), "");
        let found = BTreeMap::from([
            (Detector::OverLong, 2),
            (Detector::RoleInversion, 0),
            (Detector::AddressesJudge, 11),
        ]);
        assert_eq!(noise_in_words(&found), ", noise: over_long 2 addresses_judge 11");
    }
}
