//! Draws of tokens from rows of logits.

use std::collections::HashSet;

use burn::tensor::{DType, Tensor};

use super::super::bench::{Bench, Case, Work};
use crate::engine::Device;
use crate::kernels::KernelBackend;
use crate::kernels::sampling::{Draw, Filters, reference};

impl<B: KernelBackend> Bench<'_, B> {
    /// One draw a row, as a step of decoding has them: from the whole distribution, and from what top-k and top-p leave of it. The
    /// logits are read once, however often a kernel walks them. On GPUs compared with the sampler on the host, logits fetched, which is
    /// the CPU's own. In f32 only.
    pub(super) fn sampling(&self, [n, vocab]: [usize; 2], dtype: DType) {
        let logits: Tensor<B, 2> = self.noise([n, vocab], dtype);
        let seen = HashSet::new();
        let plain = Filters { temperature: 0.8, top_k: 0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0 };
        let filtered = Filters { top_k: 50, top_p: 0.95, ..plain };
        for (filters, of) in [(plain, "the whole row"), (filtered, "top 50, then 0.95 of the mass")] {
            let uniform = |row: usize| (row as f64 + 0.5) / n as f64;
            let draws: Vec<Draw<'_>> =
                (0..n).map(|row| Draw { row, filters, seen: &seen, uniform: uniform(row) }).collect();
            let case = format!("{n} rows of {vocab}, {of}");
            let work = Work { flops: 0.0, bytes: (n * vocab * size_of::<f32>()) as f64, written: 0.0 };
            let case = Case { op: "sample", case, dtype, work };
            let own = |logits| B::sample(logits, &draws);
            if self.plan.device == Device::Cpu {
                self.alone(case, || logits.clone(), own);
                continue;
            }
            self.compare(case, || logits.clone(), own, 0, |logits| reference::fetched(logits, &draws));
        }
    }
}
