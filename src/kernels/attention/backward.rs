//! Gradients of causal attention over packed sequences and their continuations.
//!
//! For a query `i` with probabilities `p_j = softmax_j(scale q_i . k_j)` over the keys it sees and the gradient `do_i`
//! of its output: `dp_j = do_i . v_j`, `ds_j = scale p_j (dp_j - sum_l p_l dp_l)`, `dq_i = sum_j ds_j k_j`,
//! `dk_j += ds_j q_i`, `dv_j += p_j do_i` (Dao et al. 2022, appendix B). Probabilities are made again, a block of
//! queries at a time, from the forward's largest score, and `sum_l p_l dp_l = do_i . o_i`: no score matrix is kept.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::product::{Dest, Matrix, product};
use super::{AttentionShape, Placed, Segment, place};
use crate::kernels::parallel::{self, SharedMut};
use crate::kernels::simd;

/// Scores of a block of queries at most: two such blocks stay in the L2 cache.
const BLOCK_SCORES: usize = 48 << 10;
/// Query rows of a block at most.
const BLOCK_ROWS: usize = 96;

/// What the CPU kernel reads and writes: `q`, `out`, `dout` and `dq` `[n, heads, head_dim]`, `k`, `v`, `dk` and `dv`
/// `[n, kv_heads, head_dim]`; the gradients are overwritten.
pub struct Buffers<'a> {
    /// Queries.
    pub q: &'a [f32],
    /// Keys.
    pub k: &'a [f32],
    /// Values.
    pub v: &'a [f32],
    /// The forward's output, like `q`.
    pub out: &'a [f32],
    /// The forward's, as [`Attended`](super::Attended) has them: `[n, heads, 2]`.
    pub sums: &'a [f32],
    /// Gradient of the output.
    pub dout: &'a [f32],
    /// Gradient of the queries.
    pub dq: &'a mut [f32],
    /// Gradient of the keys.
    pub dk: &'a mut [f32],
    /// Gradient of the values.
    pub dv: &'a mut [f32],
}

/// On the CPU; a task is one key head of a sequence with all its continuations, so every sum has one order.
///
/// Five products a block of queries, `10 head_dim` flop a visible score. Blocks are as tall as the cache allows.
///
/// # Panics
/// If the lengths do not agree.
pub fn cpu(buffers: Buffers<'_>, segments: &[Segment], shape: AttentionShape) {
    let AttentionShape { heads, kv_heads, head_dim, .. } = shape;
    let placed = place(segments);
    let n: usize = segments.iter().map(|segment| segment.len).sum();
    let Buffers { q, k, v, out, sums, dout, dq, dk, dv } = buffers;
    assert!(sums.len() == 2 * n * heads, "sums are not [{n}, {heads}, 2]");
    assert!(
        [q.len(), out.len(), dout.len(), dq.len()] == [n * heads * head_dim; 4],
        "queries are not [{n}, {heads}, {head_dim}]"
    );
    assert!(
        [k.len(), v.len(), dk.len(), dv.len()] == [n * kv_heads * head_dim; 4],
        "keys are not [{n}, {kv_heads}]"
    );
    // Each sequence, followed by what continues it.
    let mut trees: Vec<Vec<usize>> = Vec::new();
    let mut tree_of = vec![0; segments.len()];
    let mut work = 0;
    for (index, segment) in segments.iter().enumerate() {
        match segment.after {
            Some(parent) => {
                tree_of[index] = tree_of[parent];
                trees[tree_of[parent]].push(index);
            }
            None => {
                tree_of[index] = trees.len();
                trees.push(vec![index]);
            }
        }
        work += 5 * segment.len * (placed[index].before.len() + segment.len) * heads * head_dim;
    }
    // The longest first, so that no thread is left alone with one at the end.
    let size = |tree: &Vec<usize>| tree.iter().map(|&index| segments[index].len).sum::<usize>();
    trees.sort_by_key(|tree| std::cmp::Reverse(size(tree)));
    let gradients = [SharedMut::new(dq), SharedMut::new(dk), SharedMut::new(dv)];
    parallel::for_each(trees.len() * kv_heads, work, |t| {
        let parts: Vec<&Placed> = trees[t / kv_heads].iter().map(|&index| &placed[index]).collect();
        Task { q, k, v, out, sums, dout, gradients, parts, head: t % kv_heads, shape }.run();
    });
}

