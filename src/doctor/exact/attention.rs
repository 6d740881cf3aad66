//! Causal attention of packed sequences and its gradients in f64, one query after another.

use rayon::prelude::*;

use super::norm;
use super::sums::{add, dot};
use crate::doctor::inputs::{Grain, Noise, wide};
use crate::kernels::{AttentionShape, Segment};

/// Inputs: `q` and `dout` `[n, heads, head_dim]`, `k` and `v` `[n, kv_heads, head_dim]`.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Queries.
    pub q: Vec<f32>,
    /// Keys.
    pub k: Vec<f32>,
    /// Values.
    pub v: Vec<f32>,
    /// Gradient of the output.
    pub dout: Vec<f32>,
}

impl Inputs {
    /// Scores around 1 where `scale` is `head_dim^-1/2`.
    pub fn plain(rows: usize, shape: AttentionShape, grain: Grain, seed: u64) -> Self {
        let AttentionShape { heads, kv_heads, head_dim, .. } = shape;
        let mut noise = Noise(seed);
        let mut values = |heads: usize| noise.values(rows * heads * head_dim, 2.0, grain);
        Self { q: values(heads), k: values(kv_heads), v: values(kv_heads), dout: values(heads) }
    }

    /// Scores far beyond what `exp` can hold, exact in every float type before they are scaled: whole numbers.
    ///
    /// The first half of a query is large. Each second key has that half of the key before it, so that the largest score is
    /// shared by two, which the other half tells apart: probabilities are not only 0 and 1.
    pub fn extreme(rows: usize, shape: AttentionShape, grain: Grain, seed: u64) -> Self {
        let AttentionShape { heads, kv_heads, head_dim, .. } = shape;
        let mut it = Self::plain(rows, shape, grain, seed);
        let mut noise = Noise(seed ^ 0xE);
        let half = head_dim / 2;
        it.q = noise.integers(rows * heads * head_dim, 1);
        for head in it.q.chunks_exact_mut(head_dim) {
            for (x, large) in head[..half].iter_mut().zip(noise.integers(half, 64)) {
                *x = 64.0 * large;
            }
        }
        it.k = noise.integers(rows * kv_heads * head_dim, 1);
        let row = kv_heads * head_dim;
        for pair in it.k.chunks_exact_mut(2 * row) {
            let (first, second) = pair.split_at_mut(row);
            for (to, from) in second.chunks_exact_mut(head_dim).zip(first.chunks_exact(head_dim)) {
                to[..half].copy_from_slice(&from[..half]);
            }
        }
        it
    }
}

/// Results, in the shapes of [`Inputs`]; `sums` `[n, heads]`.
#[derive(Debug)]
pub struct Results {
    /// Output.
    pub out: Vec<f64>,
    /// Log-sum-exp of each query's scores.
    pub sums: Vec<f64>,
    /// Gradient of the queries.
    pub dq: Vec<f64>,
    /// Gradient of the keys.
    pub dk: Vec<f64>,
    /// Gradient of the values.
    pub dv: Vec<f64>,
    /// Of the gradients of queries and of keys, the Euclidean norm of the terms that they are sums of.
    pub terms: Terms,
    /// The largest magnitude of a score.
    pub peak: f64,
}

/// The sizes of what cancels in a gradient. `ds_j = scale p_j (dp_j - mean)` is 0 for a query that sees one key only, or gives it
/// all: what arithmetic leaves of it is then to be measured by `dp_j` and `mean`, each of which is as large as the Euclidean
/// norm of the products that it is the sum of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms {
    /// Of `dq`.
    pub dq: f64,
    /// Of `dk`.
    pub dk: f64,
}

/// Rows of each segment, and rows of the segment that it continues.
pub fn places(segments: &[Segment]) -> Vec<(std::ops::Range<usize>, std::ops::Range<usize>)> {
    let mut ends = 0;
    let rows: Vec<_> = segments
        .iter()
        .map(|segment| {
            let start = ends;
            ends += segment.len;
            start..ends
        })
        .collect();
    let before = |segment: &Segment| segment.after.map_or(0..0, |parent| rows[parent].clone());
    segments.iter().zip(&rows).map(|(segment, own)| (own.clone(), before(segment))).collect()
}

