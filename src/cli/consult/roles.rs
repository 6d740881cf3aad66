//! Models in roles: `--models`.

use std::error::Error;

use serde::Serialize;

use super::Arguments;
use crate::cli::{CommandResult, models, output};
use crate::roles::OpenedRoles;
use crate::train::config::{NotBuilt, Role, RolePlan, Roles};

/// Roles of a consultation.
const ROLES: [Role; 5] = [Role::Policy, Role::Patient, Role::Gate, Role::Check, Role::Judge];

/// Who plays what, as `--dry-run` prints it.
#[derive(Serialize)]
struct Report {
    roles: Vec<RolePlan>,
    not_built: Vec<NotBuilt>,
}

/// What a file asks for that a consultation cannot do. It is held without.
fn not_built(roles: &Roles) -> Vec<NotBuilt> {
    let missing = |role: Role| NotBuilt {
        field: format!("roles.{role}"),
        name: format!("a model in the role {role} of a consultation"),
        instead: "criteria are made by rules; `osler rubric generate` asks this model".to_owned(),
    };
    models::others(roles, &ROLES).into_iter().map(missing).collect()
}

/// Prints who plays what, and opens nothing.
pub fn tell(roles: &Roles, json: bool) -> CommandResult {
    let report = Report { roles: roles.only(&ROLES).plan(), not_built: not_built(roles) };
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
    /// The models of the file, if one is named.
    pub fn open(&self, roles: Option<&Roles>) -> Result<Option<OpenedRoles>, Box<dyn Error>> {
        match (&self.models, roles) {
            (Some(file), Some(roles)) => models::open_read(file, roles, &ROLES, self.kernels).map(Some),
            _ => Ok(None),
        }
    }
}
