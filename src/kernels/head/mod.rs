//! A loss on log-probs of given tokens under an output head, forward and backward at once, without a `[n, vocab]` tensor.
//!
//! With `x_i = (h_i W^T + b) / temperature`, `p_i = x_i[t_i] - log sum_v exp x_iv` and the loss's derivatives `c_i` by `p_i`:
//! `dx_iv = c_i (1[v = t_i] - exp(x_iv - log sum exp x_i)) / temperature`, `dh = dx W`, `dW = dx^T h`, `db = sum_i dx_i`.
//!
//! Logits are made a part at a time: rows of all tokens where adding up `dW` is cheap next to making logits ([`rows`], the
//! CPU), columns of all rows where it is not ([`columns`], GPUs), at the price of making them twice.

use burn::tensor::{Tensor, backend::Backend};

use super::linear::LinearWeights;

pub mod columns;
pub mod rows;
#[cfg(test)]
mod tests;
pub mod unfused;

pub use columns::Running;

/// What is to be predicted from what.
#[derive(Debug)]
pub struct HeadInput<'a, B: Backend> {
    /// Normed residual rows `[n, hidden]`.
    pub hidden: Tensor<B, 2>,
    /// The output head `[vocab, hidden]`.
    pub head: LinearWeights<'a, B>,
    /// The token that each row predicts, `[n]`.
    pub targets: &'a [u32],
    /// What logits are divided by.
    pub temperature: f32,
}

/// Log-probs, and the gradients of a loss on them.
#[derive(Debug)]
pub struct HeadGradients<B: Backend> {
    /// Of the targets, `[n]`.
    pub log_probs: Vec<f32>,
    /// `[n, hidden]` in f32.
    pub hidden: Tensor<B, 2>,
    /// `[vocab, hidden]` in f32.
    pub weight: Tensor<B, 2>,
    /// `[vocab]` in f32, where the head has one.
    pub bias: Option<Tensor<B, 1>>,
}

/// A loss's derivative by the log-prob of target `index`, asked for once each, in order.
pub type Derivative<'a> = dyn FnMut(usize, f32) -> f32 + 'a;

/// Logits of one part: 64 MiB of f32.
pub const PART: usize = 16 << 20;

/// Rows of a part of rows.
pub fn part_rows(vocab: usize) -> usize {
    (PART / vocab.max(1)).clamp(16, 512)
}
