//! The GPU backends' kernels: burn's CubeCL tensors in, buffers through the kernels, CubeCL tensors out.

use burn::tensor::{DType, Tensor};
use burn_cubecl::element::BoolElement;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::{CubeBackend, CubeRuntime, FloatElement, IntElement};
use cubecl::stream_id::StreamId;

use super::attention::cube::{Operands, paged};
use super::attention::{self, Attended, AttentionShape, AttentionSpan, Segment};
use super::backend::{KernelBackend, MemoryMeter, MemoryUse};
use super::head::{self, Derivative, HeadGradients, HeadInput, Running};
use super::linear::{LinearWeights, Matrix};
use super::quantised::cube::Rows;
use super::quantised::{Activations, DeviceBlocks, QuantisedMatrix};
use super::sampling::{Draw, Sampled};
use super::selection::AttentionKernel;
use super::softmax::{LogSum, kl};
use super::{AdamWStep, MasterStep, activation, adamw, norm, rotary, selection, softmax};
use storage::{dense, floats, like, owned, primitive, typed, wrap};

mod blocks;
pub(in crate::kernels) mod launch;
mod linear;
mod product;
mod sampling;
mod storage;

type Gpu<R, F, I, BT> = CubeBackend<R, F, I, BT>;
/// Of a norm's input and weight.
type NormGradients<B> = (Tensor<B, 2>, Tensor<B, 1>);

