//! A configuration's text: read within bounds, then field by field.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::findings::Findings;
use super::problem::{ConfigErrors, Problem};
use super::section::Section;
use super::{overrides, tree};

/// The longest file that is read, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// The text of a file.
pub(super) fn read(path: &Path) -> Result<String, ConfigErrors> {
    let failed = |source| ConfigErrors::Read { file: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST_BYTES {
        let bytes = std::fs::metadata(path).map_or(bytes.len() as u64, |data| data.len());
        return Err(ConfigErrors::TooLong { file: path.to_owned(), bytes, most: MOST_BYTES });
    }
    String::from_utf8(bytes)
        .map_err(|error| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error())))
}

/// Reads the fields of a whole file with `overrides` over them, then looks with `check` whether they fit together. `name` stands
/// for the file in messages, `paths` for the fields that a name may have been meant to be.
pub(super) fn parse<S: Section>(
    text: &str,
    name: &Path,
    overrides: &[String],
    paths: Vec<String>,
    check: impl FnOnce(&mut S, &mut Findings),
) -> Result<S, ConfigErrors> {
    let refuse = |problems| ConfigErrors::Problems { file: name.to_owned(), problems };
    let mut root = tree::parse(text).map_err(refuse)?;
    let failed: Vec<Problem> =
        overrides.iter().filter_map(|given| overrides::apply(&mut root, given).err()).collect();
    let mut found = Findings::new(paths);
    let names: Vec<&str> = S::knobs().iter().map(|knob| knob.name).collect();
    found.unknown("", &root, &names);
    let mut config = S::read_fields(&mut found, "", &root);
    check(&mut config, &mut found);
    let problems: Vec<Problem> = failed.into_iter().chain(found.into_problems()).collect();
    if problems.is_empty() { Ok(config) } else { Err(refuse(problems)) }
}
