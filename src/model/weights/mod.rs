//! Weight files: safetensors folders and GGUF, opened without copying, checked in full before anything is
//! computed.
//!
//! [`ModelFiles::open`] maps the files and compares every tensor with what the configuration calls for; after
//! that, reading a tensor cannot fail for a reason that lies in the file. Names and shapes are Hugging Face's
//! throughout, whatever the file's format. Parsing works on [`FileImage`]s, mapped or in memory alike.

mod convert;
mod error;
pub mod export;
mod gguf;
mod image;
mod open;
mod place;
mod quants;
mod rows;
mod safetensors;
mod shards;
mod stored;

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;

pub use super::config::FloatType;
pub(crate) use error::list;
pub use error::{TensorProblem, WeightsError};
pub use gguf::{GgufArray, GgufFile, GgufMetadata, GgufTensor, GgufValue, GgufVocabulary};
pub use image::FileImage;
pub use rows::{RowOrder, StoredTensor};
pub use shards::ShardIndex;
pub use stored::StoredType;

use self::place::{Found, Placed};
use super::config::ModelConfig;

/// The output head, absent from a tied model.
const HEAD: &str = "lm_head.weight";
/// The embedding table.
const EMBEDDING: &str = "model.embed_tokens.weight";
/// Buffers that old checkpoints carry and every reader computes anew.
const IGNORED_SUFFIX: &str = ".rotary_emb.inv_freq";
/// GGUF's table of rotary divisors, which the configuration has taken in.
const GGUF_ROPE_TABLE: &str = "rope_freqs.weight";

/// Which files a model came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelFormat {
    /// One or more safetensors files with a `config.json`.
    Safetensors {
        /// Number of files.
        shards: usize,
    },
    /// One GGUF file.
    Gguf {
        /// Version of the format.
        version: u32,
    },
}

/// An opened and checked model.
#[derive(Debug)]
pub struct ModelFiles {
    /// The file or index that names the model in errors.
    path: PathBuf,
    /// Where the files lie, for a model opened from disk.
    folder: Option<PathBuf>,
    config: ModelConfig,
    origin: Origin,
    images: Vec<FileImage>,
    tensors: Vec<Placed>,
    by_name: HashMap<String, usize>,
}

#[derive(Debug)]
enum Origin {
    /// The text of `config.json`, kept for export.
    Safetensors(FileImage),
    Gguf(Box<GgufFile>),
}

impl ModelFiles {
    /// A model of one safetensors file: the image of its `config.json` and that of its weights.
    pub fn from_safetensors(config_text: FileImage, weights: FileImage) -> Result<Self, WeightsError> {
        let path = weights.path.clone();
        Self::from_images(path, config_text, None, vec![weights])
    }

    /// A model of several safetensors files: `shards` must hold every file that the index names.
    pub fn from_shards(
        config_text: FileImage,
        index: &ShardIndex,
        shards: Vec<FileImage>,
    ) -> Result<Self, WeightsError> {
        let there: BTreeSet<&str> = shards.iter().map(file_name).collect();
        if let Some(missing) = index.shards().difference(&there).next() {
            return Err(WeightsError::ShardMissing {
                file: index.file.clone(),
                shard: (*missing).to_owned(),
            });
        }
        Self::from_images(index.file.clone(), config_text, Some(index), shards)
    }

    fn from_images(
        path: PathBuf,
        config_text: FileImage,
        index: Option<&ShardIndex>,
        images: Vec<FileImage>,
    ) -> Result<Self, WeightsError> {
        let config = ModelConfig::from_hf_json(&config_text.bytes, &config_text.path)?;
        let (mut found, mut tied_head, mut names) = (Vec::new(), None, Vec::new());
        for (image_index, image) in images.iter().enumerate() {
            for entry in safetensors::parse(image)? {
                names.push(entry.name.clone());
                let ignored = entry.name.ends_with(IGNORED_SUFFIX);
                if let Some(index) = index.filter(|_| !ignored) {
                    index.check_found(&entry.name, file_name(image))?;
                }
                let tensor = Found {
                    stored: entry.stored().ok_or(entry.type_name),
                    own_name: entry.name.clone(),
                    hf_name: entry.name,
                    shape: entry.shape,
                    row_order: RowOrder::Same,
                    image: image_index,
                    range: entry.range,
                    note: "",
                };
                if config.tie_word_embeddings && tensor.hf_name == HEAD {
                    tied_head = Some(tensor);
                } else if !ignored {
                    found.push(tensor);
                }
            }
        }
        if let Some(index) = index {
            index.check_complete(&names.iter().map(String::as_str).collect())?;
        }
        let model = Self::assemble(path, config, Origin::Safetensors(config_text), images, found)?;
        match tied_head {
            Some(head) if !model.is_embedding(&head) => {
                Err(WeightsError::TiedHeadDiffers { file: model.path })
            }
            _ => Ok(model),
        }
    }

