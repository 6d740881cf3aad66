//! What the roles become: a patient's units, a judge's protocol and settings.

use crate::roles::{OpenedRoles, RolePromptsError};
use crate::rubric::model_judge::{ModelJudgeSettings, Protocol};
use crate::sim::played::{Settings, SharedUnits};
use crate::train::config::{JudgeTemplates, Role, RoleOptions};

impl OpenedRoles {
    /// The patient's units: `patient` is the voice.
    pub fn patient_units(&self) -> SharedUnits {
        let model = |role| self.model(role).cloned();
        SharedUnits { gate: model(Role::Gate), voice: model(Role::Patient), check: model(Role::Check) }
    }

    /// How the patient's models are asked.
    pub fn patient_settings(&self) -> Settings {
        Settings { on_failure: self.options.on_failure, ..Settings::default() }
    }
}

impl RoleOptions {
    /// Which questions the judge is asked.
    ///
    /// # Errors
    ///
    /// Prompts of the configuration that cannot be used.
    pub fn judge_protocol(&self) -> Result<Protocol, RolePromptsError> {
        Ok(match self.judge_templates {
            JudgeTemplates::Report => Protocol::Report(self.judge_prompts()?),
            JudgeTemplates::Healthbench => Protocol::HealthBench(self.judge_grader()?),
        })
    }

    /// How the judge is asked.
    pub fn judge_settings(&self, seed: u64) -> ModelJudgeSettings {
        let base = match self.judge_templates {
            JudgeTemplates::Report => ModelJudgeSettings::REPORT,
            JudgeTemplates::Healthbench => ModelJudgeSettings::HEALTHBENCH,
        };
        ModelJudgeSettings { seed, ..self.voting(base) }
    }

    /// `base` with as many verdicts as the configuration wants.
    pub fn voting(&self, base: ModelJudgeSettings) -> ModelJudgeSettings {
        base.with_votes(self.judge_majority)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::sim::played::OnFailure;
    use crate::train::config::Roles;

    fn opened(more: &str) -> OpenedRoles {
        let text = format!(
            "[models.b]\nserver = 'http://127.0.0.1:1'\nmodel = 'm'\n[roles]\npatient = 'b'\ncheck = 'b'\n{more}"
        );
        let roles = Roles::parse(&text, Path::new("models.toml")).unwrap_or_else(|error| panic!("{error}"));
        roles.open(&mut |_, _, _| {}).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn roles_are_units() {
        let roles = opened("");
        assert_eq!(roles.patient_units().names().to_string(), "gate rules, voice m, check m");
        assert_eq!(roles.distinct().len(), 1);
        assert_eq!(roles.patient_settings(), Settings::default());
        let roles = opened("[roles.options]\non_failure = 'rules'\n");
        assert_eq!(roles.patient_settings().on_failure, OnFailure::Rules);
    }

    #[test]
    fn several_verdicts_are_drawn_with_a_temperature() {
        let dir = tempfile::tempdir().unwrap();
        let grader = dir.path().join("grader.txt");
        std::fs::write(&grader, "Mark <<conversation>> by <<rubric_item>>.").unwrap();
        let healthbench = format!("judge_templates = 'healthbench'\njudge_grader = '{}'", grader.display());
        for (options, votes, temperature, name) in [
            ("", 1, 0.0, "report"),
            ("judge_majority = 3", 3, 0.5, "report"),
            (&healthbench, 1, 0.5, "healthbench"),
        ] {
            let roles = opened(&format!("[roles.options]\n{options}\n"));
            let settings = roles.options.judge_settings(7);
            assert_eq!(
                (settings.votes, settings.temperature, settings.seed),
                (votes, temperature, 7),
                "{options}"
            );
            assert_eq!(settings.check(), Ok(()));
            assert_eq!(roles.options.judge_protocol().unwrap().name(), name);
        }
    }
}
