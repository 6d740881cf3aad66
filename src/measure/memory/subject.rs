//! The subjects by name, as a process that measures one is told.

use std::fmt;
use std::str::FromStr;

use burn::tensor::DType;
use thiserror::Error;

use super::work::{self, GrpoLoss, Sizes};
use crate::engine::Device;
use crate::kernels::KernelBackend;

/// Heads of attention. Scores are materialised of fewer where not all fit.
pub const HEADS: usize = 8;
/// Elements a head.
const HEAD_DIM: usize = 64;
/// Tokens, hidden size and vocabulary of the GRPO loss: those of Qwen2.5-0.5B.
const GRPO: [usize; 3] = [4096, 896, 151_936];
/// The same of a model of 14 billion parameters (Qwen2.5-14B).
const WIDE: [usize; 3] = [4096, 5120, 152_064];
/// Matrices of scores that a materialised forward and backward hold at once, at most: to judge what fits.
const PLAIN_MATRICES: u64 = 5;
/// Bytes above inputs and gradients that the kernels take, at most: to judge what fits.
const KERNEL_BYTES: u64 = 512 << 20;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Causal attention forward and backward with the kernels.
    Attention(usize),
    /// The same with materialised scores, in plain tensor operations, of so many tokens and heads.
    PlainAttention(usize, usize),
    /// The GRPO loss under an output head, forward and backward.
    GrpoLoss,
    /// The same with the divergence from a reference over the vocabulary.
    GrpoKlLoss,
    /// The GRPO loss with all logits at once, in plain tensor operations.
    PlainGrpoLoss,
    /// The GRPO loss under a head of a larger model, in bf16.
    WideGrpoLoss,
    /// That with all logits at once.
    PlainWideGrpoLoss,
}

/// Not a subject's name.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "unknown subject `{0}`, legal are: attention:TOKENS, plain-attention:TOKENS, plain-attention:TOKENS:HEADS (1 to {most}), \
     grpo-loss, grpo-kl-loss, plain-grpo-loss, wide-grpo-loss, plain-wide-grpo-loss",
    most = HEADS
)]
pub struct UnknownSubject(pub String);

impl Subject {
    /// Tokens at which attention is held to its bound.
    pub const TOKENS: usize = 16_384;

    /// All that is measured on the CPU where `available` bytes are free.
    ///
    /// Heads are independent of each other, and each has scores of its own. So where those of all heads do not fit, they are
    /// materialised of as many as do: all would take more.
    pub fn all(available: u64) -> [Self; 8] {
        let fits = |heads: &usize| Self::PlainAttention(Self::TOKENS, *heads).needs() <= available;
        let heads = (1..=HEADS).rev().find(fits).unwrap_or(1);
        [
            Self::GrpoLoss,
            Self::GrpoKlLoss,
            Self::Attention(2048),
            Self::Attention(4096),
            Self::Attention(Self::TOKENS),
            Self::PlainAttention(2048, HEADS),
            Self::PlainAttention(4096, HEADS),
            Self::PlainAttention(Self::TOKENS, heads),
        ]
    }

    /// All that is measured on a GPU, beside what materialises scores or logits. Models of the larger kind, and all scores of the
    /// longest sequence, are for CUDA devices only.
    pub fn of_gpu(device: Device) -> Vec<Self> {
        let any = [
            Self::GrpoLoss,
            Self::PlainGrpoLoss,
            Self::GrpoKlLoss,
            Self::Attention(4096),
            Self::Attention(Self::TOKENS),
            Self::PlainAttention(4096, HEADS),
        ];
        let large = [Self::WideGrpoLoss, Self::PlainWideGrpoLoss, Self::PlainAttention(Self::TOKENS, HEADS)];
        let large = large.into_iter().filter(|_| matches!(device, Device::Cuda(_)));
        any.into_iter().chain(large).collect()
    }

    fn work(self) -> Work {
        let loss =
            |dims, dtype| GrpoLoss { dims, dtypes: [dtype; 2], compared: false, rank: None, plain: false };
        let (own, wide) = (loss(GRPO, DType::F32), loss(WIDE, DType::BF16));
        match self {
            Self::Attention(tokens) => Work::Attention { tokens, heads: HEADS, plain: false },
            Self::PlainAttention(tokens, heads) => Work::Attention { tokens, heads, plain: true },
            Self::GrpoLoss => Work::Loss(own),
            Self::GrpoKlLoss => Work::Loss(GrpoLoss { compared: true, ..own }),
            Self::PlainGrpoLoss => Work::Loss(GrpoLoss { plain: true, ..own }),
            Self::WideGrpoLoss => Work::Loss(wide),
            Self::PlainWideGrpoLoss => Work::Loss(GrpoLoss { plain: true, ..wide }),
        }
    }

    /// What it is, in words.
    pub fn describe(self) -> String {
        match self.work() {
            Work::Attention { tokens, heads, plain } => {
                let of = if heads == HEADS {
                    format!("{HEADS} heads")
                } else {
                    format!("{heads} of {HEADS} heads")
                };
                let how = if plain { "scores materialised" } else { "kernels" };
                format!("attention forward and backward, {tokens} tokens, {of} of {HEAD_DIM}, {how}")
            }
            Work::Loss(GrpoLoss {
                dims: [rows, width, vocab], dtypes: [dtype, _], compared, plain, ..
            }) => {
                let with = if compared { " with KL to a reference" } else { "" };
                let dtype = if dtype == DType::F32 { "" } else { ", bf16" };
                let how = if plain { ", logits materialised" } else { "" };
                format!("GRPO loss{with} forward and backward, {rows} tokens, {width} to {vocab}{dtype}{how}")
            }
        }
    }

