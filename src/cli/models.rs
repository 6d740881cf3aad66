//! Models in roles on the command line: `--models FILE`.

use std::error::Error;
use std::path::Path;

use crate::cli::options::RoleKernels;
use crate::cli::terminal::{self, Progress};
use crate::kernels::selection;
use crate::roles::OpenedRoles;
use crate::train::config::{Role, Roles};

/// Reads a file and opens the models of the roles that a command `has`, and no other. At least one must be played by a model. Those
/// of this process compute with `kernels`.
pub fn open(file: &Path, has: &[Role], kernels: RoleKernels) -> Result<OpenedRoles, Box<dyn Error>> {
    open_read(file, &Roles::load(file)?, has, kernels)
}

/// The same of what was read of `file`.
pub fn open_read(
    file: &Path,
    roles: &Roles,
    has: &[Role],
    RoleKernels { kernels }: RoleKernels,
) -> Result<OpenedRoles, Box<dyn Error>> {
    let names = |roles: &[Role]| roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ");
    let others = others(roles, has);
    let roles = roles.only(has);
    if roles.played().next().is_none() {
        let problem = "no model in [roles] plays anything that this command has; legal is one or more of";
        return Err(format!("{}: {problem} {}", file.display(), names(has)).into());
    }
    if !others.is_empty() {
        terminal::line(&format!("note: this command asks no model in the role {}", names(&others)));
    }
    // Before the first model: the layout of cached keys is a kernel's own.
    selection::select(kernels);
    let progress = Progress::bytes("loading");
    let opened = roles.open(&mut |_, done, all| progress.set(done, all));
    progress.finish();
    let opened = opened?;
    for note in &opened.notes {
        terminal::line(&format!("note: {note}"));
    }
    Ok(opened)
}

/// Roles that a model plays and a command does not have.
pub fn others(roles: &Roles, has: &[Role]) -> Vec<Role> {
    roles.played().map(|(role, ..)| role).filter(|role| !has.contains(role)).collect()
}
