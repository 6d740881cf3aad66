//! For tests: a test of this program run by another, in a process that can be killed.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the folder to work in; without it a child's test does nothing.
const FOLDER: &str = "OSLER_TEST_CHILD_FOLDER";

/// A process that runs the ignored test `test` of the module `module` in `folder`.
pub fn command(module: &str, test: &str, folder: &Path) -> Command {
    // Test names begin below the crate.
    let (_, module) = module.split_once("::").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("{module}::{test}"), "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder);
    command
}

/// Where to work, in a process made by [`command`].
pub fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}
