//! The numbered folders of one run: `runs/<name>/001`, `002` and so on.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::directory::{CHECKPOINTS, CONFIG};
use super::error::RunError;
use super::resumed::ResumeFrom;
use crate::files::Disk;
use crate::train::checkpoint::{DiskError, Durability, disk::create_dir_all, step_of};

/// Makes the folder of the next attempt at the run `name`.
pub(super) fn create(
    disk: &dyn Disk,
    durability: Durability,
    base: &Path,
    name: &str,
) -> Result<PathBuf, RunError> {
    let run = folder(base, name)?;
    create_dir_all(disk, durability, &run)?;
    let mut number = numbers(&run)?.pop().map_or(1, |last| last.saturating_add(1));
    loop {
        let attempt = run.join(folder_name(number));
        match disk.create_dir(&attempt) {
            Ok(()) => return Ok(attempt),
            // Another process was faster, or a file is in the way.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && number < u32::MAX => number += 1,
            Err(error) => return Err(DiskError::on(&attempt, "created")(error).into()),
        }
    }
}

/// The folder of the last attempt at the run `name`, if there is one.
pub fn last_attempt(base: &Path, name: &str) -> Result<Option<PathBuf>, RunError> {
    let run = folder(base, name)?;
    Ok(numbers(&run)?.pop().map(|number| run.join(folder_name(number))))
}

/// What is meant by a path to resume from: a run's folder, one of its checkpoints (`.../checkpoints/step-000123`), the
/// folder of all of them, of which the newest is meant, or the folder of a run's attempts, of which the last is.
pub fn locate(path: &Path) -> (PathBuf, ResumeFrom) {
    // A path such as `step-000123` does not show where it lies. One that cannot be resolved is refused when opened.
    let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    if let (Some(step), Some(parent)) = (name(&full).as_deref().and_then(step_of), full.parent())
        && name(parent).as_deref() == Some(CHECKPOINTS)
        && let Some(run) = parent.parent()
    {
        return (run.to_owned(), ResumeFrom::Step(step));
    }
    if name(&full).as_deref() == Some(CHECKPOINTS)
        && let Some(run) = full.parent().filter(|run| run.join(CONFIG).exists())
    {
        return (run.to_owned(), ResumeFrom::Newest);
    }
    let run = match numbers(path).unwrap_or_default().pop() {
        Some(last) if !path.join(CONFIG).exists() => path.join(folder_name(last)),
        _ => path.to_owned(),
    };
    (run, ResumeFrom::Newest)
}

/// The folder of the attempts at the run `name`.
pub(super) fn folder(base: &Path, name: &str) -> Result<PathBuf, RunError> {
    let legal = (1..=100).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if legal { Ok(base.join(name)) } else { Err(RunError::Name { found: name.to_owned() }) }
}

fn folder_name(number: u32) -> String {
    format!("{number:03}")
}

/// The attempts there are, in order.
fn numbers(run: &Path) -> Result<Vec<u32>, DiskError> {
    let entries = match fs::read_dir(run) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(DiskError::on(run, "listed")(error)),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let entry = entry.map_err(DiskError::on(run, "listed"))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| Some((name, name.parse::<u32>().ok()?)));
        numbers
            .extend(number.filter(|(name, number)| folder_name(*number) == *name).map(|(_, number)| number));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::files::RealDisk;

    #[test]
    fn attempts_are_numbered_one_after_another() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("runs");
        assert_eq!(last_attempt(&base, "a").unwrap(), None);
        assert_eq!(create(&RealDisk, Durability::Process, &base, "a").unwrap(), base.join("a/001"));
        assert_eq!(create(&RealDisk, Durability::Process, &base, "a").unwrap(), base.join("a/002"));
        assert_eq!(create(&RealDisk, Durability::Process, &base, "b").unwrap(), base.join("b/001"));
        fs::create_dir(base.join("a/999")).unwrap();
        fs::create_dir(base.join("a/0")).unwrap();
        fs::create_dir(base.join("a/notes")).unwrap();
        // A file in the way is passed by.
        fs::write(base.join("a/1000"), "").unwrap();
        assert_eq!(create(&RealDisk, Durability::Process, &base, "a").unwrap(), base.join("a/1001"));
        assert_eq!(last_attempt(&base, "a").unwrap(), Some(base.join("a/1001")));
    }

    #[test]
    fn threads_that_begin_together_get_a_folder_each() {
        let dir = tempfile::tempdir().unwrap();
        let barrier = std::sync::Barrier::new(8);
        let made: BTreeSet<PathBuf> = std::thread::scope(|scope| {
            let begin = || {
                barrier.wait();
                create(&RealDisk, Durability::Process, dir.path(), "a").unwrap()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(begin)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(made.len(), 8);
    }

    #[test]
    fn a_run_is_found_by_its_checkpoints() {
        let dir = tempfile::tempdir().unwrap();
        let run = create(&RealDisk, Durability::Process, dir.path(), "a").unwrap();
        fs::write(run.join(CONFIG), "").unwrap();
        let folder = run.join(CHECKPOINTS);
        fs::create_dir(&folder).unwrap();
        assert_eq!(locate(&folder), (run.clone(), ResumeFrom::Newest));
        assert_eq!(locate(&folder.join("step-000012")), (run.clone(), ResumeFrom::Step(12)));
        assert_eq!(locate(&dir.path().join("a")), (run.clone(), ResumeFrom::Newest));
        // Beside no run the name means nothing.
        let other = dir.path().join(CHECKPOINTS);
        assert_eq!(locate(&other), (other.clone(), ResumeFrom::Newest));
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["", ".", "..", "a/b", "../a", "a b", "é", "-a", ".hidden", &"a".repeat(101)] {
            let error = create(&RealDisk, Durability::Process, dir.path(), name).unwrap_err();
            assert!(matches!(error, RunError::Name { .. }), "{name}");
        }
        assert!(fs::read_dir(dir.path()).unwrap().next().is_none());
    }
}
