//! The model that judges in a run.

use std::sync::Arc;
use std::time::Duration;

use super::error::PipelineError;
use super::evolving::FlawFinding;
use super::watch::{Part, Watch};
use crate::chat::{Halting, SharedModel};
use crate::rubric::ModelJudge;
use crate::rubric::model_judge::{JudgeSettingError, ModelJudgeSettings, Protocol};
use crate::train::config::{ModelSource, Role, RoleOptions, RunConfig, Stage};

/// The most replies judged at once, and the most criteria of one of them.
const MOST_AT_ONCE: usize = 16;
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
    /// As `roles.options.judge_wait_seconds`.
    pub patience: Duration,
    /// The model in the role `rubric`, which comes with one that judges only.
    pub finding: Option<FlawFinding>,
}

impl Judging {
    /// Opens the model that judges in the stages of `config` from number `first` on; `None` where rules judge, or nobody.
    pub fn open(
        config: &RunConfig,
        first: usize,
        watch: &mut dyn Watch,
    ) -> Result<Option<Self>, PipelineError> {
        let source = config.roles.played().find(|(role, ..)| *role == Role::Judge);
        let judged = config.stage.iter().skip(first).any(|stage| matches!(stage, Stage::Rl(_)));
        let Some((_, _, source)) = source.filter(|_| judged) else { return Ok(None) };
        // Before a model is loaded.
        let options = config.roles.options();
        let (protocol, settings) = (options.judge_protocol()?, asked(&options, source)?);
        let writes = config.roles.played().find(|(role, ..)| *role == Role::Rubric);
        let templates = writes.map(|_| options.rubric_templates()).transpose()?;
        let opened = config.roles.open(&mut |_, done, total| watch.part(Part::Weights, done, total))?;
        opened.notes.iter().for_each(|note| watch.note(note));
        let model = opened.model(Role::Judge).map(Arc::clone);
        let options = &opened.options;
        let patience = Duration::from_secs(options.judge_wait_seconds);
        let finding =
            opened.model(Role::Rubric).zip(templates).zip(writes).map(|((model, templates), it)| {
                let (_, _, source) = it;
                FlawFinding {
                    model: Arc::clone(model),
                    templates,
                    at_once: source.at_once().min(MOST_AT_ONCE),
                    patience,
                }
            });
        Ok(model.map(|model| Self {
            model,
            protocol,
            settings,
            at_once: source.at_once().min(MOST_AT_ONCE),
            least_coverage: options.least_coverage,
            patience,
            finding,
        }))
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

/// How the model is asked: what its own entry says stands over the judge's.
fn asked(options: &RoleOptions, source: &ModelSource) -> Result<ModelJudgeSettings, JudgeSettingError> {
    let (base, replies) = (options.judge_settings(0), source.replies());
    let settings = ModelJudgeSettings {
        temperature: replies.temperature.map_or(base.temperature, |temperature| temperature as f32),
        max_tokens: replies.max_tokens.unwrap_or(base.max_tokens),
        ..base
    };
    settings.check()?;
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::pipeline::Quiet;
    use crate::rubric::authoring::Templates;

    const RUN: &str = r#"
name = "run"
[model.shape]
hidden_size = 32
layers = 2
heads = 4
kv_heads = 2
intermediate_size = 64
max_positions = 256
[tokenizer]
vocab_size = 512
[models.a]
server = ["http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"]
model = "tiny"
[[stage]]
kind = "sft"
consultations = 4
steps = 1
batch_tokens = 1024
lr = 1e-2
[[stage]]
kind = "rl"
steps = 3
max_new_tokens = 16
"#;

    fn open(first: usize, overrides: &[&str]) -> Result<Option<Judging>, PipelineError> {
        let overrides: Vec<String> = overrides.iter().map(|it| (*it).to_owned()).collect();
        let config = RunConfig::parse(RUN, Path::new("run.toml"), &overrides);
        Judging::open(&config.unwrap_or_else(|error| panic!("{error}")), first, &mut Quiet)
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
        let judging = opened(&["roles.options.least_coverage=0.75", "roles.options.judge_wait_seconds=9"]);
        assert_eq!((judging.at_once, judging.least_coverage), (8, 0.75));
        assert_eq!((judging.patience, judging.protocol), (Duration::from_secs(9), Protocol::report()));
        assert_eq!(opened(&["models.a.concurrency=100"]).at_once, MOST_AT_ONCE);
    }

    #[test]
    fn the_model_that_writes_criteria_is_opened_with_the_judge() {
        let dynamic =
            ["roles.rubric=a", "stage.rl.rubric.dynamic=true", "roles.options.judge_wait_seconds=9"];
        let finding = opened(&dynamic).finding.expect("a model writes");
        assert_eq!((finding.at_once, finding.patience), (8, Duration::from_secs(9)));
        assert_eq!(finding.templates, Templates::bundled());
        assert!(opened(&["stage.rl.rubric.dynamic=true"]).finding.is_none());
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