/// One query head of one segment: `out` and `dq` `[rows, head_dim]`, `dk` and `dv` `[keys, head_dim]`.
struct Part {
    out: Vec<f64>,
    sums: Vec<f64>,
    dq: Vec<f64>,
    dk: Vec<f64>,
    dv: Vec<f64>,
    terms: [f64; 2],
    peak: f64,
}

/// For query `i`: `p_j = softmax_j(scale q_i . k_j)` over the keys it sees, `out_i = sum_j p_j v_j`, `dp_j = dout_i . v_j`,
/// `ds_j = scale p_j (dp_j - sum_l p_l dp_l)`, `dq_i = sum_j ds_j k_j`, `dk_j += ds_j q_i`, `dv_j += p_j dout_i`.
pub fn attention(inputs: &Inputs, segments: &[Segment], shape: AttentionShape) -> Results {
    let AttentionShape { heads, kv_heads, head_dim, .. } = shape;
    let places = places(segments);
    let n: usize = segments.iter().map(|segment| segment.len).sum();
    let tasks: Vec<(usize, usize)> =
        (0..places.len()).flat_map(|segment| (0..heads).map(move |head| (segment, head))).collect();
    let parts: Vec<Part> = tasks
        .par_iter()
        .map(|&(segment, head)| {
            let (own, before) = &places[segment];
            let rows: Vec<usize> = before.clone().chain(own.clone()).collect();
            part(inputs, &rows, own.len(), head, shape)
        })
        .collect();
    let zeros = |heads: usize| vec![0.0; n * heads * head_dim];
    let mut terms = [0.0; 2];
    let mut all = Results {
        out: zeros(heads),
        sums: vec![0.0; n * heads],
        dq: zeros(heads),
        dk: zeros(kv_heads),
        dv: zeros(kv_heads),
        terms: Terms::default(),
        peak: 0.0,
    };
    for (&(segment, head), part) in tasks.iter().zip(&parts) {
        let (own, before) = &places[segment];
        all.peak = all.peak.max(part.peak);
        terms.iter_mut().zip(part.terms).for_each(|(all, part)| *all += part);
        for (i, row) in own.clone().enumerate() {
            let (to, from) = ((row * heads + head) * head_dim, i * head_dim);
            all.out[to..to + head_dim].copy_from_slice(&part.out[from..from + head_dim]);
            all.dq[to..to + head_dim].copy_from_slice(&part.dq[from..from + head_dim]);
            all.sums[row * heads + head] = part.sums[i];
        }
        let kv_head = head / (heads / kv_heads);
        for (j, row) in before.clone().chain(own.clone()).enumerate() {
            let (to, from) = ((row * kv_heads + kv_head) * head_dim, j * head_dim);
            add(&mut all.dk[to..to + head_dim], 1.0, &part.dk[from..from + head_dim]);
            add(&mut all.dv[to..to + head_dim], 1.0, &part.dv[from..from + head_dim]);
        }
    }
    let [dq, dk] = terms.map(f64::sqrt);
    all.terms = Terms { dq, dk };
    all
}

/// The output `[heads, head_dim]` of one query, that of the last of the tokens at `rows`, all of which it sees.
pub fn output(inputs: &Inputs, rows: &[usize], shape: AttentionShape) -> Vec<f64> {
    let AttentionShape { heads, kv_heads, head_dim, scale } = shape;
    let of = |x: &[f32], heads: usize, row: usize, head: usize| -> Vec<f64> {
        wide(&x[(row * heads + head) * head_dim..][..head_dim])
    };
    let mut out = vec![0.0; heads * head_dim];
    let Some(&own) = rows.last() else { return out };
    for (head, out) in out.chunks_exact_mut(head_dim).enumerate() {
        let kv_head = head / (heads / kv_heads);
        let q = of(&inputs.q, heads, own, head);
        let score = |&row: &usize| f64::from(scale) * dot(&q, &of(&inputs.k, kv_heads, row, kv_head));
        let scores: Vec<f64> = rows.iter().map(score).collect();
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = scores.iter().map(|s| (s - most).exp()).sum();
        for (score, &row) in scores.iter().zip(rows) {
            add(out, (score - most).exp() / total, &of(&inputs.v, kv_heads, row, kv_head));
        }
    }
    out
}

