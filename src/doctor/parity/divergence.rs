//! KL divergence of the distributions that two matrices of logits stand for, whose columns come in parts, and its gradients: in f32
//! only, as training has them. The formulas of [`kl`] in f64.

use burn::tensor::{DType, Tensor};

use super::{Expected, Parity};
use crate::doctor::exact::log_probs;
use crate::doctor::inputs::{Grain, Noise, host, tensor, wide};
use crate::kernels::KernelBackend;
use crate::kernels::softmax::{LogSum, kl};

impl<B: KernelBackend> Parity<'_, B> {
    pub(super) fn divergence(&mut self) {
        for (seed, (n, cuts)) in (640..).zip([(3, [0, 1, 33, 40]), (67, [0, 512, 1024, 1100])]) {
            self.kl_sums(n, cuts, seed);
        }
    }

    /// Columns come in three parts; those between two of `cuts` are one.
    fn kl_sums(&mut self, n: usize, cuts: [usize; 4], seed: u64) {
        let vocab = cuts[3];
        let mut noise = Noise(seed);
        let (logits, others) =
            (noise.values(n * vocab, 8.0, Grain::Fine), noise.values(n * vocab, 8.0, Grain::Fine));
        let (slopes, coefficients) = (noise.values(n, 2.0, Grain::Fine), noise.values(n, 2.0, Grain::Fine));
        let mut targets = noise.below(n, vocab);
        // The first and the last of a part.
        (targets[0], targets[n - 1]) = (cuts[1] as u32, cuts[2] as u32 - 1);
        let exact = log_probs::log_probs(&logits, &targets, &slopes);
        let other = log_probs::log_probs(&others, &targets, &slopes);
        let (kept, other_kept) = (exact.log_sums(), other.log_sums());
        let (mut kls, mut gradient) = (Vec::new(), exact.gradient);
        let (wide_logits, wide_others) = (wide(&logits), wide(&others));
        for (row, dx) in gradient.chunks_exact_mut(vocab).enumerate() {
            let of = row * vocab..(row + 1) * vocab;
            let (sum, other_sum) = (exact.sums[row], other.sums[row]);
            let pairs = wide_logits[of.clone()].iter().zip(&wide_others[of]);
            // `p_v` and `log p_v - log q_v`.
            let pairs: Vec<(f64, f64)> =
                pairs.map(|(x, y)| ((x - sum).exp(), (x - sum) - (y - other_sum))).collect();
            let kl: f64 = pairs.iter().map(|(p, gap)| p * gap).sum();
            for (dx, (p, gap)) in dx.iter_mut().zip(pairs) {
                *dx += f64::from(coefficients[row]) * p * (gap - kl);
            }
            kls.push(kl);
        }
        let narrow: Vec<f32> = kls.iter().map(|&kl| kl as f32).collect();
        let forward = [
            Expected::logarithms("log p", exact.log_probs),
            Expected::logarithms("sums", exact.sums),
            Expected::logarithms("sums of the reference", other.sums),
            Expected::logarithms("kl", kls),
        ];
        let backward = [Expected::rows("dlogits", gradient, vocab)];
        let case = format!("{n} rows of {vocab} in 3 parts");
        let part = |values: &[f32], at: usize, device: &B::Device| -> Tensor<B, 2> {
            let all = tensor::<B, 2>(values, [n, vocab], device, DType::F32);
            all.slice([0..n, cuts[at]..cuts[at + 1]])
        };
        self.check("kl_sums", &case, DType::F32, &forward, |device| {
            let mut running = None;
            for at in 0..3 {
                let (logits, others) = (part(&logits, at, device), part(&others, at, device));
                running = Some(B::kl_sums(&logits, &others, &targets, cuts[at], running));
            }
            let Some(running) = running else { return Vec::new() };
            let kl::Found { log_probs, sums, reference_sums, kls } = running.finish();
            let totals = |sums: Vec<LogSum>| -> Vec<f32> { sums.into_iter().map(LogSum::total).collect() };
            vec![log_probs, totals(sums), totals(reference_sums), kls]
        });
        self.check("kl_backward", &case, DType::F32, &backward, |device| {
            let rows = kl::Rows {
                sums: &kept,
                reference_sums: &other_kept,
                slopes: &slopes,
                coefficients: &coefficients,
                kls: &narrow,
            };
            let part = |at: usize| {
                let (logits, others) = (part(&logits, at, device), part(&others, at, device));
                B::kl_backward(logits, &others, &targets, cuts[at], &rows)
            };
            vec![host(Tensor::cat((0..3).map(part).collect(), 1))]
        });
    }
}
