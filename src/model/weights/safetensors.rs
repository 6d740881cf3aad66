//! The header of one safetensors file, checked against the bytes behind it.
//!
//! A file is: the header's length (u64, little-endian), the header (JSON: name to type, shape and byte
//! range), the data. The ranges must cover the data exactly, in some order, with no gap and no overlap.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{FileImage, FloatType, StoredType, WeightsError};

/// Longest header that is read, in bytes: the limit of the reference implementation.
const LONGEST_HEADER: u64 = 100_000_000;
/// Most dimensions of a tensor; those of a decoder have two at most.
const MOST_DIMENSIONS: usize = 8;

/// Every type a safetensors file may hold, with the bytes of one value, so that tensors not used here are
/// measured too.
const TYPES: [(&str, u64); 15] = [
    ("BOOL", 1),
    ("U8", 1),
    ("I8", 1),
    ("F8_E5M2", 1),
    ("F8_E4M3", 1),
    ("I16", 2),
    ("U16", 2),
    ("F16", 2),
    ("BF16", 2),
    ("I32", 4),
    ("U32", 4),
    ("F32", 4),
    ("F64", 8),
    ("I64", 8),
    ("U64", 8),
];

/// One tensor of a safetensors file.
#[derive(Debug, Clone)]
pub(super) struct SafetensorsEntry {
    pub(super) name: String,
    /// The type's name in the header.
    pub(super) type_name: &'static str,
    pub(super) shape: Vec<usize>,
    /// Its bytes within the file.
    pub(super) range: Range<usize>,
}

impl SafetensorsEntry {
    /// The storage type, where it is one of the three float types.
    pub(super) fn stored(&self) -> Option<StoredType> {
        FloatType::ALL
            .into_iter()
            .find(|float| float.safetensors_name() == self.type_name)
            .map(StoredType::from)
    }
}

/// Reads and checks the header; returns the tensors in the order of their bytes.
pub(super) fn parse(image: &FileImage) -> Result<Vec<SafetensorsEntry>, WeightsError> {
    let cut_short = |what: &str, at: u64, needed: u64| WeightsError::CutShort {
        file: image.path.clone(),
        what: what.to_owned(),
        at,
        needed,
        left: image.len().saturating_sub(at),
    };
    let Some((length, rest)) = image.bytes.split_first_chunk::<8>() else {
        return Err(cut_short("the header's length", 0, 8));
    };
    let length = u64::from_le_bytes(*length);
    if !(2..=LONGEST_HEADER).contains(&length) {
        return Err(WeightsError::HeaderLength {
            file: image.path.clone(),
            found: length,
            limit: LONGEST_HEADER,
        });
    }
    let Some((header, data)) = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length))
    else {
        return Err(cut_short("the header", 8, length));
    };
    let header: Header = serde_json::from_slice(header).map_err(|error| WeightsError::Json {
        file: image.path.clone(),
        part: "safetensors header",
        reason: error.to_string(),
    })?;
    let data_start = 8 + length;
    let mut entries = Vec::with_capacity(header.0.len());
    for (name, raw) in header.0 {
        entries.push(check_entry(image, name, raw, data_start, data.len() as u64)?);
    }
    check_names(image, &entries)?;
    check_cover(image, &mut entries, data_start, data.len() as u64)?;
    Ok(entries)
}

fn check_entry(
    image: &FileImage,
    tensor: String,
    raw: RawEntry,
    data_start: u64,
    available: u64,
) -> Result<SafetensorsEntry, WeightsError> {
    let file = image.path.clone();
    let Some((type_name, width)) = TYPES.into_iter().find(|(name, _)| *name == raw.dtype) else {
        let legal = TYPES.map(|(name, _)| name).join(", ");
        return Err(WeightsError::UnknownType { file, tensor, found: raw.dtype, legal });
    };
    let [begin, end] = raw.data_offsets;
    if begin > end || end > available {
        return Err(WeightsError::OutsideFile { file, tensor, begin, end, available });
    }
    let bytes = raw.shape.0.iter().try_fold(width, |product, size| product.checked_mul(*size));
    let Some(expected) = bytes else {
        let legal = "sizes whose product fits in 64 bits".to_owned();
        return Err(WeightsError::Shape { file, tensor, found: raw.shape.0, legal });
    };
    if end - begin != expected {
        return Err(WeightsError::TensorLength { file, tensor, found: end - begin, expected });
    }
    // Both ends lie inside the mapped file, so they fit in usize. A size may not on a 32-bit machine (beside
    // a zero); it is then no size of this model either, which is found out when shapes are compared.
    let range = (data_start + begin) as usize..(data_start + end) as usize;
    let shape = raw.shape.0.into_iter().map(|size| usize::try_from(size).unwrap_or(usize::MAX)).collect();
    Ok(SafetensorsEntry { name: tensor, type_name, shape, range })
}

fn check_names(image: &FileImage, entries: &[SafetensorsEntry]) -> Result<(), WeightsError> {
    let mut names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            Err(WeightsError::DuplicateTensor { file: image.path.clone(), tensor: pair[0].to_owned() })
        }
        None => Ok(()),
    }
}

/// Sorts the tensors by their bytes and checks that they cover the data exactly.
fn check_cover(
    image: &FileImage,
    entries: &mut [SafetensorsEntry],
    data_start: u64,
    available: u64,
) -> Result<(), WeightsError> {
    entries.sort_by_key(|entry| (entry.range.start, entry.range.end));
    let file = image.path.clone();
    let mut covered = 0;
    let mut last: Option<&SafetensorsEntry> = None;
    for entry in entries.iter() {
        let (begin, end) = (entry.range.start as u64 - data_start, entry.range.end as u64 - data_start);
        if let Some(other) = last.filter(|_| begin < covered) {
            let (tensor, other) = (entry.name.clone(), other.name.clone());
            return Err(WeightsError::Overlap { file, tensor, other, begin, end: covered });
        }
        if begin > covered {
            let before = format!("before `{}`", entry.name);
            return Err(WeightsError::Gap { file, before, begin: covered, end: begin });
        }
        covered = end;
        last = Some(entry);
    }
    if covered != available {
        let before = "at the end of the file".to_owned();
        return Err(WeightsError::Gap { file, before, begin: covered, end: available });
    }
    Ok(())
}

/// The header's tensors in file order, duplicates included; `__metadata__` is checked and dropped.
struct Header(Vec<(String, RawEntry)>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    dtype: String,
    shape: RawShape,
    data_offsets: [u64; 2],
}

/// A shape of few dimensions: a long list is refused while it is read, before it fills memory.
struct RawShape(Vec<u64>);

impl<'de> Deserialize<'de> for RawShape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sizes;
        impl<'de> Visitor<'de> for Sizes {
            type Value = RawShape;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MOST_DIMENSIONS} sizes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawShape, A::Error> {
                let mut sizes = Vec::with_capacity(2);
                while let Some(size) = seq.next_element()? {
                    if sizes.len() == MOST_DIMENSIONS {
                        return Err(A::Error::invalid_length(MOST_DIMENSIONS + 1, &self));
                    }
                    sizes.push(size);
                }
                Ok(RawShape(sizes))
            }
        }
        deserializer.deserialize_seq(Sizes)
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object that gives each tensor's dtype, shape and data_offsets")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut entries = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        entries.push((name, map.next_value()?));
                    }
                }
                Ok(Header(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}
