//! Attention on the CPU: tiled, vectorised, with an online softmax over a paged cache.
//!
//! **Layout.** A block holds 16 tokens. Keys are stored transposed, `[block, kv_head, head_dim, 16]`, so a
//! vector register holds one dimension of several keys and `q . k` needs no lane reduction; values stay
//! `[block, kv_head, 16, width]` with `width` the head dimension padded to whole registers.
//!
//! **Batch-invariant.** Keys are taken in tiles of 64 counted from the sequence's start and every sum has one
//! fixed order, so a query's result is the same bits in a prefill, in a decode step, and beside any neighbour
//! (keys past a query's own position only ever add an exact zero).
//!
//! **Cost.** `4 heads head_dim` flop a visible key; tiles of 6 query rows (queries times the heads that share
//! a key head) read each key and value once for all six.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::{AttentionShape, AttentionSpan, BLOCK_TOKENS, Segment, place};
use crate::kernels::parallel::{self, SharedMut};
use crate::kernels::simd;

/// Keys a softmax tile covers.
const TILE_KEYS: usize = 64;
const TILE_BLOCKS: usize = TILE_KEYS / BLOCK_TOKENS;
/// The most query rows of a register tile.
const MAX_ROWS: usize = 6;
/// Query rows a task covers.
const TASK_ROWS: usize = 48;

/// Elements a cached value row takes: the head dimension padded to whole vector registers.
pub fn value_width(head_dim: usize) -> usize {
    head_dim.next_multiple_of(simd::lanes())
}

/// Elements of one block of keys, and of one block of values, for all heads.
pub fn block_elements(kv_heads: usize, head_dim: usize) -> (usize, usize) {
    (kv_heads * head_dim * BLOCK_TOKENS, kv_heads * value_width(head_dim) * BLOCK_TOKENS)
}

/// Stores `k` and `v` `[n, kv_heads, head_dim]` at `slots` (`block * 16 + offset`) of the two pools.
///
/// # Panics
/// If a slot lies outside the pools or the lengths do not agree.
pub fn write_cache(
    keys: &mut [f32],
    values: &mut [f32],
    k: &[f32],
    v: &[f32],
    slots: &[u32],
    kv_heads: usize,
    head_dim: usize,
) {
    let width = value_width(head_dim);
    let (key_block, value_block) = block_elements(kv_heads, head_dim);
    let row = kv_heads * head_dim;
    assert!(k.len() == slots.len() * row && v.len() == k.len(), "one slot a token");
    for (i, &slot) in slots.iter().enumerate() {
        let (block, offset) = (slot as usize / BLOCK_TOKENS, slot as usize % BLOCK_TOKENS);
        let keys = &mut keys[block * key_block..(block + 1) * key_block];
        for (e, &x) in k[i * row..(i + 1) * row].iter().enumerate() {
            keys[e * BLOCK_TOKENS + offset] = x;
        }
        let values = &mut values[block * value_block..(block + 1) * value_block];
        for (h, x) in v[i * row..(i + 1) * row].chunks_exact(head_dim).enumerate() {
            let at = (h * BLOCK_TOKENS + offset) * width;
            values[at..at + head_dim].copy_from_slice(x);
        }
    }
}

/// Attention of each span's queries over its cached keys: `q` and `out` `[n, heads, head_dim]`; each query's largest score and
/// the rest of its log-sum-exp go to `sums` `[n, heads, 2]`, as [`Attended`](super::Attended) has them.
///
/// # Panics
/// If a span's rows or blocks lie outside the buffers.
pub fn attention(
    q: &[f32],
    keys: &[f32],
    values: &[f32],
    spans: &[AttentionSpan],
    shape: AttentionShape,
    out: &mut [f32],
    sums: Option<&mut [f32]>,
) {
    let AttentionShape { heads, kv_heads, head_dim, .. } = shape;
    let group = heads / kv_heads;
    let (key_block, value_block) = block_elements(kv_heads, head_dim);
    assert_eq!(q.len(), out.len());
    assert!(
        sums.as_ref().is_none_or(|sums| sums.len() * head_dim == 2 * out.len()),
        "two sums a query and head"
    );
    let mut tasks = Vec::new();
    let mut work = 0;
    for (index, span) in spans.iter().enumerate() {
        assert!(span.queries.end * heads * head_dim <= q.len(), "span reaches outside the batch");
        assert!(span.keys >= span.queries.len() && span.keys <= span.blocks.len() * BLOCK_TOKENS);
        for &block in &span.blocks {
            let b = block as usize + 1;
            assert!(
                b * key_block <= keys.len() && b * value_block <= values.len(),
                "block outside the cache"
            );
        }
        work += span.queries.len() * span.keys * heads * head_dim;
        let rows = span.queries.len() * group;
        for kv_head in 0..kv_heads {
            tasks.extend((0..rows).step_by(TASK_ROWS).map(|first| (index, kv_head, first)));
        }
    }
    let (out, sums) = (SharedMut::new(out), sums.map(SharedMut::new));
    parallel::for_each(tasks.len(), work, |t| {
        let (index, kv_head, first) = tasks[t];
        let span = &spans[index];
        let end = (first + TASK_ROWS).min(span.queries.len() * group);
        simd::dispatch(Task { q, keys, values, span, shape, kv_head, first, end, out, sums });
    });
}

