//! The backward of one decoder layer, written out from the kernels' own backwards.
//!
//! A forward keeps each layer's input. Whether it keeps the layer's inside too or has it computed again in the backward
//! (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost") is the executor's choice.

use burn::tensor::{DType, IndexingUpdateOp, Int, Tensor, backend::Backend};

use crate::kernels::{Attended, KernelBackend, Matrix, Segment};
use crate::model::adapter::{LowRank, a_name, b_name};
use crate::model::cache::attention_shape;
use crate::model::config::ModelConfig;
use crate::model::layer::{DecoderLayer, Linear, products};
use crate::model::residual::Residual;
use crate::model::rotary::RotaryTables;
use crate::train::gradients::Gradients;

/// What the layers of one forward share.
pub struct LayerContext<'a, B: Backend> {
    /// Sizes.
    pub config: &'a ModelConfig,
    /// Rotary tables of the batch's positions.
    pub tables: &'a RotaryTables<B>,
    /// The packed sequences.
    pub segments: &'a [Segment],
    /// Whether only adapters are trained.
    pub adapted: bool,
}

/// A projection's weights as floats.
///
/// # Panics
/// If they are quantised: the trainer opens models in floats.
pub(super) fn floats<B: Backend>(matrix: &Matrix<B>) -> &Tensor<B, 2> {
    match matrix {
        Matrix::Float(tensor) => tensor,
        Matrix::Blocks(_) | Matrix::DeviceBlocks(_) => panic!("a quantised matrix has no gradient"),
    }
}

/// Adds the gradients of a projection's weight `dy^T x` and bias, or of its adapter, and returns that of its input, `dy W`. Where it
/// is `frozen` and has no adapter nothing is added.
///
/// Gradients are f32. Where activations are in a half type, products take their operands in it; where the weight alone is, it is
/// widened.
pub(super) fn linear_backward<B: KernelBackend>(
    name: &str,
    (part, frozen): (&Linear<B>, bool),
    x: Tensor<B, 2>,
    dy: Tensor<B, 2>,
    gradients: &mut Gradients<B>,
) -> Tensor<B, 2> {
    let weight = floats(&part.weight);
    if let Some(adapter) = &part.adapter {
        return adapter_backward(name, weight, adapter, x, dy, gradients);
    }
    let compute = x.dtype();
    if frozen {
        return through(dy, weight, compute);
    }
    if part.bias.is_some() {
        gradients.add(format!("{name}.bias"), dy.clone().cast(DType::F32).sum_dim(0));
    }
    let learned = format!("{name}.weight");
    if compute != DType::F32 {
        let dy = dy.cast(compute);
        gradients.add(learned, B::wide_product(dy.clone().transpose(), x));
        return through(dy, weight, compute);
    }
    let sum = match gradients.take(&learned) {
        Some(before) => B::add_products(before.reshape([dy.dims()[1], x.dims()[1]]), dy.clone(), x),
        None => B::product(dy.clone().transpose(), x),
    };
    gradients.add(learned, sum);
    through(dy, weight, compute)
}

/// `dy W` in f32, with operands in the type of the activations.
fn through<B: KernelBackend>(dy: Tensor<B, 2>, weight: &Tensor<B, 2>, compute: DType) -> Tensor<B, 2> {
    match compute {
        DType::F32 => B::mixed_product(dy, weight),
        _ => B::wide_product(dy.cast(compute), weight.clone().cast(compute)),
    }
}

/// With `t = x A^T` and `s = alpha / r`: adds `dB = s dy^T t` and, with `dt = s dy B`, `dA = dt^T x`; returns `dy W + dt A`.
///
/// Products take their operands in the type of the activations and give f32. The frozen weight and bias get no gradient. `t` is
/// made again rather than kept: it costs `r` of the weight's `out` rows.
fn adapter_backward<B: KernelBackend>(
    name: &str,
    weight: &Tensor<B, 2>,
    adapter: &LowRank<B>,
    x: Tensor<B, 2>,
    dy: Tensor<B, 2>,
    gradients: &mut Gradients<B>,
) -> Tensor<B, 2> {
    let compute = x.dtype();
    let operand = |matrix: &Tensor<B, 2>| matrix.clone().cast(compute);
    let dy = dy.cast(compute);
    let narrow = B::linear_group(x.clone(), &[adapter.weights().narrow()]).swap_remove(0);
    let db = B::wide_product(dy.clone().transpose(), narrow) * adapter.scale;
    gradients.add(b_name(name), db);
    let dnarrow = B::wide_product(dy.clone(), operand(floats(&adapter.b))) * adapter.scale;
    let dnarrow = dnarrow.cast(compute);
    gradients.add(a_name(name), B::wide_product(dnarrow.clone().transpose(), x));
    through(dy, weight, compute) + B::wide_product(dnarrow, operand(floats(&adapter.a)))
}

