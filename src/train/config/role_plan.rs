//! Which role is played by which model, and what that means for who gets to see what.

use std::fmt;

use serde::Serialize;

use super::models::ModelSource;
use super::roles::{Role, Roles};

/// A role that a model plays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RolePlan {
    /// The role.
    pub role: Role,
    /// The model's name in `[models]`.
    pub model: String,
    /// What it is called where it is: its name on the server, or its path.
    pub called: String,
    /// The servers that are sent what it is shown; none where it runs in this process.
    pub servers: Vec<String>,
    /// The device of a model of this process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// What it is shown.
    pub shown: &'static str,
}

impl Roles {
    /// Whether a model plays any of a patient's units.
    pub fn play_patients(&self) -> bool {
        self.played().any(|(role, ..)| Role::UNITS.contains(&role))
    }

    /// The roles that models play.
    pub fn plan(&self) -> Vec<RolePlan> {
        let plan = |(role, name, model): (Role, &str, &ModelSource)| {
            let (called, servers, device) = match model {
                ModelSource::Served(served) => {
                    let servers = served.server.urls().iter().map(|url| url.to_string()).collect();
                    (served.model.clone(), servers, None)
                }
                ModelSource::Local(local) => {
                    (local.path.display().to_string(), Vec::new(), Some(local.device.to_string()))
                }
            };
            RolePlan { role, model: name.to_owned(), called, servers, device, shown: role.shown() }
        };
        self.played().map(plan).collect()
    }

    /// The same for `osler train`, where a model that writes criteria is shown other things.
    pub(super) fn plan_in_training(&self) -> Vec<RolePlan> {
        let shown = |plan: RolePlan| RolePlan { shown: plan.role.shown_in_training(), ..plan };
        self.plan().into_iter().map(shown).collect()
    }
}

impl fmt::Display for RolePlan {
    /// One line, as of the plan of a run.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, model, called, servers, device, shown } = self;
        write!(f, "{:<11} {model} ({called}), ", role.name())?;
        match device {
            Some(device) => write!(f, "in this process on {device}, shown: {shown}"),
            None => write!(f, "sent to {}: {shown}", servers.join(" or ")),
        }
    }
}
