//! The loss of the replies of one micro-batch, as the executor asks for it.
//!
//! It is also an objective for hidden rows of one's own, by [`train::head::loss`](crate::train::head::loss): log-probs, entropies, the
//! clipped loss with its statistics, and its gradients, of the tokens that a mask keeps, and nothing of `[tokens, vocab]`.
//!
//! ```
//! use burn::tensor::{Distribution, Tensor};
//! use burn_flex::{Flex, FlexDevice};
//! use osler::kernels::head::HeadInput;
//! use osler::kernels::{AdaptedWeights, Matrix};
//! use osler::rl::batch_loss::{BatchLoss, Seen};
//! use osler::rl::objective::{Clip, PolicyLoss, StepSize};
//! use osler::train::config::PolicyObjective;
//! use osler::train::head;
//!
//! // Two replies of three tokens; the first token of the first is masked. Rows of nothing give every token the same chance.
//! let hidden = Tensor::<Flex, 2>::zeros([6, 8], &FlexDevice);
//! let matrix = Tensor::<Flex, 2>::random([100, 8], Distribution::Uniform(-1.0, 1.0), &FlexDevice);
//! let matrix = Matrix::Float(matrix);
//! let even = -(100f32.ln());
//! let mask = [false, true, true, true, true, true];
//! let old_log_probs = [0.0, even, even, even - 1.0, even, even];
//! let advantages = [1.0, -1.0];
//!
//! let loss = PolicyLoss {
//!     objective: PolicyObjective::Dapo,
//!     clip: Clip { low: 0.2, high: 0.28 },
//!     l_max: 3,
//!     kl: None,
//! };
//! let mut seen = Seen { entropies: Some(Vec::new()), ..Seen::default() };
//! let mut batch = BatchLoss::new(loss, StepSize { replies: 2, tokens: 5 }, &mut seen);
//! for (reply, advantage) in advantages.into_iter().enumerate() {
//!     let tokens = (3 * reply..3 * reply + 3).filter(|&token| mask[token]);
//!     batch.push(tokens.map(|token| old_log_probs[token]), advantage);
//! }
//! let input = HeadInput {
//!     hidden,
//!     head: AdaptedWeights { weight: &matrix, bias: None, adapter: None },
//!     targets: &[3, 1, 4, 1, 5, 9],
//!     soft_cap: None,
//!     temperature: 1.0,
//!     entropies: false,
//!     reference: None,
//!     trained: true,
//! };
//! let gradients = head::loss(input, None, Some(&mask), &mut batch);
//!
//! // Two tokens of advantage 1 and two of -1 at their old log-probs, and one of -1 that is e times as likely now: (-2 + 2 + e) / 5.
//! let near = |found: f64, right: f64| assert!((found - right).abs() < 1e-5, "{found} and {right}");
//! near(seen.loss, 1f64.exp() / 5.0);
//! assert_eq!(gradients.log_probs[0], 0.0);
//! near(f64::from(gradients.log_probs[5]), f64::from(even));
//! let entropies = seen.entropies.unwrap();
//! assert_eq!(entropies.len(), 5);
//! entropies.into_iter().for_each(|entropy| near(f64::from(entropy), -f64::from(even)));
//! assert_eq!((gradients.hidden.dims(), gradients.weight.unwrap().dims()), ([6, 8], [100, 8]));
//! ```

use crate::kernels::head::Derivative;
use crate::rl::objective::{KlPenalty, PolicyLoss, Ratio, StepSize, TokenLoss, k3, reply_ratio, token_ratio};
use crate::train::Objective;
use crate::train::config::KlForm;

/// What was seen of the tokens that went through.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// The loss, divided as it is trained.
    pub loss: f64,
    /// `(sampler, trainer)` log-probs of every trained token.
    pub pairs: Vec<(f32, f32)>,
    /// Tokens the clip held from below.
    pub clipped_low: usize,
    /// Tokens the clip held from above.
    pub clipped_high: usize,
    /// The entropy in nats of every trained token's distribution, where it was asked for.
    pub entropies: Option<Vec<f32>>,
    /// What every trained token's divergence from the reference is, in nats, where the loss has one.
    pub kls: Vec<f32>,
}

/// A trained token.
#[derive(Debug, Clone, Copy)]
struct Token {
    old: f32,
    advantage: f32,
    divisor: f32,
}