/// A norm over the heads of `x` `[n, heads, head_dim]`, where the layer has one.
struct HeadNorm<'a, B: Backend> {
    weight: Option<&'a Tensor<B, 1>>,
    eps: f32,
    frozen: bool,
}

impl<B: KernelBackend> HeadNorm<'_, B> {
    fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        let [n, heads, d] = x.dims();
        match self.weight {
            Some(weight) => B::rms_norm(x.reshape([n * heads, d]), weight, self.eps).reshape([n, heads, d]),
            None => x,
        }
    }

    fn backward(
        &self,
        name: &str,
        x: Tensor<B, 3>,
        dy: Tensor<B, 3>,
        gradients: &mut Gradients<B>,
    ) -> Tensor<B, 3> {
        let [n, heads, d] = x.dims();
        let Some(weight) = self.weight else { return dy };
        let rows = |x: Tensor<B, 3>| x.reshape([n * heads, d]);
        let (dx, dw) = B::rms_norm_backward(rows(x), weight, self.eps, rows(dy));
        if !self.frozen {
            gradients.add(format!("{name}.weight"), dw);
        }
        dx.reshape([n, heads, d])
    }
}

/// The norms over the heads of queries and keys.
struct HeadNorms<'a, B: Backend> {
    q: HeadNorm<'a, B>,
    k: HeadNorm<'a, B>,
}

impl<'a, B: Backend> HeadNorms<'a, B> {
    fn new(layer: &'a DecoderLayer<B>, eps: f32, frozen: bool) -> Self {
        Self {
            q: HeadNorm { weight: layer.q_norm.as_ref(), eps, frozen },
            k: HeadNorm { weight: layer.k_norm.as_ref(), eps, frozen },
        }
    }
}

/// What a layer's backward needs of its forward.
pub struct Kept<B: Backend> {
    normed: Tensor<B, 2>,
    q: Tensor<B, 3>,
    k: Tensor<B, 3>,
    v: Tensor<B, 3>,
    turned_q: Tensor<B, 3>,
    turned_k: Tensor<B, 3>,
    attended: Attended<B>,
    middle: Tensor<B, 2>,
    second: Tensor<B, 2>,
    gate: Tensor<B, 2>,
    up: Tensor<B, 2>,
    rows: Option<Tensor<B, 1, Int>>,
}

/// Values that [`Kept`] holds a token.
pub fn kept_values(config: &ModelConfig) -> usize {
    let (query, key) = (config.query_size(), config.key_value_size());
    3 * config.hidden_size
        + 3 * query
        + 3 * key
        + 2 * config.num_attention_heads
        + 2 * config.intermediate_size
}

/// What a layer's forward gives.
pub struct Forward<B: KernelBackend> {
    /// Its input as a whole, `[n, hidden]`.
    pub x: Tensor<B, 2>,
    /// What its backward needs besides.
    pub kept: Kept<B>,
    /// Its output `[n, hidden]`.
    pub y: Residual<B>,
}

/// A layer's output for its input `x` `[n, hidden]`, with what its backward needs. The bits are those of [`DecoderLayer::forward`].
///
/// With `rows` `[m]`, each named once, the output is `[m, hidden]`, of these rows alone: behind attention no row sees another, and of
/// the last layer only those count that predict something.
pub fn forward<B: KernelBackend>(
    layer: &DecoderLayer<B>,
    context: &LayerContext<'_, B>,
    x: Residual<B>,
    rows: Option<Tensor<B, 1, Int>>,
) -> Forward<B> {
    let LayerContext { config, tables, segments, adapted } = context;
    let eps = config.rms_norm_eps as f32;
    let (heads, kv_heads, d) = (config.num_attention_heads, config.num_key_value_heads, config.head_dim);
    let norms = HeadNorms::new(layer, eps, *adapted);
    let (x, normed) = x.normed(&layer.input_layernorm, eps);
    let n = x.dims()[0];
    let [q, k, v] = products(normed.clone(), [&layer.q_proj, &layer.k_proj, &layer.v_proj]);
    let (q, k, v) = (q.reshape([n, heads, d]), k.reshape([n, kv_heads, d]), v.reshape([n, kv_heads, d]));
    let turn = |x: Tensor<B, 3>| B::rotary(x, &tables.cos, &tables.sin);
    let (turned_q, turned_k) = (turn(norms.q.forward(q.clone())), turn(norms.k.forward(k.clone())));
    let shape = attention_shape(config);
    let attended = B::attention_packed(turned_q.clone(), turned_k.clone(), v.clone(), segments, shape);
    let more = layer.o_proj.forward(of_rows(attended.out.clone(), &rows));
    let joined = Residual::plus(of_rows(x.clone(), &rows), more);
    let (middle, second) = joined.normed(&layer.post_attention_layernorm, eps);
    let [gate, up] = products(second.clone(), [&layer.gate_proj, &layer.up_proj]);
    let y = Residual::plus(middle.clone(), layer.down_proj.forward(B::swiglu(gate.clone(), up.clone())));
    let kept = Kept { normed, q, k, v, turned_q, turned_k, attended, middle, second, gate, up, rows };
    Forward { x, kept, y }
}

