//! Who plays which role: rules, or a model of `[models]`.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::file;
use super::findings::{Findings, join};
use super::legal::Legal;
use super::models::{LONGEST_WAIT, ModelSource, Models, ServedModel};
use super::near::near;
use super::part::{Scalar, named, quoted};
use super::problem::ConfigErrors;
use super::reference;
use super::section::{Section, section};
use super::tree::{Node, Table};
use crate::sim::played::OnFailure;

/// What a role is played by where no model is named.
pub(super) const RULES: &str = "rules";

/// A part in a consultation or its marking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The doctor.
    Policy,
    /// The patient's words.
    Patient,
    /// Whether a doctor's message ends the consultation.
    Gate,
    /// Whether the patient's words agree with the case.
    Check,
    /// Criteria for a conversation.
    Rubric,
    /// Verdicts on them.
    Judge,
}

impl Role {
    /// All of them, in the order of a consultation.
    pub const ALL: [Self; 6] =
        [Self::Policy, Self::Patient, Self::Gate, Self::Check, Self::Rubric, Self::Judge];

    /// Those of a patient's units.
    pub const UNITS: [Self; 3] = [Self::Patient, Self::Gate, Self::Check];

    /// Its field in `[roles]`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Patient => "patient",
            Self::Gate => "gate",
            Self::Check => "check",
            Self::Rubric => "rubric",
            Self::Judge => "judge",
        }
    }

    /// What a model in this role is shown, and so what a server in it is sent.
    pub fn shown(self) -> &'static str {
        match self {
            Self::Policy => "the patient's words and its own",
            Self::Patient => "the case as the patient knows it, the persona, the consultation",
            Self::Gate => "the consultation",
            Self::Check => "the case as the patient knows it, the patient's drafted words, the consultation",
            Self::Rubric => "the whole case with its diagnosis, the consultation",
            Self::Judge => "the consultation, and criteria that may name the diagnosis",
        }
    }

    /// The same in `osler train`.
    pub fn shown_in_training(self) -> &'static str {
        match self {
            Self::Rubric => {
                "the consultation, a reply that scored high, and its criteria, which may name the diagnosis"
            }
            other => other.shown(),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who plays a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Player {
    /// Rules; no model is asked.
    Rules,
    /// The model of this name.
    Model(String),
}

impl Scalar for Player {
    fn stand_in() -> Self {
        Self::Rules
    }

    fn read(node: &Node) -> Option<Self> {
        let name = node.text()?;
        Some(if name == RULES { Self::Rules } else { Self::Model(name.to_owned()) })
    }

    fn toml(&self) -> String {
        quoted(match self {
            Self::Rules => RULES,
            Self::Model(name) => name,
        })
    }
}

const PLAYER: Legal =
    Legal::Text { what: "\"rules\" or the name of a model in [models]", fits: |text| !text.is_empty() };

section! {
    /// Who plays which role. Roles may share a model, which is opened once.
    pub struct Cast {
        /// The doctor, by a model's name. In a run it is the model that is trained, and the field stays out.
        policy: Option<String>,
            Legal::Text { what: "the name of a model in [models]", fits: |text| !text.is_empty() && text != RULES }, "",
            "no default";
        /// The patient's words.
        patient: Player = Player::Rules, PLAYER, "", "chosen here: rules need no model";
        /// Whether a doctor's message ends the consultation.
        gate: Player = Player::Rules, PLAYER, "", "chosen here: rules need no model";
        /// Whether the patient's words agree with the case.
        check: Player = Player::Rules, PLAYER, "", "chosen here: rules need no model";
        /// Criteria for a conversation.
        rubric: Player = Player::Rules, PLAYER, "", "chosen here: rules need no model";
        /// Verdicts on them.
        judge: Player = Player::Rules, PLAYER, "", "chosen here: rules need no model";
        /// How models play them.
        options: RoleOptions, Legal::Table, "", "no default";
    }
}

/// Which prompts a judge is asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgeTemplates {
    /// Two: one for criteria that earn points, one for those that cost some.
    Report,
    /// HealthBench's one, word for word.
    Healthbench,
}

