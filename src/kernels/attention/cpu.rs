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
//! **Split.** A few queries against a long cache are fewer tasks than there are threads: `decode.rs` hands out their keys, and
//! changes no bit by it.
//!
//! **Cost.** `4 heads head_dim` flop a visible key; tiles of 6 query rows (queries times the heads that share
//! a key head) read each key and value once for all six.

use std::ops::Range;

use super::order::Order;
use super::tiles::Task;
use super::{AttentionShape, AttentionSpan, BLOCK_TOKENS, Segment, cover, decode, place};
use crate::kernels::parallel::{self, SharedMut};
use crate::kernels::simd;

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
    let blocks = (keys.len() / key_block.max(1)).min(values.len() / value_block.max(1));
    assert!(slots.iter().all(|&slot| (slot as usize) < blocks * BLOCK_TOKENS), "slot outside the cache");
    let (keys, values) = (SharedMut::new(keys), SharedMut::new(values));
    // A task is one key head, so that a slot that is named twice keeps what was named last.
    parallel::for_each(kv_heads, slots.len() * row, |head| {
        for (i, &slot) in slots.iter().enumerate() {
            let (block, offset) = (slot as usize / BLOCK_TOKENS, slot as usize % BLOCK_TOKENS);
            let from = i * row + head * head_dim;
            let to = block * key_block + head * head_dim * BLOCK_TOKENS + offset;
            for (d, &x) in k[from..from + head_dim].iter().enumerate() {
                // SAFETY: the slot lies in the pool, and in it this task alone owns its head.
                unsafe { *keys.get().add(to + d * BLOCK_TOKENS) = x };
            }
            let to = block * value_block + (head * BLOCK_TOKENS + offset) * width;
            // SAFETY: as above.
            let to = unsafe { std::slice::from_raw_parts_mut(values.get().add(to), head_dim) };
            to.copy_from_slice(&v[from..from + head_dim]);
        }
    });
}

/// Attention of each span's queries over its cached keys: `q` and `out` `[n, heads, head_dim]`; each query's peak and the rest of its
/// log-sum-exp go to `sums` `[n, heads, 2]`, as [`Attended`](super::Attended) has them.
///
/// # Panics
/// If the spans do not cover the rows in order, a block of theirs lies outside the pools, or the scale is not finite.
pub fn attention(
    q: &[f32],
    keys: &[f32],
    values: &[f32],
    spans: &[AttentionSpan],
    shape: AttentionShape,
    out: &mut [f32],
    sums: Option<&mut [f32]>,
) {
    let AttentionShape { heads, kv_heads, head_dim, scale } = shape;
    let group = heads / kv_heads;
    let (key_block, value_block) = block_elements(kv_heads, head_dim);
    let order = Order::of(scale);
    assert_eq!(q.len(), out.len());
    // A row that two spans wrote would be written by two threads at once.
    let blocks = (keys.len() / key_block.max(1)).min(values.len() / value_block.max(1));
    cover::cached(spans, [q.len() / (heads * head_dim).max(1), blocks], shape);
    assert!(
        sums.as_ref().is_none_or(|sums| sums.len() * head_dim == 2 * out.len()),
        "two sums a query and head"
    );
    let mut tasks = Vec::new();
    let mut work = 0;
    for (index, span) in spans.iter().enumerate() {
        work += span.queries.len() * span.keys * heads * head_dim;
        let rows = span.queries.len() * group;
        for kv_head in 0..kv_heads {
            tasks.extend((0..rows).step_by(TASK_ROWS).map(|first| (index, kv_head, first)));
        }
    }
    let (out, sums) = (SharedMut::new(out), sums.map(SharedMut::new));
    let task = |&(index, kv_head, first): &(usize, usize, usize)| {
        let span: &AttentionSpan = &spans[index];
        let end = (first + TASK_ROWS).min(span.queries.len() * group);
        Task { q, keys, values, span, shape, order, kv_head, first, end, out, sums }
    };
    if sums.is_none() && decode::splits(spans, tasks.len()) {
        return decode::attend(&tasks.iter().map(task).collect::<Vec<_>>());
    }
    parallel::for_each(tasks.len(), work, |t| simd::dispatch(task(&tasks[t])));
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
