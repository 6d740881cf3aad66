//! Causal grouped-query attention over packed sequences, against a paged cache or against itself.
//!
//! Query head `h` reads key/value head `h / (heads / kv_heads)`; keys and values are never repeated.

use std::ops::Range;

pub mod backward;
pub mod cpu;
pub mod reference;

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
    /// Factor on `q . k`, commonly `head_dim^-1/2`.
    pub scale: f32,
}
