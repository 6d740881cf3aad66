//! The judge's folder among the prompts that a configuration names.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why the judge's folder of prompts cannot be used.
#[derive(Debug, Error)]
pub enum JudgeFolderError {
    /// It cannot be read.
    #[error("`roles.options.prompts`: {}: {source}", .folder.display())]
    Read {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something in it that no judge reads.
    #[error("`roles.options.prompts`: {} is no prompt of the judge, legal is {legal}", .path.display())]
    Unknown {
        /// What.
        path: PathBuf,
        /// The name that is.
        legal: &'static str,
    },
}

/// Refuses everything in `folder` that is not called `legal`, but for what begins with a point.
pub(super) fn holds_only(folder: &Path, legal: &'static str) -> Result<(), JudgeFolderError> {
    let read = |source| JudgeFolderError::Read { folder: folder.to_owned(), source };
    let mut unknown = Vec::new();
    for entry in folder.read_dir().map_err(read)? {
        let entry = entry.map_err(read)?;
        let name = entry.file_name();
        if name != legal && !name.to_string_lossy().starts_with('.') {
            unknown.push(entry.path());
        }
    }
    // Which of several is named must not depend on the file system.
    unknown.into_iter().min().map_or(Ok(()), |path| Err(JudgeFolderError::Unknown { path, legal }))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn another_file_is_named_and_a_hidden_one_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str| fs::write(dir.path().join(name), "x").unwrap();
        put("report.toml");
        put(".notes");
        assert!(holds_only(dir.path(), "report.toml").is_ok());
        put("rapport.toml");
        put("z.toml");
        let error = holds_only(dir.path(), "report.toml").unwrap_err().to_string();
        assert!(error.contains("rapport.toml is no prompt of the judge, legal is report.toml"), "{error}");
        let none = holds_only(&dir.path().join("none"), "report.toml");
        assert!(matches!(none, Err(JudgeFolderError::Read { .. })));
    }
}
