//! Attention and its gradients in plain tensor operations: scores are materialised, one sequence at a time.

use burn::tensor::{DType, Int, Tensor, TensorData, activation::softmax, backend::Backend};

use super::order::Order;
use super::{Attended, AttentionShape, AttentionSpan, BLOCK_TOKENS, Placed, Segment, cover, place};

/// The score of a key that a query may not see: its share is exactly 0, as that of minus infinity is. It is finite because
/// a GPU's matrix product may multiply what it reads beyond a matrix by 0, and 0 times infinity is no number.
const HIDDEN: f32 = -1e30;

/// Rows `[n, heads, head_dim]` with heads that share a key head one after another: `[kv_heads, group * n, head_dim]`.
///
/// So keys and values are not repeated.
fn stacked<B: Backend>(x: Tensor<B, 3>, shape: AttentionShape) -> Tensor<B, 3> {
    let AttentionShape { heads, kv_heads, head_dim, .. } = shape;
    let (n, group) = (x.dims()[0], heads / kv_heads);
    let x = x.reshape([n, kv_heads, group, head_dim]).permute([1, 2, 0, 3]);
    x.reshape([kv_heads, group * n, head_dim])
}

/// What [`stacked`] did, undone.
fn unstacked<B: Backend>(x: Tensor<B, 3>, shape: AttentionShape) -> Tensor<B, 3> {
    let AttentionShape { heads, kv_heads, head_dim, .. } = shape;
    let group = heads / kv_heads;
    let n = x.dims()[1] / group;
    x.reshape([kv_heads, group, n, head_dim]).permute([2, 0, 1, 3]).reshape([n, heads, head_dim])
}

/// `q . k` as [`Order`] compares it where the query sees the key, [`HIDDEN`] elsewhere: the last `queries` of `keys` tokens, `q`
/// `[kv_heads, group * queries, head_dim]`, `k` `[kv_heads, head_dim, keys]`, result `[kv_heads, group, queries, keys]`.
fn scores<B: Backend>(q: Tensor<B, 3>, k: Tensor<B, 3>, shape: AttentionShape, order: Order) -> Tensor<B, 4> {
    let AttentionShape { heads, kv_heads, .. } = shape;
    let (group, device) = (heads / kv_heads, q.device());
    let (queries, keys) = (q.dims()[1] / group, k.dims()[2]);
    let scores = q.matmul(k).reshape([kv_heads, group, queries, keys]);
    let scores = if order.turns() { scores * order.factor } else { scores };
    let position = |n: usize, from: usize| {
        let data: Vec<i32> = (0..n).map(|i| (from + i) as i32).collect();
        Tensor::<B, 1, Int>::from_data(TensorData::new(data, [n]), &device)
    };
    let query = position(queries, keys - queries).reshape([1, 1, queries, 1]);
    let key = position(keys, 0).reshape([1, 1, 1, keys]);
    let hidden = key.expand([1, 1, queries, keys]).greater(query.expand([1, 1, queries, keys]));
    scores.mask_fill(hidden.expand([kv_heads, group, queries, keys]), HIDDEN)
}

/// `scale (s - peak)` `[kv_heads, group, queries, keys]` and the peaks `[kv_heads, group, queries, 1]`, which are scores before they are
/// scaled; the operands are those of [`scores`].
///
/// Differences to the peak are what is scaled, so that a scale's rounding counts for as much as they do, and not for thousands.
fn exponents<B: Backend>(
    q: Tensor<B, 3>,
    k: Tensor<B, 3>,
    shape: AttentionShape,
) -> (Tensor<B, 4>, Tensor<B, 4>) {
    let order = Order::of(shape.scale);
    let scores = scores(q, k, shape, order);
    let peak = scores.clone().max_dim(3);
    let exponents = (scores - peak.clone()).mul_scalar(order.scale);
    (exponents, if order.turns() { peak * order.back() } else { peak })
}