    /// Bytes that it needs at most, roughly: inputs, gradients and all above.
    pub fn needs(self) -> u64 {
        let float = size_of::<f32>() as u64;
        match self.work() {
            Work::Attention { tokens, heads, plain } => {
                // Four inputs and three gradients.
                let tensors = 7 * (tokens * heads * HEAD_DIM) as u64 * float;
                let scores = PLAIN_MATRICES * heads as u64 * (tokens as u64).pow(2) * float;
                tensors + if plain { scores } else { KERNEL_BYTES }
            }
            Work::Loss(GrpoLoss { dims: [rows, width, vocab], compared, plain, .. }) => {
                let matrices = if compared { 3 } else { 2 };
                let logits = PLAIN_MATRICES * (rows * vocab) as u64 * float;
                let above = if plain { logits } else { KERNEL_BYTES };
                matrices * ((rows + vocab) * width) as u64 * float + above
            }
        }
    }

    /// Does it, and says what was there whatever computes.
    pub(super) fn run<B: KernelBackend>(self, device: &B::Device) -> Sizes {
        match self.work() {
            Work::Attention { tokens, heads, plain } => {
                work::attention::<B>([tokens, heads, HEAD_DIM], plain, device)
            }
            Work::Loss(loss) => work::grpo_loss::<B>(&loss, device),
        }
    }
}

/// What a subject does.
enum Work {
    Attention { tokens: usize, heads: usize, plain: bool },
    Loss(GrpoLoss),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attention(tokens) => write!(f, "attention:{tokens}"),
            Self::PlainAttention(tokens, HEADS) => write!(f, "plain-attention:{tokens}"),
            Self::PlainAttention(tokens, heads) => write!(f, "plain-attention:{tokens}:{heads}"),
            Self::GrpoLoss => f.write_str("grpo-loss"),
            Self::GrpoKlLoss => f.write_str("grpo-kl-loss"),
            Self::PlainGrpoLoss => f.write_str("plain-grpo-loss"),
            Self::WideGrpoLoss => f.write_str("wide-grpo-loss"),
            Self::PlainWideGrpoLoss => f.write_str("plain-wide-grpo-loss"),
        }
    }
}

impl FromStr for Subject {
    type Err = UnknownSubject;

    fn from_str(name: &str) -> Result<Self, UnknownSubject> {
        let unknown = || UnknownSubject(name.to_owned());
        let tokens = |text: &str| text.parse().ok().filter(|&tokens| tokens > 0).ok_or_else(unknown);
        let heads = |text: &str| {
            text.parse::<usize>().ok().filter(|heads| (1..=HEADS).contains(heads)).ok_or_else(unknown)
        };
        match name.split(':').collect::<Vec<_>>()[..] {
            ["grpo-loss"] => Ok(Self::GrpoLoss),
            ["grpo-kl-loss"] => Ok(Self::GrpoKlLoss),
            ["plain-grpo-loss"] => Ok(Self::PlainGrpoLoss),
            ["wide-grpo-loss"] => Ok(Self::WideGrpoLoss),
            ["plain-wide-grpo-loss"] => Ok(Self::PlainWideGrpoLoss),
            ["attention", text] => tokens(text).map(Self::Attention),
            ["plain-attention", text] => Ok(Self::PlainAttention(tokens(text)?, HEADS)),
            ["plain-attention", text, few] => Ok(Self::PlainAttention(tokens(text)?, heads(few)?)),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_refused() {
        let of_gpus = [Device::Wgpu, Device::Cuda(0)].into_iter().flat_map(Subject::of_gpu);
        for subject in Subject::all(0).into_iter().chain(Subject::all(u64::MAX)).chain(of_gpus) {
            assert_eq!(subject.to_string().parse(), Ok(subject));
        }
        assert_eq!("plain-attention:4:8".parse(), Ok(Subject::PlainAttention(4, 8)));
        let tokens = ["attention", "attention:", "attention:0", "attention:-1", "attention:4:2"];
        let heads = ["plain-attention:4:0", "plain-attention:4:9", "plain-attention:4:2:1"];
        for name in ["", "grpo-loss:1", "plain:4"].into_iter().chain(tokens).chain(heads) {
            assert_eq!(name.parse::<Subject>(), Err(UnknownSubject(name.to_owned())));
        }
    }

    #[test]
    fn materialised_scores_need_what_their_matrices_take() {
        // 8 heads of 16384 x 16384 scores are 8 GiB a matrix.
        let tensors = 7 * 16_384 * 8 * 64 * 4;
        assert_eq!(Subject::PlainAttention(16_384, 8).needs(), tensors + 5 * (8 << 30));
        assert_eq!(Subject::PlainAttention(16_384, 2).needs(), tensors / 4 + 5 * (2 << 30));
    }

    #[test]
    fn scores_are_materialised_of_as_many_heads_as_fit() {
        let heads = |available| match Subject::all(available)[7] {
            Subject::PlainAttention(Subject::TOKENS, heads) => heads,
            other => panic!("{other}"),
        };
        let needs = |heads| Subject::PlainAttention(Subject::TOKENS, heads).needs();
        assert_eq!([heads(needs(8)), heads(needs(8) - 1), heads(needs(3) + 1)], [8, 7, 3]);
        assert_eq!(heads(needs(1) - 1), 1, "what does not fit is refused by name");
    }
}