    /// A model of one parsed GGUF file.
    pub fn from_gguf(gguf: GgufFile) -> Result<Self, WeightsError> {
        let config = gguf::read_config(&gguf)?;
        let specs = config.tensors();
        let hf_names: HashMap<String, &str> = specs
            .iter()
            .filter_map(|spec| Some((gguf::gguf_name(&spec.name)?, spec.name.as_str())))
            .collect();
        let mut found = Vec::with_capacity(gguf.tensors().len());
        for tensor in gguf.tensors().iter().filter(|tensor| tensor.name != GGUF_ROPE_TABLE) {
            let hf_name = hf_names.get(&tensor.name).copied().unwrap_or(&tensor.name);
            found.push(Found {
                own_name: tensor.name.clone(),
                row_order: gguf::row_order(&config, hf_name),
                hf_name: hf_name.to_owned(),
                stored: Ok(tensor.stored),
                shape: tensor.shape.clone(),
                image: 0,
                range: tensor.range.clone(),
                note: "; other tensors change the computation in ways that are not built",
            });
        }
        let image = gguf.image().clone();
        Self::assemble(image.path.clone(), config, Origin::Gguf(Box::new(gguf)), vec![image], found)
    }

    fn assemble(
        path: PathBuf,
        config: ModelConfig,
        origin: Origin,
        images: Vec<FileImage>,
        found: Vec<Found>,
    ) -> Result<Self, WeightsError> {
        let tensors = place::place(&path, config.tensors(), found)?;
        let by_name =
            tensors.iter().enumerate().map(|(index, tensor)| (tensor.name.clone(), index)).collect();
        Ok(Self { path, folder: None, config, origin, images, tensors, by_name })
    }

    fn is_embedding(&self, head: &Found) -> bool {
        let Ok(embedding) = self.tensor(EMBEDDING) else { return false };
        let data = &self.images[head.image].bytes[head.range.clone()];
        head.stored == Ok(embedding.stored) && head.shape == embedding.shape && data == embedding.data
    }

    /// The model's configuration.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Which files the model came from.
    pub fn format(&self) -> ModelFormat {
        match &self.origin {
            Origin::Safetensors(_) => ModelFormat::Safetensors { shards: self.images.len() },
            Origin::Gguf(file) => ModelFormat::Gguf { version: file.version() },
        }
    }

    /// The GGUF file, with its metadata and vocabulary, where the model came from one.
    pub fn gguf(&self) -> Option<&GgufFile> {
        match &self.origin {
            Origin::Gguf(file) => Some(file),
            Origin::Safetensors(_) => None,
        }
    }

    /// The folder the files lie in, where a Hugging Face model's tokenizer is looked for; `None` for a model
    /// that was not opened from disk.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// One tensor as it is stored, by Hugging Face name.
    pub fn tensor(&self, hf_name: &str) -> Result<StoredTensor<'_>, WeightsError> {
        Ok(self.view(self.placed(hf_name)?))
    }

    /// Every tensor as it is stored, in the configuration's order.
    pub fn stored_tensors(&self) -> impl ExactSizeIterator<Item = StoredTensor<'_>> {
        self.tensors.iter().map(|tensor| self.view(tensor))
    }

    /// A tensor's bytes, sharing the file's map (which lives as long as the longest-lived share): `[rows,
    /// columns]` little-endian values in Hugging Face order. `None` where the tensor is quantised, its rows
    /// are reordered, or there is no such tensor; [`Self::decode_into`] serves those.
    pub fn mapped_bytes(&self, hf_name: &str) -> Option<Bytes> {
        let tensor = self.placed(hf_name).ok()?;
        if tensor.stored.float().is_none() || tensor.row_order != RowOrder::Same {
            return None;
        }
        Some(self.images.get(tensor.image)?.bytes.slice(tensor.range.clone()))
    }

    /// A matrix's stored bytes, row after row in Hugging Face order: the file's own where the order is the same, else
    /// put in order in memory.
    pub fn block_rows(&self, hf_name: &str) -> Result<Bytes, WeightsError> {
        let placed = self.placed(hf_name)?;
        match (placed.row_order, self.images.get(placed.image)) {
            (RowOrder::Same, Some(image)) => Ok(image.bytes.slice(placed.range.clone())),
            _ => {
                let tensor = self.tensor(hf_name)?;
                let mut bytes = Vec::with_capacity(tensor.data.len());
                (0..tensor.rows())
                    .filter_map(|row| tensor.row(row))
                    .for_each(|row| bytes.extend_from_slice(row));
                Ok(bytes.into())
            }
        }
    }

    /// Decodes a whole tensor into `out`: `[rows, columns]` little-endian values of `target`, rounded to
    /// nearest even.
    pub fn decode_into(&self, hf_name: &str, target: FloatType, out: &mut [u8]) -> Result<(), WeightsError> {
        self.tensor(hf_name)?.decode_into(target, out)
    }

    /// Decodes some rows of a tensor into `out`: `[rows.len(), columns]` little-endian values of `target`.
    pub fn decode_rows_into(
        &self,
        hf_name: &str,
        rows: Range<usize>,
        target: FloatType,
        out: &mut [u8],
    ) -> Result<(), WeightsError> {
        self.tensor(hf_name)?.decode_rows_into(rows, target, out)
    }

    fn placed(&self, hf_name: &str) -> Result<&Placed, WeightsError> {
        let index = self.by_name.get(hf_name).and_then(|index| self.tensors.get(*index));
        index.ok_or_else(|| WeightsError::NoSuchTensor { tensor: hf_name.to_owned() })
    }

    fn view<'a>(&'a self, tensor: &'a Placed) -> StoredTensor<'a> {
        StoredTensor {
            name: &tensor.name,
            stored: tensor.stored,
            shape: &tensor.shape,
            row_order: tensor.row_order,
            // The range was checked against this image when it was parsed.
            data: &self.images[tensor.image].bytes[tensor.range.clone()],
        }
    }
}

/// The last part of an image's path.
fn file_name(image: &FileImage) -> &str {
    image.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}
