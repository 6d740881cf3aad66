//! Grading by a model.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};

use super::conversations::Open;
use super::report::{JudgeFacts, Report, WorkDone};
use super::{Arguments, Questions, Work};
use crate::chat::{ChatModel, Halting, Pooled, SharedModel};
use crate::cli::interrupt::Interrupt;
use crate::cli::terminal;
use crate::roles::OpenedRoles;
use crate::rubric::healthbench::Grade;
use crate::rubric::model_judge::{
    GraderTemplate, Item, JudgePrompts, ModelJudge, ModelJudgeSettings, Protocol, Sheet,
};
use crate::train::config::JudgeTemplates;

impl Arguments {
    /// Grades by `client`, asked as the command line says, or else the file of `roles`. A served one is asked `at_once`.
    pub(super) fn by_model(
        &self,
        work: &Work,
        client: &SharedModel,
        at_once: Option<usize>,
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
        let base = roles.map_or(base, |roles| roles.options.voting(base));
        let base = self.votes.map_or(base, |votes| base.with_votes(votes));
        let settings = ModelJudgeSettings {
            votes: base.votes,
            again: self.again.unwrap_or(base.again),
            max_tokens: self.max_tokens.unwrap_or(base.max_tokens),
            temperature: self.temperature.unwrap_or(base.temperature),
            seed: self.seed,
        };
        // The model's entry in the file stands over the command line, too.
        let settings = roles.map_or(settings, |roles| roles.of_judge(settings));
        let protocol_name = protocol.name();
        let stopped = || interrupt.is_pressed();
        // Grades that cannot be kept are not waited for.
        let given_up = AtomicBool::default();
        let halted = || given_up.load(Ordering::SeqCst);
        let halting = Halting::new(client, &halted, 1);
        let pool = at_once.map(|at_once| Pooled::new(&halting, at_once));
        let model: &(dyn ChatModel + Sync) = match &pool {
            Some(pool) => pool,
            None => &**client,
        };
        let judge = ModelJudge::new(model, protocol, settings)?.stopped_by(&stopped);
        let before = client.reading();
        let facts = JudgeFacts {
            kind: "model",
            model: Some(client.name().to_owned()),
            protocol: Some(protocol_name),
            settings: Some(settings),
            identity: judge.identity(),
        };
        let grade = |it: &Open| -> Vec<Grade> {
            let items: Vec<Item> = it
                .keys
                .iter()
                .filter_map(|key| it.row.rubrics.get(key.criterion))
                .map(|item| item.item())
                .collect();
            let opinions = judge.judge(&[Sheet { exhibit: it.sample.exhibit(it.row), items }]);
            let opinions = opinions.into_iter().flatten();
            it.keys
                .iter()
                .cloned()
                .zip(opinions)
                .map(|(key, opinion)| Grade::by_model(key, opinion, &facts.identity))
                .collect()
        };
        let graded = self.grade(work, &facts.identity, interrupt, pool.as_ref(), &given_up, &grade)?;
        let reading = client.reading().map(|now| now.since(before.unwrap_or_default()));
        let work_done = WorkDone { tally: judge.tally(), waited: graded.waited, reading };
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
