//! Attention over a paged cache that was written and copied.

use burn::tensor::{DType, Tensor};

use super::attention::{by, with};
use super::{Expected, Parity};
use crate::doctor::exact::attention::{self as exact, Inputs, places};
use crate::doctor::inputs::{host, tensor};
use crate::kernels::selection::AttentionKernel;
use crate::kernels::{AttentionShape, AttentionSpan, BLOCK_TOKENS, KernelBackend, Segment};

/// What earlier tenants left in a block: large in every type, so that reading it shows.
const STALE: f32 = 3e4;

/// Times the usual scale of heads of 64, which is 1/8: 1e-30.
const TINY: f32 = 8e-30;

/// Tokens of each sequence and how many of the newest are queries. The second goes on after the first, in a copy of its last block.
/// Where keys are split, the last three have several parts of them: of 256 keys on GPUs, from 1,024 on among the CPU's threads.
const SEQUENCES: [(usize, usize); 8] =
    [(37, 5), (21, 21), (130, 1), (1, 1), (16, 16), (300, 1), (600, 4), (1500, 1)];

impl<B: KernelBackend> Parity<'_, B> {
    /// `cache_write`, `cache_copy` and `attention_cached` together, because what a block looks like is the backend's own; beside
    /// [`exact::output`] of the same sequences without a cache. By what the device takes itself, and by each kernel that it can run
    /// single queries with; tensor cores have none.
    pub(super) fn cached(&mut self) {
        // Times the usual scale; where it is 4, scores reach 1e4.
        let shapes = [
            (6, 2, 64, 1.0),
            (3, 3, 96, 1.0),
            (7, 1, 128, 1.0),
            (6, 2, 64, -1.0),
            (6, 2, 96, 4.0),
            (7, 1, 128, -4.0),
            // The first's kernels again, with half the work.
            (3, 1, 64, 0.0),
            (3, 1, 64, TINY),
            // More heads than a cube serves at once: through the tiles of packed sequences.
            (17, 1, 64, 1.0),
        ];
        for (seed, (heads, kv_heads, head_dim, factor)) in (100..).zip(shapes) {
            let scale = factor * (head_dim as f32).sqrt().recip();
            let shape = AttentionShape { heads, kv_heads, head_dim, scale };
            let extreme = factor.abs() > 1.0;
            let what = match (extreme, factor) {
                (false, 0.0) => ", a scale of 0",
                (false, TINY) => ", a scale of 1e-30",
                (false, ..0.0) => ", a scale below 0",
                (false, _) => "",
                (true, ..0.0) => ", scores to 1e4, a scale below 0",
                (true, _) => ", scores to 1e4",
            };
            let case = format!("blocks in no order{what}, {heads} heads on {kv_heads} of {head_dim}");
            for (grain, dtypes) in self.grains() {
                let pages = Pages::new();
                let n = pages.segments.iter().map(|segment| segment.len).sum();
                self.findings.step(format!("attention_cached, {case}: on the host"));
                let make = if extreme { Inputs::extreme } else { Inputs::plain };
                let inputs = make(n, shape, grain, seed);
                let width = heads * head_dim;
                let take = |rows: &[usize]| -> Vec<f64> {
                    rows.iter().flat_map(|&row| exact::output(&inputs, &pages.seen(row), shape)).collect()
                };
                let written = [Expected::rows("out", take(&pages.written), width)];
                let copied = [Expected::rows("out", take(&pages.copied), width)];
                for dtype in dtypes {
                    let able = B::attention_kernels(&self.device, dtype, head_dim);
                    let able = able.into_iter().filter(|&it| it != AttentionKernel::Tensor);
                    for kernel in std::iter::once(None).chain(able.map(Some)) {
                        let case = by(kernel, &case);
                        let on = |device: &B::Device| {
                            with(kernel, || pages.attend::<B>(&inputs, shape, device, dtype))
                        };
                        self.check("attention_cached", &case, dtype, &written, |device| vec![on(device).0]);
                        self.check("cache_copy", &case, dtype, &copied, |device| vec![on(device).1]);
                    }
                }
            }
        }
    }
}

/// Where [`SEQUENCES`] lie, as segments and as blocks.
struct Pages {
    segments: Vec<Segment>,
    /// Each sequence with its blocks; rows of `queries` are those of the cached call.
    spans: Vec<AttentionSpan>,
    blocks: usize,
    /// Rows of the packed batch that are queries: of sequences that were only written.
    written: Vec<usize>,
    /// Those of the one that was copied first.
    copied: Vec<usize>,
}

/// The sequence that goes on after the first.
const COPY: usize = 1;

