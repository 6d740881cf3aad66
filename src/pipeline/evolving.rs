//! Rubrics that change in a run: the model that looks for flaws, and what is written down of each change.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::casting::at_once;
use super::error::PipelineError;
use super::run::Run;
use crate::chat::{Halting, SharedModel};
use crate::eval::{ChangedCriterion, RubricHistory, Series};
use crate::kernels::KernelBackend;
use crate::rl::RubricNews;
use crate::roles::OpenedRoles;
use crate::rubric::authoring::Templates;
use crate::rubric::authoring::dynamic::{Flaw, State, Tracked};
use crate::train::config::{Role, RunConfig, Stage};
use crate::train::run::{RubricChanges, RunDirectory, RunError, StepMetrics, read_lines};

/// The model in the role `rubric`, and how it is asked.
pub(super) struct FlawFinding {
    model: SharedModel,
    pub templates: Templates,
    /// Questions at once.
    pub at_once: usize,
}

impl FlawFinding {
    /// What the model is asked that adds to the rubrics of the stages of `config` from number `first` on; `None` where rules alone do, or
    /// none of them changes.
    pub fn asked(config: &RunConfig, first: usize) -> Result<Option<Templates>, PipelineError> {
        let evolves = |stage: &Stage| matches!(stage, Stage::Rl(rl) if rl.evolution().is_some());
        let asks =
            config.roles.model_of(Role::Rubric).is_some() && config.stage.iter().skip(first).any(evolves);
        Ok(asks.then(|| config.roles.options().rubric_templates()).transpose()?)
    }

    /// The model among `opened`, asked with `templates`.
    pub fn new(config: &RunConfig, templates: Templates, opened: &OpenedRoles) -> Option<Self> {
        let (_, _, source) = config.roles.played().find(|(role, ..)| *role == Role::Rubric)?;
        let model = opened.model(Role::Rubric).map(Arc::clone)?;
        Some(Self { model, templates, at_once: at_once(source) })
    }

    /// The model, of which no answer is waited for once `halted` says so.
    pub fn model<'a>(&'a self, halted: &'a (dyn Fn() -> bool + Sync)) -> Halting<'a> {
        Halting::new(&self.model, halted, self.at_once)
    }
}

impl fmt::Debug for FlawFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, at_once, .. } = self;
        f.debug_struct("FlawFinding")
            .field("model", &model.name())
            .field("at_once", at_once)
            .finish_non_exhaustive()
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

/// Criteria that a report shows.
const SHOWN: usize = 12;

/// A change as it was written.
#[derive(Deserialize)]
struct Changed {
    step: u64,
    mean_spread: Option<f64>,
    #[serde(flatten)]
    tracked: Tracked,
}

/// How the rubrics of the run in `dir` changed in `steps`; `None` where they did not.
///
/// # Errors
///
/// A log of changes that cannot be read.
pub(super) fn history(dir: &RunDirectory, steps: &[StepMetrics]) -> Result<Option<RubricHistory>, RunError> {
    let counts = steps.iter().filter_map(|step| Some((step.step as f64, step.rl.as_ref()?.rubric?)));
    let counts: Vec<(f64, RubricChanges)> = counts.collect();
    if counts.iter().all(|(_, it)| it.proposed + it.admitted + it.retired == 0) {
        return Ok(None);
    }
    let so_far = |count: fn(&RubricChanges) -> u64| {
        let mut sum = 0;
        let add = |(step, it): &(f64, RubricChanges)| {
            sum += count(it);
            [*step, sum as f64]
        };
        counts.iter().map(add).collect::<Vec<[f64; 2]>>()
    };
    let now = counts.iter().map(|(step, it)| [*step, it.active as f64]).collect();
    let series = vec![
        Series::new("criteria that earn", now).in_unit("by the end of a step"),
        Series::new("criteria admitted", so_far(|it| it.admitted)).in_unit("so far"),
        Series::new("criteria retired", so_far(|it| it.retired)).in_unit("so far"),
    ];
    let changes: Vec<Changed> = read_lines(&dir.rubric_path())?;
    let (tried, newest) = newest(&changes);
    Ok(Some(RubricHistory { tried, counts: series, newest }))
}

/// How many criteria there are in `changes`, and those that changed last, the newest first.
fn newest(changes: &[Changed]) -> (usize, Vec<ChangedCriterion>) {
    let mut seen = BTreeSet::new();
    let last: Vec<&Changed> =
        changes.iter().rev().filter(|it| seen.insert(it.tracked.criterion.text.as_str())).collect();
    (last.len(), last.into_iter().take(SHOWN).map(shown).collect())
}

