//! GGUF files, versions 2 and 3, little-endian.
//!
//! Layout: magic, version, number of tensors, number of metadata pairs, the pairs, the tensors' names,
//! dimensions, types and offsets, padding to the alignment, the data. Dimensions are stored innermost first,
//! so a Hugging Face shape is their reverse.

mod config;
mod cursor;
mod metadata;
mod names;
mod value;
mod vocabulary;

use std::collections::HashSet;
use std::ops::Range;

pub use metadata::GgufMetadata;
pub use value::{GgufArray, GgufValue};
pub use vocabulary::GgufVocabulary;

use self::cursor::Cursor;
use super::{FileImage, StoredType, WeightsError};
pub(super) use config::read_config;
pub(super) use names::{gguf_name, row_order};

/// Bytes of padding unit where `general.alignment` is absent.
const DEFAULT_ALIGNMENT: u64 = 32;
/// Most dimensions of a tensor in the format.
const MOST_DIMENSIONS: u32 = 4;

/// A parsed GGUF file: metadata and tensors, over the file's own bytes.
#[derive(Debug, Clone)]
pub struct GgufFile {
    image: FileImage,
    version: u32,
    metadata: GgufMetadata,
    tensors: Vec<GgufTensor>,
}

/// One tensor of a GGUF file, under GGUF's name for it.
#[derive(Debug, Clone)]
pub struct GgufTensor {
    /// Name in the file, e.g. `blk.0.attn_q.weight`.
    pub name: String,
    /// Shape in Hugging Face's order, outermost first.
    pub shape: Vec<usize>,
    /// Storage type.
    pub stored: StoredType,
    /// Its bytes within the file.
    pub range: Range<usize>,
}

impl GgufFile {
    /// Maps and parses a file.
    pub fn open(path: &std::path::Path) -> Result<Self, WeightsError> {
        Self::parse(FileImage::map(path)?)
    }

    /// Parses an image; every length and offset in it is checked.
    pub fn parse(image: FileImage) -> Result<Self, WeightsError> {
        let mut cursor = Cursor::new(&image);
        let version = read_version(&mut cursor)?;
        // A tensor takes at least a name's length, the number of dimensions, a type and an offset; a pair at
        // least a key's length, a type and one byte.
        let tensor_count = cursor.count(24, &|| "tensors".to_owned())?;
        let pair_count = cursor.count(13, &|| "metadata pairs".to_owned())?;
        let mut metadata = GgufMetadata::new(image.path.clone());
        for index in 0..pair_count {
            let key = cursor.string(&|| format!("the key of metadata pair {index}"))?;
            let value = GgufValue::read(&mut cursor, &image, key)?;
            metadata.insert(key, value)?;
        }
        let alignment = read_alignment(&metadata)?;
        let mut tensors = Vec::with_capacity(tensor_count);
        for index in 0..tensor_count {
            tensors.push(read_tensor(&mut cursor, index)?);
        }
        let header = cursor.at() as u64;
        let tensors = place_tensors(&image, tensors, header, alignment)?;
        Ok(Self { version, metadata, tensors, image })
    }

    /// Format version: 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The metadata.
    pub fn metadata(&self) -> &GgufMetadata {
        &self.metadata
    }

    /// The tensors, in the order of their data.
    pub fn tensors(&self) -> &[GgufTensor] {
        &self.tensors
    }

    /// The tokenizer's parts, or `None` in a file without one.
    pub fn vocabulary(&self) -> Result<Option<GgufVocabulary>, WeightsError> {
        GgufVocabulary::read(&self.metadata)
    }

    /// The tensor of this GGUF name.
    pub fn tensor(&self, name: &str) -> Option<&GgufTensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    pub(super) fn image(&self) -> &FileImage {
        &self.image
    }
}

fn read_version(cursor: &mut Cursor<'_>) -> Result<u32, WeightsError> {
    let magic: [u8; 4] = cursor.array(&|| "the magic number".to_owned())?;
    if &magic != b"GGUF" {
        let found = String::from_utf8_lossy(&magic).into_owned();
        return Err(WeightsError::GgufMagic { file: cursor.file(), found });
    }
    let version = cursor.u32(&|| "the version".to_owned())?;
    let found = match version {
        2 | 3 => return Ok(version),
        1 => "version 1, whose counts have 32 bits".to_owned(),
        swapped if (1..=3).contains(&swapped.swap_bytes()) => {
            format!("big-endian (version {})", swapped.swap_bytes())
        }
        unknown => format!("version {unknown}"),
    };
    Err(WeightsError::GgufVersion { file: cursor.file(), found })
}

