//! Models in roles: `--models`.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::Arguments;
use crate::chat::SharedModel;
use crate::cli::terminal::{self, Progress};
use crate::cli::{CommandResult, output};
use crate::train::config::{NotBuilt, Role, RolePlan, Roles};

/// Who plays what, as `--dry-run` prints it.
#[derive(Serialize)]
struct Report {
    roles: Vec<RolePlan>,
    not_built: Vec<NotBuilt>,
}

/// Prints who plays what, and opens nothing.
pub fn tell(roles: &Roles, json: bool) -> CommandResult {
    let report = Report { roles: roles.plan(), not_built: roles.not_built() };
    if json {
        return Ok(output::json(&report)?);
    }
    let mut text: String = report.roles.iter().map(|role| format!("{role}\n")).collect();
    if report.roles.is_empty() {
        text.push_str("no role is played by a model\n");
    }
    if !report.not_built.is_empty() {
        text.push_str("not built yet:\n");
    }
    for NotBuilt { field, name, instead } in &report.not_built {
        text.push_str(&format!("  - {name} (`{field}`): {instead}\n"));
    }
    Ok(output::text(&output::shown(&text))?)
}

impl Arguments {
    /// The model that is the doctor, if one is.
    pub fn doctor(&self, roles: Option<&Roles>) -> Result<Option<SharedModel>, Box<dyn Error>> {
        if let Some(client) = self.server.client()? {
            return Ok(Some(client));
        }
        match (&self.models, roles) {
            (Some(file), Some(roles)) => policy(file, roles).map(Some),
            _ => Ok(None),
        }
    }
}

fn policy(file: &Path, roles: &Roles) -> Result<SharedModel, Box<dyn Error>> {
    let file = file.display();
    let missing: String = roles
        .not_built()
        .iter()
        .map(|NotBuilt { field, name, instead }| {
            format!("\n  - {name} is not built yet (`{field}`): {instead}")
        })
        .collect();
    if !missing.is_empty() {
        return Err(format!("{file} cannot be used in a consultation:{missing}").into());
    }
    if roles.model_of(Role::Policy).is_none() {
        return Err(
            format!("`roles.policy` of {file} is nothing; legal: the name of a model in [models]").into()
        );
    }
    let progress = Progress::bytes("loading");
    let opened = roles.open(&mut |_, done, all| progress.set(done, all))?;
    progress.finish();
    for note in &opened.notes {
        terminal::line(&format!("note: {note}"));
    }
    // Was seen to be named.
    let policy = opened.model(Role::Policy).ok_or("no model is the policy")?;
    Ok(Arc::clone(policy))
}
