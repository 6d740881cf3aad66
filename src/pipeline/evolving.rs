//! Rubrics that change in a run: the model that looks for flaws, and what is written down of each change.

use std::time::Duration;

use serde::Serialize;

use super::error::PipelineError;
use super::run::Run;
use crate::chat::{Halting, SharedModel};
use crate::kernels::KernelBackend;
use crate::rl::RubricNews;
use crate::rubric::authoring::Templates;
use crate::rubric::authoring::dynamic::{State, Tracked};
use crate::train::config::Role;
use crate::train::run::{RubricChanges, StepMetrics};

/// The model in the role `rubric`, and how it is asked.
#[derive(Clone)]
pub(super) struct FlawFinding {
    pub model: SharedModel,
    pub templates: Templates,
    /// Questions at once.
    pub at_once: usize,
    /// As `roles.options.judge_wait_seconds`.
    pub patience: Duration,
}

impl FlawFinding {
    /// The model, of which no answer is waited for once `halted` says so.
    pub fn model<'a>(&'a self, halted: &'a (dyn Fn() -> bool + Sync)) -> Halting<'a> {
        Halting::new(&self.model, halted, self.at_once)
    }
}

/// A change in `rubric.jsonl`.
#[derive(Serialize)]
struct Change<'a> {
    /// The step in the whole run, from 1.
    step: u64,
    /// Mean of its spreads, `p (1 - p)`, within the latest groups.
    mean_spread: Option<f64>,
    /// The criterion as it stood then: its words and points, its state, those spreads, and where it was mined.
    #[serde(flatten)]
    tracked: &'a Tracked,
}

impl<B: KernelBackend> Run<'_, B> {
    /// Writes down how rubrics changed in the step at hand.
    pub(super) fn rubrics_changed(
        &mut self,
        metrics: &mut StepMetrics,
        news: &RubricNews,
    ) -> Result<(), PipelineError> {
        for tracked in &news.changes {
            let change = Change { step: self.place.step + 1, mean_spread: tracked.mean_spread(), tracked };
            self.dir.rubric_change(&change)?;
        }
        let came = |state: State| news.changes.iter().filter(|it| it.state == state).count() as u64;
        if let Some(rl) = &mut metrics.rl {
            rl.rubric = Some(RubricChanges {
                active: news.active as u64,
                on_trial: news.on_trial as u64,
                proposed: came(State::OnTrial),
                admitted: came(State::Admitted),
                retired: came(State::Retired),
                asked: news.asked,
                failed: news.failed,
                refused: news.refused,
            });
        }
        if let Some(why) = &news.why {
            let model = self.prepared.config.roles.model_of(Role::Rubric).unwrap_or_default();
            let note = format!(
                "step {}: `{model}` wrote no criteria for {} of {} replies: {why}",
                self.place.step + 1,
                news.failed,
                news.asked
            );
            self.watch.note(&note);
        }
        Ok(())
    }
}