impl Pages {
    fn new() -> Self {
        let segment = |(index, &(len, _)): (usize, &(usize, usize))| Segment {
            len,
            after: (index == COPY).then_some(0),
        };
        let segments: Vec<Segment> = SEQUENCES.iter().enumerate().map(segment).collect();
        let mut it = Self { segments, spans: Vec::new(), blocks: 0, written: Vec::new(), copied: Vec::new() };
        let mut rows = 0;
        for (index, (own, before)) in places(&it.segments).into_iter().enumerate() {
            let queries = SEQUENCES[index].1;
            let keys = before.len() + own.len();
            // Whole blocks of what is continued are shared.
            let shared = before.len() / BLOCK_TOKENS;
            let fresh = keys.div_ceil(BLOCK_TOKENS) - shared;
            let mut blocks: Vec<u32> =
                it.spans.first().map_or(Vec::new(), |first| first.blocks[..shared].to_vec());
            // Numbered from the back, so that no sequence's blocks follow one another.
            blocks.extend((it.blocks..it.blocks + fresh).rev().map(|block| block as u32));
            it.blocks += fresh;
            it.spans.push(AttentionSpan { queries: rows..rows + queries, keys, blocks });
            rows += queries;
            let list = if index == COPY { &mut it.copied } else { &mut it.written };
            list.extend(own.end - queries..own.end);
        }
        it
    }

    /// Attention of the queries: of the sequences that were only written, and of the copied one.
    fn attend<B: KernelBackend>(
        &self,
        inputs: &Inputs,
        shape: AttentionShape,
        device: &B::Device,
        dtype: DType,
    ) -> (Vec<f32>, Vec<f32>) {
        let AttentionShape { heads, kv_heads, head_dim, .. } = shape;
        let rows = |x: &[f32], heads: usize, rows: &[usize]| -> Tensor<B, 3> {
            let width = heads * head_dim;
            let values: Vec<f32> = rows.iter().flat_map(|&row| &x[row * width..][..width]).copied().collect();
            tensor(&values, [rows.len(), heads, head_dim], device, dtype)
        };
        let (key, value) = B::cache_block_elements(kv_heads, head_dim);
        let pool = |elements: usize| {
            Tensor::<B, 2>::full([self.blocks, elements], STALE, (device, B::cache_dtype(dtype)))
        };
        let mut pools = (pool(key), pool(value));
        let write = |pools, tokens: &[(usize, u32)]| {
            let (list, slots): (Vec<usize>, Vec<u32>) = tokens.iter().copied().unzip();
            B::cache_write(pools, rows(&inputs.k, kv_heads, &list), rows(&inputs.v, kv_heads, &list), &slots)
        };
        let tokens: Vec<Vec<(usize, u32)>> = (0..self.spans.len()).map(|index| self.tokens(index)).collect();
        // In two calls, of which the second goes on in blocks that the first began.
        for half in 0..2 {
            let others = tokens.iter().enumerate().filter(|(index, _)| *index != COPY);
            let part: Vec<_> =
                others.flat_map(|(_, tokens)| tokens.chunks(tokens.len().div_ceil(2)).nth(half)).collect();
            pools = write(pools, &part.concat());
        }
        let begun = SEQUENCES[0].0 / BLOCK_TOKENS;
        pools = B::cache_copy(pools, self.spans[0].blocks[begun], self.spans[COPY].blocks[begun]);
        pools = write(pools, &tokens[COPY]);
        let queries: Vec<usize> = places(&self.segments)
            .into_iter()
            .zip(&SEQUENCES)
            .flat_map(|((own, _), (_, queries))| own.end - queries..own.end)
            .collect();
        let out =
            B::attention_cached(rows(&inputs.q, heads, &queries), &pools.0, &pools.1, &self.spans, shape);
        let out = host(out);
        let width = heads * head_dim;
        let copied = self.spans[COPY].queries.start * width..self.spans[COPY].queries.end * width;
        let written = [&out[..copied.start], &out[copied.end..]].concat();
        (written, out[copied].to_vec())
    }

    /// Rows of the packed batch that the query at `row` sees, itself the last.
    fn seen(&self, row: usize) -> Vec<usize> {
        let mut places = places(&self.segments).into_iter();
        let (own, before) = places.find(|(own, _)| own.contains(&row)).unwrap_or_default();
        before.chain(own.start..row + 1).collect()
    }

    /// Rows of a sequence's own tokens in the packed batch, and their slots.
    fn tokens(&self, index: usize) -> Vec<(usize, u32)> {
        let (own, before) = places(&self.segments).swap_remove(index);
        let blocks = &self.spans[index].blocks;
        let slot = |at: usize| blocks[at / BLOCK_TOKENS] * BLOCK_TOKENS as u32 + (at % BLOCK_TOKENS) as u32;
        own.enumerate().map(|(i, row)| (row, slot(before.len() + i))).collect()
    }
}
