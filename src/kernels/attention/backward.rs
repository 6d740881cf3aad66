//! Gradients of causal attention over packed sequences.
//!
//! For a query `i` with probabilities `p_j = softmax_j(scale q_i . k_j)` over its keys `j <= i` and the gradient `do_i`
//! of its output: `dp_j = do_i . v_j`, `ds_j = scale p_j (dp_j - sum_l p_l dp_l)`, `dq_i = sum_j ds_j k_j`,
//! `dk_j += ds_j q_i`, `dv_j += p_j do_i` (Dao et al. 2022, appendix B). Probabilities are computed again, one query at a
//! time, so no score matrix is kept.

use burn::tensor::{DType, Int, Tensor, TensorData, activation::softmax, backend::Backend};
use pulp::{Simd, WithSimd};

use super::AttentionShape;
use crate::kernels::parallel::{self, SharedMut};
use crate::kernels::simd;

/// In plain tensor operations: `q` `[n, heads, head_dim]`, `k` and `v` `[n, kv_heads, head_dim]`, `dout`
/// `[n, heads * head_dim]`; `(dq, dk, dv)` in the shapes of `q`, `k`, `v`.
pub fn reference<B: Backend>(
    q: Tensor<B, 3>,
    k: Tensor<B, 3>,
    v: Tensor<B, 3>,
    segments: &[usize],
    shape: AttentionShape,
    dout: Tensor<B, 2>,
) -> (Tensor<B, 3>, Tensor<B, 3>, Tensor<B, 3>) {
    let mut start = 0;
    let (mut dq, mut dk, mut dv) = (Vec::new(), Vec::new(), Vec::new());
    for &len in segments {
        let rows = start..start + len;
        start += len;
        let part = |x: &Tensor<B, 3>| x.clone().slice([rows.clone()]).cast(DType::F32);
        let parts =
            one(part(&q), part(&k), part(&v), shape, dout.clone().slice([rows.clone()]).cast(DType::F32));
        dq.push(parts.0);
        dk.push(parts.1);
        dv.push(parts.2);
    }
    (Tensor::cat(dq, 0), Tensor::cat(dk, 0), Tensor::cat(dv, 0))
}

fn one<B: Backend>(
    q: Tensor<B, 3>,
    k: Tensor<B, 3>,
    v: Tensor<B, 3>,
    shape: AttentionShape,
    dout: Tensor<B, 2>,
) -> (Tensor<B, 3>, Tensor<B, 3>, Tensor<B, 3>) {
    let AttentionShape { heads, kv_heads, head_dim, scale } = shape;
    let device = q.device();
    let n = q.dims()[0];
    let group = heads / kv_heads;
    // Heads that share a key head stand one after another as query rows: [kv_heads, group * n, head_dim].
    let stack = |x: Tensor<B, 3>| {
        x.reshape([n, kv_heads, group, head_dim]).permute([1, 2, 0, 3]).reshape([
            kv_heads,
            group * n,
            head_dim,
        ])
    };
    let unstack = |x: Tensor<B, 3>| {
        x.reshape([kv_heads, group, n, head_dim]).permute([2, 0, 1, 3]).reshape([n, heads, head_dim])
    };
    let (q, dout) = (stack(q), stack(dout.reshape([n, heads, head_dim])));
    let (k, v) = (k.permute([1, 0, 2]), v.permute([1, 0, 2]));
    let position =
        Tensor::<B, 1, Int>::from_data(TensorData::new((0..n as i32).collect::<Vec<_>>(), [n]), &device);
    let key = position.clone().reshape([1, 1, n]).expand([kv_heads, group * n, n]);
    let query =
        position.reshape([1, 1, n, 1]).expand([kv_heads, group, n, n]).reshape([kv_heads, group * n, n]);
    let scores = q.clone().matmul(k.clone().swap_dims(1, 2)).mul_scalar(scale);
    let p = softmax(scores.mask_fill(key.greater(query), f32::NEG_INFINITY), 2);
    let dv = p.clone().swap_dims(1, 2).matmul(dout.clone());
    let dp = dout.matmul(v.swap_dims(1, 2));
    let ds = (p.clone() * (dp.clone() - (p * dp).sum_dim(2))).mul_scalar(scale);
    let dq = ds.clone().matmul(k);
    let dk = ds.swap_dims(1, 2).matmul(q);
    (unstack(dq), dk.permute([1, 0, 2]), dv.permute([1, 0, 2]))
}

/// What the CPU kernel reads and writes: `q`, `dout` and `dq` `[n, heads, head_dim]`, `k`, `v`, `dk` and `dv`
/// `[n, kv_heads, head_dim]`; the gradients are overwritten.
pub struct Buffers<'a> {
    /// Queries.
    pub q: &'a [f32],
    /// Keys.
    pub k: &'a [f32],
    /// Values.
    pub v: &'a [f32],
    /// Gradient of the output.
    pub dout: &'a [f32],
    /// Gradient of the queries.
    pub dq: &'a mut [f32],
    /// Gradient of the keys.
    pub dk: &'a mut [f32],
    /// Gradient of the values.
    pub dv: &'a mut [f32],
}

