//! Writes a model as a Hugging Face folder: sharded safetensors, `config.json`, `generation_config.json`.
//!
//! Anything that can list its tensors and push their bytes is a [`TensorSource`]: opened
//! [`ModelFiles`](super::ModelFiles) (through [`write_folder`]) or a model in memory (through
//! [`write_source`]). Bytes go to disk as they are pushed; no more of the model is held than the source
//! itself holds. The folder is written under a temporary name and renamed, so it is there whole or not at
//! all.

mod files;
mod folder;
mod shard;
mod size;

use super::{FloatType, WeightsError};

pub use files::write_folder;
pub use folder::{TextFile, write_source};
pub use shard::TensorSink;
pub use size::{SizeError, parse_size};

/// Shards are cut before they grow past this many bytes, unless told otherwise: transformers' own limit.
pub const DEFAULT_SHARD_SIZE: u64 = 5_000_000_000;

/// How a folder is written.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// Float type of every tensor. `None` keeps each tensor's own, and decodes quantised ones to F32: 16 bits
    /// would round the decoded values once more, and the exported model's logits would no longer be the
    /// source's.
    pub dtype: Option<FloatType>,
    /// Most bytes of tensors in one file; a single larger tensor gets a file of its own.
    pub max_shard_size: u64,
    /// Whether a model folder (one with a `config.json`) may be replaced; no other folder is, unless it is
    /// empty.
    pub overwrite: bool,
    /// Further files for the folder, such as `tokenizer.json`. They take the place of what would be copied.
    pub extra_files: Vec<TextFile>,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self { dtype: None, max_shard_size: DEFAULT_SHARD_SIZE, overwrite: false, extra_files: Vec::new() }
    }
}

/// A tensor that a source offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputTensor {
    /// Hugging Face name.
    pub name: String,
    /// `[out, in]`, `[vocab, hidden]` or `[n]`.
    pub shape: Vec<usize>,
    /// Type of the values that will be pushed.
    pub dtype: FloatType,
}

impl OutputTensor {
    /// Bytes of all values.
    pub fn bytes(&self) -> u64 {
        self.shape.iter().map(|size| *size as u64).product::<u64>() * self.dtype.bytes() as u64
    }
}

/// Something whose tensors can be written.
pub trait TensorSource {
    /// Every tensor, in the order they should be spread over shards.
    fn tensors(&self) -> Vec<OutputTensor>;

    /// Pushes all bytes of one tensor (little-endian, row after row), in as many pieces as suits the source.
    fn push(&mut self, tensor: &OutputTensor, sink: &mut TensorSink<'_>) -> Result<(), WeightsError>;
}
