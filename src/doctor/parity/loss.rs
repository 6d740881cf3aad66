//! Log-probs, their gradients, and the optimizer: in f32, as training has them, and its weights in half types. Their formulas in f64.

use burn::tensor::{DType, Tensor};

use super::{Expected, F32, Parity};
use crate::doctor::exact::log_probs;
use crate::doctor::inputs::{Grain, Noise, host, rounded, tensor, wide};
use crate::kernels::softmax::LogSum;
use crate::kernels::{AdamWStep, KernelBackend, MasterStep};

impl<B: KernelBackend> Parity<'_, B> {
    pub(super) fn loss(&mut self) {
        // The last are as wide as Qwen's vocabulary, and far beyond what `exp` holds.
        let cases = [(1, 3, 1.0), (5, 33, 8.0), (67, 2048, 8.0), (3, 151_936, 8.0), (7, 1000, 16_384.0)];
        for (seed, (n, vocab, largest)) in (500..).zip(cases) {
            self.log_probs(n, vocab, largest, seed);
        }
        self.rounded();
        for (seed, (n, step)) in (520..).zip([(1, 1), (1000, 1), (70_001, 100)]) {
            self.adamw(n, step, seed);
        }
    }

    fn log_probs(&mut self, n: usize, vocab: usize, largest: f32, seed: u64) {
        let mut noise = Noise(seed);
        let logits = noise.values(n * vocab, largest, Grain::Fine);
        let coefficients = noise.values(n, 2.0, Grain::Fine);
        let mut targets = noise.below(n, vocab);
        // The first and the last of the vocabulary.
        targets[n - 1] = vocab as u32 - 1;
        targets[0] = 0;
        let exact = log_probs::log_probs(&logits, &targets, &coefficients);
        let kept = exact.log_sums();
        let case = format!("{n} rows of {vocab}, logits to {largest}");
        let forward = [("log p", exact.log_probs), ("sums", exact.sums)];
        let forward = forward.map(|(output, values)| Expected::logarithms(output, values));
        let backward = [Expected::rows("dlogits", exact.gradient, vocab)];
        let on = |device: &B::Device| tensor::<B, 2>(&logits, [n, vocab], device, DType::F32);
        self.check("log_probs", &case, DType::F32, &forward, |device| {
            let (log_probs, sums) = B::log_probs(&on(device), &targets);
            vec![log_probs, sums.into_iter().map(LogSum::total).collect()]
        });
        self.check("log_probs_backward", &case, DType::F32, &backward, |device| {
            vec![host(B::log_probs_backward(on(device), &targets, &kept, &coefficients))]
        });
    }

    /// To the last bit, which a bound on the error would not see: weights are made again from their masters where a run goes on.
    fn rounded(&mut self) {
        let mut values = Noise(530).values(4096, 2.0, Grain::Fine);
        // The middle of two values of bf16, and of two of f16, below an even and an odd one, and what lies beside it.
        for middle in [1.0 + 1.0 / 256.0, 1.0 + 3.0 / 256.0, 1.0 + 1.0 / 2048.0, 1.0 + 3.0 / 2048.0] {
            let beside = [f32::from_bits(f32::to_bits(middle) - 1), f32::from_bits(f32::to_bits(middle) + 1)];
            values.extend(beside.into_iter().chain([middle]).flat_map(|x| [x, -x]));
        }
        let n = values.len();
        for dtype in self.of(Grain::Coarse) {
            let nearest = values.iter().map(|&x| f64::from(rounded(x, dtype))).collect();
            let expected = [Expected::whole("y", nearest)];
            self.check_within(0.0, "rounded", &format!("{n} values"), dtype, &expected, |device| {
                vec![host(B::rounded(tensor(&values, [n], device, DType::F32), dtype))]
            });
        }
    }

    /// With a learning rate so high that an error of the update is one of the weight.
    fn adamw(&mut self, n: usize, step: u64, seed: u64) {
        let mut noise = Noise(seed);
        let mut draw = |scale| noise.values(n, scale, Grain::Fine);
        let (weights, gradient, m) = (draw(1.0), draw(2.0), draw(0.5));
        let v: Vec<f32> = draw(0.5).into_iter().map(f32::abs).collect();
        let numbers =
            AdamWStep { lr: 0.5, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.1, step, scale: 0.75 };
        let AdamWStep { lr, betas: (b1, b2), eps, weight_decay, scale, .. } = numbers;
        let power = |b: f64| b.powf(step as f64);
        let (mut w1, mut m1, mut v1) = (Vec::new(), Vec::new(), Vec::new());
        for (((w, g), m), v) in wide(&weights).into_iter().zip(wide(&gradient)).zip(wide(&m)).zip(wide(&v)) {
            let g = g * f64::from(scale);
            let m = b1 * m + (1.0 - b1) * g;
            let v = b2 * v + (1.0 - b2) * g * g;
            let change = m / (1.0 - power(b1)) / ((v / (1.0 - power(b2))).sqrt() + eps);
            w1.push(w - lr * weight_decay * w - lr * change);
            m1.push(m);
            v1.push(v);
        }
        let expected = |weights| {
            let whole = [(weights, &w1), ("m", &m1), ("v", &v1)];
            whole.map(|(output, values)| Expected::whole(output, values.clone()))
        };
        let case = format!("{n} weights, step {step}");
        let on =
            |values: &[f32], device: &B::Device| -> Tensor<B, 1> { tensor(values, [n], device, DType::F32) };
        let inputs = |device: &B::Device| {
            let on = |values: &[f32]| on(values, device);
            (on(&weights), on(&gradient), [on(&m), on(&v)])
        };
        self.check("adamw", &case, DType::F32, &expected("weights"), |device| {
            let (weights, gradient, moments) = inputs(device);
            let (weights, [m, v]) = B::adamw(weights, gradient, moments, &numbers);
            [weights, m, v].map(host).to_vec()
        });
        for dtype in self.of(Grain::Coarse) {
            let stepped = |device: &B::Device| {
                let (weights, gradient, moments) = inputs(device);
                B::adamw_master(weights, gradient, moments, &numbers, dtype)
            };
            // Whatever the weights are rounded to, the rest is f32.
            self.check_within(F32, "adamw_master", &case, dtype, &expected("masters"), |device| {
                let MasterStep { masters, moments: [m, v], .. } = stepped(device);
                [masters, m, v].map(host).to_vec()
            });
            let copy = [Expected::whole("weights less rounded masters", vec![0.0; n])];
            self.check_within(0.0, "adamw_master", &case, dtype, &copy, |device| {
                let MasterStep { masters, weights, .. } = stepped(device);
                let again = host(B::rounded(masters, dtype));
                vec![host(weights).into_iter().zip(again).map(|(x, y)| x - y).collect()]
            });
        }
    }
}
