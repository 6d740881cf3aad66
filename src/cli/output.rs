//! What goes to stdout.

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

/// Prints one JSON object on a line of its own.
pub fn json(value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_string(value)?;
    line.push('\n');
    text(&line)
}

/// Prints text and shows it at once.
pub fn text(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    // The kind stays: a reader who left is told from a full disk by it.
    written.map_err(|error| io::Error::new(error.kind(), format!("stdout: {error}")))
}

/// Text of records for a terminal: a control character could move the cursor or change colours, and is shown as `U+FFFD`.
pub fn shown(text: &str) -> String {
    let safe =
        |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(safe).collect()
}

/// Whether an error only says that nobody reads stdout any more (`osler ... | head`).
pub fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// Bytes as people read them.
pub fn bytes(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

/// Writes a file whole or not at all: under a temporary name beside it, renamed into place. What a link points to is
/// written, not the link; what is no file (a pipe, a device) is written to as it is.
pub fn write_atomically(path: &Path, contents: &[u8]) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(there) if there.is_file() => replace(&path.canonicalize()?, contents),
        Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(_) => std::fs::OpenOptions::new().write(true).open(path)?.write_all(contents),
        // A link to what is not there yet: there is nothing that half a file could take the place of.
        Err(_) if path.is_symlink() => std::fs::write(path, contents),
        Err(_) => replace(path, contents),
    }
}

fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let name =
        path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a file name"))?;
    let mut temporary_name = std::ffi::OsString::from(".");
    temporary_name.push(name);
    temporary_name.push(format!(".{}", std::process::id()));
    let temporary = path.with_file_name(temporary_name);
    let written = std::fs::write(&temporary, contents).and_then(|()| {
        // Who may read the file stays as it was.
        if let Ok(there) = std::fs::metadata(path) {
            std::fs::set_permissions(&temporary, there.permissions())?;
        }
        std::fs::rename(&temporary, path)
    });
    if written.is_err() {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_of_records_do_not_reach_a_terminal() {
        assert_eq!(
            shown("a\tcough\u{1b}[31m\u{7}\n\u{9b}2J née"),
            "a\tcough\u{FFFD}[31m\u{FFFD}\n\u{FFFD}2J née"
        );
    }
}