fn read_alignment(metadata: &GgufMetadata) -> Result<u64, WeightsError> {
    let alignment = metadata.unsigned("general.alignment")?.unwrap_or(DEFAULT_ALIGNMENT);
    if alignment.is_power_of_two() && (8..=1 << 20).contains(&alignment) {
        return Ok(alignment);
    }
    Err(metadata.illegal("general.alignment", alignment.to_string(), "a power of two from 8 to 1048576"))
}

/// A tensor as the header describes it, before its place in the file is known.
struct RawTensor {
    name: String,
    shape: Vec<usize>,
    stored: StoredType,
    offset: u64,
    bytes: u64,
}

fn read_tensor(cursor: &mut Cursor<'_>, index: usize) -> Result<RawTensor, WeightsError> {
    let name = cursor.string(&|| format!("the name of tensor {index}"))?.to_owned();
    let what = || format!("the description of `{name}`");
    let illegal = |file, found: &[u64], legal: &str| WeightsError::Shape {
        file,
        tensor: name.clone(),
        found: found.to_vec(),
        legal: legal.to_owned(),
    };
    let dimensions = cursor.u32(&what)?;
    if !(1..=MOST_DIMENSIONS).contains(&dimensions) {
        return Err(illegal(cursor.file(), &[u64::from(dimensions)], "1 to 4 dimensions"));
    }
    let mut sizes = [1u64; MOST_DIMENSIONS as usize];
    let sizes = &mut sizes[..dimensions as usize];
    for size in sizes.iter_mut() {
        *size = cursor.u64(&what)?;
    }
    let id = cursor.u32(&what)?;
    let offset = cursor.u64(&what)?;
    let stored = names::stored_type(id).map_err(|found| WeightsError::UnknownType {
        file: cursor.file(),
        tensor: name.clone(),
        found,
        legal: StoredType::legal_names(),
    })?;
    let row = sizes[0];
    if !row.is_multiple_of(stored.block_size() as u64) {
        let legal = format!("rows of whole {stored} blocks of {}", stored.block_size());
        return Err(illegal(cursor.file(), sizes, &legal));
    }
    let elements = sizes.iter().try_fold(1u64, |product, size| product.checked_mul(*size));
    let measured = elements.filter(|elements| *elements > 0).and_then(|elements| stored.bytes_of(elements));
    let shape: Option<Vec<usize>> = sizes.iter().rev().map(|size| usize::try_from(*size).ok()).collect();
    match (measured, shape) {
        (Some(bytes), Some(shape)) => Ok(RawTensor { shape, stored, offset, bytes, name }),
        _ => Err(illegal(cursor.file(), sizes, "sizes above 0 whose product in bytes fits in 64 bits")),
    }
}

/// Checks that the tensors cover the data with nothing but alignment padding between them.
fn place_tensors(
    image: &FileImage,
    mut tensors: Vec<RawTensor>,
    header: u64,
    alignment: u64,
) -> Result<Vec<GgufTensor>, WeightsError> {
    let file = image.path.clone();
    let mut names = HashSet::with_capacity(tensors.len());
    if let Some(twice) = tensors.iter().find(|tensor| !names.insert(tensor.name.as_str())) {
        return Err(WeightsError::DuplicateTensor { file, tensor: twice.name.clone() });
    }
    let data_start = header.next_multiple_of(alignment);
    let available = image.len().saturating_sub(data_start);
    for RawTensor { name, offset: begin, bytes, .. } in &tensors {
        let end = begin.saturating_add(*bytes);
        if end > available {
            let tensor = name.clone();
            return Err(WeightsError::OutsideFile { file, tensor, begin: *begin, end, available });
        }
    }
    tensors.sort_by_key(|tensor| tensor.offset);
    let (mut covered, mut before): (u64, Option<String>) = (0, None);
    let mut placed = Vec::with_capacity(tensors.len());
    for RawTensor { name, shape, stored, offset: begin, bytes } in tensors {
        if let Some(other) = before.filter(|_| begin < covered) {
            return Err(WeightsError::Overlap { file, tensor: name, other, begin, end: covered });
        }
        // `covered` lies inside the file, so rounding it up cannot overflow.
        if begin != covered.next_multiple_of(alignment) {
            let before = format!("before `{name}`, at an alignment of {alignment}");
            return Err(WeightsError::Gap { file, before, begin: covered, end: begin });
        }
        covered = begin + bytes;
        before = Some(name.clone());
        let range = (data_start + begin) as usize..(data_start + covered) as usize;
        placed.push(GgufTensor { name, shape, stored, range });
    }
    if available > covered.next_multiple_of(alignment) {
        let before = "at the end of the file".to_owned();
        return Err(WeightsError::Gap { file, before, begin: covered, end: available });
    }
    Ok(placed)
}
