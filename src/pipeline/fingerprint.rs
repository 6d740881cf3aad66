//! What a run was prepared from, in short: a run that goes on must go on with the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::patients::Patients;
use crate::data::Tokenizer;
use crate::data::bank::content_hash;
use crate::data::case::Case;
use crate::data::hash::{fnv1a, go_on, text};
use crate::train::config::Roles;

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
    /// The models that play roles, by role: what each is called where it is. Absent where rules play all, and in checkpoints of before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    players: Option<BTreeMap<String, String>>,
}

impl Fingerprint {
    /// Of the patients, the tokenizer and the players of a run.
    pub(super) fn of(patients: &Patients, tokenizer: &Tokenizer, roles: &Roles) -> Self {
        let players = roles.plan().into_iter().map(|it| (it.role.to_string(), it.called)).collect();
        let files = tokenizer
            .files()
            .fold(fnv1a(b""), |hash, (name, contents)| whole(whole(hash, name.as_bytes()), contents));
        Self {
            training_cases: text(cases(&patients.train)),
            held_out_cases: text(cases(patients.held_out.cases().iter().map(|it| &it.case))),
            tokenizer: text(files),
            players: Some(players).filter(|players: &BTreeMap<_, _>| !players.is_empty()),
        }
    }

    /// What of `self`, the run's, is not as in `saved`.
    pub(super) fn changed_since(&self, saved: &Self) -> Option<&'static str> {
        let Self { training_cases, held_out_cases, tokenizer, players } = saved;
        if self.training_cases != *training_cases {
            Some("the cases it trains on (data.cases) are not those of then")
        } else if self.held_out_cases != *held_out_cases {
            Some("the held-out cases (data.cases) are not those of then")
        } else if self.tokenizer != *tokenizer {
            Some("the tokenizer (model.path, or the one made from the cases) is not that of then")
        } else if players.is_some() && self.players != *players {
            Some("the models that play roles ([roles]) are not those of then")
        } else {
            None
        }
    }
}

fn cases<'a>(cases: impl IntoIterator<Item = &'a Case>) -> u128 {
    cases.into_iter().fold(fnv1a(b""), |hash, case| {
        // Ids stand in logs and results, so they count here.
        go_on(whole(hash, case.id.as_bytes()), &content_hash(case).to_le_bytes())
    })
}

/// Goes on with bytes after their length, so that it counts where one ends and the next begins.
pub(super) fn whole(hash: u128, bytes: &[u8]) -> u128 {
    go_on(go_on(hash, &(bytes.len() as u64).to_le_bytes()), bytes)
}
