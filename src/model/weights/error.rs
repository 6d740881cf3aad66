//! What can be wrong with weight files.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use super::{FloatType, StoredType};
use crate::model::config::ConfigError;

/// Why weight files were refused, or could not be read or written.
///
/// `file` is the file at fault and `tensor` a tensor's name as that file spells it.
#[allow(missing_docs)] // each message names its fields
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The operating system refused.
    #[error("{file} could not be {action}: {source}.")]
    Io { file: PathBuf, action: &'static str, source: std::io::Error },
    /// The path holds no model, or more than one.
    #[error(
        "{file} is not a model: {reason}. Give a Hugging Face folder, a .safetensors file with config.json beside it, or a .gguf file."
    )]
    NotAModel { file: PathBuf, reason: String },
    /// The configuration was refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The file ends before something that must be in it.
    #[error("{file} is cut short: {what} needs {needed} bytes at byte {at}, and {left} are left.")]
    CutShort { file: PathBuf, what: String, at: u64, needed: u64, left: u64 },
    /// A safetensors header claims a length that no header has.
    #[error("{file} claims a header of {found} bytes; legal: 2 to {limit}, and no more than the file holds.")]
    HeaderLength { file: PathBuf, found: u64, limit: u64 },
    /// A header or index is not the JSON it should be.
    #[error("{file} has a broken {part}: {reason}.")]
    Json { file: PathBuf, part: &'static str, reason: String },
    /// Two tensors of one name.
    #[error("{file} names the tensor `{tensor}` twice; each name may appear once.")]
    DuplicateTensor { file: PathBuf, tensor: String },
    /// A storage type that is not read here.
    #[error("{file} stores `{tensor}` as {found}; legal: {legal}.")]
    UnknownType { file: PathBuf, tensor: String, found: String, legal: String },
    /// A shape whose size overflows, or has a zero, or does not fill whole blocks.
    #[error("{file} gives `{tensor}` the shape {found:?}; legal: {legal}.")]
    Shape { file: PathBuf, tensor: String, found: Vec<u64>, legal: String },
    /// A byte range of the wrong length for shape and type.
    #[error("{file} gives `{tensor}` {found} bytes; its shape and type need {expected}.")]
    TensorLength { file: PathBuf, tensor: String, found: u64, expected: u64 },
    /// A byte range that leaves the file's data.
    #[error("{file} puts `{tensor}` at bytes {begin} to {end} of its data, which holds {available} bytes.")]
    OutsideFile { file: PathBuf, tensor: String, begin: u64, end: u64, available: u64 },
    /// Two tensors share bytes.
    #[error(
        "{file} puts `{tensor}` at byte {begin} of its data, inside `{other}`, which ends at byte {end}."
    )]
    Overlap { file: PathBuf, tensor: String, other: String, begin: u64, end: u64 },
    /// Bytes that belong to no tensor.
    #[error(
        "{file} leaves bytes {begin} to {end} of its data to no tensor ({before}); tensors must follow one another."
    )]
    Gap { file: PathBuf, before: String, begin: u64, end: u64 },
    /// An index entry that is not a plain file name.
    #[error(
        "{file} says `{tensor}` is in {found:?}; legal: the plain name of a .safetensors file in the same folder."
    )]
    ShardName { file: PathBuf, tensor: String, found: String },
    /// A file of the index is not there.
    #[error("{file} names the shard {shard}, which is missing.")]
    ShardMissing { file: PathBuf, shard: String },
    /// A tensor lies in another shard than the index says.
    #[error("{file} says `{tensor}` is in {said}, but it is {actual}.")]
    WrongShard { file: PathBuf, tensor: String, said: String, actual: String },
    /// The file does not begin like a GGUF file.
    #[error("{file} is not a GGUF file: it begins with {found:?}, not \"GGUF\".")]
    GgufMagic { file: PathBuf, found: String },
    /// A version of the format that is not read.
    #[error("{file} is {found}; legal: version 2 or 3, little-endian.")]
    GgufVersion { file: PathBuf, found: String },
    /// A count that the file is too short for.
    #[error("{file} claims {found} {what}; the rest of the file has room for at most {most}.")]
    GgufCount { file: PathBuf, what: String, found: u64, most: u64 },
    /// Something illegal in GGUF metadata.
    #[error("{file} has the metadata key `{key}` as {found}; legal: {legal}.")]
    GgufKey { file: PathBuf, key: String, found: String, legal: String },
    /// Tensors that do not match the configuration, all of them at once.
    #[error("{file} does not match its configuration, in {} tensor(s):{}", .problems.len(), list(.problems))]
    Tensors { file: PathBuf, problems: Vec<TensorProblem> },
    /// A head of its own in a model that says it has none.
    #[error(
        "{file} holds `lm_head.weight` although config.json ties it to the embedding (tie_word_embeddings), and the two differ. Set tie_word_embeddings to false if the head is meant, or remove it."
    )]
    TiedHeadDiffers { file: PathBuf },
    /// No tensor of this name in the model.
    #[error("the model has no tensor `{tensor}`.")]
    NoSuchTensor { tensor: String },
    /// A buffer of the wrong length.
    #[error("the buffer for `{tensor}` holds {found} bytes; legal: exactly {expected}.")]
    BufferLength { tensor: String, found: usize, expected: usize },
    /// Rows that are not there.
    #[error("rows {found:?} of `{tensor}` were asked for; it has {rows}.")]
    RowRange { tensor: String, found: Range<usize>, rows: usize },
    /// A value that would become infinite.
    #[error("`{tensor}` holds {value}, which {target} cannot hold; use F32 or BF16.")]
    TooLarge { tensor: String, value: f32, target: FloatType },
    /// The folder to write is there already.
    #[error("{file} {reason}; give a new folder, or allow overwriting a model folder.")]
    TargetExists { file: PathBuf, reason: &'static str },
    /// A file name that would leave the folder, or that the exporter writes itself.
    #[error(
        "{found:?} cannot be the name of a file in the exported folder; legal: a plain name that the exporter does not write itself."
    )]
    ExportName { found: String },
    /// A source of tensors pushed too few or too many bytes.
    #[error("the source of `{tensor}` gave {found} bytes; its shape and type need {expected}.")]
    SourceLength { tensor: String, found: u64, expected: u64 },
}