named!(
    JudgeTemplates, TEMPLATES:
    "report" => JudgeTemplates::Report, "healthbench" => JudgeTemplates::Healthbench,
);

named!(
    OnFailure, ON_FAILURE:
    "stop" => OnFailure::Stop, "rules" => OnFailure::Rules,
);

section! {
    /// How models play roles. Where rules do, none of it is used.
    pub struct RoleOptions {
        /// How often the judge is asked for each verdict, an odd number; the majority counts.
        judge_majority: usize = 1, Legal::Whole { least: 1, most: 99 }, "verdicts", "chosen here";
        /// Which prompts the judge is asked with: `report` has one for criteria that earn points and one for those that cost some,
        /// `healthbench` is its grader's, word for word.
        judge_templates: JudgeTemplates = JudgeTemplates::Report, Legal::Choice(TEMPLATES), "",
            "the Baichuan-M2 report for training; HealthBench (arXiv 2505.08775) for evaluation";
        /// HealthBench's grader, for `judge_templates = "healthbench"`: `healthbench_eval.py` of simple-evals, or a file with its template
        /// alone. The text is no part of osler.
        judge_grader: Option<PathBuf>, Legal::PATH, "", "no default";
        /// What happens when a model of the patient's (`patient`, `gate`, `check`) gives no answer: `stop` ends the work with an error,
        /// with `rules` the rules do its work for the turn.
        on_failure: OnFailure = OnFailure::Stop, Legal::Choice(ON_FAILURE), "",
            "chosen here: a reply that nobody asked for is worse than none";
        /// In a run: of the criteria a reply is judged by, the share that the judge must have judged. A reply with fewer has no reward.
        least_coverage: f64 = 0.5, Legal::SHARE, "", "chosen here";
        /// In a run: the longest wait for the judge, and for patients' answers that only rewards need, once the last reply of a round is
        /// sampled; for answers to the replies that consultations go on with, once these are chosen; for the model in the role `rubric`,
        /// once the round is judged. What is not judged or written by then is not; patients that have not answered end the run. So does
        /// so long a silence of all patients of held-out consultations.
        judge_wait_seconds: u64 = 600, Legal::Whole { least: 1, most: LONGEST_WAIT }, "seconds", "chosen here";
        /// A folder of prompts that stand over those that come with the program, laid out as `data/prompts`: `patient`, `judge`, `rubric`.
        prompts: Option<PathBuf>, Legal::PATH, "", "no default";
    }
}

impl Default for RoleOptions {
    fn default() -> Self {
        Self::read_fields(&mut Findings::default(), "", &Table::new())
    }
}

section! {
    /// Models, and the roles they play.
    pub struct Roles {
        /// Models by name.
        models: Models, Legal::Table, "", "no default";
        /// Who plays which role. Where absent, rules do.
        roles: Option<Cast>, Legal::Table, "", "chosen here";
    }
}

