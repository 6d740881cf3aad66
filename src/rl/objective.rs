//! The losses that a policy is trained by, token by token.
//!
//! Of token `t` of reply `i` let `x` be its log-prob, `x_old` that at which it was sampled, `A` the reply's advantage,
//! `r = exp(x - x_old)`, `|o_i|` the reply's trained tokens, `B` the replies of the step and `N` their trained tokens. With
//! `f(r) = -min(r A, clip(r, 1 - low, 1 + high) A)`, whose derivative by `x` is `-r A`, and 0 where the clip holds it:
//!
//! ```text
//! m2       sum f(r) / (B l_max)             Baichuan-M2 report, eq (2)
//! dr_grpo  sum f(r) / (B l_max)             arXiv 2503.20783
//! grpo     sum f(r) / (B |o_i|)             arXiv 2402.03300, eq (3)
//! dapo     sum f(r) / N                     arXiv 2503.14476, eq (8)
//! gspo     sum f(s_i) / (B |o_i|)           arXiv 2507.18071, eq (5)-(7); s_i = exp(mean_t (x - x_old)), one for all tokens of a reply
//! cispo    sum -stop(min(r, 1 + high)) A x / N    MiniMax-M1, arXiv 2506.13585, eq (4)-(5); stop: taken as a constant
//! ```
//!
//! Each may have `beta KL_t` beside it, which holds the policy to a reference `q`, inside the sum and under its divisor:
//!
//! ```text
//! full     sum_v p(v) (log p(v) - log q(v)), over the vocabulary
//! k3       exp(y - x) - (y - x) - 1, with y = log q of the token; its derivative by x is 1 - exp(y - x)
//! ```
//!
//! `k3` (J. Schulman, "Approximating KL divergence", 2020; arXiv 2402.03300, eq (4); TRL's `beta` with
//! `use_bias_correction_kl=False`) estimates the other from the tokens at hand. It is exact on average only where these are drawn
//! from the policy itself, and its gradient is then that of `KL(q || p)`; multiplied by the ratio, as TRL has it otherwise, the
//! gradient would estimate that of `full`.
//!
//! `x - x_old` (in `gspo` its mean) and `y - x` are held between -20 and 20, as verl holds them (`core_algos.py`): `exp` of more than 88 is infinite
//! in f32, and infinity times an advantage of 0, or times a derivative of 0, is no number. Beyond the bound `f` and `k3` are constants, so
//! their derivatives by `x` are 0 there; at the bound and within it nothing changes. `cispo` takes its weight as a constant anyway, so its
//! derivative goes on.
//!
//! Summed over the tokens, `gspo` is the mean over replies of `f(s_i)`. Since `ds_i/dx = s_i / |o_i|`, the derivative by each `x` is
//! `-s_i A / (B |o_i|)`: that of a token whose ratio is `s_i`. All divisors belong to the whole step, replies without an advantage
//! included, so that no way of cutting a step into micro-batches changes its gradient. TRL 1.16 has the same losses as
//! `loss_type` `dr_grpo` (for `m2` too), `grpo`, `dapo` and `cispo`, and `gspo` as `grpo` with `importance_sampling_level`
//! `sequence`; its `epsilon_high` of `cispo` is our `1 + high`.

use serde::{Deserialize, Serialize};

use crate::train::config::{KlForm, PolicyObjective};

/// The largest magnitude of a difference of log-probs in a ratio and in [`k3`]; `exp(20)` is 4.9e8.
pub const LARGEST_GAP: f32 = 20.0;

/// A ratio of new to old probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// Between `exp(-20)` and `exp(20)`.
    pub value: f32,
    /// Whether [`LARGEST_GAP`] holds it there, so that it does not move with the log-prob.
    pub held: bool,
}

/// How far the ratio of new to old probability counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Clip {
    /// Ratios below `1 - low` are clipped.
    pub low: f32,
    /// Ratios above `1 + high` are clipped; larger than `low` to leave room for rare tokens to grow (DAPO).
    pub high: f32,
}

/// A loss with its numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PolicyLoss {
    /// Which one.
    pub objective: PolicyObjective,
    /// The clip of the ratio. `cispo` uses the upper bound only.
    pub clip: Clip,
    /// The constant that divides `m2` and `dr_grpo`, the longest reply.
    pub l_max: usize,
    /// What holds the policy to a reference.
    pub kl: Option<KlPenalty>,
}

/// A divergence from a reference in the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KlPenalty {
    /// Its coefficient, above 0.
    pub beta: f32,
    /// Which one.
    pub form: KlForm,
}

