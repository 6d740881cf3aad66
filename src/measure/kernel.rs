//! The kernels by name.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A kernel, with the operations that go with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// A linear layer.
    Linear,
    /// One with a weight in quantised blocks.
    Quantised,
    /// Causal attention of packed sequences, its backward, and both.
    Attention,
    /// Attention of new tokens over the cache.
    Cached,
    /// RMSNorm and its backward.
    Norm,
    /// SwiGLU and its backward.
    Swiglu,
    /// Rotary embedding.
    Rotary,
    /// Output head and loss, forward and backward. A constant derivative makes it the cross entropy.
    Head,
    /// `to + a^T b`, a weight's gradient.
    Products,
    /// Log-probs of rows of logits, their backward, entropies, and divergences from a reference.
    LogProbs,
    /// Draws of tokens.
    Sampling,
    /// An AdamW step.
    AdamW,
}

/// Not a kernel's name.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("unknown kernel `{0}`, legal are: {names}", names = Kernel::ALL.map(Kernel::name).join(", "))]
pub struct UnknownKernel(pub String);

impl Kernel {
    /// Every kernel, in the order they are measured.
    pub const ALL: [Self; 12] = [
        Self::Linear,
        Self::Quantised,
        Self::Attention,
        Self::Cached,
        Self::Norm,
        Self::Swiglu,
        Self::Rotary,
        Self::Head,
        Self::Products,
        Self::LogProbs,
        Self::Sampling,
        Self::AdamW,
    ];

    /// As commands write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Quantised => "quantised",
            Self::Attention => "attention",
            Self::Cached => "cached",
            Self::Norm => "norm",
            Self::Swiglu => "swiglu",
            Self::Rotary => "rotary",
            Self::Head => "head",
            Self::Products => "products",
            Self::LogProbs => "log-probs",
            Self::Sampling => "sampling",
            Self::AdamW => "adamw",
        }
    }

    /// Whether it computes in f32 only.
    pub(super) const fn is_f32_only(self) -> bool {
        matches!(self, Self::Quantised | Self::LogProbs | Self::Sampling | Self::AdamW)
    }
}

impl FromStr for Kernel {
    type Err = UnknownKernel;

    fn from_str(name: &str) -> Result<Self, UnknownKernel> {
        Self::ALL.into_iter().find(|it| it.name() == name).ok_or_else(|| UnknownKernel(name.to_owned()))
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_refused() {
        for kernel in Kernel::ALL {
            assert_eq!(kernel.to_string().parse(), Ok(kernel));
        }
        let message = "Head".parse::<Kernel>().unwrap_err().to_string();
        assert!(message.starts_with("unknown kernel `Head`, legal are: linear, "), "{message}");
    }
}