/// Attention of packed sequences over themselves: `q` `[n, heads, head_dim]`, `k` and `v`
/// `[n, kv_heads, head_dim]`; `segments` cover the `n` rows; `out` and `sums` as [`attention()`] has them.
///
/// A continuation reads the whole blocks of what it continues where they are, and a copy of the block it goes on in, as
/// the engine's cache has it, so its results are the engine's bits.
///
/// # Panics
/// If the lengths do not agree.
pub fn packed(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    segments: &[Segment],
    shape: AttentionShape,
    out: &mut [f32],
    sums: &mut [f32],
) {
    let (kv_heads, head_dim) = (shape.kv_heads, shape.head_dim);
    let (key_block, value_block) = block_elements(kv_heads, head_dim);
    let row = kv_heads * head_dim;
    let mut spans: Vec<AttentionSpan> = Vec::with_capacity(segments.len());
    // Rows of `k` and `v` with the slot each goes to.
    let mut writes: Vec<(Range<usize>, u32)> = Vec::new();
    let mut blocks = 0u32;
    for (segment, placed) in segments.iter().zip(place(segments)) {
        let keys = placed.before.len() + segment.len;
        let shared = placed.before.len() / BLOCK_TOKENS;
        let own = (keys.div_ceil(BLOCK_TOKENS) - shared) as u32;
        let mut all: Vec<u32> = match segment.after {
            Some(parent) => spans[parent].blocks[..shared].to_vec(),
            None => Vec::new(),
        };
        all.extend(blocks..blocks + own);
        let copied = placed.before.start + shared * BLOCK_TOKENS..placed.before.end;
        let first = blocks * BLOCK_TOKENS as u32;
        let own_first = first + copied.len() as u32;
        writes.extend([(copied, first), (placed.rows.clone(), own_first)]);
        spans.push(AttentionSpan { queries: placed.rows, keys, blocks: all });
        blocks += own;
    }
    let mut keys = vec![0.0; blocks as usize * key_block];
    let mut values = vec![0.0; blocks as usize * value_block];
    for (rows, first) in writes {
        let slots: Vec<u32> = (first..first + rows.len() as u32).collect();
        let part = rows.start * row..rows.end * row;
        write_cache(&mut keys, &mut values, &k[part.clone()], &v[part], &slots, kv_heads, head_dim);
    }
    attention(q, &keys, &values, &spans, shape, out, Some(sums));
}

/// Rows `first..end` (query-major, then head within the group) of one span and key head.
struct Task<'a> {
    q: &'a [f32],
    keys: &'a [f32],
    values: &'a [f32],
    span: &'a AttentionSpan,
    shape: AttentionShape,
    kv_head: usize,
    first: usize,
    end: usize,
    out: SharedMut<f32>,
    sums: Option<SharedMut<f32>>,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.shape.head_dim.next_multiple_of(S::F32_LANES);
        let mut sums = vec![0.0f32; MAX_ROWS * width];
        // Sixteen registers hold the sums of six rows where a tile is two vectors wide instead of four.
        let narrow = S::REGISTER_COUNT < 32;
        let mut row = self.first;
        while row < self.end {
            let rows = (self.end - row).min(MAX_ROWS);
            match rows {
                1 => self.rows::<S, 1, 4>(simd, row, &mut sums, width),
                2 => self.rows::<S, 2, 4>(simd, row, &mut sums, width),
                3 if narrow => self.rows::<S, 3, 2>(simd, row, &mut sums, width),
                4 if narrow => self.rows::<S, 4, 2>(simd, row, &mut sums, width),
                5 if narrow => self.rows::<S, 5, 2>(simd, row, &mut sums, width),
                _ if narrow => self.rows::<S, 6, 2>(simd, row, &mut sums, width),
                3 => self.rows::<S, 3, 4>(simd, row, &mut sums, width),
                4 => self.rows::<S, 4, 4>(simd, row, &mut sums, width),
                5 => self.rows::<S, 5, 4>(simd, row, &mut sums, width),
                _ => self.rows::<S, 6, 4>(simd, row, &mut sums, width),
            }
            row += rows;
        }
    }
}