/// On the CPU; a task is one key head of one sequence, so every sum has one order.
///
/// # Panics
/// If the lengths do not agree.
pub fn cpu(buffers: Buffers<'_>, segments: &[usize], shape: AttentionShape) {
    let AttentionShape { heads, kv_heads, head_dim, .. } = shape;
    let n: usize = segments.iter().sum();
    let Buffers { q, k, v, dout, dq, dk, dv } = buffers;
    assert!(
        [q.len(), dout.len(), dq.len()] == [n * heads * head_dim; 3],
        "queries are not [{n}, {heads}, {head_dim}]"
    );
    assert!(
        [k.len(), v.len(), dk.len(), dv.len()] == [n * kv_heads * head_dim; 4],
        "keys are not [{n}, {kv_heads}]"
    );
    let mut tasks = Vec::new();
    let (mut start, mut work) = (0, 0);
    for &len in segments {
        tasks.extend((0..kv_heads).map(|head| (start, len, head)));
        start += len;
        work += 5 * len * len * heads * head_dim / 2;
    }
    let gradients = [SharedMut::new(dq), SharedMut::new(dk), SharedMut::new(dv)];
    parallel::for_each(tasks.len(), work, |t| {
        let (start, len, head) = tasks[t];
        simd::dispatch(Task { q, k, v, dout, gradients, start, len, head, shape });
    });
}

struct Task<'a> {
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    dout: &'a [f32],
    gradients: [SharedMut<f32>; 3],
    start: usize,
    len: usize,
    head: usize,
    shape: AttentionShape,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { q, k, v, dout, gradients: [dq, dk, dv], start, len, head, shape } = self;
        let AttentionShape { heads, kv_heads, head_dim: d, scale } = shape;
        let group = heads / kv_heads;
        // Keys and values of this head in rows, and transposed so that a dimension of all keys lies in a run.
        let mut rows = [vec![0.0f32; len * d], vec![0.0f32; len * d]];
        let mut columns = [vec![0.0f32; len * d], vec![0.0f32; len * d]];
        for (source, (rows, columns)) in [k, v].into_iter().zip(rows.iter_mut().zip(&mut columns)) {
            for j in 0..len {
                let from = ((start + j) * kv_heads + head) * d;
                rows[j * d..(j + 1) * d].copy_from_slice(&source[from..from + d]);
                for e in 0..d {
                    columns[e * len + j] = source[from + e];
                }
            }
        }
        let [k_rows, _] = &rows;
        let [k_columns, v_columns] = &columns;
        let (mut own_dk, mut own_dv) = (vec![0.0f32; len * d], vec![0.0f32; len * d]);
        let (mut p, mut dp) = (vec![0.0f32; len], vec![0.0f32; len]);
        for query_head in head * group..(head + 1) * group {
            for i in 0..len {
                let at = ((start + i) * heads + query_head) * d;
                let (query, gradient) = (&q[at..at + d], &dout[at..at + d]);
                let (p, dp) = (&mut p[..=i], &mut dp[..=i]);
                products(query, k_columns, len, p);
                products(gradient, v_columns, len, dp);
                soften(p, scale);
                let mean = sum_of_products(p, dp);
                for (dp, p) in dp.iter_mut().zip(p.iter()) {
                    *dp = scale * p * (*dp - mean);
                }
                // SAFETY: this task alone owns this key head's queries, keys and values of this sequence.
                let dq = unsafe { std::slice::from_raw_parts_mut(dq.get().add(at), d) };
                dq.fill(0.0);
                for j in 0..=i {
                    let row = j * d..(j + 1) * d;
                    add_scaled(dq, dp[j], &k_rows[row.clone()]);
                    add_scaled(&mut own_dk[row.clone()], dp[j], query);
                    add_scaled(&mut own_dv[row], p[j], gradient);
                }
            }
        }
        for j in 0..len {
            let to = ((start + j) * kv_heads + head) * d;
            // SAFETY: as above.
            unsafe {
                std::slice::from_raw_parts_mut(dk.get().add(to), d)
                    .copy_from_slice(&own_dk[j * d..(j + 1) * d]);
                std::slice::from_raw_parts_mut(dv.get().add(to), d)
                    .copy_from_slice(&own_dv[j * d..(j + 1) * d]);
            }
        }
    }
}

/// `out[j] = x . column j`, of columns that lie `stride` apart by dimension.
#[inline(always)]
fn products(x: &[f32], columns: &[f32], stride: usize, out: &mut [f32]) {
    out.fill(0.0);
    for (e, x) in x.iter().enumerate() {
        add_scaled(out, *x, &columns[e * stride..e * stride + out.len()]);
    }
}

/// `to += factor * from`
#[inline(always)]
fn add_scaled(to: &mut [f32], factor: f32, from: &[f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = factor.mul_add(*from, *to);
    }
}

/// `softmax(scale x)`, in place.
#[inline(always)]
fn soften(x: &mut [f32], scale: f32) {
    let mut peak = f32::NEG_INFINITY;
    for v in x.iter_mut() {
        *v *= scale;
        peak = if *v > peak { *v } else { peak };
    }
    for v in x.iter_mut() {
        *v = simd::exp(*v - peak);
    }
    let mut lanes = [0.0f32; 16];
    for chunk in x.chunks(16) {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            *lane += v;
        }
    }
    let inverse = 1.0 / lanes.iter().sum::<f32>();
    for v in x.iter_mut() {
        *v *= inverse;
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