/// One tensor that is not what the configuration says.
#[allow(missing_docs)] // each message names its fields
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TensorProblem {
    /// It is not there.
    Missing { tensor: String, expected: Vec<usize> },
    /// The configuration has no such tensor.
    Unexpected { tensor: String, found: Vec<usize>, note: &'static str },
    /// It has another shape (in Hugging Face's order).
    Shape { tensor: String, found: Vec<usize>, expected: Vec<usize> },
    /// Its storage type cannot serve here.
    Type { tensor: String, found: String, legal: String },
}

impl fmt::Display for TensorProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { tensor, expected } => {
                write!(f, "`{tensor}` is missing; expected: shape {expected:?}")
            }
            Self::Unexpected { tensor, found, note } => {
                write!(f, "`{tensor}` (shape {found:?}) is not part of this model{note}")
            }
            Self::Shape { tensor, found, expected } => {
                write!(f, "`{tensor}` has the shape {found:?}; expected: {expected:?}")
            }
            Self::Type { tensor, found, legal } => {
                write!(f, "`{tensor}` is stored as {found}; legal: {legal}")
            }
        }
    }
}

impl TensorProblem {
    /// A tensor whose type cannot hold vectors or matrices of this model.
    pub(crate) fn float_only(tensor: &str, found: StoredType) -> Self {
        let legal = "F32, F16 or BF16, as every vector of a model is".to_owned();
        Self::Type { tensor: tensor.to_owned(), found: found.to_string(), legal }
    }
}

/// The first problems with tensors; a checkpoint of another model would otherwise list every tensor it has.
pub(crate) fn list(problems: &[impl fmt::Display]) -> String {
    const SHOWN: usize = 12;
    let mut text: String = problems.iter().take(SHOWN).map(|problem| format!("\n  - {problem}")).collect();
    if problems.len() > SHOWN {
        text.push_str(&format!("\n  - and {} more", problems.len() - SHOWN));
    }
    text
}
