//! The folder of a run's checkpoints: their names, which are there, which is the newest.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::disk::DiskError;

/// The tensors' file.
pub(crate) const TENSORS: &str = "state.safetensors";
/// The rest of the state.
pub(crate) const STATE: &str = "state.json";
/// Names the newest checkpoint, for people and scripts.
pub(crate) const LATEST: &str = "latest";

/// A checkpoint being written.
pub(super) const PARTIAL: &str = ".partial-";
/// One that another of the same step takes the place of.
pub(super) const REPLACED: &str = ".replaced-";
/// One being removed.
pub(super) const REMOVED: &str = ".removed-";

/// The name of the checkpoint after `step` steps, e.g. `step-000123`.
pub fn folder_name(step: u64) -> String {
    format!("step-{step:06}")
}

/// The step of a checkpoint's name; `None` for any other name.
pub fn step_of(name: &str) -> Option<u64> {
    let step = name.strip_prefix("step-")?.parse().ok()?;
    (folder_name(step) == name).then_some(step)
}

/// The checkpoints in `dir` by step, oldest first. None where there is no such folder.
pub fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, DiskError> {
    let names = names(dir)?;
    let mut found: Vec<(u64, PathBuf)> =
        names.iter().filter_map(|name| Some((step_of(name)?, dir.join(name)))).collect();
    found.sort_unstable();
    Ok(found)
}

/// The newest checkpoint in `dir`.
///
/// A checkpoint gets its name when it is complete, so the newest name is the newest checkpoint, also where the
/// process ended before the file `latest` was brought up to date.
pub fn latest(dir: &Path) -> Result<Option<PathBuf>, DiskError> {
    Ok(list(dir)?.pop().map(|(_, path)| path))
}

/// The newest checkpoint older than `checkpoint` in the same folder that `is_sound`.
pub(in crate::train) fn previous(checkpoint: &Path, is_sound: &dyn Fn(&Path) -> bool) -> Option<PathBuf> {
    let step = step_of(checkpoint.file_name()?.to_str()?)?;
    // This is asked for to advise on another error; one of its own would only hide that.
    let older = list(checkpoint.parent()?).ok()?;
    older.into_iter().rev().find(|(other, path)| *other < step && is_sound(path)).map(|(_, path)| path)
}

/// The names in `dir`, in order; none where there is no such folder.
pub(super) fn names(dir: &Path) -> Result<Vec<String>, DiskError> {
    let failed = || DiskError::on(dir, "listed");
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed()(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        // Names of ours are plain text, so no other needs to be seen.
        names.extend(entry.map_err(failed())?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for step in [0, 7, 123, 999_999, 1_000_000, u64::MAX] {
            assert_eq!(step_of(&folder_name(step)), Some(step));
        }
        for other in [
            "",
            "step-",
            "step-1",
            "step-+00001",
            "step-0000001",
            ".step-000001",
            "step-000001.bak",
            "latest",
        ] {
            assert_eq!(step_of(other), None, "{other}");
        }
    }

    #[test]
    fn the_newest_is_the_one_of_most_steps() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(latest(&dir.path().join("none")).unwrap(), None);
        for step in [2, 1_000_000, 999_999] {
            fs::create_dir(dir.path().join(folder_name(step))).unwrap();
        }
        fs::create_dir(dir.path().join(".partial-step-2000000")).unwrap();
        let newest = latest(dir.path()).unwrap().unwrap();
        assert!(newest.ends_with("step-1000000"));
        assert!(previous(&newest, &|_| true).unwrap().ends_with("step-999999"));
        assert!(previous(&newest, &|path| !path.ends_with("step-999999")).unwrap().ends_with("step-000002"));
        assert_eq!(previous(&newest, &|_| false), None);
        assert_eq!(previous(&dir.path().join("step-000002"), &|_| true), None);
    }
}
