//! Which files are read, and as what.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::{Format, ImportError, mediq, osce};

/// A file with what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A FHIR bundle.
    Bundle(PathBuf),
    /// A file of a FHIR bulk export.
    Export(PathBuf),
    /// OSCE stations.
    Osce(PathBuf),
    /// mediQ's rows.
    Mediq(PathBuf),
    /// The project's own lines.
    Jsonl(PathBuf),
}

/// The files among `paths` and in folders among them, folders in the order of their names.
pub(super) fn sources(paths: &[PathBuf], format: Option<Format>) -> Result<Vec<Source>, ImportError> {
    let mut out = Vec::new();
    for path in paths {
        let read = |source| ImportError::Read { file: path.display().to_string(), source };
        if !std::fs::metadata(path).map_err(read)?.is_dir() {
            out.push(source(path, format)?);
            continue;
        }
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path).map_err(read)? {
            let file = entry.map_err(read)?.path();
            if matches!(extension(&file).as_str(), "json" | "ndjson" | "jsonl") && file.is_file() {
                files.push(file);
            }
        }
        files.sort();
        if files.is_empty() {
            let problem = "a folder without such files".to_owned();
            return Err(ImportError::Format { file: path.display().to_string(), problem });
        }
        for file in files {
            out.push(source(&file, format)?);
        }
    }
    Ok(out)
}

fn extension(path: &Path) -> String {
    path.extension().map(|end| end.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

fn source(path: &Path, format: Option<Format>) -> Result<Source, ImportError> {
    let extension = extension(path);
    let owned = path.to_owned();
    Ok(match (format, extension.as_str()) {
        (Some(Format::Osce), _) => Source::Osce(owned),
        (Some(Format::Mediq), _) => Source::Mediq(owned),
        (Some(Format::Jsonl), _) => Source::Jsonl(owned),
        (Some(Format::Fhir), "ndjson" | "jsonl") => Source::Export(owned),
        (Some(Format::Fhir), _) | (None, "json") => Source::Bundle(owned),
        (None, "ndjson") => Source::Export(owned),
        (None, "jsonl") if begins_with(path, osce::STATION)? => Source::Osce(owned),
        (None, "jsonl") if begins_with(path, mediq::TELLING_KEY)? => Source::Mediq(owned),
        (None, "jsonl") => Source::Jsonl(owned),
        (None, _) => {
            let problem = format!("`.{extension}` files are of no known format");
            return Err(ImportError::Format { file: path.display().to_string(), problem });
        }
    })
}

/// Whether the beginning of a file's first line holds `key`.
fn begins_with(path: &Path, key: &str) -> Result<bool, ImportError> {
    let read = |source| ImportError::Read { file: path.display().to_string(), source };
    let mut start = Vec::new();
    let file = std::fs::File::open(path).map_err(read)?;
    BufReader::new(file).take(4096).read_until(b'\n', &mut start).map_err(read)?;
    Ok(String::from_utf8_lossy(&start).contains(&format!("\"{key}\"")))
}