/// What a step is divided by: all its replies, whether they have an advantage or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepSize {
    /// Replies.
    pub replies: usize,
    /// Their trained tokens.
    pub tokens: usize,
}

/// One token's part of the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenLoss {
    /// Not yet divided.
    pub loss: f32,
    /// Its derivative by the log-prob.
    pub derivative: f32,
    /// Of new to old probability: the token's, or in `gspo` the reply's.
    pub ratio: f32,
    /// Whether the clip held it from below (ratio too small under a negative advantage).
    pub clipped_low: bool,
    /// Whether the clip held it from above (ratio too large under a positive advantage). In `cispo` the weight is held, under a
    /// negative advantage too, which does not count here, and the derivative goes on.
    pub clipped_high: bool,
}

impl PolicyLoss {
    /// Whether a token's loss depends on the log-probs of its whole reply.
    pub fn whole_replies(&self) -> bool {
        self.objective == PolicyObjective::Gspo
    }

    /// What divides the loss of each token of a reply of `tokens` trained tokens.
    pub fn divisor(&self, step: StepSize, tokens: usize) -> f32 {
        let whole = match self.objective {
            PolicyObjective::M2 | PolicyObjective::DrGrpo => step.replies * self.l_max,
            PolicyObjective::Grpo | PolicyObjective::Gspo => step.replies * tokens,
            PolicyObjective::Dapo | PolicyObjective::Cispo => step.tokens,
        };
        whole as f32
    }

    /// The loss of one token with `log_prob` and `ratio`: [`token_ratio`], or [`reply_ratio`] of its reply where that is needed.
    pub fn token(&self, log_prob: f32, ratio: Ratio, advantage: f32) -> TokenLoss {
        match self.objective {
            PolicyObjective::Cispo => weighted(log_prob, ratio.value, advantage, self.clip),
            _ => surrogate(ratio, advantage, self.clip),
        }
    }
}

/// The estimate k3 of `KL(p || q)` at a token with log-probs `x` under `p` and `y` under `q`, and its derivative by `x`, which is 0
/// beyond [`LARGEST_GAP`].
pub fn k3(x: f32, y: f32) -> (f32, f32) {
    let gap = y - x;
    let held = gap.clamp(-LARGEST_GAP, LARGEST_GAP);
    let excess = held.exp_m1();
    (excess - held, if gap.abs() > LARGEST_GAP { 0.0 } else { -excess })
}

/// `exp(x - x_old)` of one token.
pub fn token_ratio(log_prob: f32, old: f32) -> Ratio {
    let gap = log_prob - old;
    Ratio { value: gap.clamp(-LARGEST_GAP, LARGEST_GAP).exp(), held: gap.abs() > LARGEST_GAP }
}

/// `exp(mean (x - x_old))` over the tokens of a reply, 1 where it has none: the geometric mean of their ratios.
pub fn reply_ratio(pairs: impl IntoIterator<Item = (f32, f32)>) -> Ratio {
    let (mut sum, mut count) = (0.0f64, 0usize);
    for (log_prob, old) in pairs {
        sum += f64::from(log_prob) - f64::from(old);
        count += 1;
    }
    let (gap, most) = (sum / count.max(1) as f64, f64::from(LARGEST_GAP));
    Ratio { value: gap.clamp(-most, most).exp() as f32, held: gap.abs() > most }
}

/// `-min(r A, clip(r) A)`.
fn surrogate(Ratio { value: ratio, held }: Ratio, advantage: f32, clip: Clip) -> TokenLoss {
    let clipped_low = ratio < 1.0 - clip.low && advantage < 0.0;
    let clipped_high = ratio > 1.0 + clip.high && advantage > 0.0;
    let derivative = if held || clipped_low || clipped_high { 0.0 } else { -ratio * advantage };
    let clipped = ratio.clamp(1.0 - clip.low, 1.0 + clip.high);
    let loss = -(ratio * advantage).min(clipped * advantage);
    TokenLoss { loss, derivative, ratio, clipped_low, clipped_high }
}

/// `-w A x` with the weight `w = min(r, 1 + high)` as a constant.
fn weighted(log_prob: f32, ratio: f32, advantage: f32, clip: Clip) -> TokenLoss {
    let bound = 1.0 + clip.high;
    let derivative = -ratio.min(bound) * advantage;
    let clipped_high = ratio > bound && advantage > 0.0;
    TokenLoss { loss: derivative * log_prob, derivative, ratio, clipped_low: false, clipped_high }
}

#[cfg(test)]
#[path = "objective/tests.rs"]
mod tests;
