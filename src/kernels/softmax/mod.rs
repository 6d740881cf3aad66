//! Log-softmax statistics of logit rows.

pub mod cpu;
pub mod log_prob;
