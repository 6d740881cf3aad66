//! Models for roles: those that a configuration names, opened, each once, whoever shares it.
//!
//! What may be said about them is read in [`train::config`](crate::train::config); here it becomes chat models. Whoever plays a role
//! by a model takes it from [`OpenedRoles`].

mod error;
mod open;
mod set;

pub use error::OpenRolesError;
pub use open::OpenedRoles;
