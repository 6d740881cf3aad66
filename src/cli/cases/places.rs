//! Files that a command would write over each other, or over what it reads.

use std::path::{Path, PathBuf};

/// Refuses to import where the two files written are one, or one of them is a file read.
pub fn apart(read: &[PathBuf], out: &Path, account: Option<&Path>) -> Result<(), String> {
    let mut before: Option<(&str, PathBuf)> = None;
    for (option, path) in [("--out", Some(out)), ("--account", account)] {
        let Some((path, there)) = path.and_then(|path| Some((path, place(path)?))) else { continue };
        let shown = path.display();
        if read.iter().any(|source| place(source).as_ref() == Some(&there)) {
            return Err(format!("PATH and {option} are both {shown}: what is read would be written over"));
        }
        if let Some((other, _)) = before.as_ref().filter(|(_, other)| *other == there) {
            return Err(format!("{other} and {option} are both {shown}: give each a file of its own"));
        }
        before = Some((option, there));
    }
    Ok(())
}

/// Where `path` leads to, through links; of a file that is not there yet, where it would be. `None` for what can be
/// named twice, a pipe or a device, for a folder, and for what cannot be reached, which whoever opens it tells.
fn place(path: &Path) -> Option<PathBuf> {
    if let Ok(there) = path.canonicalize() {
        return there.is_file().then_some(there);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(folder.canonicalize().ok()?.join(path.file_name()?))
}
