//! Log-softmax statistics of logit rows.

pub mod cpu;
