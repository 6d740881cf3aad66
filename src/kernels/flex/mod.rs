//! The CPU backend's kernels: burn's Flex tensors in, slices through the kernels, Flex tensors out.

use burn::tensor::{DType, Tensor};
use burn_flex::Flex;
use half::{bf16, f16};
use rayon::prelude::*;

use super::attention::{Attended, AttentionShape, AttentionSpan, Segment};
use super::backend::KernelBackend;
use super::head::{self, Derivative, HeadGradients, HeadInput};
use super::linear::{LinearWeights, cpu::Part};
use super::softmax::{LogSum, kl};
use super::{AdamWStep, MasterStep, activation, adamw, attention, linear, norm, rotary, selection, softmax};
use held::Held;
use storage::{dense, forwards, halves, owned, primitive, strided, tensor, wrap};

mod held;
mod storage;

impl KernelBackend for Flex {
    fn linear_group(x: Tensor<Self, 2>, parts: &[LinearWeights<'_, Self>]) -> Vec<Tensor<Self, 2>> {
        if selection::plain() {
            return parts.iter().map(|part| linear::reference::linear(x.clone(), part)).collect();
        }
        let [n, k] = x.dims();
        let x = dense(x);
        let held: Vec<_> =
            parts.iter().map(|p| (Held::new(p.weight), p.bias.map(|b| dense(b.clone())))).collect();
        let mut outputs: Vec<Vec<f32>> = parts.iter().map(|p| vec![0.0; n * p.weight.dims()[0]]).collect();
        let mut jobs: Vec<Part<'_>> = held
            .iter()
            .zip(parts)
            .zip(&mut outputs)
            .map(|(((w, bias), part), out)| Part {
                weight: w.weight(),
                bias: bias.as_ref().map(|b| b.storage::<f32>()),
                out_features: part.weight.dims()[0],
                out,
            })
            .collect();
        linear::cpu::linear(x.storage::<f32>(), n, k, &mut jobs);
        outputs.into_iter().zip(parts).map(|(out, p)| tensor(out, [n, p.weight.dims()[0]])).collect()
    }

    fn product(a: Tensor<Self, 2>, b: Tensor<Self, 2>) -> Tensor<Self, 2> {
        if selection::plain() || a.dtype() != DType::F32 || b.dtype() != DType::F32 {
            return a.matmul(b);
        }
        let dims = [a.dims()[0], b.dims()[1]];
        let (a, b) = (forwards(a), forwards(b));
        tensor(linear::strided::product(strided(&a), strided(&b)), dims)
    }

    fn mixed_product(a: Tensor<Self, 2>, b: &Tensor<Self, 2>) -> Tensor<Self, 2> {
        let half = matches!(b.dtype(), DType::BF16 | DType::F16);
        if selection::plain() || a.dtype() != DType::F32 || !half {
            let b = b.clone().cast(a.dtype());
            return Self::product(a, b);
        }
        let dims = [a.dims()[0], b.dims()[1]];
        let (a, b) = (forwards(a), primitive(b.clone()));
        let b = if b.layout().contiguous_offsets().is_some() { b } else { b.to_contiguous() };
        let (start, end) = b.layout().contiguous_offsets().unwrap_or((0, 0));
        let out = match b.dtype() {
            DType::F16 => linear::widened::product(strided(&a), &b.storage::<f16>()[start..end], dims[1]),
            _ => linear::widened::product(strided(&a), &b.storage::<bf16>()[start..end], dims[1]),
        };
        tensor(out, dims)
    }

    fn rms_norm(x: Tensor<Self, 2>, weight: &Tensor<Self, 1>, eps: f32) -> Tensor<Self, 2> {
        if selection::plain() {
            return norm::reference::rms_norm(x, weight, eps);
        }
        let dims = x.dims();
        let (x, weight) = (dense(x), dense(weight.clone()));
        let mut out = vec![0.0; dims[0] * dims[1]];
        norm::cpu::rms_norm(x.storage::<f32>(), weight.storage::<f32>(), eps, &mut out);
        tensor(out, dims)
    }

    fn add_rms_norm(
        x: Tensor<Self, 2>,
        y: Tensor<Self, 2>,
        weight: &Tensor<Self, 1>,
        eps: f32,
    ) -> (Tensor<Self, 2>, Tensor<Self, 2>) {
        if selection::plain() {
            return norm::reference::add_rms_norm(x, y, weight, eps);
        }
        let dims = x.dims();
        // What joins the stream was just made for it, so nobody else holds it.
        let (x, mut sum, weight) = (dense(x), owned(y), dense(weight.clone()));
        let mut out = vec![0.0; dims[0] * dims[1]];
        norm::cpu::add_rms_norm(sum.storage_mut(), x.storage(), weight.storage(), eps, &mut out);
        (wrap(sum), tensor(out, dims))
    }

    fn rotary(x: Tensor<Self, 3>, cos: &Tensor<Self, 2>, sin: &Tensor<Self, 2>) -> Tensor<Self, 3> {
        if selection::plain() {
            return rotary::reference::rotary(x, cos, sin);
        }
        let [_, heads, head_dim] = x.dims();
        let (mut x, cos, sin) = (owned(x), dense(cos.clone()), dense(sin.clone()));
        rotary::cpu::rotary(x.storage_mut(), heads, cos.storage(), sin.storage(), head_dim);
        wrap(x)
    }

    fn swiglu(gate: Tensor<Self, 2>, up: Tensor<Self, 2>) -> Tensor<Self, 2> {
        if selection::plain() {
            return activation::reference::swiglu(gate, up);
        }
        let (mut gate, up) = (owned(gate), dense(up));
        activation::cpu::swiglu(gate.storage_mut(), up.storage());
        wrap(gate)
    }

    fn attention_packed(
        q: Tensor<Self, 3>,
        k: Tensor<Self, 3>,
        v: Tensor<Self, 3>,
        segments: &[Segment],
        shape: AttentionShape,
    ) -> Attended<Self> {
        if selection::plain() {
            return attention::reference::packed(q, k, v, segments, shape);
        }
        let n = q.dims()[0];
        attention::cover::packed(segments, [&q, &k, &v].map(|x| x.dims()), shape);
        let (q, k, v) = (dense(q), dense(k), dense(v));
        let mut out = vec![0.0; n * shape.heads * shape.head_dim];
        let mut sums = vec![0.0; 2 * n * shape.heads];
        attention::cpu::packed(q.storage(), k.storage(), v.storage(), segments, shape, &mut out, &mut sums);
        Attended {
            out: tensor(out, [n, shape.heads * shape.head_dim]),
            sums: tensor(sums, [n, shape.heads, 2]),
        }
    }

    fn cache_block_elements(kv_heads: usize, head_dim: usize) -> (usize, usize) {
        if selection::plain() {
            return attention::reference::block_elements(kv_heads, head_dim);
        }
        attention::cpu::block_elements(kv_heads, head_dim)
    }

    fn cache_dtype(_: DType) -> DType {
        DType::F32
    }

    fn cache_write(
        pools: (Tensor<Self, 2>, Tensor<Self, 2>),
        k: Tensor<Self, 3>,
        v: Tensor<Self, 3>,
        slots: &[u32],
    ) -> (Tensor<Self, 2>, Tensor<Self, 2>) {
        if selection::plain() {
            return attention::reference::write_pools(pools, k, v, slots);
        }
        let [_, kv_heads, head_dim] = k.dims();
        let (k, v) = (dense(k), dense(v));
        // Unshared pools are written in place; a shared one would be copied first.
        let (mut keys, mut values) = (primitive(pools.0), primitive(pools.1));
        attention::cpu::write_cache(
            keys.storage_mut(),
            values.storage_mut(),
            k.storage(),
            v.storage(),
            slots,
            kv_heads,
            head_dim,
        );
        (wrap(keys), wrap(values))
    }

    fn cache_copy(
        pools: (Tensor<Self, 2>, Tensor<Self, 2>),
        from: u32,
        to: u32,
    ) -> (Tensor<Self, 2>, Tensor<Self, 2>) {
        if selection::plain() {
            return attention::reference::copy_block(pools, from, to);
        }
        // A slice of a Flex tensor shares its storage, so slice-then-assign would copy the whole pool.
        let copy = |pool: Tensor<Self, 2>| {
            let elements = pool.dims()[1];
            let mut pool = primitive(pool);
            let start = from as usize * elements;
            pool.storage_mut::<f32>().copy_within(start..start + elements, to as usize * elements);
            wrap(pool)
        };
        (copy(pools.0), copy(pools.1))
    }

    fn attention_cached(
        q: Tensor<Self, 3>,
        keys: &Tensor<Self, 2>,
        values: &Tensor<Self, 2>,
        spans: &[AttentionSpan],
        shape: AttentionShape,
    ) -> Tensor<Self, 2> {
        if selection::plain() {
            return attention::reference::cached(q, keys, values, spans, shape);
        }
        let n = q.dims()[0];
        let q = dense(q);
        let (keys, values) = (primitive(keys.clone()), primitive(values.clone()));
        let mut out = vec![0.0; n * shape.heads * shape.head_dim];
        attention::cpu::attention(
            q.storage(),
            keys.storage(),
            values.storage(),
            spans,
            shape,
            &mut out,
            None,
        );
        tensor(out, [n, shape.heads * shape.head_dim])
    }

    fn rms_norm_backward(
        x: Tensor<Self, 2>,
        weight: &Tensor<Self, 1>,
        eps: f32,
        dy: Tensor<Self, 2>,
    ) -> (Tensor<Self, 2>, Tensor<Self, 1>) {
        if selection::plain() {
            return norm::backward::reference(x, weight, eps, dy);
        }
        let [n, d] = x.dims();
        let (x, weight, dy) = (dense(x), dense(weight.clone()), dense(dy));
        let (mut dx, mut dw) = (vec![0.0; n * d], vec![0.0; d]);
        norm::backward::cpu(x.storage(), weight.storage(), eps, dy.storage(), (&mut dx, false), &mut dw);
        (tensor(dx, [n, d]), tensor(dw, [d]))
    }

    fn add_rms_norm_backward(
        sum: Tensor<Self, 2>,
        weight: &Tensor<Self, 1>,
        eps: f32,
        dnormed: Tensor<Self, 2>,
        dsum: Tensor<Self, 2>,
    ) -> (Tensor<Self, 2>, Tensor<Self, 1>) {
        if selection::plain() {
            return norm::backward::add_reference(sum, weight, eps, dnormed, dsum);
        }
        let d = sum.dims()[1];
        let (sum, weight, dy) = (dense(sum), dense(weight.clone()), dense(dnormed));
        let (mut dx, mut dw) = (owned(dsum), vec![0.0; d]);
        let to = (dx.storage_mut(), true);
        norm::backward::cpu(sum.storage(), weight.storage(), eps, dy.storage(), to, &mut dw);
        (wrap(dx), tensor(dw, [d]))
    }

    fn swiglu_backward(
        gate: Tensor<Self, 2>,
        up: Tensor<Self, 2>,
        dy: Tensor<Self, 2>,
    ) -> (Tensor<Self, 2>, Tensor<Self, 2>) {
        if selection::plain() {
            return activation::backward::reference(gate, up, dy);
        }
        let (mut gate, mut up, dy) = (owned(gate), owned(up), dense(dy));
        activation::backward::cpu(gate.storage_mut(), up.storage_mut(), dy.storage());
        (wrap(gate), wrap(up))
    }

    fn attention_packed_backward(
        q: Tensor<Self, 3>,
        k: Tensor<Self, 3>,
        v: Tensor<Self, 3>,
        segments: &[Segment],
        shape: AttentionShape,
        attended: &Attended<Self>,
        dout: Tensor<Self, 2>,
    ) -> (Tensor<Self, 3>, Tensor<Self, 3>, Tensor<Self, 3>) {
        if selection::plain() {
            return attention::reference::packed_backward(q, k, v, segments, shape, dout);
        }
        let (query, key) = (q.dims(), k.dims());
        let (q, k, v, dout) = (dense(q), dense(k), dense(v), dense(dout));
        let (out, sums) = (dense(attended.out.clone()), dense(attended.sums.clone()));
        let count = |dims: [usize; 3]| dims.iter().product::<usize>();
        let (mut dq, mut dk, mut dv) =
            (vec![0.0; count(query)], vec![0.0; count(key)], vec![0.0; count(key)]);
        let buffers = attention::backward::Buffers {
            q: q.storage(),
            k: k.storage(),
            v: v.storage(),
            out: out.storage(),
            sums: sums.storage(),
            dout: dout.storage(),
            dq: &mut dq,
            dk: &mut dk,
            dv: &mut dv,
        };
        attention::backward::cpu(buffers, segments, shape);
        (tensor(dq, query), tensor(dk, key), tensor(dv, key))
    }

    fn log_probs(logits: &Tensor<Self, 2>, targets: &[u32]) -> (Vec<f32>, Vec<LogSum>) {
        if selection::plain() {
            return softmax::log_prob::reference(logits, targets);
        }
        softmax::log_prob::cpu(dense(logits.clone()).storage(), targets)
    }

    fn entropies(logits: &Tensor<Self, 2>, log_sums: &[LogSum]) -> Tensor<Self, 1> {
        if selection::plain() {
            return softmax::entropy::reference(logits, log_sums);
        }
        tensor(softmax::entropy::cpu(dense(logits.clone()).storage(), log_sums), [log_sums.len()])
    }

    fn log_probs_backward(
        logits: Tensor<Self, 2>,
        targets: &[u32],
        sums: &[LogSum],
        coefficients: &[f32],
    ) -> Tensor<Self, 2> {
        if selection::plain() {
            return softmax::log_prob::reference_backward(logits, targets, sums, coefficients);
        }
        let mut logits = owned(logits);
        softmax::log_prob::cpu_backward(logits.storage_mut(), targets, sums, coefficients);
        wrap(logits)
    }

    fn kls(
        logits: &Tensor<Self, 2>,
        reference: &Tensor<Self, 2>,
        sums: &[LogSum],
        reference_sums: &[LogSum],
    ) -> Vec<f32> {
        if selection::plain() {
            return kl::reference(logits, reference, sums, reference_sums);
        }
        let (logits, reference) = (dense(logits.clone()), dense(reference.clone()));
        kl::cpu(logits.storage(), reference.storage(), sums, reference_sums)
    }

    fn kl_backward(
        logits: Tensor<Self, 2>,
        reference: &Tensor<Self, 2>,
        targets: &[u32],
        first: usize,
        rows: &kl::Rows<'_>,
    ) -> Tensor<Self, 2> {
        if selection::plain() {
            return kl::reference_backward(logits, reference, targets, first, rows);
        }
        let width = logits.dims()[1];
        let (mut logits, reference) = (owned(logits), dense(reference.clone()));
        kl::cpu_backward(logits.storage_mut(), reference.storage(), targets, first..first + width, rows);
        wrap(logits)
    }

    fn add_products(to: Tensor<Self, 2>, a: Tensor<Self, 2>, b: Tensor<Self, 2>) -> Tensor<Self, 2> {
        if selection::plain() {
            return to + Self::product(a.transpose(), b);
        }
        let ([n, out], [_, width]) = (a.dims(), b.dims());
        let (mut to, a, b) = (dense(to), dense(a), dense(b));
        linear::transposed::add(to.storage_mut(), a.storage(), b.storage(), [n, out, width]);
        wrap(to)
    }

    fn head_loss(input: HeadInput<'_, Self>, derivative: &mut Derivative<'_>) -> HeadGradients<Self> {
        if selection::plain() {
            return head::unfused::loss(input, derivative);
        }
        let rows = head::part_rows(input.head.weight.dims()[0]);
        head::rows::loss(input, rows, derivative)
    }

    fn adamw(
        weights: Tensor<Self, 1>,
        gradient: Tensor<Self, 1>,
        moments: [Tensor<Self, 1>; 2],
        step: &AdamWStep,
    ) -> (Tensor<Self, 1>, [Tensor<Self, 1>; 2]) {
        if selection::plain() {
            return adamw::reference(weights, gradient, moments, step);
        }
        let [m, v] = moments;
        let (mut weights, gradient, mut m, mut v) = (dense(weights), dense(gradient), dense(m), dense(v));
        adamw::cpu(weights.storage_mut(), gradient.storage(), m.storage_mut(), v.storage_mut(), step);
        (wrap(weights), [wrap(m), wrap(v)])
    }

    fn adamw_master(
        masters: Tensor<Self, 1>,
        gradient: Tensor<Self, 1>,
        moments: [Tensor<Self, 1>; 2],
        step: &AdamWStep,
        dtype: DType,
    ) -> MasterStep<Self> {
        if selection::plain() || dtype != DType::BF16 {
            return adamw::master::in_passes(masters, gradient, moments, step, dtype);
        }
        let [len] = masters.dims();
        let [m, v] = moments;
        let (mut masters, gradient, mut m, mut v) = (dense(masters), dense(gradient), dense(m), dense(v));
        let mut weights = vec![0; len];
        let state = [masters.storage_mut(), m.storage_mut(), v.storage_mut()];
        adamw::master::cpu(state, gradient.storage(), &mut weights, step);
        MasterStep { masters: wrap(masters), moments: [wrap(m), wrap(v)], weights: halves(weights, dtype) }
    }

    /// burn's cast goes by way of f64, of whose significand it looks at 20 bits: what lies just beyond the middle of two values may come
    /// out as if it were the middle.
    fn rounded(x: Tensor<Self, 1>, dtype: DType) -> Tensor<Self, 1> {
        let round: fn(f32) -> u16 = match dtype {
            DType::BF16 => adamw::master::bf16_bits,
            DType::F16 => |x| f16::from_f32(x).to_bits(),
            _ => return x.cast(dtype),
        };
        halves(dense(x).storage::<f32>().par_iter().map(|&x| round(x)).collect(), dtype)
    }
}
