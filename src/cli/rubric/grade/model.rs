//! Grading by a model.

use std::error::Error;
use std::time::{Duration, Instant};

use super::report::{JudgeFacts, Report, WorkDone};
use super::{Arguments, Questions, Work};
use crate::chat::ChatModel;
use crate::cli::interrupt::Interrupt;
use crate::cli::terminal;
use crate::roles::OpenedRoles;
use crate::rubric::healthbench::Grade;
use crate::rubric::model_judge::{
    GraderTemplate, Item, JudgePrompts, ModelJudge, ModelJudgeSettings, Protocol, Sheet,
};
use crate::train::config::JudgeTemplates;

impl Arguments {
    /// Grades by `client`, asked as the command line says, or else the file of `roles`.
    pub(super) fn by_model(
        &self,
        work: &Work,
        client: &dyn ChatModel,
        roles: Option<&OpenedRoles>,
        interrupt: &Interrupt,
    ) -> Result<Report, Box<dyn Error>> {
        let of_roles = |roles: &OpenedRoles| match roles.options.judge_templates {
            JudgeTemplates::Report => Questions::Report,
            JudgeTemplates::Healthbench => Questions::Healthbench,
        };
        let named = self.grader.is_some().then_some(Questions::Healthbench);
        let questions = self.protocol.or(named).or(roles.map(of_roles)).unwrap_or(Questions::Report);
        if questions == Questions::Report && self.grader.is_some() {
            return Err("--grader is for --protocol healthbench: leave one of the two out".into());
        }
        let (protocol, base) = match (questions, &self.prompts, roles) {
            (Questions::Healthbench, Some(_), _) => {
                return Err("--prompts is for --protocol report: HealthBench's text is what it is".into());
            }
            (Questions::Healthbench, None, roles) => {
                (Protocol::HealthBench(self.healthbench(roles)?), ModelJudgeSettings::HEALTHBENCH)
            }
            (Questions::Report, Some(file), _) => {
                (Protocol::Report(JudgePrompts::read(file)?), ModelJudgeSettings::REPORT)
            }
            (Questions::Report, None, Some(roles)) => {
                (Protocol::Report(roles.options.judge_prompts()?), ModelJudgeSettings::REPORT)
            }
            (Questions::Report, None, None) => (Protocol::report(), ModelJudgeSettings::REPORT),
        };
        let base = match roles {
            Some(roles) => roles.options.voting(base),
            None => base,
        };
        let settings = ModelJudgeSettings {
            votes: self.votes.unwrap_or(base.votes),
            again: self.again.unwrap_or(base.again),
            max_tokens: self.max_tokens.unwrap_or(base.max_tokens),
            temperature: self.temperature.unwrap_or(base.temperature),
            seed: self.seed,
        };
        // The model's entry in the file stands over the command line, too.
        let settings = roles.map_or(settings, |roles| roles.of_judge(settings));
        let protocol_name = protocol.name();
        let stopped = || interrupt.is_pressed();
        let judge = ModelJudge::new(client, protocol, settings)?.stopped_by(&stopped);
        let before = client.reading();
        let mut waited = Duration::ZERO;
        let facts = JudgeFacts {
            kind: "model",
            model: Some(client.name().to_owned()),
            protocol: Some(protocol_name),
            settings: Some(settings),
            identity: judge.identity(),
        };
        let graded = self.grade(work, &facts.identity, interrupt, |row, sample, keys| {
            let items: Vec<Item> = keys
                .iter()
                .filter_map(|key| row.rubrics.get(key.criterion))
                .map(|item| item.item())
                .collect();
            let begun = Instant::now();
            let opinions = judge.judge(&[Sheet { exhibit: sample.exhibit(row), items }]);
            waited += begun.elapsed();
            let opinions = opinions.into_iter().flatten();
            keys.into_iter()
                .zip(opinions)
                .map(|(key, opinion)| Grade::by_model(key, opinion, &facts.identity))
                .collect()
        })?;
        let reading = client.reading().map(|now| now.since(before.unwrap_or_default()));
        let work_done = WorkDone { tally: judge.tally(), waited, reading };
        Ok(Report::new(work, graded, facts, Some(work_done), self.seed))
    }

    /// The text of HealthBench's grader, as the command line or else the file of roles names it.
    fn healthbench(&self, roles: Option<&OpenedRoles>) -> Result<GraderTemplate, Box<dyn Error>> {
        let grader = match (&self.grader, roles) {
            (Some(file), _) => GraderTemplate::read(file)?,
            (None, Some(roles)) => roles.options.judge_grader()?,
            (None, None) => {
                let missing = "the text of HealthBench's grader is no part of osler: name healthbench_eval.py of simple-evals with --grader";
                return Err(missing.into());
            }
        };
        if !grader.is_reference() {
            terminal::line(
                "note: the grader's text is not that of simple-evals at ee3b031: scores are not comparable with published ones",
            );
        }
        Ok(grader)
    }
}
