//! A loss on log-probs of given tokens under an output head, forward and backward at once, without a `[n, vocab]` tensor.
//!
//! With `x_i = (h_i W^T + b) / temperature`, `p_i = x_i[t_i] - log sum_v exp x_iv` and the loss's derivatives `c_i` by `p_i`:
//! `dx_iv = c_i (1[v = t_i] - exp(x_iv - log sum exp x_i)) / temperature`, `dh = dx W`, `dW = dx^T h`, `db = sum_i dx_i`.
//!
//! With a soft cap `c` the logits are `y = c tanh(x / c)` instead, and gradients are multiplied by `dy/dx = 1 - (y / c)^2`.
//!
//! Logits are made a part at a time: rows of all tokens where adding up `dW` is cheap next to making logits ([`rows`], the
//! CPU), columns of all rows, up to 65,536 of them, where it is not ([`columns`], GPUs), at the price of making them twice. A loss on whole sequences
//! ([`Derivative::All`]) needs every log-prob first, so rows are then walked twice as well.
//!
//! With a reference, a head of the same vocabulary with hidden rows of its own that nothing is learned by, the loss is joined by
//! `sum_i k_i KL(p_i || q_i)` over all tokens of the vocabulary ([`kl`](super::softmax::kl) has its gradient), at the same temperature and
//! under the same cap. Logits of both are made part by part in one walk: those of the policy no further time, and nothing of
//! `[n, vocab]` is ever held.
//!
//! A head may have a low-rank adapter ([`low_rank`]): `x_i = (h_i W^T + b + s (h_i A^T) B^T) / temperature`. Its gradients are those of `A`
//! and `B`, made part by part as those of `W` are, whether `W` is trained or not.
//!
//! Rows that do not count are left out with a [`mask`], and cost nothing then.
//!
//! The entropy of a row, where it is wanted, is `H_i = -sum_v p_iv log p_iv` with `log p_iv = x_iv - log sum exp x_i`.

use burn::tensor::{DType, Tensor, backend::Backend};

use super::backend::KernelBackend;
use super::linear::AdaptedWeights;

mod cap;
pub mod columns;
pub mod low_rank;
mod magnitude;
pub mod mask;
pub mod rows;
#[cfg(test)]
mod tests;
pub mod unfused;

pub use columns::Running;
pub use low_rank::LowRankGradients;

/// What is to be predicted from what.
#[derive(Debug)]
pub struct HeadInput<'a, B: Backend> {
    /// Normed residual rows `[n, hidden]`.
    pub hidden: Tensor<B, 2>,
    /// The output head `[vocab, hidden]`, with its adapter where it has one.
    pub head: AdaptedWeights<'a, B>,
    /// The token that each row predicts, `[n]`.
    pub targets: &'a [u32],
    /// The `c` of a soft cap `c tanh(x / c)` on the logits, before they are divided.
    pub soft_cap: Option<f32>,
    /// What logits are divided by.
    pub temperature: f32,
    /// Whether the entropy of each row's distribution is wanted.
    pub entropies: bool,
    /// Whether the head's weight and bias are trained: where they are frozen their gradients are not computed. An adapter always
    /// is.
    pub trained: bool,
    /// What each row's distribution is compared with.
    pub reference: Option<Reference<'a, B>>,
}

impl<B: KernelBackend> HeadInput<'_, B> {
    /// That everything is of the same rows and tokens, before anything is computed: a kernel would leave out what is too much, and take a
    /// target that is no token for none.
    ///
    /// # Panics
    /// If it is not.
    fn check(&self) {
        self.check_sizes();
        let [vocab, _] = self.head.weight.dims();
        if let Some(stray) = self.targets.iter().find(|&&target| target as usize >= vocab) {
            panic!("target {stray} of a vocabulary of {vocab}");
        }
    }

    /// [`Self::check`] of all but the targets themselves.
    fn check_sizes(&self) {
        let (n, [vocab, _]) = (self.targets.len(), self.head.weight.dims());
        assert_eq!(self.hidden.dims()[0], n, "hidden rows and targets");
        if let Some(Reference { hidden, head, coefficients }) = &self.reference {
            assert_eq!(hidden.dims()[0], n, "hidden rows of the reference and targets");
            assert_eq!(head.weight.dims()[0], vocab, "vocabularies of the reference and the head");
            assert_eq!(coefficients.len(), n, "coefficients of the reference and targets");
        }
    }
}

/// A head that is compared with and not trained.
#[derive(Debug)]
pub struct Reference<'a, B: Backend> {
    /// Its own normed residual rows `[n, hidden]`, whose width may differ.
    pub hidden: Tensor<B, 2>,
    /// `[vocab, hidden]`, of the same vocabulary.
    pub head: AdaptedWeights<'a, B>,
    /// What the loss has each row's KL divergence times, `[n]`: 0 for rows that do not count.
    pub coefficients: &'a [f32],
}

