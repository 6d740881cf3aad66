//! What is timed.

use burn::tensor::{DType, Tensor};

use super::{Bench, Work};
use crate::doctor::dtype_name;
use crate::doctor::findings::Finding;
use crate::doctor::report::Figure;
use crate::engine::backend::caught;
use crate::kernels::head::{Derivative, HeadInput};
use crate::kernels::{
    AdamWStep, AttentionShape, AttentionSpan, BLOCK_TOKENS, KernelBackend, LinearWeights, Matrix, Segment,
};

const EPS: f32 = 1e-6;

/// Memory of its own, for an operation that may overwrite what it is given.
fn copy<B: KernelBackend, const D: usize>(x: &Tensor<B, D>) -> Tensor<B, D> {
    x.clone().add_scalar(0.0)
}

impl<B: KernelBackend> Bench<'_, B> {
    pub fn all(&mut self) {
        for dtype in self.dtypes.clone() {
            self.group("linear_group", dtype, |it| it.product(dtype));
            for &tokens in self.sizes.attention {
                for &kv_heads in self.sizes.kv_heads {
                    self.group("attention_packed", dtype, |it| it.attention(tokens, kv_heads, dtype));
                }
            }
            self.group("attention_cached", dtype, |it| it.cached(dtype));
            self.group("rms_norm, swiglu, rotary", dtype, |it| it.rows(dtype));
            self.group("head_loss, add_products", dtype, |it| it.head(dtype));
        }
        self.group("log_probs, adamw", DType::F32, Self::loss);
    }

    /// Does `work`. What stops it before anything is timed, as memory that its inputs do not get, is a figure of its own.
    fn group(&mut self, op: &'static str, dtype: DType, work: impl FnOnce(&mut Self)) {
        if let Err(problem) = caught(|| work(self)) {
            self.findings.tell(Finding::Figure(Figure {
                op,
                case: "inputs".into(),
                dtype: dtype_name(dtype),
                seconds: None,
                achieved: None,
                bound: None,
                unit: "GB/s",
                share_of_bound: None,
                problem: Some(problem),
            }));
        }
    }

    fn product(&mut self, dtype: DType) {
        let (rows, n) = (self.sizes.product, self.sizes.product);
        let x = self.noise([rows, n], dtype);
        let weight = Matrix::Float(self.noise([n, n], dtype));
        let bytes = (3 * n * n * dtype.size()) as f64;
        let work = Work { flops: 2.0 * (n as f64).powi(3), bytes };
        let linear = |x| B::linear_group(x, &[LinearWeights { weight: &weight, bias: None }]);
        self.figure("linear_group", format!("{rows} rows of {n} to {n}"), dtype, work, || x.clone(), linear);
    }

    /// The flops of a causal forward are those of two products over the keys that each query sees; a backward has five.
    fn attention(&mut self, tokens: usize, kv_heads: usize, dtype: DType) {
        let (heads, head_dim) = self.sizes.heads;
        let shape = AttentionShape { heads, kv_heads, head_dim, scale: (head_dim as f32).sqrt().recip() };
        let (q, k) =
            (self.noise([tokens, heads, head_dim], dtype), self.noise([tokens, kv_heads, head_dim], dtype));
        let v = self.noise([tokens, kv_heads, head_dim], dtype);
        let dout = self.noise([tokens, heads * head_dim], dtype);
        let segments = [Segment::alone(tokens)];
        let n = tokens as f64;
        let flops = 4.0 * (heads * head_dim) as f64 * n * (n + 1.0) / 2.0;
        let (wide, narrow) =
            (tokens * heads * head_dim * dtype.size(), tokens * kv_heads * head_dim * dtype.size());
        let case = format!("{tokens} tokens, {heads} heads on {kv_heads} of {head_dim}");
        let forward = Work { flops, bytes: (2 * wide + 2 * narrow) as f64 };
        let inputs = || (q.clone(), k.clone(), v.clone());
        let attend = |(q, k, v)| B::attention_packed(q, k, v, &segments, shape);
        self.figure("attention_packed", case.clone(), dtype, forward, inputs, attend);
        // q, k, v and dout read; out written and read; three gradients written.
        let both = Work { flops: 3.5 * flops, bytes: (6 * wide + 6 * narrow) as f64 };
        self.figure("attention_packed and backward", case, dtype, both, inputs, |(q, k, v)| {
            let attended = B::attention_packed(q.clone(), k.clone(), v.clone(), &segments, shape);
            B::attention_packed_backward(q, k, v, &segments, shape, &attended, dout.clone())
        });
    }

    /// One new token of each sequence.
    fn cached(&mut self, dtype: DType) {
        let (heads, head_dim) = self.sizes.heads;
        let kv_heads = *self.sizes.kv_heads.last().unwrap_or(&heads);
        let (sequences, keys) = self.sizes.cached;
        let shape = AttentionShape { heads, kv_heads, head_dim, scale: (head_dim as f32).sqrt().recip() };
        let blocks = keys.div_ceil(BLOCK_TOKENS);
        let (key, value) = B::cache_block_elements(kv_heads, head_dim);
        let cached = B::cache_dtype(dtype);
        let pools =
            (self.noise([sequences * blocks, key], cached), self.noise([sequences * blocks, value], cached));
        let span = |i: usize| AttentionSpan {
            queries: i..i + 1,
            keys,
            blocks: (i * blocks..(i + 1) * blocks).map(|block| block as u32).collect(),
        };
        let spans: Vec<_> = (0..sequences).map(span).collect();
        let q = self.noise([sequences, heads, head_dim], dtype);
        let cache = 2 * sequences * keys * kv_heads * head_dim * cached.size();
        let flops = 4.0 * (sequences * keys * heads * head_dim) as f64;
        let case = format!("{sequences} sequences of {keys} keys, {heads} heads on {kv_heads} of {head_dim}");
        let work = Work { flops, bytes: cache as f64 };
        let attend = |q| B::attention_cached(q, &pools.0, &pools.1, &spans, shape);
        self.figure("attention_cached", case, dtype, work, || q.clone(), attend);
    }

    fn rows(&mut self, dtype: DType) {
        let (n, d) = (self.sizes.rows, self.sizes.width);
        let tensors = |count: usize| Work { flops: 0.0, bytes: (count * n * d * dtype.size()) as f64 };
        let case = || format!("{n} rows of {d}");
        let (x, y, z) = (self.noise([n, d], dtype), self.noise([n, d], dtype), self.noise([n, d], dtype));
        let weight: Tensor<B, 1> = self.noise([d], dtype);
        self.figure("rms_norm", case(), dtype, tensors(2), || x.clone(), |x| B::rms_norm(x, &weight, EPS));
        let inputs = || (x.clone(), y.clone());
        self.figure("rms_norm_backward", case(), dtype, tensors(3), inputs, |(x, dy)| {
            B::rms_norm_backward(x, &weight, EPS, dy)
        });
        let inputs = || (copy(&x), y.clone());
        self.figure("swiglu", case(), dtype, tensors(3), inputs, |(gate, up)| B::swiglu(gate, up));
        let inputs = || (copy(&x), copy(&y), z.clone());
        self.figure("swiglu_backward", case(), dtype, tensors(5), inputs, |(gate, up, dy)| {
            B::swiglu_backward(gate, up, dy)
        });
        let head_dim = self.sizes.heads.1;
        let heads = d / head_dim;
        let (cos, sin) =
            (self.noise([n, head_dim / 2], DType::F32), self.noise([n, head_dim / 2], DType::F32));
        let inputs = || copy(&x).reshape([n, heads, head_dim]);
        let table = 2 * n * (head_dim / 2) * size_of::<f32>();
        let work = Work { flops: 0.0, bytes: tensors(2).bytes + table as f64 };
        let case = format!("{n} rows of {heads} heads of {head_dim}");
        self.figure("rotary", case, dtype, work, inputs, |x| B::rotary(x, &cos, &sin));
    }

    /// Three products: logits, and the gradients of both that they are made of. What makes logits twice does more than it must.
    fn head(&mut self, dtype: DType) {
        let ((n, vocab), width) = (self.sizes.logits, self.sizes.head);
        let hidden = self.noise([n, width], dtype);
        let weight = Matrix::Float(self.noise([vocab, width], dtype));
        let targets: Vec<u32> = (0..n).map(|i| (i * 7919 % vocab) as u32).collect();
        let flops = 6.0 * (n * vocab * width) as f64;
        // The weight is read, its gradient written in f32.
        let work = Work { flops, bytes: (vocab * width * (dtype.size() + size_of::<f32>())) as f64 };
        let case = format!("{n} rows of {width} to {vocab}");
        self.figure(
            "head_loss",
            case,
            dtype,
            work,
            || hidden.clone(),
            |hidden| {
                let head = LinearWeights { weight: &weight, bias: None };
                let (targets, temperature, entropies) = (&targets[..], 1.0, false);
                let input = HeadInput { hidden, head, targets, soft_cap: None, temperature, entropies };
                B::head_loss(input, &mut Derivative::each(|_, _| 1.0))
            },
        );
        let (n, d) = (self.sizes.rows, self.sizes.width);
        let (a, b) = (self.noise([n, d], dtype), self.noise([n, d], dtype));
        let to: Tensor<B, 2> = self.noise([d, d], dtype);
        let bytes = ((2 * n + 2 * d) * d * dtype.size()) as f64;
        let work = Work { flops: 2.0 * (n * d * d) as f64, bytes };
        let inputs = || (copy(&to), a.clone(), b.clone());
        let case = format!("{n} rows of {d} and {d}");
        self.figure("add_products", case, dtype, work, inputs, |(to, a, b)| B::add_products(to, a, b));
    }

    /// What is in f32 only.
    fn loss(&mut self) {
        let (n, vocab) = self.sizes.logits;
        let logits: Tensor<B, 2> = self.noise([n, vocab], DType::F32);
        let targets: Vec<u32> = (0..n).map(|i| (i * 7919 % vocab) as u32).collect();
        let (coefficients, sums) = (vec![1.0; n], vec![(vocab as f32).ln(); n]);
        let bytes = (n * vocab * size_of::<f32>()) as f64;
        let case = || format!("{n} rows of {vocab}");
        let read = Work { flops: 0.0, bytes };
        self.figure("log_probs", case(), DType::F32, read, || (), |()| B::log_probs(&logits, &targets));
        let both = Work { flops: 0.0, bytes: 2.0 * bytes };
        self.figure(
            "log_probs_backward",
            case(),
            DType::F32,
            both,
            || copy(&logits),
            |logits| B::log_probs_backward(logits, &targets, &sums, &coefficients),
        );
        self.figure(
            "log_sums",
            case(),
            DType::F32,
            read,
            || copy(&logits),
            |logits| B::log_sums(logits, &targets, 0, None),
        );
        self.figure(
            "log_sums_backward",
            case(),
            DType::F32,
            both,
            || copy(&logits),
            |logits| B::log_sums_backward(logits, &targets, 0, &sums, &coefficients),
        );
        let n = self.sizes.rows * self.sizes.width / 4;
        let flat = || self.noise([n], DType::F32);
        let (weights, gradient, m) = (flat(), flat(), flat());
        let v = m.clone().abs();
        let step =
            AdamWStep { lr: 1e-3, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.1, step: 10, scale: 1.0 };
        // Weights and both moments are read and written, the gradient is read.
        let work = Work { flops: 0.0, bytes: (7 * n * size_of::<f32>()) as f64 };
        let inputs = || (copy(&weights), gradient.clone(), [copy(&m), copy(&v)]);
        self.figure(
            "adamw",
            format!("{n} weights"),
            DType::F32,
            work,
            inputs,
            |(weights, gradient, moments)| B::adamw(weights, gradient, moments, &step),
        );
    }
}
