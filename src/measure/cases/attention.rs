//! Attention of packed sequences, and over the cache.

use burn::tensor::{DType, Tensor};

use super::super::bench::{Bench, Case, Work};
use super::super::shapes;
use super::copy;
use crate::kernels::attention::reference;
use crate::kernels::{AttentionShape, AttentionSpan, BLOCK_TOKENS, KernelBackend, Segment};

/// Matrices `[heads, n, n]` in f32 that the plain forward holds at once.
const PLAIN_FORWARD: usize = 3;
/// Those that the plain backward holds: the probabilities, their gradient, and what is made of both.
const PLAIN_BACKWARD: usize = 4;

impl<B: KernelBackend> Bench<'_, B> {
    /// The flops of a causal forward are those of two products over the keys that each query sees; a backward has five.
    pub(super) fn attention(&self, shape: shapes::Attention, dtype: DType) {
        let shapes::Attention { tokens, heads, kv_heads, head_dim } = shape;
        let shape = AttentionShape { heads, kv_heads, head_dim, scale: (head_dim as f32).sqrt().recip() };
        let q: Tensor<B, 3> = self.noise([tokens, heads, head_dim], dtype);
        let [k, v]: [Tensor<B, 3>; 2] = [(); 2].map(|()| self.noise([tokens, kv_heads, head_dim], dtype));
        let dout: Tensor<B, 2> = self.noise([tokens, heads * head_dim], dtype);
        let segments = [Segment::alone(tokens)];
        let n = tokens as f64;
        let flops = 4.0 * (heads * head_dim) as f64 * n * (n + 1.0) / 2.0;
        let (wide, narrow) =
            (tokens * heads * head_dim * dtype.size(), tokens * kv_heads * head_dim * dtype.size());
        let case = |op, flops: f64, bytes: usize, written: usize| Case {
            op,
            case: format!("{tokens} tokens, {heads} heads on {kv_heads} of {head_dim}"),
            dtype,
            work: Work { flops, bytes: bytes as f64, written: written as f64 },
        };
        let scores = |matrices: usize| (matrices * heads * tokens * tokens * size_of::<f32>()) as u64;
        let inputs = || (q.clone(), k.clone(), v.clone());
        self.compare(
            case("attention_packed", flops, 2 * wide + 2 * narrow, wide),
            inputs,
            |(q, k, v)| B::attention_packed(q, k, v, &segments, shape),
            scores(PLAIN_FORWARD),
            |(q, k, v)| reference::packed(q, k, v, &segments, shape),
        );
        let attended = B::attention_packed(q.clone(), k.clone(), v.clone(), &segments, shape);
        // q, k, v, out and dout read; three gradients written.
        self.compare(
            case("attention_packed_backward", 2.5 * flops, 4 * wide + 4 * narrow, wide + 2 * narrow),
            inputs,
            |(q, k, v)| B::attention_packed_backward(q, k, v, &segments, shape, &attended, dout.clone()),
            scores(PLAIN_BACKWARD),
            |(q, k, v)| reference::packed_backward(q, k, v, &segments, shape, dout.clone()),
        );
        drop(attended);
        // As both, and the output written.
        self.compare(
            case("attention_packed and backward", 3.5 * flops, 6 * wide + 6 * narrow, 2 * wide + 2 * narrow),
            inputs,
            |(q, k, v)| {
                let attended = B::attention_packed(q.clone(), k.clone(), v.clone(), &segments, shape);
                B::attention_packed_backward(q, k, v, &segments, shape, &attended, dout.clone())
            },
            scores(PLAIN_BACKWARD),
            |(q, k, v)| reference::trained(q, k, v, shape, dout.clone()),
        );
    }

    /// One new token of each sequence.
    pub(super) fn cached(&self, shape: shapes::Cached, dtype: DType) {
        let shapes::Cached { sequences, keys, heads, kv_heads, head_dim } = shape;
        let shape = AttentionShape { heads, kv_heads, head_dim, scale: (head_dim as f32).sqrt().recip() };
        let blocks = keys.div_ceil(BLOCK_TOKENS);
        let (key, value) = B::cache_block_elements(kv_heads, head_dim);
        let cached = B::cache_dtype(dtype);
        let [keys_pool, values_pool]: [Tensor<B, 2>; 2] =
            [key, value].map(|elements| self.noise([sequences * blocks, elements], cached));
        let span = |i: usize| AttentionSpan {
            queries: i..i + 1,
            keys,
            blocks: (i * blocks..(i + 1) * blocks).map(|block| block as u32).collect(),
        };
        let spans: Vec<_> = (0..sequences).map(span).collect();
        let q: Tensor<B, 3> = self.noise([sequences, heads, head_dim], dtype);
        let cache = 2 * sequences * keys * kv_heads * head_dim * cached.size();
        let flops = 4.0 * (sequences * keys * heads * head_dim) as f64;
        let work = Work { flops, bytes: cache as f64, written: 0.0 };
        let case = format!("{sequences} sequences of {keys} keys, {heads} heads on {kv_heads} of {head_dim}");
        // The plain layout has no padding. Which values lie where takes no time.
        let plain = 0..kv_heads * head_dim * BLOCK_TOKENS;
        let [plain_keys, plain_values] =
            [&keys_pool, &values_pool].map(|pool| pool.clone().slice([0..sequences * blocks, plain.clone()]));
        self.compare(
            Case { op: "attention_cached", case, dtype, work },
            || q.clone(),
            |q| B::attention_cached(q, &keys_pool, &values_pool, &spans, shape),
            0,
            |q| reference::cached(q, &plain_keys, &plain_values, &spans, shape),
        );
        self.cache_moves((keys_pool, values_pool), [kv_heads, head_dim], dtype);
    }

    /// Keys and values of as many tokens as the pools hold are written to their slots, and one block is copied over another.
    fn cache_moves(
        &self,
        pools: (Tensor<B, 2>, Tensor<B, 2>),
        [kv_heads, head_dim]: [usize; 2],
        dtype: DType,
    ) {
        let blocks = pools.0.dims()[0];
        let n = blocks * BLOCK_TOKENS;
        let [k, v]: [Tensor<B, 3>; 2] = [(); 2].map(|()| self.noise([n, kv_heads, head_dim], dtype));
        let slots: Vec<u32> = (0..n as u32).collect();
        let heads = format!("{kv_heads} heads of {head_dim}");
        let held = pools.0.dtype().size();
        let case = |op, case, tokens: usize, read: usize| {
            let values = 2 * tokens * kv_heads * head_dim;
            let (bytes, written) = ((values * (read + held)) as f64, (values * held) as f64);
            Case { op, case, dtype, work: Work { flops: 0.0, bytes, written } }
        };
        let own = || (copy(&pools.0), copy(&pools.1));
        self.alone(case("cache_write", format!("{n} tokens, {heads}"), n, dtype.size()), own, |pools| {
            B::cache_write(pools, k.clone(), v.clone(), &slots)
        });
        if blocks > 1 {
            self.alone(case("cache_copy", format!("a block, {heads}"), BLOCK_TOKENS, held), own, |pools| {
                B::cache_copy(pools, 0, 1)
            });
        }
    }
}
