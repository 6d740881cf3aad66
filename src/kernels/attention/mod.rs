//! Causal grouped-query attention over packed sequences, against a paged cache or against itself.
//!
//! Query head `h` reads key/value head `h / (heads / kv_heads)`; keys and values are never repeated.

use std::ops::Range;

use burn::tensor::{Tensor, backend::Backend};

#[cfg(any(feature = "wgpu", feature = "cuda", test))]
mod able;
pub mod backward;
#[cfg(any(feature = "wgpu", feature = "cuda", test))]
mod choice;
pub(in crate::kernels) mod cover;
pub mod cpu;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(in crate::kernels) mod cube;
mod decode;
mod order;
mod product;
pub mod reference;
mod tiles;

/// Tokens a cache block holds.
pub const BLOCK_TOKENS: usize = 16;

/// One sequence's share of a packed batch, and where its keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttentionSpan {
    /// Its rows of the batch: the newest tokens of the sequence, in order.
    pub queries: Range<usize>,
    /// Keys in the cache, the newest tokens included; query `i` sees the first
    /// `keys - queries.len() + i + 1`.
    pub keys: usize,
    /// Cache blocks holding those keys, [`BLOCK_TOKENS`] each, in order.
    pub blocks: Vec<u32>,
}

/// Head counts and scale of an attention call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionShape {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Elements a head.
    pub head_dim: usize,
    /// Factor on `q . k`, commonly `head_dim^-1/2`; any finite number.
    pub scale: f32,
}

/// What attention of packed sequences gives, and its backward needs.
#[derive(Clone, Debug)]
pub struct Attended<B: Backend> {
    /// Output `[n, heads * head_dim]`: in f32 from the CPU's kernels, otherwise in the type of the queries.
    pub out: Tensor<B, 2>,
    /// Of the scores `s_j = q . k_j` of the keys that each query sees, before they are scaled: the peak, which is that with the largest
    /// `scale s_j` (the smallest where the scale is below 0, and 0 where it is 0), and `log sum_j exp(scale (s_j - peak))`.
    /// `[n, heads, 2]` in f32: in one number, digits of the second would be lost to a first of thousands.
    pub sums: Tensor<B, 3>,
}

impl<B: Backend> Attended<B> {
    /// `log sum_j exp(scale s_j)`, rounded: `[n, heads]`.
    pub fn log_sums(&self, scale: f32) -> Tensor<B, 2> {
        let part = |at: usize| self.sums.clone().narrow(2, at, 1).squeeze_dim::<2>(2);
        part(0) * scale + part(1)
    }
}

/// One packed sequence, or the continuation of another one of the same batch.
///
/// Replies to one prompt are continuations of it: the prompt is computed once for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its tokens.
    pub len: usize,
    /// The place of the segment it continues, which comes before it and continues none itself. Its tokens see all of
    /// that and what comes before them in their own.
    pub after: Option<usize>,
}

impl Segment {
    /// A sequence of its own.
    pub fn alone(len: usize) -> Self {
        Self { len, after: None }
    }

    /// Sequences of their own.
    pub fn all(lengths: &[usize]) -> Vec<Self> {
        lengths.iter().map(|&len| Self::alone(len)).collect()
    }
}

/// A segment with its place in the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Its rows.
    pub rows: Range<usize>,
    /// Rows of what it continues; empty where it continues nothing.
    pub before: Range<usize>,
}

/// Where each segment's rows are.
///
/// # Panics
/// If a segment continues one that does not come before it or that continues another itself.
pub(crate) fn place(segments: &[Segment]) -> Vec<Placed> {
    let mut placed: Vec<Placed> = Vec::with_capacity(segments.len());
    let mut start = 0;
    for segment in segments {
        let rows = start..start + segment.len;
        let before = segment.after.map_or(0..0, |parent| {
            let parent = &placed[parent];
            assert!(parent.before.is_empty(), "a segment continues a continuation");
            parent.rows.clone()
        });
        start = rows.end;
        placed.push(Placed { rows, before });
    }
    placed
}

/// The position of each token in its sequence.
pub fn positions(segments: &[Segment]) -> Vec<u32> {
    let placed = place(segments);
    placed.iter().flat_map(|it| (0..it.rows.len()).map(|i| (it.before.len() + i) as u32)).collect()
}