/// Causal attention of the last `queries` of `keys` tokens: `q` `[queries, heads, head_dim]`, `k` and `v`
/// `[keys, kv_heads, head_dim]`.
pub fn attend<B: Backend>(
    q: Tensor<B, 3>,
    k: Tensor<B, 3>,
    v: Tensor<B, 3>,
    shape: AttentionShape,
) -> Attended<B> {
    let AttentionShape { heads, kv_heads, head_dim, .. } = shape;
    let dtype = q.dtype();
    let [queries, keys] = [q.dims()[0], k.dims()[0]];
    let group = heads / kv_heads;
    let q = stacked(q.cast(DType::F32), shape);
    let k = k.cast(DType::F32).permute([1, 2, 0]);
    let v = v.cast(DType::F32).permute([1, 0, 2]);
    let (exponents, peak) = exponents(q, k, shape);
    let rest = exponents.clone().exp().sum_dim(3).log();
    let by_query = |x: Tensor<B, 4>| {
        x.reshape([kv_heads, group, queries]).permute([2, 0, 1]).reshape([queries, heads, 1])
    };
    let sums = Tensor::cat(vec![by_query(peak), by_query(rest)], 2);
    let out = softmax(exponents, 3).reshape([kv_heads, group * queries, keys]).matmul(v);
    let out = unstacked(out, shape).reshape([queries, heads * head_dim]).cast(dtype);
    Attended { out, sums }
}

/// Packed sequences over themselves; see [`super::cpu::packed`] for the shapes.
///
/// # Panics
/// If there are no tokens.
pub fn packed<B: Backend>(
    q: Tensor<B, 3>,
    k: Tensor<B, 3>,
    v: Tensor<B, 3>,
    segments: &[Segment],
    shape: AttentionShape,
) -> Attended<B> {
    let parts = place(segments).into_iter().filter(|placed| !placed.rows.is_empty()).map(|placed| {
        let (k, v) = (seen(&k, &placed), seen(&v, &placed));
        attend(q.clone().slice([placed.rows]), k, v, shape)
    });
    let (outputs, sums): (Vec<_>, Vec<_>) = parts.map(|Attended { out, sums }| (out, sums)).unzip();
    Attended { out: Tensor::cat(outputs, 0), sums: Tensor::cat(sums, 0) }
}

/// The rows of `x` that a segment's tokens may see: what it continues, then its own.
fn seen<B: Backend>(x: &Tensor<B, 3>, placed: &Placed) -> Tensor<B, 3> {
    let own = x.clone().slice([placed.rows.clone()]);
    if placed.before.is_empty() {
        return own;
    }
    Tensor::cat(vec![x.clone().slice([placed.before.clone()]), own], 0)
}

/// Gradients `(dq, dk, dv)` of [`packed`], in the shapes of `q`, `k` and `v`: `q` `[n, heads, head_dim]`, `k` and `v`
/// `[n, kv_heads, head_dim]`, `dout` `[n, heads * head_dim]`. Probabilities are made again.
pub fn packed_backward<B: Backend>(
    q: Tensor<B, 3>,
    k: Tensor<B, 3>,
    v: Tensor<B, 3>,
    segments: &[Segment],
    shape: AttentionShape,
    dout: Tensor<B, 2>,
) -> Gradients<B> {
    let placed = place(segments);
    let mut dq = Vec::new();
    // One a segment, so that a continuation finds what it continues; none for those without tokens.
    let (mut dk, mut dv) = (Vec::new(), Vec::new());
    for (segment, at) in segments.iter().zip(&placed) {
        if at.rows.is_empty() {
            dk.push(None);
            dv.push(None);
            continue;
        }
        let own_q = q.clone().slice([at.rows.clone()]);
        let own_dout = dout.clone().slice([at.rows.clone()]);
        let parts = Softened::new(own_q, seen(&k, at), seen(&v, at), shape).gradients(own_dout);
        dq.push(parts.0);
        for (all, part) in [(&mut dk, parts.1), (&mut dv, parts.2)] {
            let before = at.before.len();
            all.push(Some(part.clone().slice([before..before + at.rows.len()])));
            if let Some(Some(sum)) = segment.after.map(|parent| &mut all[parent]) {
                *sum = sum.clone() + part.slice([0..before]);
            }
        }
    }
    let whole = |parts: Vec<Option<Tensor<B, 3>>>| Tensor::cat(parts.into_iter().flatten().collect(), 0);
    (Tensor::cat(dq, 0), whole(dk), whole(dv))
}