/// Those `rows` of `x`, or all of it.
fn of_rows<B: Backend>(x: Tensor<B, 2>, rows: &Option<Tensor<B, 1, Int>>) -> Tensor<B, 2> {
    match rows {
        Some(rows) => x.select(0, rows.clone()),
        None => x,
    }
}

/// The gradient by `n` rows from that by those `rows`.
fn to_rows<B: Backend>(dx: Tensor<B, 2>, rows: &Option<Tensor<B, 1, Int>>, n: usize) -> Tensor<B, 2> {
    match rows {
        Some(rows) => Tensor::zeros([n, dx.dims()[1]], (&dx.device(), dx.dtype())).select_assign(
            0,
            rows.clone(),
            dx,
            IndexingUpdateOp::Add,
        ),
        None => dx,
    }
}

/// From the layer's input `x` `[n, hidden]`, what its forward kept and the gradient `dy` of its output, of the rows that the forward
/// was asked for: adds the gradients of its tensors and returns that of `x`.
pub fn backward<B: KernelBackend>(
    index: usize,
    layer: &DecoderLayer<B>,
    context: &LayerContext<'_, B>,
    x: Tensor<B, 2>,
    kept: Kept<B>,
    dy: Tensor<B, 2>,
    gradients: &mut Gradients<B>,
) -> Tensor<B, 2> {
    let LayerContext { config, tables, segments, adapted } = context;
    let Kept { normed, q, k, v, turned_q, turned_k, attended, middle, second, gate, up, rows } = kept;
    let n = x.dims()[0];
    let name = |part: &str| format!("model.layers.{index}.{part}");
    let eps = config.rms_norm_eps as f32;
    let norms = HeadNorms::new(layer, eps, *adapted);

    // The gated MLP.
    let inner = B::swiglu(gate.clone(), up.clone());
    let dinner =
        linear_backward(&name("mlp.down_proj"), (&layer.down_proj, *adapted), inner, dy.clone(), gradients);
    let (dgate, dup) = B::swiglu_backward(gate, up, dinner);
    let dsecond =
        linear_backward(
            &name("mlp.gate_proj"),
            (&layer.gate_proj, *adapted),
            second.clone(),
            dgate,
            gradients,
        ) + linear_backward(&name("mlp.up_proj"), (&layer.up_proj, *adapted), second, dup, gradients);
    let (dmiddle, dw) = B::add_rms_norm_backward(middle, &layer.post_attention_layernorm, eps, dsecond, dy);
    if !adapted {
        gradients.add(name("post_attention_layernorm.weight"), dw);
    }

    // Attention.
    let dattended = linear_backward(
        &name("self_attn.o_proj"),
        (&layer.o_proj, *adapted),
        of_rows(attended.out.clone(), &rows),
        dmiddle.clone(),
        gradients,
    );
    let shape = attention_shape(config);
    let dattended = to_rows(dattended, &rows, n).cast(attended.out.dtype());
    let (dq, dk, dv) =
        B::attention_packed_backward(turned_q, turned_k, v, segments, shape, &attended, dattended);
    // A rotation's gradient is the rotation back.
    let back = |x: Tensor<B, 3>| B::rotary(x, &tables.cos, &tables.sin.clone().neg());
    let dq = norms.q.backward(&name("self_attn.q_norm"), q, back(dq), gradients);
    let dk = norms.k.backward(&name("self_attn.k_norm"), k, back(dk), gradients);
    let flat = |x: Tensor<B, 3>| {
        let [n, heads, d] = x.dims();
        x.reshape([n, heads * d])
    };
    let dnormed = linear_backward(
        &name("self_attn.q_proj"),
        (&layer.q_proj, *adapted),
        normed.clone(),
        flat(dq),
        gradients,
    ) + linear_backward(
        &name("self_attn.k_proj"),
        (&layer.k_proj, *adapted),
        normed.clone(),
        flat(dk),
        gradients,
    ) + linear_backward(
        &name("self_attn.v_proj"),
        (&layer.v_proj, *adapted),
        normed,
        flat(dv),
        gradients,
    );
    let (dx, dw) = match rows {
        Some(rows) => {
            let (dx, dw) = B::rms_norm_backward(x, &layer.input_layernorm, eps, dnormed);
            (dx.select_assign(0, rows, dmiddle, IndexingUpdateOp::Add), dw)
        }
        None => B::add_rms_norm_backward(x, &layer.input_layernorm, eps, dnormed, dmiddle),
    };
    if !adapted {
        gradients.add(name("input_layernorm.weight"), dw);
    }
    dx
}