impl Roles {
    /// Reads a file that says nothing else. Every problem of it comes back together.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        Self::parse(&file::read(path)?, path)
    }

    /// Reads such a file's text; `name` stands for the file in messages.
    pub fn parse(text: &str, name: &Path) -> Result<Self, ConfigErrors> {
        let mut paths = reference::paths();
        paths.retain(|path| path.starts_with("models.") || path.starts_with("roles."));
        file::parse(text, name, &[], paths, |roles: &mut Self, found| check(roles, found))
    }

    /// The name of the model that plays a role; `None` where rules do, or, for the policy, where none is named.
    pub fn model_of(&self, role: Role) -> Option<&str> {
        let cast = self.roles.as_ref()?;
        let player = match role {
            Role::Policy => return cast.policy.as_deref(),
            Role::Patient => &cast.patient,
            Role::Gate => &cast.gate,
            Role::Check => &cast.check,
            Role::Rubric => &cast.rubric,
            Role::Judge => &cast.judge,
        };
        match player {
            Player::Rules => None,
            Player::Model(name) => Some(name),
        }
    }

    /// Every role that a model plays, with the model's name and where it is.
    pub fn played(&self) -> impl Iterator<Item = (Role, &str, &ModelSource)> {
        Role::ALL.into_iter().filter_map(|role| {
            let name = self.model_of(role)?;
            Some((role, name, self.models.get(name)?))
        })
    }

    /// The same with rules in every role but `kept`, so that no other role's model is opened.
    pub fn only(&self, kept: &[Role]) -> Self {
        let mut roles = self.clone();
        if let Some(cast) = &mut roles.roles {
            for role in Role::ALL.into_iter().filter(|role| !kept.contains(role)) {
                match role {
                    Role::Policy => cast.policy = None,
                    Role::Patient => cast.patient = Player::Rules,
                    Role::Gate => cast.gate = Player::Rules,
                    Role::Check => cast.check = Player::Rules,
                    Role::Rubric => cast.rubric = Player::Rules,
                    Role::Judge => cast.judge = Player::Rules,
                }
            }
        }
        roles
    }

    /// How models play their roles.
    pub fn options(&self) -> RoleOptions {
        self.roles.as_ref().map(|cast| cast.options.clone()).unwrap_or_default()
    }
}

/// Notes what does not fit together.
pub(super) fn check(roles: &Roles, found: &mut Findings) {
    for (name, model) in roles.models.iter() {
        if let ModelSource::Served(served) = model {
            key(served, &join("models", name), found);
        }
    }
    let names: Vec<&str> = roles.models.iter().map(|(name, _)| name).collect();
    for role in Role::ALL {
        if let Some(name) = roles.model_of(role) {
            let rules = Some(RULES).filter(|_| role != Role::Policy);
            let legal = players(name, rules, &names);
            found.require(names.contains(&name), &[&join("roles", role.name()), "models"], legal);
        }
    }
    let majority = roles.options().judge_majority;
    found.require(
        majority % 2 == 1,
        &["roles.options.judge_majority"],
        "an odd number, so that one side has more",
    );
    let options = roles.options();
    found.require(
        options.judge_templates != JudgeTemplates::Healthbench || options.judge_grader.is_some(),
        &["roles.options.judge_templates", "roles.options.judge_grader"],
        "report, or healthbench with judge_grader, which names its text",
    );
}

/// Where a key comes from, and that nobody reads it on its way.
fn key(served: &ServedModel, path: &str, found: &mut Findings) {
    let [server, variable, file] = ["server", "key_env", "key_file"].map(|name| join(path, name));
    let both = served.key_env.is_some() && served.key_file.is_some();
    found.require(!both, &[&file, &variable], "nothing where key_env is given: a server has one key");
    let holder = if served.key_env.is_some() { &variable } else { &file };
    let keyed = served.key_env.is_some() || served.key_file.is_some();
    if let Some(open) = served.server.urls().iter().find(|url| !url.is_secure() && !url.is_here()) {
        let legal = format!("nothing, or https: a key sent to {open} could be read on its way");
        found.require(!keyed || both, &[holder, &server], legal);
    }
}

/// Who may play a role, with what may have been meant by `name`.
fn players(name: &str, rules: Option<&'static str>, names: &[&str]) -> String {
    let all: Vec<&str> = rules.into_iter().chain(names.iter().copied()).collect();
    let meant = near(name, all.iter().copied());
    let hint = meant.first().map(|meant| format!(" (did you mean {meant:?}?)")).unwrap_or_default();
    let quoted: Vec<String> = all.iter().map(|name| format!("{name:?}")).collect();
    let listed = match (names.is_empty(), quoted.is_empty()) {
        (_, true) => "nothing: [models] names no model".to_owned(),
        (true, false) => format!("{}, since [models] names no model", quoted.join(", ")),
        (false, false) => quoted.join(", "),
    };
    format!("{listed}{hint}")
}