/// `(dq, dk, dv)`, in the shapes of `q`, `k`, `v`.
pub type Gradients<B> = (Tensor<B, 3>, Tensor<B, 3>, Tensor<B, 3>);

/// One sequence forward and backward as autodiff of the plain operations goes: the forward's probabilities are kept for the
/// backward. The output `[n, heads * head_dim]`, and `(dq, dk, dv)`; shapes as in [`packed_backward`].
pub fn trained<B: Backend>(
    q: Tensor<B, 3>,
    k: Tensor<B, 3>,
    v: Tensor<B, 3>,
    shape: AttentionShape,
    dout: Tensor<B, 2>,
) -> (Tensor<B, 2>, Gradients<B>) {
    let dtype = q.dtype();
    let kept = Softened::new(q, k, v, shape);
    let out = kept.out().cast(dtype);
    (out, kept.gradients(dout))
}

/// A sequence and its probabilities, in f32.
struct Softened<B: Backend> {
    /// `[kv_heads, group * queries, head_dim]`.
    q: Tensor<B, 3>,
    /// `[kv_heads, keys, head_dim]`.
    k: Tensor<B, 3>,
    /// `[kv_heads, keys, head_dim]`.
    v: Tensor<B, 3>,
    /// `[kv_heads, group * queries, keys]`.
    p: Tensor<B, 3>,
    shape: AttentionShape,
}

impl<B: Backend> Softened<B> {
    /// Of the last `queries` of `keys` tokens; shapes as in [`attend`].
    fn new(q: Tensor<B, 3>, k: Tensor<B, 3>, v: Tensor<B, 3>, shape: AttentionShape) -> Self {
        let q = stacked(q.cast(DType::F32), shape);
        let [k, v] = [k, v].map(|x| x.cast(DType::F32).permute([1, 0, 2]));
        let [kv_heads, rows, keys] = [shape.kv_heads, q.dims()[1], k.dims()[1]];
        let (exponents, _) = exponents(q.clone(), k.clone().swap_dims(1, 2), shape);
        let p = softmax(exponents, 3).reshape([kv_heads, rows, keys]);
        Self { q, k, v, p, shape }
    }

    /// `[queries, heads * head_dim]`.
    fn out(&self) -> Tensor<B, 2> {
        let out = unstacked(self.p.clone().matmul(self.v.clone()), self.shape);
        let [n, heads, head_dim] = out.dims();
        out.reshape([n, heads * head_dim])
    }

    /// From the output's gradient `[queries, heads * head_dim]`.
    fn gradients(self, dout: Tensor<B, 2>) -> Gradients<B> {
        let Self { q, k, v, p, shape } = self;
        let AttentionShape { heads, head_dim, scale, .. } = shape;
        let n = dout.dims()[0];
        let dout = stacked(dout.cast(DType::F32).reshape([n, heads, head_dim]), shape);
        let dv = p.clone().swap_dims(1, 2).matmul(dout.clone());
        let dp = dout.matmul(v.swap_dims(1, 2));
        let ds = (p.clone() * (dp.clone() - (p * dp).sum_dim(2))).mul_scalar(scale);
        let dq = ds.clone().matmul(k);
        let dk = ds.swap_dims(1, 2).matmul(q);
        (unstacked(dq, shape), dk.permute([1, 0, 2]), dv.permute([1, 0, 2]))
    }
}

/// Maximal runs of consecutive numbers: `(first, length)`.
fn runs(numbers: impl IntoIterator<Item = usize>) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for n in numbers {
        match runs.last_mut() {
            Some((first, len)) if *first + *len == n => *len += 1,
            _ => runs.push((n, 1)),
        }
    }
    runs
}

