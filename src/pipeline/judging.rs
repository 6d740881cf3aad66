//! The model that judges in a run.

use std::fmt;
use std::sync::Arc;

use super::casting::at_once;
use super::error::PipelineError;
use crate::chat::{Halting, SharedModel};
use crate::roles::OpenedRoles;
use crate::rubric::ModelJudge;
use crate::rubric::model_judge::{JudgeSettingError, ModelJudgeSettings, Protocol};
use crate::train::config::{ModelSource, Role, RunConfig, Stage};

/// A model as judge, and how it is asked.
#[derive(Clone)]
pub(super) struct Judging {
    model: SharedModel,
    protocol: Protocol,
    settings: ModelJudgeSettings,
    /// Replies judged at once, and criteria of each.
    pub at_once: usize,
    /// As `roles.options.least_coverage`.
    pub least_coverage: f64,
}

impl Judging {
    /// How the model is asked that judges in the stages of `config` from number `first` on; `None` where rules judge, or nobody.
    pub fn asked(
        config: &RunConfig,
        first: usize,
    ) -> Result<Option<(Protocol, ModelJudgeSettings)>, PipelineError> {
        let judged = config.stage.iter().skip(first).any(|stage| matches!(stage, Stage::Rl(_)));
        let Some(source) = source(config).filter(|_| judged) else { return Ok(None) };
        let options = config.roles.options();
        let settings = source.replies().of_judge(options.judge_settings(0));
        settings.check()?;
        Ok(Some((options.judge_protocol()?, settings)))
    }

    /// The judge among `opened`, asked in this way.
    pub fn new(
        config: &RunConfig,
        (protocol, settings): (Protocol, ModelJudgeSettings),
        opened: &OpenedRoles,
    ) -> Option<Self> {
        let options = &opened.options;
        Some(Self {
            model: opened.model(Role::Judge).map(Arc::clone)?,
            protocol,
            settings,
            at_once: at_once(source(config)?),
            least_coverage: options.least_coverage,
        })
    }

    /// The model, of which no answer is waited for once `halted` says so.
    pub fn model<'a>(&'a self, halted: &'a (dyn Fn() -> bool + Sync)) -> Halting<'a> {
        Halting::new(&self.model, halted, self.at_once)
    }

    /// The judge that asks `model`, and nothing more once `halted` says so.
    pub fn judge<'a>(
        &self,
        model: &'a Halting<'a>,
        halted: &'a (dyn Fn() -> bool + Sync),
    ) -> Result<ModelJudge<'a, Halting<'a>>, JudgeSettingError> {
        Ok(ModelJudge::new(model, self.protocol.clone(), self.settings)?.stopped_by(halted))
    }
}

impl fmt::Debug for Judging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, settings, at_once, .. } = self;
        f.debug_struct("Judging")
            .field("model", &model.name())
            .field("settings", settings)
            .field("at_once", at_once)
            .finish_non_exhaustive()
    }
}

/// Where the judge is, where it is a model.
fn source(config: &RunConfig) -> Option<&ModelSource> {
    config.roles.played().find(|(role, ..)| *role == Role::Judge).map(|(_, _, source)| source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Quiet;
    use crate::pipeline::casting::Casting;
    use crate::train::config::least;

    const MODEL: &str = r#"
[models.a]
server = ["http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"]
model = "tiny"
"#;

    fn open(first: usize, overrides: &[&str]) -> Result<Option<Judging>, PipelineError> {
        Casting::open(&least::run(MODEL, overrides), first, &mut Quiet).map(|casting| casting.judging)
    }

    fn opened(overrides: &[&str]) -> Judging {
        let judging = open(0, &[&["roles.judge=a"], overrides].concat());
        judging.unwrap_or_else(|error| panic!("{error}")).expect("a model judges")
    }

    fn refused(overrides: &[&str]) -> String {
        let error = open(0, &[&["roles.judge=a"], overrides].concat()).err();
        error.expect("should be refused").to_string()
    }

    #[test]
    fn a_model_is_asked_as_the_configuration_says() {
        let of = |overrides: &[&str]| opened(overrides).settings;
        assert_eq!(of(&[]), ModelJudgeSettings::REPORT);
        let three = of(&["roles.options.judge_majority=3"]);
        assert_eq!((three.votes, three.temperature), (3, 0.5));
        let warm = of(&["models.a.temperature=0.25", "models.a.max_tokens=9"]);
        assert_eq!((warm.temperature, warm.max_tokens), (0.25, 9));
        let judging = opened(&["roles.options.least_coverage=0.75"]);
        assert_eq!((judging.at_once, judging.least_coverage), (8, 0.75));
        assert_eq!(judging.protocol, Protocol::report());
        assert_eq!(opened(&["models.a.concurrency=100"]).at_once, 16);
    }

    #[test]
    fn nothing_is_opened_where_no_model_judges() {
        for (first, overrides) in [(0, &[][..]), (2, &["roles.judge=a"])] {
            assert!(open(first, overrides).unwrap_or_else(|error| panic!("{error}")).is_none());
        }
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        let cold = refused(&["roles.options.judge_majority=3", "models.a.temperature=0.0"]);
        assert!(cold.contains("temperature is 0"), "{cold}");
        let folder = tempfile::tempdir().unwrap();
        let prompts = format!("roles.options.prompts={}", folder.path().display());
        assert_eq!(opened(&[&prompts]).protocol, Protocol::report());
        let file = folder.path().join("grader.txt");
        std::fs::write(&file, "<<conversation>> <<rubric_item>>").unwrap();
        let grader = format!("roles.options.judge_grader={}", file.display());
        let healthbench = opened(&[&grader, "roles.options.judge_templates=healthbench"]);
        assert_eq!(
            (healthbench.protocol.name(), healthbench.settings),
            ("healthbench", ModelJudgeSettings::HEALTHBENCH)
        );
        assert!(refused(&[&prompts]).contains("grader.txt is read by no role"));
        let gone = format!("roles.options.prompts={}", folder.path().join("gone").display());
        assert!(refused(&[&gone]).contains("gone"));
    }
}
