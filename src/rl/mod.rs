//! Reinforcement learning: what was sampled, what it earned, and what may be learned from it.

pub mod advantage;
pub mod filter;
pub mod objective;
pub mod trace;

pub use advantage::{AdvantageError, Advantages, LengthReward, quantile};
pub use filter::{FilterError, Noise, NoiseFilter, repetition};
pub use objective::{Clip, TokenLoss, token_loss};
pub use trace::{Group, GroupError, Origin, Segment, Trace, TraceBuilder, TraceError, Trained};
