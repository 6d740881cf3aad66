//! The subjects by name, as a process that measures one is told.

use std::fmt;
use std::str::FromStr;

use burn::tensor::DType;
use thiserror::Error;

use super::work::{self, Sizes};

/// Heads of attention.
const HEADS: usize = 8;
/// Elements a head.
const HEAD_DIM: usize = 64;
/// Tokens, hidden size and vocabulary of the GRPO loss: those of Qwen2.5-0.5B.
const GRPO: [usize; 3] = [4096, 896, 151_936];
/// Matrices of scores that a materialised forward and backward hold at once, at most: to judge what fits.
const PLAIN_MATRICES: u64 = 5;
/// Bytes above inputs and gradients that the kernels take, at most: to judge what fits.
const KERNEL_BYTES: u64 = 512 << 20;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Causal attention forward and backward with the kernels.
    Attention(usize),
    /// The same with materialised scores, in plain tensor operations.
    PlainAttention(usize),
    /// The GRPO loss under an output head, forward and backward.
    GrpoLoss,
    /// The same with the divergence from a reference over the vocabulary.
    GrpoKlLoss,
}

/// Not a subject's name.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "unknown subject `{0}`, legal are: attention:TOKENS, plain-attention:TOKENS, grpo-loss, grpo-kl-loss"
)]
pub struct UnknownSubject(pub String);

impl Subject {
    /// Tokens at which attention is held to its bound.
    pub const TOKENS: usize = 16_384;

    /// All that is measured.
    pub const ALL: [Self; 8] = [
        Self::GrpoLoss,
        Self::GrpoKlLoss,
        Self::Attention(2048),
        Self::Attention(4096),
        Self::Attention(Self::TOKENS),
        Self::PlainAttention(2048),
        Self::PlainAttention(4096),
        Self::PlainAttention(Self::TOKENS),
    ];

    /// What it is, in words.
    pub fn describe(self) -> String {
        let attention = |tokens: usize, how: &str| {
            format!("attention forward and backward, {tokens} tokens, {HEADS} heads of {HEAD_DIM}, {how}")
        };
        match self {
            Self::Attention(tokens) => attention(tokens, "kernels"),
            Self::PlainAttention(tokens) => attention(tokens, "scores materialised"),
            Self::GrpoLoss | Self::GrpoKlLoss => {
                let [rows, width, vocab] = GRPO;
                let with = if self == Self::GrpoKlLoss { " with KL to a reference" } else { "" };
                format!("GRPO loss{with} forward and backward, {rows} tokens, {width} to {vocab}")
            }
        }
    }

    /// Bytes that it needs at most, roughly: inputs, gradients and all above.
    pub fn needs(self) -> u64 {
        let float = size_of::<f32>() as u64;
        // Four inputs and three gradients.
        let tensors = |tokens: usize| 7 * (tokens * HEADS * HEAD_DIM) as u64 * float;
        match self {
            Self::Attention(tokens) => tensors(tokens) + KERNEL_BYTES,
            Self::PlainAttention(tokens) => {
                tensors(tokens) + PLAIN_MATRICES * HEADS as u64 * (tokens as u64).pow(2) * float
            }
            Self::GrpoLoss | Self::GrpoKlLoss => {
                let [rows, width, vocab] = GRPO;
                let matrices = if self == Self::GrpoKlLoss { 3 } else { 2 };
                matrices * ((rows + vocab) * width) as u64 * float + KERNEL_BYTES
            }
        }
    }

    /// Does it, and says what was there whatever computes.
    pub(super) fn run(self) -> Sizes {
        match self {
            Self::Attention(tokens) => work::attention(tokens, HEADS, HEAD_DIM, false),
            Self::PlainAttention(tokens) => work::attention(tokens, HEADS, HEAD_DIM, true),
            Self::GrpoLoss | Self::GrpoKlLoss => {
                let [rows, width, vocab] = GRPO;
                work::grpo_loss(rows, width, vocab, self == Self::GrpoKlLoss, None, DType::F32)
            }
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attention(tokens) => write!(f, "attention:{tokens}"),
            Self::PlainAttention(tokens) => write!(f, "plain-attention:{tokens}"),
            Self::GrpoLoss => f.write_str("grpo-loss"),
            Self::GrpoKlLoss => f.write_str("grpo-kl-loss"),
        }
    }
}

impl FromStr for Subject {
    type Err = UnknownSubject;

    fn from_str(name: &str) -> Result<Self, UnknownSubject> {
        let unknown = || UnknownSubject(name.to_owned());
        let tokens = |text: &str| text.parse().ok().filter(|&tokens| tokens > 0).ok_or_else(unknown);
        match name.split_once(':') {
            None if name == "grpo-loss" => Ok(Self::GrpoLoss),
            None if name == "grpo-kl-loss" => Ok(Self::GrpoKlLoss),
            Some(("attention", text)) => tokens(text).map(Self::Attention),
            Some(("plain-attention", text)) => tokens(text).map(Self::PlainAttention),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_refused() {
        for subject in Subject::ALL {
            assert_eq!(subject.to_string().parse(), Ok(subject));
        }
        for name in ["", "attention", "attention:", "attention:0", "attention:-1", "grpo-loss:1", "plain:4"] {
            assert_eq!(name.parse::<Subject>(), Err(UnknownSubject(name.to_owned())));
        }
    }

    #[test]
    fn materialised_scores_need_what_their_matrices_take() {
        // 8 heads of 16384 x 16384 scores are 8 GiB a matrix.
        let tensors = 7 * 16_384 * 8 * 64 * 4;
        assert_eq!(Subject::PlainAttention(16_384).needs(), tensors + 5 * (8 << 30));
    }
}