impl Task<'_> {
    /// Index of row `row`'s first element in `q` and `out`, and how many keys it sees.
    #[inline(always)]
    fn row(&self, row: usize) -> (usize, usize) {
        let AttentionShape { heads, kv_heads, head_dim, .. } = self.shape;
        let group = heads / kv_heads;
        let query = row / group;
        let at = ((self.span.queries.start + query) * heads + self.kv_head * group + row % group) * head_dim;
        (at, self.span.keys - self.span.queries.len() + query + 1)
    }

    /// `R` rows in register tiles of `V` vectors.
    #[inline(always)]
    fn rows<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        first: usize,
        sums: &mut [f32],
        width: usize,
    ) {
        let AttentionShape { head_dim, scale, .. } = self.shape;
        let mut at = [0; R];
        let mut visible = [0; R];
        for r in 0..R {
            (at[r], visible[r]) = self.row(first + r);
        }
        sums[..R * width].fill(0.0);
        let mut max = [f32::NEG_INFINITY; R];
        let mut total = [0.0f32; R];
        // Rows are in query order, so the last one sees the most keys.
        let keys = visible[R - 1];
        let mut scores = [[0.0f32; TILE_KEYS]; R];
        for base in (0..keys).step_by(TILE_KEYS) {
            self.scores::<S, R, V>(simd, base, keys, &at, &mut scores);
            let mut rescale = [1.0f32; R];
            for r in 0..R {
                let seen = visible[r].saturating_sub(base).min(TILE_KEYS);
                scores[r][seen..].fill(f32::NEG_INFINITY);
                let mut peaks = [f32::NEG_INFINITY; 16];
                for chunk in scores[r].chunks_exact(16) {
                    for (p, s) in peaks.iter_mut().zip(chunk) {
                        *p = if *s > *p { *s } else { *p };
                    }
                }
                let peak = peaks.iter().fold(max[r], |a, b| a.max(*b));
                rescale[r] = simd::exp((max[r] - peak) * scale);
                max[r] = peak;
                let mut lanes = [0.0f32; 16];
                for chunk in scores[r].chunks_exact_mut(16) {
                    for (lane, s) in lanes.iter_mut().zip(chunk) {
                        *s = simd::exp((*s - peak) * scale);
                        *lane += *s;
                    }
                }
                total[r] = total[r] * rescale[r] + lanes.iter().sum::<f32>();
            }
            self.accumulate::<S, R, V>(simd, base, keys, &scores, &rescale, sums, width);
        }
        for r in 0..R {
            if let Some(to) = self.sums {
                // SAFETY: this task alone owns these rows of `sums`, which has two numbers for each head of `out`.
                unsafe {
                    let to = to.get().add(2 * (at[r] / head_dim));
                    *to = max[r];
                    *to.add(1) = total[r].ln();
                }
            }
            let share = 1.0 / total[r];
            for d in 0..head_dim {
                // SAFETY: this task alone owns these rows of `out`.
                unsafe { *self.out.get().add(at[r] + d) = sums[r * width + d] * share };
            }
        }
    }

    /// `scores[r][j] = q[r] . k[base + j]`; columns past the last block repeat it and are masked later.
    #[inline(always)]
    fn scores<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        base: usize,
        keys: usize,
        at: &[usize; R],
        scores: &mut [[f32; TILE_KEYS]; R],
    ) {
        let AttentionShape { kv_heads, head_dim, .. } = self.shape;
        let (key_block, _) = block_elements(kv_heads, head_dim);
        let blocks = &self.span.blocks[base / BLOCK_TOKENS..];
        let live = (keys - base).div_ceil(BLOCK_TOKENS).min(TILE_BLOCKS);
        let per_pass = V * S::F32_LANES;
        for pass in 0..(live * BLOCK_TOKENS).div_ceil(per_pass) {
            let mut columns = [self.keys.as_ptr(); V];
            for (v, column) in columns.iter_mut().enumerate() {
                let key = pass * per_pass + v * S::F32_LANES;
                let block = blocks[(key / BLOCK_TOKENS).min(live - 1)] as usize;
                let offset = block * key_block + self.kv_head * head_dim * BLOCK_TOKENS + key % BLOCK_TOKENS;
                *column = self.keys[offset..].as_ptr();
            }
            let mut acc = [[simd.splat_f32s(0.0); V]; R];
            for d in 0..head_dim {
                let mut k = [simd.splat_f32s(0.0); V];
                for v in 0..V {
                    // SAFETY: blocks were checked to lie in the cache; d is below head_dim.
                    k[v] = unsafe { columns[v].add(d * BLOCK_TOKENS).cast::<S::f32s>().read_unaligned() };
                }
                for r in 0..R {
                    // SAFETY: rows of `q` were checked to exist.
                    let q = simd.splat_f32s(unsafe { *self.q.get_unchecked(at[r] + d) });
                    for v in 0..V {
                        acc[r][v] = simd.mul_add_f32s(q, k[v], acc[r][v]);
                    }
                }
            }
            for r in 0..R {
                for v in 0..V {
                    let column = pass * per_pass + v * S::F32_LANES;
                    if column < TILE_KEYS {
                        simd.partial_store_f32s(&mut scores[r][column..column + S::F32_LANES], acc[r][v]);
                    }
                }
            }
        }
    }

    /// `sums[r] = sums[r] * rescale[r] + sum_j p[r][j] * v[base + j]`
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    fn accumulate<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        base: usize,
        keys: usize,
        p: &[[f32; TILE_KEYS]; R],
        rescale: &[f32; R],
        sums: &mut [f32],
        width: usize,
    ) {
        let vectors = width / S::F32_LANES;
        let mut first = 0;
        while first < vectors {
            let left = (vectors - first).min(V);
            match left {
                1 => self.values::<S, R, 1>(simd, base, keys, p, rescale, sums, width, first),
                2 => self.values::<S, R, 2>(simd, base, keys, p, rescale, sums, width, first),
                3 => self.values::<S, R, 3>(simd, base, keys, p, rescale, sums, width, first),
                _ => self.values::<S, R, 4>(simd, base, keys, p, rescale, sums, width, first),
            }
            first += left;
        }
    }

    /// One register tile of [`Self::accumulate`]: vectors `first..first + N` of the head.
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    fn values<S: Simd, const R: usize, const N: usize>(
        &self,
        simd: S,
        base: usize,
        keys: usize,
        p: &[[f32; TILE_KEYS]; R],
        rescale: &[f32; R],
        sums: &mut [f32],
        width: usize,
        first: usize,
    ) {
        let (_, value_block) = block_elements(self.shape.kv_heads, self.shape.head_dim);
        let column = first * S::F32_LANES;
        let mut acc = [[simd.splat_f32s(0.0); N]; R];
        for r in 0..R {
            let scale = simd.splat_f32s(rescale[r]);
            for n in 0..N {
                let at = r * width + column + n * S::F32_LANES;
                acc[r][n] = simd.mul_f32s(simd.partial_load_f32s(&sums[at..at + S::F32_LANES]), scale);
            }
        }
        let count = (keys - base).min(TILE_KEYS);
        for (b, &block) in self.span.blocks[base / BLOCK_TOKENS..].iter().enumerate() {
            let from = b * BLOCK_TOKENS;
            if from >= count {
                break;
            }
            let offset = block as usize * value_block + self.kv_head * BLOCK_TOKENS * width + column;
            let rows = self.values[offset..].as_ptr();
            for j in from..(from + BLOCK_TOKENS).min(count) {
                let mut v = [simd.splat_f32s(0.0); N];
                for n in 0..N {
                    let at = (j - from) * width + n * S::F32_LANES;
                    // SAFETY: blocks were checked to lie in the cache; the column is below the padded width.
                    v[n] = unsafe { rows.add(at).cast::<S::f32s>().read_unaligned() };
                }
                for r in 0..R {
                    let weight = simd.splat_f32s(p[r][j]);
                    for n in 0..N {
                        acc[r][n] = simd.mul_add_f32s(weight, v[n], acc[r][n]);
                    }
                }
            }
        }
        for r in 0..R {
            for n in 0..N {
                let at = r * width + column + n * S::F32_LANES;
                simd.partial_store_f32s(&mut sums[at..at + S::F32_LANES], acc[r][n]);
            }
        }
    }
}