/// The last `queries` of the tokens at `rows`.
fn part(inputs: &Inputs, rows: &[usize], queries: usize, head: usize, shape: AttentionShape) -> Part {
    let AttentionShape { heads, kv_heads, head_dim, scale } = shape;
    let take = |x: &[f32], heads: usize, head: usize, rows: &[usize]| -> Vec<f64> {
        let at = |row: usize| (row * heads + head) * head_dim;
        rows.iter().flat_map(|&row| wide(&x[at(row)..at(row) + head_dim])).collect()
    };
    let keys = rows.len();
    let kv_head = head / (heads / kv_heads);
    let (k, v) = (take(&inputs.k, kv_heads, kv_head, rows), take(&inputs.v, kv_heads, kv_head, rows));
    let own = &rows[keys - queries..];
    let (q, dout) = (take(&inputs.q, heads, head, own), take(&inputs.dout, heads, head, own));
    let scale = f64::from(scale);
    let mut it = Part {
        out: vec![0.0; queries * head_dim],
        sums: Vec::with_capacity(queries),
        dq: vec![0.0; queries * head_dim],
        dk: vec![0.0; keys * head_dim],
        dv: vec![0.0; keys * head_dim],
        terms: [0.0; 2],
        peak: 0.0,
    };
    let squares = |x: &[f64]| x.iter().map(|x| x * x).collect::<Vec<f64>>();
    let (squared_v, lengths) = (squares(&v), k.chunks_exact(head_dim).map(norm).collect::<Vec<f64>>());
    for i in 0..queries {
        let at = i * head_dim..(i + 1) * head_dim;
        let (q, dout) = (&q[at.clone()], &dout[at.clone()]);
        let seen = (keys - queries + i + 1) * head_dim;
        let dots =
            |x: &[f64], y: &[f64]| -> Vec<f64> { y.chunks_exact(head_dim).map(|y| dot(x, y)).collect() };
        let scores: Vec<f64> = dots(q, &k[..seen]).into_iter().map(|s| s * scale).collect();
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        it.peak = scores.iter().fold(it.peak, |peak, s| peak.max(s.abs()));
        let total: f64 = scores.iter().map(|s| (s - most).exp()).sum();
        it.sums.push(most + total.ln());
        let p: Vec<f64> = scores.iter().map(|s| (s - most).exp() / total).collect();
        let dp = dots(dout, &v[..seen]);
        let mean = dot(&p, &dp);
        for (j, (&p, &dp)) in p.iter().zip(&dp).enumerate() {
            let key = j * head_dim..(j + 1) * head_dim;
            let ds = scale * p * (dp - mean);
            add(&mut it.out[at.clone()], p, &v[key.clone()]);
            add(&mut it.dq[at.clone()], ds, &k[key.clone()]);
            add(&mut it.dk[key.clone()], ds, q);
            add(&mut it.dv[key], p, dout);
        }
        let squared_dout = squares(dout);
        let mean = dot(&squared_dout, &squares(&it.out[at]));
        let length = norm(q);
        for (j, (p, v)) in p.iter().zip(squared_v.chunks_exact(head_dim)).enumerate() {
            let square = (scale * p).powi(2) * (dot(&squared_dout, v) + mean);
            it.terms[0] += square * lengths[j].powi(2);
            it.terms[1] += square * length.powi(2);
        }
    }
    it
}