/// Stores `rows` `[n, row]` at `slots` of `pool` `[blocks, 16 * row]`, one copy a run of consecutive slots.
pub fn write_cache<B: Backend>(pool: Tensor<B, 2>, rows: Tensor<B, 2>, slots: &[u32]) -> Tensor<B, 2> {
    let [blocks, elements] = pool.dims();
    let row = elements / BLOCK_TOKENS;
    let mut flat: Tensor<B, 2> = pool.reshape([blocks * BLOCK_TOKENS, row]);
    let mut from = 0;
    for (first, len) in runs(slots.iter().map(|&s| s as usize)) {
        let part = rows.clone().slice([from..from + len]);
        flat = flat.slice_assign([first..first + len, 0..row], part);
        from += len;
    }
    flat.reshape([blocks, elements])
}

/// Elements of a block of keys and of a block of values.
pub fn block_elements(kv_heads: usize, head_dim: usize) -> (usize, usize) {
    let elements = kv_heads * head_dim * BLOCK_TOKENS;
    (elements, elements)
}

/// Stores `k` and `v` `[n, kv_heads, head_dim]` at `slots` of the pools `(keys, values)` `[blocks, elements]`.
pub fn write_pools<B: Backend>(
    pools: (Tensor<B, 2>, Tensor<B, 2>),
    k: Tensor<B, 3>,
    v: Tensor<B, 3>,
    slots: &[u32],
) -> (Tensor<B, 2>, Tensor<B, 2>) {
    let rows = |x: Tensor<B, 3>| {
        let [n, kv_heads, head_dim] = x.dims();
        x.reshape([n, kv_heads * head_dim])
    };
    (write_cache(pools.0, rows(k), slots), write_cache(pools.1, rows(v), slots))
}

/// Copies block `from` of both pools `[blocks, elements]` over block `to`.
pub fn copy_block<B: Backend>(
    pools: (Tensor<B, 2>, Tensor<B, 2>),
    from: u32,
    to: u32,
) -> (Tensor<B, 2>, Tensor<B, 2>) {
    let copy = |pool: Tensor<B, 2>| {
        let block = |b: u32| b as usize..b as usize + 1;
        let row = pool.clone().slice([block(from)]);
        let elements = pool.dims()[1];
        pool.slice_assign([block(to), 0..elements], row)
    };
    (copy(pools.0), copy(pools.1))
}

/// The first `keys` rows `[keys, row]` of the sequence held by `blocks` of `pool` `[blocks, 16 * row]`.
fn gather<B: Backend>(pool: &Tensor<B, 2>, blocks: &[u32], keys: usize) -> Tensor<B, 2> {
    let row = pool.dims()[1] / BLOCK_TOKENS;
    let parts = runs(blocks.iter().map(|&b| b as usize))
        .into_iter()
        .map(|(first, len)| pool.clone().slice([first..first + len]).reshape([len * BLOCK_TOKENS, row]));
    Tensor::cat(parts.collect(), 0).slice([0..keys])
}

/// Each span's queries over its cached keys: `q` `[n, heads, head_dim]`, pools `[blocks, 16 * kv_heads * head_dim]`.
pub fn cached<B: Backend>(
    q: Tensor<B, 3>,
    keys: &Tensor<B, 2>,
    values: &Tensor<B, 2>,
    spans: &[AttentionSpan],
    shape: AttentionShape,
) -> Tensor<B, 2> {
    let AttentionShape { kv_heads, head_dim, .. } = shape;
    cover::cached(spans, [q.dims()[0], keys.dims()[0]], shape);
    if q.dims()[0] == 0 {
        return q.reshape([0, shape.heads * head_dim]);
    }
    let outputs = spans.iter().filter(|span| !span.queries.is_empty()).map(|span| {
        let blocks = &span.blocks[..span.keys.div_ceil(BLOCK_TOKENS)];
        let part = |pool| gather(pool, blocks, span.keys).reshape([span.keys, kv_heads, head_dim]);
        attend(q.clone().slice([span.queries.clone()]), part(keys), part(values), shape).out
    });
    Tensor::cat(outputs.collect(), 0)
}
