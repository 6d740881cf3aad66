//! The models that play patients in a run.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::casting::at_once;
use super::error::PipelineError;
use crate::roles::OpenedRoles;
use crate::sim::played::{Company, Settings, SharedUnits};
use crate::sim::{Limits, Prompts};
use crate::train::config::{Role, RunConfig};

/// Models in a patient's units, and how they are asked.
pub(super) struct Playing {
    units: SharedUnits,
    prompts: Cow<'static, Prompts>,
    settings: Settings,
    /// Patients asked at once.
    pub at_once: usize,
    /// As `roles.options.judge_wait_seconds`.
    patience: Duration,
}

impl Playing {
    /// What they are asked; `None` where rules play every unit.
    pub fn asked(config: &RunConfig) -> Result<Option<Cow<'static, Prompts>>, PipelineError> {
        let plays = config.roles.play_patients();
        Ok(plays.then(|| config.roles.options().patient_prompts()).transpose()?)
    }

    /// The models of `opened`, asked with `prompts`.
    pub fn new(config: &RunConfig, prompts: Cow<'static, Prompts>, opened: &OpenedRoles) -> Self {
        let sources = config.roles.played().filter(|(role, ..)| Role::UNITS.contains(role));
        // A patient waits for one of its units at a time, so others may ask the model of another.
        let at_once = sources.map(|(_, _, source)| at_once(source)).max().unwrap_or(1);
        let patience = Duration::from_secs(config.roles.options().judge_wait_seconds);
        Self {
            units: opened.patient_units(),
            prompts,
            settings: opened.patient_settings(),
            at_once,
            patience,
        }
    }

    /// Patients who end consultations by `limits`; none is asked while `halt` is set.
    pub fn company<'a>(&'a self, limits: Limits, halt: &'a AtomicBool) -> Company<'a> {
        Company::new(&self.units, &self.prompts, self.settings, limits, self.at_once, halt)
    }

    /// The patients of held-out consultations, who may be silent for as long as those that are trained on.
    pub fn held_out_company<'a>(&'a self, limits: Limits, halt: &'a AtomicBool) -> Company<'a> {
        self.company(limits, halt).with_patience(self.patience)
    }

    /// Who they are, e.g. `gate rules, voice m, check rules`.
    pub fn names(&self) -> String {
        self.units.names().to_string()
    }
}

impl fmt::Debug for Playing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Playing").field("units", &self.units.names()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Quiet;
    use crate::pipeline::casting::Casting;
    use crate::sim::played::OnFailure;
    use crate::train::config::least;

    const MODELS: &str = r#"
[models.a]
server = ["http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"]
model = "tiny"
[models.b]
server = "http://127.0.0.1:3/v1"
model = "small"
"#;

    fn open(first: usize, overrides: &[&str]) -> Result<Casting, PipelineError> {
        Casting::open(&least::run(MODELS, overrides), first, &mut Quiet)
    }

    fn opened(overrides: &[&str]) -> Option<Playing> {
        open(0, overrides).unwrap_or_else(|error| panic!("{error}")).playing
    }

    #[test]
    fn any_unit_that_a_model_plays_makes_a_company() {
        assert!(opened(&[]).is_none() && opened(&["roles.judge=a"]).is_none());
        let gate = opened(&["roles.gate=b"]).unwrap();
        assert_eq!((gate.names().as_str(), gate.at_once), ("gate small, voice rules, check rules", 4));
        assert_eq!(gate.settings.on_failure, OnFailure::Stop);
        let more = ["roles.patient=a", "roles.check=b", "roles.options.on_failure=rules"];
        let all = opened(&more).unwrap();
        assert_eq!((all.names().as_str(), all.at_once), ("gate rules, voice tiny, check small", 8));
        assert_eq!(all.settings.on_failure, OnFailure::Rules);
        assert_eq!(opened(&["roles.patient=a", "models.a.concurrency=100"]).unwrap().at_once, 16);
        // Held-out patients are played after the last stage, too.
        assert!(open(2, &["roles.patient=a"]).unwrap_or_else(|error| panic!("{error}")).playing.is_some());
    }

    #[test]
    fn a_model_that_cannot_be_had_is_named() {
        let local = ["models.c.path=no/such/model", "roles.patient=c", "roles.judge=a"];
        let error = open(0, &local).unwrap_err().to_string();
        assert!(error.starts_with("[models.c]: "), "{error}");
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("patient")).unwrap();
        std::fs::write(folder.path().join("patient/voice.jinja"), "{{ nothing }}").unwrap();
        let prompts = format!("roles.options.prompts={}", folder.path().display());
        let error = open(0, &["roles.patient=a", &prompts]).unwrap_err().to_string();
        assert!(error.contains("voice.jinja"), "{error}");
        assert!(open(0, &[&prompts]).is_ok(), "nobody reads them");
    }
}
