//! How the values of a tensor are stored in a file.

use std::fmt;

use super::FloatType;
use crate::kernels::quantised::BlockType;

/// A storage type this program can read. The quantised ones are GGUF's; each stores rows in blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(non_camel_case_types)] // the names every other tool prints
pub enum StoredType {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of an F32.
    BF16,
    /// 4 bits and a scale for 32 values.
    Q4_0,
    /// 4 bits, a scale and a minimum for 32 values.
    Q4_1,
    /// 5 bits and a scale for 32 values.
    Q5_0,
    /// 5 bits, a scale and a minimum for 32 values.
    Q5_1,
    /// 8 bits and a scale for 32 values.
    Q8_0,
    /// 4 bits, with 6-bit scales and minima for each 32 of 256 values.
    Q4_K,
    /// 5 bits, with 6-bit scales and minima for each 32 of 256 values.
    Q5_K,
    /// 6 bits, with an 8-bit scale for each 16 of 256 values.
    Q6_K,
}

impl StoredType {
    /// Every readable type, for messages that say what is legal.
    pub const ALL: [Self; 11] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q4_K,
        Self::Q5_K,
        Self::Q6_K,
    ];

    /// The quantised block type, where this is one; `None` for the float types.
    pub const fn block_type(self) -> Option<BlockType> {
        Some(match self {
            Self::F32 | Self::F16 | Self::BF16 => return None,
            Self::Q4_0 => BlockType::Q4_0,
            Self::Q4_1 => BlockType::Q4_1,
            Self::Q5_0 => BlockType::Q5_0,
            Self::Q5_1 => BlockType::Q5_1,
            Self::Q8_0 => BlockType::Q8_0,
            Self::Q4_K => BlockType::Q4_K,
            Self::Q5_K => BlockType::Q5_K,
            Self::Q6_K => BlockType::Q6_K,
        })
    }

    /// Values in one block; 1 for the float types.
    pub const fn block_size(self) -> usize {
        match self.block_type() {
            Some(block) => block.values(),
            None => 1,
        }
    }

    /// Bytes of one block.
    pub const fn block_bytes(self) -> usize {
        match (self, self.block_type()) {
            (_, Some(block)) => block.bytes(),
            (Self::F32, _) => 4,
            _ => 2,
        }
    }

    /// The name other tools print, e.g. `Q4_K`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q8_0 => "Q8_0",
            Self::Q4_K => "Q4_K",
            Self::Q5_K => "Q5_K",
            Self::Q6_K => "Q6_K",
        }
    }

    /// The float type, where this is one; `None` for the quantised types.
    pub const fn float(self) -> Option<FloatType> {
        match self {
            Self::F32 => Some(FloatType::F32),
            Self::F16 => Some(FloatType::F16),
            Self::BF16 => Some(FloatType::BF16),
            _ => None,
        }
    }

    /// Bytes of `elements` values; `None` where they do not fill whole blocks or the count overflows.
    pub fn bytes_of(self, elements: u64) -> Option<u64> {
        let block = self.block_size() as u64;
        if !elements.is_multiple_of(block) {
            return None;
        }
        (elements / block).checked_mul(self.block_bytes() as u64)
    }

    /// The names of all readable types, for messages.
    pub(crate) fn legal_names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl From<FloatType> for StoredType {
    fn from(float: FloatType) -> Self {
        match float {
            FloatType::F32 => Self::F32,
            FloatType::F16 => Self::F16,
            FloatType::BF16 => Self::BF16,
        }
    }
}

impl fmt::Display for StoredType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
