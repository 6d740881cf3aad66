//! The three float types that weights are stored, exported and computed in.

use std::fmt;

/// A plain floating-point storage type. Bytes are little-endian wherever they appear as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FloatType {
    /// IEEE single precision, 4 bytes.
    F32,
    /// The upper half of an F32, 2 bytes.
    BF16,
    /// IEEE half precision, 2 bytes; largest finite value 65504.
    F16,
}

impl FloatType {
    /// Every float type, for messages that say what is legal.
    pub const ALL: [Self; 3] = [Self::F32, Self::BF16, Self::F16];

    /// Bytes of one value.
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::BF16 | Self::F16 => 2,
        }
    }

    /// The name in a safetensors header, e.g. `BF16`.
    pub const fn safetensors_name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::BF16 => "BF16",
            Self::F16 => "F16",
        }
    }

    /// The name in `config.json`, e.g. `bfloat16`.
    pub const fn torch_name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::BF16 => "bfloat16",
            Self::F16 => "float16",
        }
    }

    /// The type that `config.json` calls `name` (`bfloat16`, or `torch.bfloat16` as some old files write it).
    pub fn from_torch_name(name: &str) -> Option<Self> {
        let name = name.strip_prefix("torch.").unwrap_or(name);
        Self::ALL.into_iter().find(|float| float.torch_name() == name)
    }
}

impl fmt::Display for FloatType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.safetensors_name())
    }
}
