//! From logits to one token: the filters of `transformers`' `generate`, in its order (repetition penalty,
//! temperature, top-k, top-p, min-p), then a draw from what is left.

use std::collections::HashSet;

#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(in crate::kernels) mod cube;
pub mod reference;

/// Largest scores over the temperature up to which they are taken as they are, and not from the largest: from there on f32 has no
/// digits left that would tell how likely they are.
pub(in crate::kernels) const FAR: f32 = 1e7;

/// What stands between logits and a distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Filters {
    /// Divides the logits; 0 takes the likeliest token.
    pub temperature: f32,
    /// Keeps the `k` likeliest tokens (and ties with the last of them); 0 keeps all.
    pub top_k: usize,
    /// Keeps the likeliest tokens that together reach this probability; 1 keeps all.
    pub top_p: f32,
    /// Drops tokens below this fraction of the likeliest one's probability; 0 keeps all.
    pub min_p: f32,
    /// Divides positive and multiplies negative logits of tokens already seen; 1 is off.
    pub repetition_penalty: f32,
}

/// One token to be drawn.
#[derive(Debug, Clone, Copy)]
pub struct Draw<'a> {
    /// The row of logits it is drawn from.
    pub row: usize,
    /// What becomes of the row first.
    pub filters: Filters,
    /// Tokens that the repetition penalty is for, each below the vocabulary's size; not looked at where it is off.
    pub seen: &'a HashSet<u32>,
    /// A number in [0, 1): the token is the first, in the order of ids, at which the cumulative probability is above it.
    pub uniform: f64,
}

/// A drawn token and how likely it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampled {
    /// The token.
    pub id: u32,
    /// Its natural log-probability under the model at temperature 1, unfiltered.
    pub logprob: f32,
    /// Its natural log-probability under the distribution it was drawn from (0 when greedy).
    pub sampling_logprob: f32,
}
