//! Models for roles: those that a configuration names, opened, each once, whoever shares it.
//!
//! What may be said about them is read in [`train::config`](crate::train::config); here it becomes chat models, and these a patient's units,
//! a judge's protocol, prompts. Whoever plays a role by a model takes it from [`OpenedRoles`].

mod error;
mod judge_folder;
mod open;
mod play;
mod prompts;
mod set;

pub use error::OpenRolesError;
pub use judge_folder::JudgeFolderError;
pub use open::OpenedRoles;
pub use prompts::RolePromptsError;
