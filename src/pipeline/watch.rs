//! How a run speaks to whoever started it.

use crate::train::run::StepMetrics;

/// A part of a run that is not a training step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Drawing or reading the patients.
    Patients,
    /// Consultations of scripted doctors, to learn from.
    Lessons,
    /// Training the vocabulary.
    Vocabulary,
    /// Reading the weights, in bytes.
    Weights,
    /// Held-out consultations; the name says when, e.g. `before`.
    HeldOut(&'static str),
    /// The same patients with other doctors.
    Baselines,
    /// Writing the model, in bytes.
    Export,
}

/// Told what a run does, and asked whether it should go on.
pub trait Watch {
    /// `done` of `total` units of a part are done. Called as it begins, too.
    fn part(&mut self, part: Part, done: u64, total: u64);

    /// A step is done, the `done`th of `total` in its stage.
    fn step(&mut self, metrics: &StepMetrics, done: u64, total: u64);

    /// Of the replies of a round that models judge or answer, so many are judged so far.
    fn judged(&mut self, _done: u64, _total: u64) {}

    /// Something worth knowing that stops nothing.
    fn note(&mut self, note: &str);

    /// Whether the run should stop at the next place where it loses nothing.
    fn should_stop(&mut self) -> bool;
}

/// Hears nothing and never stops a run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Watch for Quiet {
    fn part(&mut self, _: Part, _: u64, _: u64) {}

    fn step(&mut self, _: &StepMetrics, _: u64, _: u64) {}

    fn note(&mut self, _: &str) {}

    fn should_stop(&mut self) -> bool {
        false
    }
}