/// Log-probs, and the gradients of a loss on them.
#[derive(Debug)]
pub struct HeadGradients<B: Backend> {
    /// Of the targets, `[n]`.
    pub log_probs: Vec<f32>,
    /// `-sum_v p_v log p_v` of each row, `[n]`; empty where it was not asked for.
    pub entropies: Vec<f32>,
    /// `KL(p || q)` of each row with the reference, `[n]`; empty where there is none.
    pub kls: Vec<f32>,
    /// `[n, hidden]` in f32.
    pub hidden: Tensor<B, 2>,
    /// `[vocab, hidden]` in f32, where the head is trained.
    pub weight: Option<Tensor<B, 2>>,
    /// `[vocab]` in f32, where the head has one and is trained.
    pub bias: Option<Tensor<B, 1>>,
    /// Of the head's adapter, where it has one.
    pub adapter: Option<LowRankGradients<B>>,
}

impl<B: KernelBackend> HeadGradients<B> {
    /// Gradients of `n` rows that count for nothing, and none of what else a row has.
    fn zeros(head: &AdaptedWeights<'_, B>, n: usize, trained: bool, device: &B::Device) -> Self {
        let [vocab, width] = head.weight.dims();
        let float = (device, DType::F32);
        Self {
            log_probs: Vec::new(),
            entropies: Vec::new(),
            kls: Vec::new(),
            hidden: Tensor::zeros([n, width], float),
            weight: trained.then(|| Tensor::zeros([vocab, width], float)),
            bias: head.bias.filter(|_| trained).map(|_| Tensor::zeros([vocab], float)),
            adapter: head.adapter.as_ref().map(LowRankGradients::zeros),
        }
    }
}

/// What belongs to the rows `kept`; nothing where there is nothing.
fn at<T: Copy>(all: &[T], kept: &[usize]) -> Vec<T> {
    if all.is_empty() { Vec::new() } else { kept.iter().map(|&row| all[row]).collect() }
}

/// A loss's derivative by the log-prob of one target, given its index.
type OfOne<'a> = dyn FnMut(usize, f32) -> f32 + 'a;
/// A loss's derivatives by the log-probs of all targets.
type OfAll<'a> = dyn FnMut(&[f32]) -> Vec<f32> + 'a;

/// How a loss is asked for its derivatives by the log-probs.
pub enum Derivative<'a> {
    /// For each target with its index, once and in order: a part of the logits is enough.
    Each(Box<OfOne<'a>>),
    /// Once, with the log-probs of all targets: for a loss that looks at whole sequences. Where logits do not fit in one part
    /// they are made twice.
    All(Box<OfAll<'a>>),
}

impl<'a> Derivative<'a> {
    /// Of a loss that is a sum over tokens.
    pub fn each(one: impl FnMut(usize, f32) -> f32 + 'a) -> Self {
        Self::Each(Box::new(one))
    }

    /// Of a loss that is not.
    pub fn all(all: impl FnMut(&[f32]) -> Vec<f32> + 'a) -> Self {
        Self::All(Box::new(all))
    }

    /// The derivatives by `log_probs`, those of the targets from `first` on, divided by `temperature`; for [`Self::All`] they must be
    /// all there are.
    ///
    /// # Panics
    /// If the loss does not give one for each.
    fn divided(&mut self, first: usize, log_probs: &[f32], temperature: f32) -> Vec<f32> {
        self.of(first, log_probs).into_iter().map(|slope| slope / temperature).collect()
    }

    fn of(&mut self, first: usize, log_probs: &[f32]) -> Vec<f32> {
        match self {
            Self::Each(one) => log_probs.iter().enumerate().map(|(i, &p)| one(first + i, p)).collect(),
            Self::All(all) => {
                let found = all(log_probs);
                assert_eq!(found.len(), log_probs.len(), "derivatives and log-probs");
                found
            }
        }
    }
}

impl<B: Backend> Reference<'_, B> {
    /// The derivatives by the logits' divergences, once these are divided by `temperature`.
    fn divided(&self, temperature: f32) -> Vec<f32> {
        self.coefficients.iter().map(|coefficient| coefficient / temperature).collect()
    }
}

/// Logits of one part: 64 MiB of f32. With a reference there are as many of its.
pub const PART: usize = 16 << 20;

/// Rows of a part of rows.
pub fn part_rows(vocab: usize) -> usize {
    (PART / vocab.max(1)).clamp(16, 512)
}