/// A sequence and its continuations, for one key head.
struct Task<'a> {
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    out: &'a [f32],
    sums: &'a [f32],
    dout: &'a [f32],
    gradients: [SharedMut<f32>; 3],
    /// The sequence first.
    parts: Vec<&'a Placed>,
    head: usize,
    shape: AttentionShape,
}

/// Rows of this head, `[rows, head_dim]` without gaps.
struct Rows {
    k: Vec<f32>,
    /// Keys and values as columns, `[head_dim, stride]`. A product of queries with rows would turn them anew for each block.
    turned: [Vec<f32>; 2],
    stride: usize,
    dk: Vec<f32>,
    dv: Vec<f32>,
}

impl Task<'_> {
    fn run(self) {
        let AttentionShape { kv_heads, head_dim: d, .. } = self.shape;
        let total: usize = self.parts.iter().map(|part| part.rows.len()).sum();
        let gather = |source: &[f32]| {
            let mut rows = Vec::with_capacity(total * d);
            for row in self.parts.iter().flat_map(|part| part.rows.clone()) {
                let from = (row * kv_heads + self.head) * d;
                rows.extend_from_slice(&source[from..from + d]);
            }
            rows
        };
        let zeros = || vec![0.0f32; total * d];
        let stride = turned_stride(total);
        let turn = |rows: &[f32]| {
            let mut turned = vec![0.0f32; d * stride];
            for (row, values) in rows.chunks_exact(d).enumerate() {
                for (place, &value) in values.iter().enumerate() {
                    turned[place * stride + row] = value;
                }
            }
            turned
        };
        let k = gather(self.k);
        let turned = [turn(&k), turn(&gather(self.v))];
        let mut rows = Rows { k, turned, stride, dk: zeros(), dv: zeros() };
        let mut scratch = Scratch::default();
        let mut start = 0;
        for part in &self.parts {
            self.part(part, start, &mut rows, &mut scratch);
            start += part.rows.len();
        }
        let [_, dk, dv] = self.gradients;
        let places = self.parts.iter().flat_map(|part| part.rows.clone());
        for (row, at) in places.zip((0..).step_by(d)) {
            let to = (row * kv_heads + self.head) * d;
            for (to_rows, from) in [(dk, &rows.dk), (dv, &rows.dv)] {
                // SAFETY: this task alone owns this key head of these rows.
                let to = unsafe { std::slice::from_raw_parts_mut(to_rows.get().add(to), d) };
                to.copy_from_slice(&from[at..at + d]);
            }
        }
    }

    /// The queries of one part, whose own keys begin at row `start` of `rows`; the keys of what it continues begin at 0.
    fn part(&self, part: &Placed, start: usize, rows: &mut Rows, scratch: &mut Scratch) {
        let group = self.shape.heads / self.shape.kv_heads;
        let (before, len) = (part.before.len(), part.rows.len());
        let fit = (BLOCK_SCORES / (before + len).max(1)).clamp(group, BLOCK_ROWS) / group;
        for first in (0..len).step_by(fit.max(1)) {
            let queries = first..(first + fit.max(1)).min(len);
            self.block(part, queries, start, rows, scratch);
        }
    }

    fn block(
        &self,
        part: &Placed,
        queries: Range<usize>,
        start: usize,
        rows: &mut Rows,
        scratch: &mut Scratch,
    ) {
        let AttentionShape { heads, kv_heads, head_dim: d, scale } = self.shape;
        let group = heads / kv_heads;
        let before = part.before.len();
        // Keys that the last of the queries sees.
        let own = queries.end;
        let keys = before + own;
        let count = queries.len() * group;
        let Scratch { q, dout, dq, p, ds, rows: known } = scratch;
        let at = |query: usize| ((part.rows.start + query) * heads + self.head * group) * d;
        for (to, from) in [(&mut *q, self.q), (&mut *dout, self.dout)] {
            to.clear();
            for query in queries.clone() {
                to.extend_from_slice(&from[at(query)..at(query) + group * d]);
            }
        }
        known.clear();
        for query in queries.clone() {
            let heads = at(query)..at(query) + group * d;
            let (out, dout) = (self.out[heads.clone()].chunks_exact(d), self.dout[heads].chunks_exact(d));
            let sums = self.sums[2 * (at(query) / d)..].chunks_exact(2);
            let rows = out.zip(dout).zip(sums);
            known.extend(
                rows.map(|((out, dout), sums)| Known { peak: sums[0], dot: sum_of_products(out, dout) }),
            );
        }
        for buffer in [&mut *p, &mut *ds] {
            buffer.clear();
            buffer.resize(count * keys, 0.0);
        }
        dq.clear();
        dq.resize(count * d, 0.0);
        // Columns of the scores with the rows of the keys they belong to.
        let columns = [(0, 0..before), (before, start..start + own)];
        for (column, of) in columns.clone() {
            let known = rows.turned.each_ref().map(|to| Matrix::part(to, rows.stride, of.start, of.len()));
            let [k, v] = known;
            product(count, d, Matrix::rows(q, d), k, Dest::new(p, keys, column));
            product(count, d, Matrix::rows(dout, d), v, Dest::new(ds, keys, column));
        }
        simd::dispatch(Soften { p, ds, rows: known, keys, group, first: before + queries.start, scale });
        for (column, of) in columns {
            let part = of.start * d..of.end * d;
            let (p, ds) = (Matrix::part(p, keys, column, of.len()), Matrix::part(ds, keys, column, of.len()));
            product(count, of.len(), ds, Matrix::rows(&rows.k[part.clone()], d), Dest::add(dq, d));
            product(
                of.len(),
                count,
                ds.transposed(),
                Matrix::rows(q, d),
                Dest::add(&mut rows.dk[part.clone()], d),
            );
            product(of.len(), count, p.transposed(), Matrix::rows(dout, d), Dest::add(&mut rows.dv[part], d));
        }
        let to = self.gradients[0];
        for (query, from) in queries.zip(dq.chunks_exact(group * d)) {
            // SAFETY: this task alone owns the queries of this key head in these rows.
            let to = unsafe { std::slice::from_raw_parts_mut(to.get().add(at(query)), group * d) };
            to.copy_from_slice(from);
        }
    }
}

