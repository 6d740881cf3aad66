//! Reinforcement learning: what was sampled, what it earned, and what may be learned from it.

pub mod advantage;
pub mod batch_loss;
pub mod detect;
pub mod filter;
pub mod fragments;
pub mod heldout;
pub mod measure;
pub mod objective;
mod opening;
pub mod policy;
pub mod prospect;
pub mod trace;
pub mod update;

pub use advantage::{AdvantageError, Advantages, LengthReward, quantile};
pub use batch_loss::{BatchLoss, Seen};
pub use filter::{FilterError, Noise, NoiseFilter, repetition};
pub use fragments::{
    FlawFinder, Fragment, FragmentError, FragmentOptions, Fragments, FragmentsState, JudgingProgress,
    MarkedReply, Overlap, PatientTurn, RoundSeconds, RubricEvolution, RubricNews,
};
pub use objective::{Clip, KlPenalty, PolicyLoss, Ratio, StepSize, TokenLoss, k3, reply_ratio, token_ratio};
pub use policy::{FinishedReply, Policy, ReplySampling};
pub use prospect::Prospect;
pub use trace::{Group, GroupError, Origin, Segment, Trace, TraceBuilder, TraceError, Trained};
pub use update::{UpdateOptions, UpdateReport, update};
