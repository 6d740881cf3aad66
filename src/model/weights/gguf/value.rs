//! One metadata value of a GGUF file.

use bytes::Bytes;

use super::super::{FileImage, WeightsError};
use super::cursor::Cursor;

/// A metadata value.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the names of the format's own types
pub enum GgufValue {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    String(String),
    Array(GgufArray),
}

/// The types an array's elements may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    String,
    Array,
    U64,
    I64,
    F64,
}

impl Kind {
    fn from_id(id: u32) -> Option<Self> {
        let kinds = [
            Self::U8,
            Self::I8,
            Self::U16,
            Self::I16,
            Self::U32,
            Self::I32,
            Self::F32,
            Self::Bool,
            Self::String,
            Self::Array,
            Self::U64,
            Self::I64,
            Self::F64,
        ];
        kinds.get(usize::try_from(id).ok()?).copied()
    }

    /// Fewest bytes that one value takes; exact for all but strings.
    fn least_bytes(self) -> u64 {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 | Self::String => 8,
            Self::Array => 12,
        }
    }
}

/// An array, kept as the file's own bytes: 150,000 tokens cost nothing until somebody asks for them.
#[derive(Debug, Clone, PartialEq)]
pub struct GgufArray {
    kind: Kind,
    len: usize,
    /// The elements; their lengths were checked when the file was parsed.
    image: ArrayBytes,
}

/// Elements' bytes, with the file's name for errors.
#[derive(Debug, Clone)]
struct ArrayBytes(FileImage);

impl PartialEq for ArrayBytes {
    fn eq(&self, other: &Self) -> bool {
        self.0.bytes == other.0.bytes
    }
}

impl GgufArray {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The elements as strings; `None` for an array of another type. Text that is not UTF-8 is an error.
    pub fn strings(&self, key: &str) -> Option<Result<Vec<String>, WeightsError>> {
        if self.kind != Kind::String {
            return None;
        }
        let mut cursor = Cursor::new(&self.image.0);
        let read = |index| cursor.string(&|| format!("{key}[{index}]")).map(str::to_owned);
        Some((0..self.len).map(read).collect())
    }

    /// The elements as 32-bit integers; `None` for an array of another type.
    pub fn integers(&self) -> Option<Vec<i32>> {
        match self.kind {
            Kind::I32 => Some(self.words().map(i32::from_le_bytes).collect()),
            Kind::U32 => self.words().map(|word| i32::try_from(u32::from_le_bytes(word)).ok()).collect(),
            _ => None,
        }
    }

    /// The elements as single-precision numbers; `None` for an array of another type.
    pub fn floats(&self) -> Option<Vec<f32>> {
        (self.kind == Kind::F32).then(|| self.words().map(f32::from_le_bytes).collect())
    }

    fn words(&self) -> impl Iterator<Item = [u8; 4]> {
        self.image.0.bytes.as_chunks::<4>().0.iter().copied()
    }
}

impl GgufValue {
    /// A whole number that is not negative, of any integer type.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::U8(value) => Some(u64::from(*value)),
            Self::U16(value) => Some(u64::from(*value)),
            Self::U32(value) => Some(u64::from(*value)),
            Self::U64(value) => Some(*value),
            Self::I8(value) => u64::try_from(*value).ok(),
            Self::I16(value) => u64::try_from(*value).ok(),
            Self::I32(value) => u64::try_from(*value).ok(),
            Self::I64(value) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// A number. A single-precision one is taken for the decimal it was written from (`1e-5`, not
    /// `9.99999975e-6`).
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::F32(value) => value.to_string().parse().ok(),
            Self::F64(value) => Some(*value),
            whole => whole.as_u64().map(|value| value as f64),
        }
    }

    /// True or false.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// A string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(value) => Some(value),
            _ => None,
        }
    }

    /// An array.
    pub fn as_array(&self) -> Option<&GgufArray> {
        match self {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }

    /// Reads the type and the value of `key`.
    pub(super) fn read(cursor: &mut Cursor<'_>, image: &FileImage, key: &str) -> Result<Self, WeightsError> {
        let what = || format!("the value of `{key}`");
        let kind = read_kind(cursor, key)?;
        Ok(match kind {
            Kind::U8 => Self::U8(u8::from_le_bytes(cursor.array(&what)?)),
            Kind::I8 => Self::I8(i8::from_le_bytes(cursor.array(&what)?)),
            Kind::U16 => Self::U16(u16::from_le_bytes(cursor.array(&what)?)),
            Kind::I16 => Self::I16(i16::from_le_bytes(cursor.array(&what)?)),
            Kind::U32 => Self::U32(u32::from_le_bytes(cursor.array(&what)?)),
            Kind::I32 => Self::I32(i32::from_le_bytes(cursor.array(&what)?)),
            Kind::U64 => Self::U64(u64::from_le_bytes(cursor.array(&what)?)),
            Kind::I64 => Self::I64(i64::from_le_bytes(cursor.array(&what)?)),
            Kind::F32 => Self::F32(f32::from_le_bytes(cursor.array(&what)?)),
            Kind::F64 => Self::F64(f64::from_le_bytes(cursor.array(&what)?)),
            Kind::Bool => match cursor.array(&what)? {
                [0] => Self::Bool(false),
                [1] => Self::Bool(true),
                [byte] => return Err(illegal(cursor, key, format!("the byte {byte}"), "0 or 1 for a bool")),
            },
            Kind::String => Self::String(cursor.string(&|| key.to_owned())?.to_owned()),
            Kind::Array => Self::Array(read_array(cursor, image, key)?),
        })
    }
}

fn read_kind(cursor: &mut Cursor<'_>, key: &str) -> Result<Kind, WeightsError> {
    let id = cursor.u32(&|| format!("the type of `{key}`"))?;
    Kind::from_id(id)
        .ok_or_else(|| illegal(cursor, key, format!("the value type {id}"), "a type from 0 to 12"))
}

fn read_array(cursor: &mut Cursor<'_>, image: &FileImage, key: &str) -> Result<GgufArray, WeightsError> {
    let kind = read_kind(cursor, key)?;
    if kind == Kind::Array {
        return Err(illegal(
            cursor,
            key,
            "an array of arrays".to_owned(),
            "an array of numbers, bools or strings",
        ));
    }
    let len = cursor.count(kind.least_bytes(), &|| format!("elements of `{key}`"))?;
    let start = cursor.at();
    if kind == Kind::String {
        for index in 0..len {
            let what = || format!("{key}[{index}]");
            let length = cursor.u64(&what)?;
            cursor.take(length, &what)?;
        }
    } else {
        cursor.take(kind.least_bytes() * len as u64, &|| format!("the elements of `{key}`"))?;
    }
    let bytes: Bytes = image.bytes.slice(start..cursor.at());
    Ok(GgufArray { kind, len, image: ArrayBytes(FileImage::new(image.path.clone(), bytes)) })
}

fn illegal(cursor: &Cursor<'_>, key: &str, found: String, legal: &str) -> WeightsError {
    WeightsError::GgufKey { file: cursor.file(), key: key.to_owned(), found, legal: legal.to_owned() }
}
