//! The one trait through which models reach their kernels.

use burn::tensor::{DType, Tensor, TensorData, backend::Backend};

use super::attention::{Attended, AttentionShape, AttentionSpan, Segment};
use super::head::{self, Derivative, HeadGradients, HeadInput, Running};
use super::linear::{LinearWeights, Matrix};
use super::quantised::{DeviceBlocks, QuantisedMatrix};
use super::sampling::{self, Draw, Sampled};
use super::selection::AttentionKernel;
use super::softmax::{LogSum, kl};
use super::{AdamWStep, MasterStep, activation, adamw, attention, linear, norm, rotary, softmax};

/// Bytes of a device's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUse {
    /// What tensors take, with what they are padded by.
    pub in_use: u64,
    /// What the runtime has taken from the device for them and for later ones.
    pub reserved: u64,
}

/// Asks a device's runtime; `None` where it does not answer.
pub type MemoryMeter = Box<dyn Fn() -> Option<MemoryUse> + Send>;

/// A burn backend with the operations of this crate. Defaults are the plain references, right on every
/// backend; a backend overrides what it has a kernel for, and answers with the reference where
/// [`selection`](super::selection) asks for it.
pub trait KernelBackend: Backend {
    /// `x W^T + b` for each weight of a group that shares its input: `x` `[n, in]`, results `[n, out]`.
    fn linear_group(x: Tensor<Self, 2>, parts: &[LinearWeights<'_, Self>]) -> Vec<Tensor<Self, 2>> {
        parts.iter().map(|part| linear::reference::linear(x.clone(), part)).collect()
    }

    /// A quantised matrix where products of this backend read it: on the host, if no kernel reads blocks on `device`.
    fn blocks(matrix: QuantisedMatrix, _device: &Self::Device) -> Matrix<Self> {
        Matrix::Blocks(matrix)
    }

    /// The values of `rows` of a quantised matrix `[rows.len(), columns]` in `dtype`.
    fn decode_rows(blocks: &DeviceBlocks<Self>, rows: &[u32], dtype: DType) -> Tensor<Self, 2> {
        let values = blocks.download().decode_rows(rows.iter().map(|&row| row as usize));
        let data = TensorData::new(values, [rows.len(), blocks.dims()[1]]);
        Tensor::from_data(data, (&blocks.words().device(), dtype))
    }

    /// `a b`: `a` `[m, k]`, `b` `[k, n]`, of one type.
    fn product(a: Tensor<Self, 2>, b: Tensor<Self, 2>) -> Tensor<Self, 2> {
        a.matmul(b)
    }

    /// [`KernelBackend::product`] in f32, not rounded to the type of `a` and `b`.
    fn wide_product(a: Tensor<Self, 2>, b: Tensor<Self, 2>) -> Tensor<Self, 2> {
        Self::product(a.cast(DType::F32), b.cast(DType::F32))
    }

    /// [`KernelBackend::product`] with a `b` of any float type, as if it were in the type of `a`; a backend need not hold it so as a
    /// whole.
    fn mixed_product(a: Tensor<Self, 2>, b: &Tensor<Self, 2>) -> Tensor<Self, 2> {
        let b = b.clone().cast(a.dtype());
        Self::product(a, b)
    }

    /// RMSNorm of rows: `x` `[n, d]`, `weight` `[d]`.
    fn rms_norm(x: Tensor<Self, 2>, weight: &Tensor<Self, 1>, eps: f32) -> Tensor<Self, 2> {
        norm::reference::rms_norm(x, weight, eps)
    }

    /// `(x + y, rms_norm(x + y))` in one pass, a residual stream with what joins it and its norm: `x` and `y` `[n, d]`, `weight` `[d]`.
    fn add_rms_norm(
        x: Tensor<Self, 2>,
        y: Tensor<Self, 2>,
        weight: &Tensor<Self, 1>,
        eps: f32,
    ) -> (Tensor<Self, 2>, Tensor<Self, 2>) {
        let sum = x + y;
        (sum.clone(), Self::rms_norm(sum, weight, eps))
    }

    /// Rotary embedding: `x` `[n, heads, head_dim]`, `cos` and `sin` `[n, head_dim / 2]` in f32.
    fn rotary(x: Tensor<Self, 3>, cos: &Tensor<Self, 2>, sin: &Tensor<Self, 2>) -> Tensor<Self, 3> {
        rotary::reference::rotary(x, cos, sin)
    }

    /// `silu(gate) * up`, both `[n, d]`.
    fn swiglu(gate: Tensor<Self, 2>, up: Tensor<Self, 2>) -> Tensor<Self, 2> {
        activation::reference::swiglu(gate, up)
    }

    /// Causal attention of packed sequences over themselves: `q` `[n, heads, head_dim]`, `k` and `v`
    /// `[n, kv_heads, head_dim]`, `segments` cover the rows, of which there is at least one.
    ///
    /// # Panics
    /// If the sizes are not these, or the scale is not finite.
    fn attention_packed(
        q: Tensor<Self, 3>,
        k: Tensor<Self, 3>,
        v: Tensor<Self, 3>,
        segments: &[Segment],
        shape: AttentionShape,
    ) -> Attended<Self> {
        attention::reference::packed(q, k, v, segments, shape)
    }

    /// The kernels that attention over heads of `head_dim` elements of `dtype` can run on `device`, the one that it takes by itself first;
    /// none where there is nothing to choose among.
    fn attention_kernels(_device: &Self::Device, _dtype: DType, _head_dim: usize) -> Vec<AttentionKernel> {
        Vec::new()
    }

    /// What counts the device's memory that work of this thread holds, from whichever thread it is asked; `None` where the backend has
    /// no count.
    fn memory_meter(_device: &Self::Device) -> Option<MemoryMeter> {
        None
    }

    /// Elements of a block of keys and of a block of values; what they mean is the backend's own.
    fn cache_block_elements(kv_heads: usize, head_dim: usize) -> (usize, usize) {
        attention::reference::block_elements(kv_heads, head_dim)
    }

    /// The float type of cached keys and values when activations are `compute`.
    fn cache_dtype(compute: DType) -> DType {
        compute
    }

    /// Stores `k` and `v` `[n, kv_heads, head_dim]` at `slots` (`block * 16 + offset`) of the pools
    /// `(keys, values)` `[blocks, elements]`, in place where the pools are not shared.
    fn cache_write(
        pools: (Tensor<Self, 2>, Tensor<Self, 2>),
        k: Tensor<Self, 3>,
        v: Tensor<Self, 3>,
        slots: &[u32],
    ) -> (Tensor<Self, 2>, Tensor<Self, 2>) {
        attention::reference::write_pools(pools, k, v, slots)
    }

    /// Copies block `from` of both pools over block `to`.
    fn cache_copy(
        pools: (Tensor<Self, 2>, Tensor<Self, 2>),
        from: u32,
        to: u32,
    ) -> (Tensor<Self, 2>, Tensor<Self, 2>) {
        attention::reference::copy_block(pools, from, to)
    }

    /// Causal attention of each span over its cached keys: `q` `[n, heads, head_dim]`, result
    /// `[n, heads * head_dim]`. Spans cover the rows of `q` in order.
    ///
    /// # Panics
    /// If they do not, a block is not in the cache, or the scale is not finite.
    fn attention_cached(
        q: Tensor<Self, 3>,
        keys: &Tensor<Self, 2>,
        values: &Tensor<Self, 2>,
        spans: &[AttentionSpan],
        shape: AttentionShape,
    ) -> Tensor<Self, 2> {
        attention::reference::cached(q, keys, values, spans, shape)
    }

    /// Gradients `(dx, dw)` of [`KernelBackend::rms_norm`]: `x` and `dy` `[n, d]`, `weight` `[d]`.
    fn rms_norm_backward(
        x: Tensor<Self, 2>,
        weight: &Tensor<Self, 1>,
        eps: f32,
        dy: Tensor<Self, 2>,
    ) -> (Tensor<Self, 2>, Tensor<Self, 1>) {
        norm::backward::reference(x, weight, eps, dy)
    }

    /// Gradients of [`KernelBackend::add_rms_norm`]: that of either addend, and `dw`. `sum` `[n, d]` is the stream that it gave, `dnormed`
    /// and `dsum` `[n, d]` the gradients of what it gave.
    fn add_rms_norm_backward(
        sum: Tensor<Self, 2>,
        weight: &Tensor<Self, 1>,
        eps: f32,
        dnormed: Tensor<Self, 2>,
        dsum: Tensor<Self, 2>,
    ) -> (Tensor<Self, 2>, Tensor<Self, 1>) {
        let (dx, dw) = Self::rms_norm_backward(sum, weight, eps, dnormed);
        (dx + dsum, dw)
    }

    /// Gradients `(dgate, dup)` of [`KernelBackend::swiglu`]: all `[n, d]`.
    fn swiglu_backward(
        gate: Tensor<Self, 2>,
        up: Tensor<Self, 2>,
        dy: Tensor<Self, 2>,
    ) -> (Tensor<Self, 2>, Tensor<Self, 2>) {
        activation::backward::reference(gate, up, dy)
    }

    /// Gradients `(dq, dk, dv)` of [`KernelBackend::attention_packed`], which gave `attended`; `dout` is the gradient of
    /// its output.
    fn attention_packed_backward(
        q: Tensor<Self, 3>,
        k: Tensor<Self, 3>,
        v: Tensor<Self, 3>,
        segments: &[Segment],
        shape: AttentionShape,
        _attended: &Attended<Self>,
        dout: Tensor<Self, 2>,
    ) -> (Tensor<Self, 3>, Tensor<Self, 3>, Tensor<Self, 3>) {
        attention::reference::packed_backward(q, k, v, segments, shape, dout)
    }

    /// `(log p, log sum exp)` of the `targets` `[n]` under rows of `logits` `[n, vocab]` in f32.
    fn log_probs(logits: &Tensor<Self, 2>, targets: &[u32]) -> (Vec<f32>, Vec<LogSum>) {
        softmax::log_prob::reference(logits, targets)
    }

    /// Gradients of the logits from those of the log-probs, `coefficients` `[n]`; `sums` as
    /// [`KernelBackend::log_probs`] gave them.
    fn log_probs_backward(
        logits: Tensor<Self, 2>,
        targets: &[u32],
        sums: &[LogSum],
        coefficients: &[f32],
    ) -> Tensor<Self, 2> {
        softmax::log_prob::reference_backward(logits, targets, sums, coefficients)
    }

    /// Each row's share of the entropy, `[n]`, in `logits` `[n, columns]` in f32, which may be some of the columns; `log_sums` `[n]` are
    /// of all of them.
    fn entropies(logits: &Tensor<Self, 2>, log_sums: &[LogSum]) -> Tensor<Self, 1> {
        softmax::entropy::reference(logits, log_sums)
    }

    /// The tokens of `draws` from `logits` `[n, vocab]` in f32; those of a row stand one after another.
    fn sample(logits: Tensor<Self, 2>, draws: &[Draw<'_>]) -> Vec<Sampled> {
        sampling::reference::fetched(logits, draws)
    }

    /// Joins the columns `logits` `[n, columns]` from `first` on of a wider matrix to what those before them gave.
    fn log_sums(
        logits: Tensor<Self, 2>,
        targets: &[u32],
        first: usize,
        before: Option<Running<Self>>,
    ) -> Running<Self> {
        softmax::log_prob::reference_sums(&logits, targets, first, before)
    }

    /// Gradients of such columns, with the `log_sums` `[n]` of all of them; `coefficients` as in
    /// [`KernelBackend::log_probs_backward`].
    fn log_sums_backward(
        logits: Tensor<Self, 2>,
        targets: &[u32],
        first: usize,
        log_sums: &[LogSum],
        coefficients: &[f32],
    ) -> Tensor<Self, 2> {
        softmax::log_prob::reference_sums_backward(logits, targets, first, log_sums, coefficients)
    }

    /// KL divergence of each row of `logits` from that of `reference`, both `[n, vocab]` in f32, with their log-sum-exps `[n]`;
    /// see [`kl`].
    fn kls(
        logits: &Tensor<Self, 2>,
        reference: &Tensor<Self, 2>,
        sums: &[LogSum],
        reference_sums: &[LogSum],
    ) -> Vec<f32> {
        kl::reference(logits, reference, sums, reference_sums)
    }

    /// Joins the columns `logits` and `reference` `[n, columns]` from `first` on of wider matrices to what those before them gave.
    fn kl_sums(
        logits: &Tensor<Self, 2>,
        reference: &Tensor<Self, 2>,
        targets: &[u32],
        first: usize,
        before: Option<kl::Running<Self>>,
    ) -> kl::Running<Self> {
        kl::reference_running(logits, reference, targets, first, before)
    }

    /// Gradients of such columns of `logits`, of a loss on the targets' log-probs and on the divergences.
    fn kl_backward(
        logits: Tensor<Self, 2>,
        reference: &Tensor<Self, 2>,
        targets: &[u32],
        first: usize,
        rows: &kl::Rows<'_>,
    ) -> Tensor<Self, 2> {
        kl::reference_backward(logits, reference, targets, first, rows)
    }

    /// `to + a^T b`, in place where `to` is not shared: `a` `[n, out]`, `b` `[n, in]`, `to` `[out, in]`.
    fn add_products(to: Tensor<Self, 2>, a: Tensor<Self, 2>, b: Tensor<Self, 2>) -> Tensor<Self, 2> {
        to + Self::product(a.transpose(), b)
    }

    /// Gradients of a loss on log-probs under an output head; see [`head`]. The plain reference holds all logits.
    fn head_loss(input: HeadInput<'_, Self>, derivative: &mut Derivative<'_>) -> HeadGradients<Self> {
        head::unfused::loss(input, derivative)
    }

    /// One AdamW step: all `[n]`, in place where the tensors are not shared. Returns the weights and both moments.
    fn adamw(
        weights: Tensor<Self, 1>,
        gradient: Tensor<Self, 1>,
        moments: [Tensor<Self, 1>; 2],
        step: &AdamWStep,
    ) -> (Tensor<Self, 1>, [Tensor<Self, 1>; 2]) {
        adamw::reference(weights, gradient, moments, step)
    }

    /// [`KernelBackend::adamw`] of f32 master weights, with what [`KernelBackend::rounded`] makes of the new ones in `dtype`.
    fn adamw_master(
        masters: Tensor<Self, 1>,
        gradient: Tensor<Self, 1>,
        moments: [Tensor<Self, 1>; 2],
        step: &AdamWStep,
        dtype: DType,
    ) -> MasterStep<Self> {
        adamw::master::in_passes(masters, gradient, moments, step, dtype)
    }

    /// `x` `[n]` in f32 rounded to `dtype`: to the nearest value, of two as near to the even one.
    fn rounded(x: Tensor<Self, 1>, dtype: DType) -> Tensor<Self, 1> {
        x.cast(dtype)
    }
}
