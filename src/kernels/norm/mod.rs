//! RMSNorm: `y = x / sqrt(mean(x^2) + eps) * weight` (Zhang and Sennrich 2019), without mean subtraction.

pub mod backward;
pub mod cpu;
pub mod reference;