/// How far apart the rows of turned keys lie. By a power of two, all rows would meet in the same few lines of the cache.
fn turned_stride(rows: usize) -> usize {
    rows.next_multiple_of(16) + 16
}

/// What a block of queries works in.
#[derive(Default)]
struct Scratch {
    q: Vec<f32>,
    dout: Vec<f32>,
    dq: Vec<f32>,
    p: Vec<f32>,
    ds: Vec<f32>,
    rows: Vec<Known>,
}

/// What the forward says about a row of scores.
#[derive(Clone, Copy)]
struct Known {
    /// The largest.
    peak: f32,
    /// The product of the output and its gradient.
    dot: f32,
}

/// From scores and `dp` in rows of `keys` to probabilities and `ds`. Row `r` sees the first `first + r / group + 1` keys;
/// the rest become 0.
///
/// Probabilities are made to sum to 1: scores of thousands that are added up in another order than the forward's differ from
/// those by more than their last digits allow.
struct Soften<'a> {
    p: &'a mut [f32],
    ds: &'a mut [f32],
    rows: &'a [Known],
    keys: usize,
    group: usize,
    first: usize,
    scale: f32,
}

impl WithSimd for Soften<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { p, ds, rows, keys, group, first, scale } = self;
        let scores = p.chunks_exact_mut(keys).zip(ds.chunks_exact_mut(keys));
        for (row, ((p, ds), &Known { peak, dot })) in scores.zip(rows).enumerate() {
            let visible = (first + row / group + 1).min(keys);
            p[visible..].fill(0.0);
            ds[visible..].fill(0.0);
            let mut lanes = [0.0f32; 16];
            let mut exponential = |p: &mut [f32]| {
                for (lane, p) in lanes.iter_mut().zip(p) {
                    *p = simd::exp((*p - peak) * scale);
                    *lane += *p;
                }
            };
            let mut chunks = p[..visible].chunks_exact_mut(16);
            (&mut chunks).for_each(&mut exponential);
            exponential(chunks.into_remainder());
            let total = lanes.iter().sum::<f32>();
            // Scores that differ from the forward's by more than f32 reaches leave nothing.
            let factor = if total > 0.0 { 1.0 / total } else { 0.0 };
            for (p, ds) in p[..visible].iter_mut().zip(&mut ds[..visible]) {
                *p *= factor;
                *ds = scale * *p * (*ds - dot);
            }
        }
    }
}

#[inline(always)]
fn sum_of_products(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    for (a, b) in a.chunks(16).zip(b.chunks(16)) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane = a.mul_add(*b, *lane);
        }
    }
    lanes.iter().sum()
}
