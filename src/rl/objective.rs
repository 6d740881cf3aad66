//! The improved GRPO loss (Baichuan-M2 report, equation 2): no KL term, asymmetric clip, division by the constant
//! `l_max`, advantages less the group's mean only.
//!
//! Of one token with log-prob `x`, sampled at log-prob `x_old`, with advantage `A` and `r = exp(x - x_old)`:
//! `loss = -min(r A, clip(r, 1 - low, 1 + high) A) / (B l_max)`, so `dloss/dx = -r A / (B l_max)` where the clip does not
//! hold it and 0 where it does. `B` is the number of replies of the step, over all micro-batches, so that no way of
//! cutting a step changes its gradient.

use serde::{Deserialize, Serialize};

/// How far the ratio of new to old probability counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Clip {
    /// Ratios below `1 - low` are clipped.
    pub low: f32,
    /// Ratios above `1 + high` are clipped; larger than `low` to leave room for rare tokens to grow (DAPO).
    pub high: f32,
}

/// One token's part of the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenLoss {
    /// `-min(r A, clip(r) A)`, not yet divided.
    pub loss: f32,
    /// Its derivative by the log-prob.
    pub derivative: f32,
    /// `exp(x - x_old)`.
    pub ratio: f32,
    /// Whether the clip held it from below (ratio too small under a negative advantage).
    pub clipped_low: bool,
    /// Whether the clip held it from above.
    pub clipped_high: bool,
}

/// The loss of one token.
pub fn token_loss(log_prob: f32, old: f32, advantage: f32, clip: Clip) -> TokenLoss {
    let ratio = (log_prob - old).exp();
    let clipped_low = ratio < 1.0 - clip.low && advantage < 0.0;
    let clipped_high = ratio > 1.0 + clip.high && advantage > 0.0;
    let held = ratio.clamp(1.0 - clip.low, 1.0 + clip.high);
    let derivative = if clipped_low || clipped_high { 0.0 } else { -ratio * advantage };
    TokenLoss {
        loss: -(ratio * advantage).min(held * advantage),
        derivative,
        ratio,
        clipped_low,
        clipped_high,
    }
}
