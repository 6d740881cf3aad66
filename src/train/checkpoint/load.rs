//! Reading a checkpoint: everything is checked before anything is given out.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};

use super::checksums::{self, CHECKSUMS, Checksum};
use super::disk::{DiskError, read_at_most};
use super::error::{CheckpointError, TensorProblem};
use super::folder::{STATE, TENSORS, latest, previous, step_of};
use super::layout::TensorSpec;
use super::state::{FORMAT, State};

/// `CHECKSUMS` has two short lines.
const LONGEST_CHECKSUMS: u64 = 4096;

/// A checkpoint that was read and found whole. Its tensors stay on disk until they are asked for.
///
/// The tensors' file is mapped: it must not be shortened while this is in use. Checkpoints are only ever replaced and
/// removed as whole folders, which leaves a map as it was.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    state: State,
    map: Mmap,
    tensors: Vec<Placed>,
    by_name: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Placed {
    spec: TensorSpec,
    range: Range<usize>,
}

/// One tensor of a checkpoint.
#[derive(Debug, Clone, Copy)]
pub struct StoredValues<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its sizes.
    pub shape: &'a [usize],
    bytes: &'a [u8],
}

impl<'a> StoredValues<'a> {
    /// Its values, row by row: those of the mapped file where this machine can read them as they are.
    pub fn values(&self) -> Cow<'a, [f32]> {
        match bytemuck::try_cast_slice(self.bytes) {
            Ok(values) if cfg!(target_endian = "little") => Cow::Borrowed(values),
            _ => {
                let (values, _) = self.bytes.as_chunks::<4>();
                Cow::Owned(values.iter().map(|value| f32::from_le_bytes(*value)).collect())
            }
        }
    }
}

impl Checkpoint {
    /// Reads the checkpoint folder `path` and compares every byte of it with its checksums.
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        Self::read(path, true)
    }

    /// Whether the folder `path` holds a checkpoint that is as it was written.
    pub fn is_sound(path: &Path) -> bool {
        Self::read(path, false).is_ok()
    }

    fn read(path: &Path, advise: bool) -> Result<Self, CheckpointError> {
        let reader = Reader { folder: path, advise };
        let [tensors, state] = reader.checksums()?;
        let state = reader.state(state)?;
        let map = reader.map(tensors)?;
        let tensors = reader.tensors(&map)?;
        let by_name = tensors.iter().enumerate().map(|(i, tensor)| (tensor.spec.name.clone(), i)).collect();
        Ok(Self { path: path.to_owned(), state, map, tensors, by_name })
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All but the tensors.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Its tensors, in the order they were written.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = StoredValues<'_>> {
        self.tensors.iter().map(|tensor| self.view(tensor))
    }

    /// The tensor `name`.
    pub fn tensor(&self, name: &str) -> Option<StoredValues<'_>> {
        Some(self.view(self.tensors.get(*self.by_name.get(name)?)?))
    }

    /// Checks that it holds exactly the tensors `expected`; the error lists all that differ.
    pub fn check(&self, expected: &[TensorSpec]) -> Result<(), CheckpointError> {
        let mut problems = Vec::new();
        let mut unexpected = self.by_name.clone();
        for spec in expected {
            let name = spec.name.as_str();
            unexpected.remove(name);
            match self.tensor(name) {
                None => problems.push(TensorProblem::Missing { tensor: name.to_owned() }),
                Some(stored) if stored.shape != spec.shape => problems.push(TensorProblem::Shape {
                    tensor: name.to_owned(),
                    found: stored.shape.to_owned(),
                    expected: spec.shape.clone(),
                }),
                Some(_) => {}
            }
        }
        problems.extend(unexpected.into_keys().map(|tensor| TensorProblem::Unexpected { tensor }));
        if problems.is_empty() {
            Ok(())
        } else {
            Err(CheckpointError::Tensors { file: self.path.join(TENSORS), problems })
        }
    }

    fn view<'a>(&'a self, tensor: &'a Placed) -> StoredValues<'a> {
        // Ranges were checked against the map when it was made; an empty one stands for none.
        let bytes = self.map.get(tensor.range.clone()).unwrap_or_default();
        StoredValues { name: &tensor.spec.name, shape: &tensor.spec.shape, bytes }
    }
}

struct Reader<'a> {
    folder: &'a Path,
    /// Whether an error names a checkpoint to take instead, for which those beside it are read.
    advise: bool,
}

