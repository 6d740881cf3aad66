//! The model that a command on rubrics asks, and the texts it is asked with.

use std::error::Error;
use std::path::Path;

use crate::chat::SharedModel;
use crate::cli::server::Server;
use crate::roles::OpenedRoles;
use crate::rubric::authoring::Templates;
use crate::train::config::Role;

/// The texts of `folder` (`--prompts`), else of the file of models, else the bundled ones.
pub(super) fn templates(
    folder: Option<&Path>,
    roles: Option<&OpenedRoles>,
) -> Result<Templates, Box<dyn Error>> {
    Ok(match (folder, roles) {
        (Some(folder), _) => Templates::with_folder(folder)?,
        (None, Some(roles)) => roles.options.rubric_templates()?,
        (None, None) => Templates::bundled(),
    })
}

/// The model in `role` where there is a file of models, else that of `--server`; `None` where rules do the work.
pub(super) fn client(
    role: Role,
    roles: Option<&OpenedRoles>,
    server: &Server,
) -> Result<Option<SharedModel>, Box<dyn Error>> {
    match roles {
        Some(roles) => Ok(roles.model(role).cloned()),
        None => server.client(),
    }
}