fn shown(changed: &Changed) -> ChangedCriterion {
    let Tracked { criterion, flaw, state, origin, .. } = &changed.tracked;
    let state = match state {
        State::OnTrial => "on trial",
        State::Admitted => "admitted",
        State::Retired => "retired",
    };
    let by = match (&origin.model, flaw) {
        (Some(model), _) => format!("the model `{model}`"),
        (None, Some(flaw)) => format!("the rule {}", flaw_name(*flaw)),
        (None, None) => "a rule".to_owned(),
    };
    ChangedCriterion {
        text: criterion.text.clone(),
        points: criterion.points,
        state: state.to_owned(),
        step: changed.step,
        spread: changed.mean_spread,
        found: format!("{by}, in a reply to case {}, message {}", origin.case, origin.turn + 1),
    }
}

/// The name of a flaw as it is in `rubric.jsonl`.
fn flaw_name(flaw: Flaw) -> String {
    // A variant without fields is a string.
    serde_json::to_value(flaw).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Quiet;
    use crate::pipeline::casting::Casting;
    use crate::train::config::least;

    const MODELS: &str = r#"
[models.a]
server = ["http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"]
model = "tiny"
[models.b]
server = "http://127.0.0.1:3/v1"
model = "small"
concurrency = 100
[roles]
judge = "b"
"#;

    fn open(first: usize, overrides: &[&str]) -> Result<Option<FlawFinding>, PipelineError> {
        Casting::open(&least::run(MODELS, overrides), first, &mut Quiet).map(|casting| casting.finding)
    }

    fn opened(first: usize, overrides: &[&str]) -> Option<FlawFinding> {
        open(first, overrides).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn the_model_that_writes_criteria_is_opened_where_rubrics_change() {
        let finding = opened(0, &["roles.rubric=a", "stage.rl.rubric.dynamic=true"]).unwrap();
        assert_eq!((finding.model.name(), finding.at_once), ("tiny", 8));
        assert_eq!(finding.templates, Templates::bundled());
        let shared = ["roles.rubric=b", "stage.rl.rubric.dynamic=true"];
        assert_eq!(opened(1, &shared).unwrap().at_once, 16);
        // No rubric changes after the last stage; where rules alone look for flaws, no model is there.
        assert!(opened(2, &shared).is_none());
        assert!(opened(0, &["stage.rl.rubric.dynamic=true"]).is_none());
    }

    #[test]
    fn the_last_change_of_each_criterion_is_shown_the_newest_first() {
        let line = |step: u64, text: &str, state: &str, model: Option<&str>| {
            let flaw = if model.is_some() { None } else { Some("empty_reassurance") };
            let line = serde_json::json!({"step": step, "mean_spread": 0.1875,
                "criterion": {"text": text, "points": -3, "axis": "safety", "provenance": "written"},
                "flaw": flaw, "state": state, "spreads": [0.1875], "mined": 1,
                "origin": {"case": "c-1", "turn": 2, "model": model}});
            serde_json::from_str::<Changed>(&line.to_string()).unwrap()
        };
        let mut changes = vec![
            line(1, "Comforts", "on_trial", None),
            line(2, "Lectures", "on_trial", Some("tiny")),
            line(4, "Comforts", "admitted", None),
        ];
        let (tried, shown) = newest(&changes);
        let of = |it: &ChangedCriterion| (it.step, it.text.clone(), it.state.clone());
        assert_eq!(tried, 2);
        assert_eq!(of(&shown[0]), (4, "Comforts".into(), "admitted".into()));
        assert_eq!(of(&shown[1]), (2, "Lectures".into(), "on trial".into()));
        assert_eq!(shown[0].found, "the rule empty_reassurance, in a reply to case c-1, message 3");
        assert!(shown[1].found.starts_with("the model `tiny`, in a reply"), "{}", shown[1].found);
        assert_eq!((shown[0].points, shown[0].spread), (-3, Some(0.1875)));
        changes.extend((0..20).map(|number| line(5, &format!("Fault {number}"), "on_trial", None)));
        let (tried, shown) = newest(&changes);
        assert_eq!((tried, shown.len(), shown[0].text.as_str()), (22, SHOWN, "Fault 19"));
    }

    #[test]
    fn prompts_that_cannot_be_used_are_refused_where_somebody_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("rubric")).unwrap();
        std::fs::write(folder.path().join("rubric/flaws.txt"), "{{nothing}}").unwrap();
        let prompts = format!("roles.options.prompts={}", folder.path().display());
        let asks = ["roles.rubric=a", "stage.rl.rubric.dynamic=true", prompts.as_str()];
        let error = open(0, &asks).unwrap_err().to_string();
        assert!(error.contains("flaws"), "{error}");
        assert!(open(0, &[&prompts]).is_ok());
    }
}
