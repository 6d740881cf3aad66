//! What a run was prepared from, in short: a run that goes on must go on with the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::PipelineError;
use super::patients::{Patients, interruptions};
use crate::data::Tokenizer;
use crate::data::bank::content_hash;
use crate::data::case::Case;
use crate::data::hash::{fnv1a, go_on, text, whole};
use crate::sim::played::Interruption;
use crate::train::config::{Role, RunConfig, Stage};

/// Hashes of what is read or made anew when a run goes on, which a checkpoint does not hold itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// The cases that are trained on, in order.
    training_cases: String,
    /// The held-out cases, in order.
    held_out_cases: String,
    /// The tokenizer's files, its chat template among them.
    tokenizer: String,
    /// The models that play roles: what each is called where it is.
    #[serde(default, skip_serializing_if = "ByRole::is_not_recorded")]
    players: ByRole,
    /// The files of prompts that they read in place of osler's own, and, as `interruptions`, what interrupts consultations in its place.
    #[serde(default, skip_serializing_if = "ByRole::is_not_recorded")]
    prompts: ByRole,
}

/// What a checkpoint says of the roles that models play.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Option<BTreeMap<String, String>>", into = "Option<BTreeMap<String, String>>")]
enum ByRole {
    /// Nothing: it is of before this was written down, or, of players, of a time when that was left out where rules play all.
    #[default]
    NotRecorded,
    /// By role; nothing where there is nothing to say of any, as where rules play all.
    Recorded(BTreeMap<String, String>),
}

impl ByRole {
    fn is_not_recorded(&self) -> bool {
        *self == Self::NotRecorded
    }

    /// Whether it is known to have been another.
    fn differs_from(&self, saved: &Self) -> bool {
        !saved.is_not_recorded() && self != saved
    }
}

impl From<Option<BTreeMap<String, String>>> for ByRole {
    fn from(read: Option<BTreeMap<String, String>>) -> Self {
        read.map_or(Self::NotRecorded, Self::Recorded)
    }
}

impl From<ByRole> for Option<BTreeMap<String, String>> {
    fn from(written: ByRole) -> Self {
        match written {
            ByRole::NotRecorded => None,
            ByRole::Recorded(by_role) => Some(by_role),
        }
    }
}

impl Fingerprint {
    /// Of the patients, the tokenizer and the players of a run.
    ///
    /// # Errors
    ///
    /// Files of prompts that cannot be read.
    pub(super) fn of(
        patients: &Patients,
        tokenizer: &Tokenizer,
        config: &RunConfig,
    ) -> Result<Self, PipelineError> {
        let players = config.roles.plan().into_iter().map(|it| (it.role.to_string(), it.called)).collect();
        let files = tokenizer
            .files()
            .fold(fnv1a(b""), |hash, (name, contents)| whole(whole(hash, name.as_bytes()), contents));
        Ok(Self {
            training_cases: text(cases(&patients.train)),
            held_out_cases: text(cases(patients.held_out.cases().iter().map(|it| &it.case))),
            tokenizer: text(files),
            players: ByRole::Recorded(players),
            prompts: ByRole::Recorded(prompts(config)?),
        })
    }

    /// What of `self`, the run's, is not as in `saved`.
    pub(super) fn changed_since(&self, saved: &Self) -> Option<&'static str> {
        let Self { training_cases, held_out_cases, tokenizer, players, prompts } = saved;
        if self.training_cases != *training_cases {
            Some("the cases it trains on (data.cases) are not those of then")
        } else if self.held_out_cases != *held_out_cases {
            Some("the held-out cases (data.cases) are not those of then")
        } else if self.tokenizer != *tokenizer {
            Some("the tokenizer (model.path, or the one made from the cases) is not that of then")
        } else if self.players.differs_from(players) {
            Some("the models that play roles ([roles]) are not those of then")
        } else if self.prompts.differs_from(prompts) {
            Some(
                "the prompts that models in roles read, or what interrupts consultations (roles.options.prompts, \
                 roles.options.judge_grader), are not those of then",
            )
        } else {
            None
        }
    }
}

/// The checksums of the prompts that models read somewhere in the run, by role.
fn prompts(config: &RunConfig) -> Result<BTreeMap<String, String>, PipelineError> {
    let is_asked = |role: Role| match role {
        Role::Policy => false,
        Role::Judge => config.stage.iter().any(|stage| matches!(stage, Stage::Rl(_))),
        Role::Rubric => {
            config.stage.iter().any(|stage| matches!(stage, Stage::Rl(rl) if rl.evolution().is_some()))
        }
        Role::Patient | Role::Gate | Role::Check => true,
    };
    let options = config.roles.options();
    let mut prompts = BTreeMap::new();
    for (role, ..) in config.roles.played().filter(|(role, ..)| is_asked(*role)) {
        if let Some(checksum) = options.prompts_checksum(role)? {
            prompts.insert(role.to_string(), checksum);
        }
    }
    // No role's: rules play patients whose doctors find more said as well as models do.
    let interruptions = interruptions(config)?;
    if interruptions != Interruption::bundled() {
        let said = format!("{interruptions:?}");
        prompts.insert("interruptions".to_owned(), text(fnv1a(said.as_bytes())));
    }
    Ok(prompts)
}

