//! What goes to stdout.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::files::{self, Fsync, Mode, Options, Writers};

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

/// Text of records for a terminal: a control character could move the cursor or change colours, and one that sets the
/// direction of writing could make a line read otherwise than it stands. Both are shown as `U+FFFD`.
pub fn shown(text: &str) -> String {
    let misleads = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if misleads(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Whether an error only says that nobody reads stdout any more (`osler ... | head`).
pub fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// A number of things: `1 completion`, `2 completions`.
pub fn count<N: TryInto<u64> + std::fmt::Display + Copy>(count: N, one: &str, many: &str) -> String {
    let is_one = count.try_into().is_ok_and(|count| count == 1);
    format!("{count} {}", if is_one { one } else { many })
}

/// Bytes as people read them.
pub fn bytes(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

/// How files that the user names are written.
const WRITING: Options = Options { fsync: Fsync::Nothing, mode: Mode::Kept, writers: Writers::Any };

/// What a path that the user names leads to.
enum Target {
    /// A file that is there or can be made, and is replaced whole.
    File(PathBuf),
    /// A pipe or a device, which is written to as it is.
    Stream,
    /// A link to what is not there yet: there is nothing that half a file could take the place of.
    Dangling,
}

impl Target {
    /// What a link points to is written, not the link.
    fn of(path: &Path) -> io::Result<Self> {
        match fs::metadata(path) {
            Ok(there) if there.is_file() => Ok(Self::File(path.canonicalize()?)),
            Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(_) => Ok(Self::Stream),
            Err(_) if path.is_symlink() => Ok(Self::Dangling),
            Err(_) => Ok(Self::File(path.to_owned())),
        }
    }
}

/// Writes a file whole or not at all, and leaves who may read it as it was. What a link points to is written, not the link; what is
/// no file (a pipe, a device) is written to as it is.
pub fn write_atomically(path: &Path, contents: &[u8]) -> io::Result<()> {
    match Target::of(path)? {
        Target::File(file) => files::replace(&file, WRITING, contents).map_err(|error| error.source),
        Target::Stream => fs::OpenOptions::new().write(true).open(path)?.write_all(contents),
        Target::Dangling => fs::write(path, contents),
    }
}

/// Whether [`write_atomically`] puts a new file in the place of an old one, so that it may be called again with more: what is written
/// to a terminal or a pipe cannot be taken back.
pub fn is_replaced(path: &Path) -> bool {
    matches!(Target::of(path), Ok(Target::File(_)))
}

/// Whether [`write_atomically`] can write a file, as far as that shows before: for what takes long to find out.
pub fn check_writable(path: &Path) -> io::Result<()> {
    let Target::File(file) = Target::of(path)? else { return Ok(()) };
    if let Some(folder) = file.parent().filter(|it| !it.as_os_str().is_empty() && !it.is_dir()) {
        let message = format!("there is no folder {}", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    files::probe(&file).map_err(|error| error.source)
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

    #[test]
    fn a_line_of_a_record_reads_as_it_stands() {
        for c in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
            assert_eq!(shown(&format!("no{c}cough")), "no\u{FFFD}cough");
        }
        // Marks that only say how their neighbours are written stay.
        assert_eq!(shown("a\u{200f}b\u{200e}2"), "a\u{200f}b\u{200e}2");
    }
}
