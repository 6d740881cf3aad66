//! Attention over a paged cache, beside the same sequences packed.

use std::ops::Range;

use burn::tensor::{DType, Tensor};
use osler::doctor::inputs::{Noise, host, tensor};
use osler::kernels::{AttentionSpan, BLOCK_TOKENS, KernelBackend, Segment};
use proptest::prelude::*;

use super::attention::{Case, Inputs, Limits, Results, cases};
use super::{Wanted, rows};

/// What earlier tenants left in a block: large in every type, so that reading it shows.
const STALE: f32 = 3e4;

/// Sequences in a cache, of each of which the newest tokens are queries.
#[derive(Debug, Clone)]
pub struct Cached {
    /// The sequences, one after another.
    pub packed: Case,
    /// Rows of each that are queries: at least one.
    pub queries: Vec<Range<usize>>,
}

/// Within `limits`; a sequence of no tokens is not in a cache.
pub fn cached(limits: &Limits) -> impl Strategy<Value = Cached> + use<> {
    let one_or_some = prop_oneof![Just(1usize), 1usize..=6, 1usize..=70];
    (cases(limits), prop::collection::vec(one_or_some, limits.segments + 1)).prop_map(
        |(mut packed, queries)| {
            packed.segments.retain(|segment| segment.len > 0);
            packed.segments.iter_mut().for_each(|segment| *segment = Segment::alone(segment.len));
            let mut end = 0;
            let newest = packed.segments.iter().zip(queries).map(|(segment, queries)| {
                end += segment.len;
                end - queries.min(segment.len)..end
            });
            let queries = newest.collect();
            Cached { packed, queries }
        },
    )
}

impl Cached {
    fn rows(&self) -> Vec<usize> {
        self.queries.iter().cloned().flatten().collect()
    }

    /// Rows of the packed output that are queries.
    pub fn take<T: Copy>(&self, out: &[T]) -> Vec<T> {
        let width = self.packed.shape.heads * self.packed.shape.head_dim;
        self.rows().into_iter().flat_map(|row| out[row * width..(row + 1) * width].to_vec()).collect()
    }

    /// The output of the queries over a cache whose blocks lie in no order.
    pub fn attend<B: KernelBackend>(&self, inputs: &Inputs, device: &B::Device, dtype: DType) -> Vec<f32> {
        let shape = self.packed.shape;
        let lengths = self.packed.segments.iter().map(|segment| segment.len);
        let count: usize = lengths.clone().map(|len| len.div_ceil(BLOCK_TOKENS)).sum();
        let mut order: Vec<u32> = (0..count as u32).collect();
        let mut noise = Noise(self.packed.seed ^ 0xB10C);
        for i in (1..order.len()).rev() {
            order.swap(i, noise.below(1, i + 1)[0] as usize);
        }
        let (mut spans, mut slots, mut start) = (Vec::new(), Vec::new(), 0);
        for (keys, queries) in lengths.zip(&self.queries) {
            let blocks = order.split_off(order.len() - keys.div_ceil(BLOCK_TOKENS));
            let slot =
                |at: usize| blocks[at / BLOCK_TOKENS] * BLOCK_TOKENS as u32 + (at % BLOCK_TOKENS) as u32;
            slots.extend((0..keys).map(slot));
            spans.push(AttentionSpan { queries: start..start + queries.len(), keys, blocks });
            start += queries.len();
        }
        let n = self.packed.tokens();
        let on = |x: &[f32], n: usize, heads: usize| -> Tensor<B, 3> {
            tensor(x, [n, heads, shape.head_dim], device, dtype)
        };
        let (key, value) = B::cache_block_elements(shape.kv_heads, shape.head_dim);
        let pool = |elements| Tensor::<B, 2>::full([count, elements], STALE, (device, B::cache_dtype(dtype)));
        let (k, v) = (on(&inputs.k, n, shape.kv_heads), on(&inputs.v, n, shape.kv_heads));
        let (keys, values) = B::cache_write((pool(key), pool(value)), k, v, &slots);
        let q = on(&self.take(&inputs.q), start, shape.heads);
        host(B::attention_cached(q, &keys, &values, &spans, shape))
    }

    /// That `found` of [`Self::attend`] is right.
    pub fn check(&self, found: &[f32], exact: &Results, bound: f64) -> Result<(), TestCaseError> {
        let out = self.take(&exact.out);
        let width = self.packed.shape.heads * self.packed.shape.head_dim;
        Wanted::new("out", &out, rows(out.len() / width, width)).check("cached", found, bound)
    }
}