fn cases<'a>(cases: impl IntoIterator<Item = &'a Case>) -> u128 {
    cases.into_iter().fold(fnv1a(b""), |hash, case| {
        // Ids stand in logs and results, so they count here.
        go_on(whole(hash, case.id.as_bytes()), &content_hash(case).to_le_bytes())
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::train::config::least;

    const MODEL: &str = "[models.a]\nserver = \"http://127.0.0.1:1/v1\"\nmodel = \"tiny\"\n";

    fn config(overrides: &[&str]) -> RunConfig {
        least::run(MODEL, overrides)
    }

    /// A fingerprint of which all but the roles is the same.
    fn of(config: &RunConfig) -> Fingerprint {
        let players = config.roles.plan().into_iter().map(|it| (it.role.to_string(), it.called)).collect();
        let prompts = prompts(config).unwrap_or_else(|error| panic!("{error}"));
        let same = || "x".to_owned();
        Fingerprint {
            training_cases: same(),
            held_out_cases: same(),
            tokenizer: same(),
            players: ByRole::Recorded(players),
            prompts: ByRole::Recorded(prompts),
        }
    }

    #[test]
    fn rules_alone_are_told_from_a_checkpoint_that_does_not_say() {
        let (rules, model) = (of(&config(&[])), of(&config(&["roles.judge=a"])));
        let written = serde_json::to_string(&rules).unwrap();
        assert!(written.ends_with(r#""players":{},"prompts":{}}"#), "{written}");
        let read: Fingerprint = serde_json::from_str(&written).unwrap();
        assert_eq!(read, rules);
        assert!(model.changed_since(&rules).unwrap().contains("[roles]"));
        assert!(rules.changed_since(&model).unwrap().contains("[roles]"));
        // Of before either was written down: nothing is known, and nothing refused.
        let old = written.replace(r#","players":{},"prompts":{}"#, "");
        let old: Fingerprint = serde_json::from_str(&old).unwrap();
        assert_eq!((&old.players, &old.prompts), (&ByRole::NotRecorded, &ByRole::NotRecorded));
        assert!(!serde_json::to_string(&old).unwrap().contains("players"));
        assert_eq!((rules.changed_since(&old), model.changed_since(&old)), (None, None));
        // Of when players were, and prompts were not.
        let line = serde_json::to_string(&model).unwrap().replace(r#","prompts":{}"#, "");
        let players: Fingerprint = serde_json::from_str(&line).unwrap();
        assert_eq!(model.changed_since(&players), None);
        assert!(rules.changed_since(&players).is_some());
    }

    #[test]
    fn other_contents_of_a_file_that_a_role_reads_are_other_prompts() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let folder = format!("roles.options.prompts={}", dir.path().display());
        let changed = |now: &Fingerprint, then: &Fingerprint| {
            now.changed_since(then).is_some_and(|what| what.contains("roles.options.prompts"))
        };
        write("patient/voice.jinja", "Speak.");
        let asked = config(&["roles.patient=a", &folder]);
        let before = of(&asked);
        assert_eq!(of(&asked), before);
        assert!(changed(&before, &of(&config(&["roles.patient=a"]))), "osler's own");
        write("patient/voice.jinja", "Shout.");
        assert!(changed(&of(&asked), &before));
        write("patient/voice.jinja", "Speak.");
        // What this run's models do not read is no news.
        write("patient/notes.md", "voice.jinja is short.");
        write("judge/report.toml", "x");
        write("rubric/flaws.txt", "x");
        assert_eq!(of(&asked), before);
        write("patient/check.jinja", "Check.");
        assert!(changed(&of(&asked), &before));
        // A judge reads its file, where there is a stage to be judged; a rubric's model its folder, where rubrics change.
        let judged = ["roles.judge=a", folder.as_str()];
        let evolving = ["roles.judge=a", folder.as_str(), "roles.rubric=a", "stage.rl.rubric.dynamic=true"];
        for (asked, file) in [(&judged[..], "judge/report.toml"), (&evolving[..], "rubric/flaws.txt")] {
            let asked = config(asked);
            let before = of(&asked);
            write(file, "y");
            assert!(changed(&of(&asked), &before), "{file}");
        }
        let grader = dir.path().join("grader.txt");
        fs::write(&grader, "Mark it.").unwrap();
        let named = format!("roles.options.judge_grader={}", grader.display());
        let asked = config(&["roles.judge=a", "roles.options.judge_templates=healthbench", &named]);
        let before = of(&asked);
        fs::write(&grader, "Mark it well.").unwrap();
        assert!(changed(&of(&asked), &before));
    }

    #[test]
    fn what_interrupts_counts_where_a_mode_has_it_so() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("patient")).unwrap();
        let folder = format!("roles.options.prompts={}", dir.path().display());
        let one = |place: &str| {
            format!("[[interruption]]\nplace = \"{place}\"\ndoctor = \"Well.\"\npatient = \"And?\"\n")
        };
        let drawn = config(&["stage.rl.mode=drawn", &folder]);
        let before = of(&drawn);
        assert_eq!(before, of(&config(&["stage.rl.mode=drawn"])), "no file of that name");
        let own = format!("{}{}", one("end_of_turn"), one("mid_turn"));
        fs::write(dir.path().join("patient/interruptions.toml"), own).unwrap();
        let said = of(&drawn).changed_since(&before).unwrap();
        assert!(said.contains("interrupts") && said.contains("roles.options.prompts"), "{said}");
        let passive = ["stage.rl.mode=passive", folder.as_str()];
        assert_eq!(of(&config(&passive)), of(&config(&passive[..1])));
    }
}