impl Reader<'_> {
    fn checksums(&self) -> Result<[Checksum; 2], CheckpointError> {
        let text = match read_at_most(&self.folder.join(CHECKSUMS), LONGEST_CHECKSUMS) {
            Ok(text) => text,
            Err(error) if matches!(error.source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Err(self.not_there());
            }
            Err(error) => return Err(error.into()),
        };
        checksums::parse(&text, [TENSORS, STATE]).ok_or_else(|| {
            self.damaged(CHECKSUMS, "it is not the two lines of checksum, length and name that belong there")
        })
    }

    fn not_there(&self) -> CheckpointError {
        let folder = self.folder.to_owned();
        let newest = |dir: &Path| latest(dir).ok().flatten();
        if !self.folder.exists() {
            let newest = self.folder.parent().and_then(newest);
            CheckpointError::NotACheckpoint { folder, what: "there is no such folder", newest }
        } else if self.folder.join(TENSORS).exists()
            || self.folder.join(STATE).exists()
            || self.has_its_name()
        {
            self.damaged(CHECKSUMS, "it is missing")
        } else {
            // The folder of all checkpoints may have been given.
            let newest = newest(self.folder).or_else(|| self.folder.parent().and_then(newest));
            CheckpointError::NotACheckpoint { folder, what: "it holds no CHECKSUMS", newest }
        }
    }

    /// Whether the folder is called as a checkpoint is.
    fn has_its_name(&self) -> bool {
        self.folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| step_of(name).is_some())
    }

    fn state(&self, expected: Checksum) -> Result<State, CheckpointError> {
        let path = self.folder.join(STATE);
        // One byte more shows a file that grew.
        let text =
            read_at_most(&path, expected.bytes.saturating_add(1)).map_err(|e| self.missing(STATE, e))?;
        self.compare(STATE, expected, text.len() as u64, &text)?;
        let json: serde_json::Value = serde_json::from_slice(&text).map_err(|error| {
            self.damaged(STATE, format!("it is not the JSON that belongs there: {error}"))
        })?;
        // Before its fields are read: another form may have others.
        let found = json.get("format").and_then(serde_json::Value::as_u64);
        if let Some(found) = found.filter(|found| *found != u64::from(FORMAT)) {
            let version =
                json.get("version").and_then(serde_json::Value::as_str).unwrap_or("unknown").to_owned();
            return Err(CheckpointError::Format { file: path, found, legal: FORMAT, version });
        }
        serde_json::from_slice(&text).map_err(|error| self.damaged(STATE, error.to_string()))
    }

    fn map(&self, expected: Checksum) -> Result<Mmap, CheckpointError> {
        let path = self.folder.join(TENSORS);
        let failed = |source| DiskError { file: path.clone(), action: "read", source };
        let file = File::open(&path).map_err(failed).map_err(|error| self.missing(TENSORS, error))?;
        let length = file.metadata().map_err(failed)?.len();
        if length != expected.bytes {
            return Err(self.wrong_length(TENSORS, expected.bytes, length));
        }
        // SAFETY: the map is only read. Another process that shortened the file while it is mapped would end this
        // one with a signal, as the type's documentation says; no reader avoids that without a copy in memory.
        let map = unsafe { Mmap::map(&file) }.map_err(failed)?;
        self.compare(TENSORS, expected, length, &map)?;
        Ok(map)
    }

    fn tensors(&self, map: &Mmap) -> Result<Vec<Placed>, CheckpointError> {
        let (header, metadata) =
            SafeTensors::read_metadata(map).map_err(|error| self.damaged(TENSORS, error.to_string()))?;
        let mut tensors = Vec::new();
        for name in metadata.offset_keys() {
            let Some(info) = metadata.info(&name) else { continue };
            if info.dtype != Dtype::F32 {
                return Err(self.damaged(TENSORS, format!("`{name}` is stored as {}, not F32", info.dtype)));
            }
            // The reader above has found all of these inside the file.
            let (begin, end) = info.data_offsets;
            let range = 8 + header + begin..8 + header + end;
            tensors.push(Placed { spec: TensorSpec::new(name, info.shape.as_slice()), range });
        }
        Ok(tensors)
    }

    fn compare(
        &self,
        name: &str,
        expected: Checksum,
        length: u64,
        bytes: &[u8],
    ) -> Result<(), CheckpointError> {
        if length != expected.bytes {
            return Err(self.wrong_length(name, expected.bytes, length));
        }
        let crc = Checksum::of(bytes).crc;
        if crc != expected.crc {
            let what = format!("its checksum is {crc:08x}, and {:08x} was written", expected.crc);
            return Err(self.damaged(name, what));
        }
        Ok(())
    }

    fn wrong_length(&self, name: &str, expected: u64, found: u64) -> CheckpointError {
        match found.cmp(&expected) {
            std::cmp::Ordering::Less => {
                self.damaged(name, format!("it has {found} bytes, and {expected} were written"))
            }
            _ => self.damaged(name, format!("it has more than the {expected} bytes that were written")),
        }
    }

    /// A file of the checkpoint is not there; other refusals stay what they are.
    fn missing(&self, name: &str, error: DiskError) -> CheckpointError {
        match error.source.kind() {
            ErrorKind::NotFound => self.damaged(name, "it is missing"),
            _ => error.into(),
        }
    }

    fn damaged(&self, name: &str, what: impl Into<String>) -> CheckpointError {
        let previous = if self.advise { previous(self.folder, &Checkpoint::is_sound) } else { None };
        CheckpointError::Damaged { file: self.folder.join(name), what: what.into(), previous }
    }
}