/// The loss of some replies of a step, whose tokens stand in the order in which they were pushed.
#[derive(Debug)]
pub struct BatchLoss<'a> {
    loss: PolicyLoss,
    size: StepSize,
    tokens: Vec<Token>,
    /// Trained tokens of each reply.
    replies: Vec<usize>,
    /// Log-probs of the tokens under the reference, for the estimate.
    reference: Vec<f32>,
    seen: &'a mut Seen,
}

impl<'a> BatchLoss<'a> {
    /// Of no replies yet, of a step of `size`; what is seen is added to `seen`.
    pub fn new(loss: PolicyLoss, size: StepSize, seen: &'a mut Seen) -> Self {
        Self { loss, size, tokens: Vec::new(), replies: Vec::new(), reference: Vec::new(), seen }
    }

    /// Adds a reply: the log-probs its trained tokens were sampled at, and its advantage.
    pub fn push(&mut self, old: impl IntoIterator<Item = f32>, advantage: f32) {
        let first = self.tokens.len();
        self.tokens.extend(old.into_iter().map(|old| Token { old, advantage, divisor: 1.0 }));
        let count = self.tokens.len() - first;
        let divisor = self.loss.divisor(self.size, count);
        self.tokens[first..].iter_mut().for_each(|token| token.divisor = divisor);
        self.replies.push(count);
    }

    /// Gives the log-probs of all pushed tokens under the reference, which [`KlForm::K3`] needs.
    ///
    /// # Panics
    /// If there are not as many as tokens.
    pub fn compare(&mut self, reference: Vec<f32>) {
        assert_eq!(reference.len(), self.tokens.len(), "log-probs of the reference and tokens");
        self.reference = reference;
    }

    /// The derivative by one token's log-prob.
    fn token(&mut self, index: usize, log_prob: f32, ratio: Ratio) -> f32 {
        let Token { old, advantage, divisor } = self.tokens[index];
        let TokenLoss { loss, derivative, clipped_low, clipped_high, .. } =
            self.loss.token(log_prob, ratio, advantage);
        self.seen.loss += f64::from(loss / divisor);
        self.seen.clipped_low += usize::from(clipped_low);
        self.seen.clipped_high += usize::from(clipped_high);
        self.seen.pairs.push((old, log_prob));
        let mut derivative = derivative;
        if let (Some(KlPenalty { beta, form: KlForm::K3 }), Some(&reference)) =
            (self.loss.kl, self.reference.get(index))
        {
            let (kl, slope) = k3(log_prob, reference);
            derivative += beta * slope;
            self.seen.loss += f64::from(beta * kl / divisor);
            self.seen.kls.push(kl);
        }
        derivative / divisor
    }

    /// The derivatives by all log-probs, with one ratio for each reply.
    fn whole(&mut self, log_probs: &[f32]) -> Vec<f32> {
        let mut derivatives = Vec::with_capacity(log_probs.len());
        for count in std::mem::take(&mut self.replies) {
            let first = derivatives.len();
            let olds = self.tokens[first..first + count].iter().map(|token| token.old);
            let ratio = reply_ratio(log_probs[first..].iter().copied().zip(olds));
            derivatives
                .extend((first..first + count).map(|index| self.token(index, log_probs[index], ratio)));
        }
        derivatives
    }
}

impl Objective for BatchLoss<'_> {
    fn targets(&self) -> Option<usize> {
        Some(self.tokens.len())
    }

    fn derivative(&mut self) -> Derivative<'_> {
        if self.loss.whole_replies() {
            return Derivative::all(move |log_probs| self.whole(log_probs));
        }
        Derivative::each(move |index, log_prob| {
            let ratio = token_ratio(log_prob, self.tokens[index].old);
            self.token(index, log_prob, ratio)
        })
    }

    fn wants_entropies(&self) -> bool {
        self.seen.entropies.is_some()
    }

    fn entropies(&mut self, entropies: &[f32]) {
        if let Some(all) = &mut self.seen.entropies {
            all.extend_from_slice(entropies);
        }
    }

    fn kl_coefficients(&self) -> Option<Vec<f32>> {
        let KlPenalty { beta, form } = self.loss.kl?;
        let coefficients = || self.tokens.iter().map(|token| beta / token.divisor).collect();
        (form == KlForm::Full).then(coefficients)
    }

    fn kls(&mut self, kls: &[f32]) {
        let coefficients = self.kl_coefficients().unwrap_or_default();
        let parts = kls.iter().zip(&coefficients).map(|(&kl, &coefficient)| f64::from(coefficient * kl));
        self.seen.loss += parts.sum::<f64>();
        self.seen.kls.extend_from_slice(kls);
    }
}