impl<R, F, I, BT> KernelBackend for Gpu<R, F, I, BT>
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    fn product(a: Tensor<Self, 2>, b: Tensor<Self, 2>) -> Tensor<Self, 2> {
        if selection::plain() {
            return a.matmul(b);
        }
        let dtype = a.dtype();
        wrap(product::product(primitive(a), primitive(b), dtype))
    }

    fn wide_product(a: Tensor<Self, 2>, b: Tensor<Self, 2>) -> Tensor<Self, 2> {
        if selection::plain() {
            return a.cast(DType::F32).matmul(b.cast(DType::F32));
        }
        wrap(product::product(primitive(a), primitive(b), DType::F32))
    }

    fn linear_group(x: Tensor<Self, 2>, parts: &[LinearWeights<'_, Self>]) -> Vec<Tensor<Self, 2>> {
        parts.iter().map(|part| linear::linear(x.clone(), part)).collect()
    }

    fn blocks(matrix: QuantisedMatrix, device: &Self::Device) -> Matrix<Self> {
        // Kernels count bytes in 32 bits.
        let countable = u32::try_from(matrix.bytes().len()).is_ok();
        if selection::plain() || !countable || matrix.activations() != Activations::Exact {
            return Matrix::Blocks(matrix);
        }
        Matrix::DeviceBlocks(DeviceBlocks::upload(&matrix, device))
    }

    fn decode_rows(blocks: &DeviceBlocks<Self>, rows: &[u32], dtype: DType) -> Tensor<Self, 2> {
        blocks::values(blocks, Rows::These(rows), rows.len(), dtype)
    }

    fn rms_norm(x: Tensor<Self, 2>, weight: &Tensor<Self, 1>, eps: f32) -> Tensor<Self, 2> {
        if selection::plain() {
            return norm::reference::rms_norm(x, weight, eps);
        }
        let dims = x.dims();
        let (x, weight) = (into_contiguous(primitive(x)), into_contiguous(primitive(weight.clone())));
        let types = [x.dtype.into(), weight.dtype.into()];
        let y = norm::cube::rms_norm(&x.client, [&x.handle, &weight.handle], types, dims, eps);
        wrap(like(&x, y, dims))
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
        let y = y.cast(x.dtype());
        let [x, y, weight] = [primitive(x), primitive(y), primitive(weight.clone())].map(into_contiguous);
        let types = [x.dtype.into(), weight.dtype.into()];
        let inputs = [&x.handle, &y.handle, &weight.handle];
        let (sum, normed) = norm::cube::add_rms_norm(&x.client, inputs, types, dims, eps);
        (wrap(like(&x, sum, dims)), wrap(like(&x, normed, dims)))
    }

    fn rotary(x: Tensor<Self, 3>, cos: &Tensor<Self, 2>, sin: &Tensor<Self, 2>) -> Tensor<Self, 3> {
        if selection::plain() {
            return rotary::reference::rotary(x, cos, sin);
        }
        let dims = x.dims();
        let x = into_contiguous(primitive(x));
        let (cos, sin) = (dense(cos.clone()), dense(sin.clone()));
        let fresh = (!x.can_mut()).then(|| x.client.empty(x.meta.num_elements() * x.dtype.size()));
        let inputs = [&x.handle, &cos.handle, &sin.handle];
        rotary::cube::rotary(&x.client, inputs, fresh.as_ref(), x.dtype.into(), dims);
        match fresh {
            Some(y) => wrap(like(&x, y, dims)),
            None => wrap(x),
        }
    }

    fn swiglu(gate: Tensor<Self, 2>, up: Tensor<Self, 2>) -> Tensor<Self, 2> {
        if selection::plain() {
            return activation::reference::swiglu(gate, up);
        }
        let dims = gate.dims();
        let up = up.cast(gate.dtype());
        let (gate, up) = (into_contiguous(primitive(gate)), into_contiguous(primitive(up)));
        let inputs = [&gate.handle, &up.handle];
        let y = activation::cube::swiglu(&gate.client, inputs, gate.dtype.into(), dims[0] * dims[1]);
        wrap(like(&gate, y, dims))
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
        norm_gradients(x, weight, eps, dy, None)
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
        norm_gradients(sum, weight, eps, dnormed, Some(dsum))
    }

    fn swiglu_backward(
        gate: Tensor<Self, 2>,
        up: Tensor<Self, 2>,
        dy: Tensor<Self, 2>,
    ) -> (Tensor<Self, 2>, Tensor<Self, 2>) {
        if selection::plain() {
            return activation::backward::reference(gate, up, dy);
        }
        let dims = gate.dims();
        let [gate, up, dy] = [gate, up, dy].map(|x| into_contiguous(primitive(x)));
        let inputs = [&gate.handle, &up.handle, &dy.handle];
        let types = [gate.dtype.into(), up.dtype.into(), dy.dtype.into()];
        let len = dims[0] * dims[1];
        let (dgate, dup) = activation::cube::swiglu_backward(&gate.client, inputs, types, len);
        (wrap(floats(&gate, dgate, dims)), wrap(floats(&gate, dup, dims)))
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
        let [len] = weights.dims();
        let [m, v] = moments;
        let gradient = dense(gradient);
        let [weights, m, v] = [weights, m, v].map(|x| owned(dense(x)));
        let buffers = [&weights.handle, &gradient.handle, &m.handle, &v.handle];
        adamw::cube::adamw(&gradient.client, buffers, len, step);
        (wrap(weights), [wrap(m), wrap(v)])
    }

    fn adamw_master(
        masters: Tensor<Self, 1>,
        gradient: Tensor<Self, 1>,
        moments: [Tensor<Self, 1>; 2],
        step: &AdamWStep,
        dtype: DType,
    ) -> MasterStep<Self> {
        if selection::plain() {
            return adamw::master::in_passes(masters, gradient, moments, step, dtype);
        }
        let [len] = masters.dims();
        let [m, v] = moments;
        let gradient = dense(gradient);
        let [masters, m, v] = [masters, m, v].map(|x| owned(dense(x)));
        let buffers = [&masters.handle, &gradient.handle, &m.handle, &v.handle];
        let weights = adamw::cube::adamw_master(&gradient.client, buffers, len, step, dtype.into());
        let weights = wrap(typed(&gradient, weights, [len], dtype));
        MasterStep { masters: wrap(masters), moments: [wrap(m), wrap(v)], weights }
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
        let operands = Operands::new([q, k, v].map(primitive), segments, shape);
        let (out, sums) = operands.forward(segments, shape);
        Attended { out: wrap(out), sums: wrap(sums) }
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
        let operands = Operands::new([q, k, v].map(primitive), segments, shape);
        let Attended { out, sums } = attended.clone();
        let [dq, dk, dv] =
            operands.backward(segments, shape, primitive(out), primitive(sums), primitive(dout));
        (wrap(dq), wrap(dk), wrap(dv))
    }

    fn attention_kernels(device: &Self::Device, dtype: DType, head_dim: usize) -> Vec<AttentionKernel> {
        attention::cube::launch::kernels(&R::client(device), dtype.into(), head_dim)
    }

    fn memory_meter(device: &Self::Device) -> Option<MemoryMeter> {
        let mut client = R::client(device);
        // SAFETY: this client is asked for counts alone; it launches nothing and holds no memory of the stream, which is this thread's.
        unsafe { client.set_stream(StreamId::current()) };
        Some(Box::new(move || {
            let usage = client.memory_usage().ok()?;
            let in_use = usage.bytes_in_use + usage.bytes_padding;
            Some(MemoryUse { in_use, reserved: usage.bytes_reserved })
        }))
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
        let write = |pool: Tensor<Self, 2>, x: Tensor<Self, 3>| {
            let pool = owned(into_contiguous(primitive(pool)));
            paged::write(&pool, primitive(x), slots);
            wrap(pool)
        };
        (write(pools.0, k), write(pools.1, v))
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
        let (keys, values) = (primitive(keys.clone()), primitive(values.clone()));
        wrap(paged::attention(primitive(q), keys, values, spans, shape))
    }

    fn sample(logits: Tensor<Self, 2>, draws: &[Draw<'_>]) -> Vec<Sampled> {
        sampling::sample(logits, draws)
    }

    fn log_probs(logits: &Tensor<Self, 2>, targets: &[u32]) -> (Vec<f32>, Vec<LogSum>) {
        if selection::plain() {
            return softmax::log_prob::reference(logits, targets);
        }
        Self::log_sums(logits.clone(), targets, 0, None).finish()
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
        Self::log_sums_backward(logits, targets, 0, sums, coefficients)
    }

    fn log_sums(
        logits: Tensor<Self, 2>,
        targets: &[u32],
        first: usize,
        before: Option<Running<Self>>,
    ) -> Running<Self> {
        if selection::plain() {
            return softmax::log_prob::reference_sums(&logits, targets, first, before);
        }
        let [_, width] = logits.dims();
        let logits = dense(logits);
        let n = targets.len();
        let fresh = before.is_none();
        let state = match before {
            Some(Running { peaks, sums, hits }) => [peaks, sums, hits].map(|x| owned(dense(x))),
            None => [(); 3].map(|()| like(&logits, logits.client.empty(n * size_of::<f32>()), [n])),
        };
        let [peaks, sums, hits] = &state;
        let buffers = [&peaks.handle, &sums.handle, &hits.handle];
        let columns = softmax::cube::Columns { width, first };
        softmax::cube::log_sums(&logits.client, &logits.handle, targets, columns, buffers, fresh);
        let [peaks, sums, hits] = state.map(wrap);
        Running { peaks, sums, hits }
    }

    fn entropies(logits: &Tensor<Self, 2>, log_sums: &[LogSum]) -> Tensor<Self, 1> {
        if selection::plain() {
            return softmax::entropy::reference(logits, log_sums);
        }
        let [n, width] = logits.dims();
        let logits = dense(logits.clone());
        let shares = softmax::cube::entropies(&logits.client, &logits.handle, width, log_sums);
        wrap(like(&logits, shares, [n]))
    }

    fn log_sums_backward(
        logits: Tensor<Self, 2>,
        targets: &[u32],
        first: usize,
        log_sums: &[LogSum],
        coefficients: &[f32],
    ) -> Tensor<Self, 2> {
        if selection::plain() {
            return softmax::log_prob::reference_sums_backward(
                logits,
                targets,
                first,
                log_sums,
                coefficients,
            );
        }
        let [_, width] = logits.dims();
        let logits = owned(dense(logits));
        let columns = softmax::cube::Columns { width, first };
        let client = &logits.client;
        softmax::cube::log_sums_backward(client, &logits.handle, targets, columns, log_sums, coefficients);
        wrap(logits)
    }

    fn kl_sums(
        logits: &Tensor<Self, 2>,
        reference: &Tensor<Self, 2>,
        targets: &[u32],
        first: usize,
        before: Option<kl::Running<Self>>,
    ) -> kl::Running<Self> {
        if selection::plain() {
            return kl::reference_running(logits, reference, targets, first, before);
        }
        let [n, width] = logits.dims();
        let (logits, reference) = (dense(logits.clone()), dense(reference.clone()));
        let fresh = before.is_none();
        let client = &logits.client;
        let state = match before {
            Some(kl::Running { state }) => owned(dense(state)),
            None => {
                let dims = [softmax::kl_cube::STATE, n];
                like(&logits, client.empty(dims[0] * n * size_of::<f32>()), dims)
            }
        };
        let columns = softmax::cube::Columns { width, first };
        let both = [&logits.handle, &reference.handle];
        softmax::kl_cube::kl_sums(client, both, targets, columns, &state.handle, fresh);
        kl::Running { state: wrap(state) }
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
        let [_, width] = logits.dims();
        let (logits, reference) = (owned(dense(logits)), dense(reference.clone()));
        let columns = softmax::cube::Columns { width, first };
        let both = [&logits.handle, &reference.handle];
        softmax::kl_cube::kl_backward(&logits.client, both, targets, columns, rows);
        wrap(logits)
    }

    fn head_loss(input: HeadInput<'_, Self>, derivative: &mut Derivative<'_>) -> HeadGradients<Self> {
        if selection::plain() {
            return head::unfused::loss(input, derivative);
        }
        let columns = head::columns::part_columns(input.targets.len());
        head::columns::loss(input, columns, derivative)
    }
}

/// Gradients `(dx, dw)` of RMSNorm of `x` `[n, d]`; `dx` joins what stands `beside` it.
fn norm_gradients<R, F, I, BT>(
    x: Tensor<Gpu<R, F, I, BT>, 2>,
    weight: &Tensor<Gpu<R, F, I, BT>, 1>,
    eps: f32,
    dy: Tensor<Gpu<R, F, I, BT>, 2>,
    beside: Option<Tensor<Gpu<R, F, I, BT>, 2>>,
) -> NormGradients<Gpu<R, F, I, BT>>
where
    R: CubeRuntime,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    let dims = x.dims();
    let [x, weight, dy] = [primitive(x), primitive(weight.clone()), primitive(dy)].map(into_contiguous);
    let inputs = [&x.handle, &weight.handle, &dy.handle];
    let types = [x.dtype.into(), weight.dtype.into(), dy.dtype.into()];
    let beside = beside.map(|beside| owned(dense(beside)).handle);
    let (dx, parts, count) = norm::cube::rms_norm_backward(&x.client, inputs, types, dims, eps, beside);
    let parts: Tensor<Gpu<R, F, I, BT>, 2> = wrap(floats(&x, parts, [count, dims[1]]));
    (wrap(floats(&x, dx, dims)), parts.sum_dim(0).squeeze_dim(0))
}
