//! One process a run: an advisory lock that the operating system takes back when its process ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use super::error::RunError;
use crate::train::checkpoint::DiskError;

/// The locked file. It stays when the run ends: removing it would let two processes lock two files of one name.
const LOCK: &str = ".lock";

/// The right to write one run directory, given back when it is dropped or its process ends.
#[derive(Debug)]
pub struct RunLock {
    file: File,
    enforced: bool,
}

impl RunLock {
    /// Locks `folder`, which must be there. Does not wait.
    pub fn take(folder: &Path) -> Result<Self, RunError> {
        let path = folder.join(LOCK);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(DiskError::on(&path, "opened"))?;
        let enforced = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => {
                return Err(RunError::Locked { folder: folder.to_owned(), pid: holder(&mut file) });
            }
            // Some network file systems lock nothing. A run there is the user's to keep alone.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => false,
            Err(TryLockError::Error(error)) => return Err(DiskError::on(&path, "locked")(error).into()),
        };
        // The number is for messages only, so a full disk here is no reason to refuse.
        let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        Ok(Self { file, enforced })
    }

    /// Whether the file system keeps other processes out; where not, only care does.
    pub fn is_enforced(&self) -> bool {
        self.enforced
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // Closing is not enough: a process that another thread is just starting has the file open too, until it runs
        // its own program. Nothing can be done where this fails, and the end of the process frees it.
        let _ = self.file.unlock();
    }
}

/// The process that holds the lock, where it has written its number already.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    use std::sync::Barrier;

    use super::*;
    use crate::train::run::child;

    #[test]
    fn one_holder_at_a_time_and_the_next_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = RunLock::take(dir.path()).unwrap();
        assert!(first.is_enforced());
        let error = RunLock::take(dir.path()).unwrap_err();
        let own = std::process::id();
        assert!(matches!(error, RunError::Locked { pid: Some(pid), .. } if pid == own), "{error}");
        drop(first);
        RunLock::take(dir.path()).unwrap();
    }

    #[test]
    fn of_many_threads_one_gets_it() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..20 {
            let (start, end) = (Barrier::new(8), Barrier::new(8));
            let held = std::thread::scope(|scope| {
                let attempt = || {
                    start.wait();
                    let lock = RunLock::take(dir.path());
                    // Nobody lets go before everybody has tried.
                    end.wait();
                    lock.is_ok()
                };
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(attempt)).collect();
                threads.into_iter().map(|t| usize::from(t.join().unwrap())).sum::<usize>()
            });
            assert_eq!(held, 1);
        }
    }

    #[test]
    #[ignore = "a part of another test, which runs it in a process of its own"]
    fn hold_the_lock_until_killed() {
        let Some(dir) = child::folder() else { return };
        let _lock = RunLock::take(&dir).unwrap();
        println!("\nlocked");
        // Ends with the pipe, should the parent be gone.
        let _ = std::io::stdin().read_line(&mut String::new());
    }

    #[test]
    fn a_killed_process_holds_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut other = child::command(module_path!(), "hold_the_lock_until_killed", dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(other.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "locked"));
        let message = RunLock::take(dir.path()).unwrap_err().to_string();
        assert!(message.contains(&format!("written by the process {}.", other.id())), "{message}");
        other.kill().unwrap();
        other.wait().unwrap();
        RunLock::take(dir.path()).unwrap();
    }
}
