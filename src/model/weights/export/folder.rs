//! Writes a whole model folder under a temporary name and renames it into place.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::WeightsError;
use super::shard::{write_file, write_shards};
use super::{ExportOptions, TensorSource};

/// A small file of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFile {
    /// Plain file name, e.g. `config.json`.
    pub name: String,
    /// Its contents, written as they are.
    pub contents: Vec<u8>,
}

/// Writes the tensors of `source` and the given files as the folder `dir`.
///
/// `files` holds `config.json` and what else belongs there; `options.extra_files` take precedence over files
/// of the same name. `progress` receives the tensor bytes done and their total.
pub fn write_source(
    source: &mut dyn TensorSource,
    files: Vec<TextFile>,
    dir: &Path,
    options: &ExportOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), WeightsError> {
    let replaced = |file: &TextFile| options.extra_files.iter().any(|extra| extra.name == file.name);
    let mut all = options.extra_files.clone();
    all.extend(files.into_iter().filter(|file| !replaced(file)));
    for (index, file) in all.iter().enumerate() {
        let twice = all[..index].iter().any(|earlier| earlier.name == file.name);
        if twice || !is_plain(&file.name) {
            return Err(WeightsError::ExportName { found: file.name.clone() });
        }
    }
    // What a link points at is filled, and the link stays.
    let real = fs::canonicalize(dir);
    let dir = real.as_deref().unwrap_or(dir);
    check_target(dir, options.overwrite)?;
    let temporary = Temporary::create(dir)?;
    for file in &all {
        write_file(&temporary.path.join(&file.name), &file.contents)?;
    }
    write_shards(source, &temporary.path, options.max_shard_size, progress)?;
    // Again: writing takes long, and somebody may have filled the folder meanwhile.
    check_target(dir, options.overwrite)?;
    temporary.put_in_place(dir)
}

/// A name that stays in the folder and is not one of the exporter's own.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && !name.contains(['/', '\\', ':'])
        && !name.chars().any(char::is_control)
        && !name.ends_with(".safetensors")
        && name != "model.safetensors.index.json"
}

fn check_target(dir: &Path, overwrite: bool) -> Result<(), WeightsError> {
    let exists = |reason| Err(WeightsError::TargetExists { file: dir.to_owned(), reason });
    let mut entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return exists("is a file, not a folder");
        }
        Err(source) => return Err(failed(dir, "listed", source)),
    };
    match (entries.next().is_none(), overwrite) {
        (true, _) => Ok(()),
        (false, false) => exists("is a folder that is not empty"),
        // Overwriting replaces the folder whole, so it must be sure to be a model and nothing else.
        (false, true) if !dir.join("config.json").is_file() => exists("is a folder that holds no model"),
        (false, true) => Ok(()),
    }
}

/// A folder beside the target, removed again unless it is put in place.
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    fn create(dir: &Path) -> Result<Self, WeightsError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = beside(dir, &format!("partial-{number}"))?;
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(|source| failed(parent, "created", source))?;
        }
        // Left behind by a process of the same number that was killed, and by others that are gone.
        remove(&path)?;
        remove_abandoned(dir);
        fs::create_dir(&path).map_err(|source| failed(&path, "created", source))?;
        Ok(Self { path })
    }

    fn put_in_place(self, dir: &Path) -> Result<(), WeightsError> {
        sync(&self.path)?;
        let old = beside(dir, "replaced")?;
        remove(&old)?;
        let replaced = match fs::rename(dir, &old) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(source) => return Err(failed(dir, "renamed", source)),
        };
        if let Err(source) = fs::rename(&self.path, dir) {
            if replaced {
                // Best effort: the first failure is the one worth reporting.
                let _ = fs::rename(&old, dir);
            }
            return Err(failed(dir, "created", source));
        }
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync(parent)?;
        }
        if replaced { remove(&old) } else { Ok(()) }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a success the name is gone already; after a failure nothing better can be done with this one.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A name in the same folder as `dir`, so that renaming never crosses file systems.
fn beside(dir: &Path, what: &str) -> Result<PathBuf, WeightsError> {
    let Some(name) = dir.file_name() else {
        return Err(WeightsError::ExportName { found: dir.display().to_string() });
    };
    let name = format!(".{}.{what}-{}", name.to_string_lossy(), std::process::id());
    Ok(dir.with_file_name(name))
}

/// Removes what interrupted exports to `dir` left beside it. Best effort: it is nobody's any more and harms nobody.
fn remove_abandoned(dir: &Path) {
    let (Some(name), Some(parent)) = (dir.file_name(), dir.parent()) else { return };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let prefix = format!(".{}.partial-", name.to_string_lossy());
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(&prefix)?.split_once('-'));
        if let Some((_, process)) = process
            && process.parse::<u32>().is_ok_and(is_gone)
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether there is no such process; where that cannot be known, there may be.
fn is_gone(process: u32) -> bool {
    let processes = Path::new("/proc");
    processes.join("self").exists() && !processes.join(process.to_string()).exists()
}

fn remove(path: &Path) -> Result<(), WeightsError> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(failed(path, "removed", source)),
        _ => Ok(()),
    }
}

/// Makes a folder's entries durable. Systems that cannot open a folder keep them durable themselves.
fn sync(folder: &Path) -> Result<(), WeightsError> {
    match fs::File::open(folder) {
        Ok(opened) if cfg!(unix) => opened.sync_all().map_err(|source| failed(folder, "written", source)),
        _ => Ok(()),
    }
}

fn failed(path: &Path, action: &'static str, source: io::Error) -> WeightsError {
    WeightsError::Io { file: path.to_owned(), action, source }
}
