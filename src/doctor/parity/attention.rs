//! Attention of packed sequences, forward and backward.

use std::ops::Range;

use burn::tensor::{DType, Tensor};

use super::{Expected, Parity};
use crate::doctor::exact::attention::{self as exact, Inputs, places};
use crate::doctor::inputs::{Grain, host, tensor};
use crate::kernels::selection::{AttentionKernel, with_attention};
use crate::kernels::{AttentionShape, KernelBackend, Segment};

/// Lengths on both sides of every tile; none is one, too.
const RAGGED: [usize; 8] = [1, 17, 63, 0, 64, 65, 130, 411];

/// One batch.
struct Case {
    name: &'static str,
    segments: Vec<Segment>,
    /// Query heads, key heads, elements a head.
    heads: (usize, usize, usize),
    extreme: bool,
    /// Times the usual scale.
    factor: f32,
}

impl Case {
    fn shape(&self) -> AttentionShape {
        let (heads, kv_heads, head_dim) = self.heads;
        let scale = self.factor * if self.extreme { 4.0 } else { 1.0 } * (head_dim as f32).sqrt().recip();
        AttentionShape { heads, kv_heads, head_dim, scale }
    }

    /// Numbers that the types of `grain` hold exactly.
    fn inputs(&self, grain: Grain, seed: u64) -> Inputs {
        let n = self.segments.iter().map(|segment| segment.len).sum();
        let make = if self.extreme { Inputs::extreme } else { Inputs::plain };
        let mut inputs = make(n, self.shape(), grain, seed);
        if self.extreme && grain == Grain::Coarse {
            // Gradients of keys add up numbers in the thousands; f16 ends at 65504.
            inputs.dout.iter_mut().for_each(|x| *x /= 32.0);
        }
        inputs
    }

    /// Whether `dtype` has no numbers for the gradients of queries and keys, which are multiplied by the scale.
    fn vanishes(&self, dtype: DType) -> bool {
        dtype == DType::F16 && self.factor != 0.0 && self.factor.abs() < 1e-6
    }

    fn text(&self) -> String {
        let (heads, kv_heads, head_dim) = self.heads;
        format!("{}, {heads} heads on {kv_heads} of {head_dim}", self.name)
    }
}

fn cases() -> Vec<Case> {
    let case = |name, segments: &[Segment], heads, extreme| Case {
        name,
        segments: segments.to_vec(),
        heads,
        extreme,
        factor: 1.0,
    };
    let scaled = |name, factor| Case { factor, ..case(name, &[Segment::alone(70)], (4, 2, 64), false) };
    let ragged = Segment::all(&RAGGED);
    // Replies that end before, at and after a tile's end, to prompts of such lengths; the last stands by itself again.
    let after = |len, parent| Segment { len, after: Some(parent) };
    let continued = [
        Segment::alone(130),
        after(1, 0),
        after(64, 0),
        Segment::alone(17),
        after(65, 3),
        after(0, 3),
        after(130, 0),
        Segment::alone(64),
        after(63, 7),
        Segment::alone(19),
    ];
    vec![
        case("ragged", &ragged, (2, 2, 64), false),
        case("ragged", &ragged, (6, 2, 96), false),
        case("ragged", &ragged, (7, 1, 128), false),
        case("continued", &continued, (7, 1, 64), false),
        case("continued", &continued, (2, 2, 96), false),
        case("continued", &continued, (6, 2, 128), false),
        case("scores to 1e4", &continued, (6, 2, 64), true),
        case("scores to 1e4", &ragged, (2, 2, 128), true),
        Case { factor: -1.0, ..case("scores to 1e4, a scale below 0", &continued, (6, 2, 64), true) },
        scaled("a scale below 0", -2.0),
        scaled("a scale of 0", 0.0),
        // Heads of 64 have a usual scale of 1/8.
        scaled("a scale of 1e-30", 8e-30),
    ]
}

impl<B: KernelBackend> Parity<'_, B> {
    /// Attention beside [`exact::attention`], by every kernel that the device can run.
    pub(super) fn attention(&mut self) {
        for (seed, case) in (0..).zip(cases()) {
            for (grain, dtypes) in self.grains() {
                let (shape, segments) = (case.shape(), &case.segments);
                self.findings.step(format!("attention, {}: on the host", case.text()));
                let inputs = case.inputs(grain, seed);
                let exact = exact::attention(&inputs, segments, shape);
                let AttentionShape { heads, kv_heads, head_dim, .. } = shape;
                let expected = |output, values: Vec<f64>, width: usize| {
                    let part = |rows: Range<usize>| rows.start * width..rows.end * width;
                    let parts = places(segments).into_iter().map(|(own, _)| part(own)).collect();
                    Expected::parts(output, values, parts)
                };
                let forward =
                    [expected("out", exact.out, heads * head_dim), expected("sums", exact.sums, heads)];
                let zeros = |output, like: &[f64]| Expected::whole(output, vec![0.0; like.len()]);
                let vanished = [zeros("dq", &exact.dq), zeros("dk", &exact.dk)];
                let dv = expected("dv", exact.dv, kv_heads * head_dim);
                let [dq, dk] = [
                    expected("dq", exact.dq, heads * head_dim),
                    expected("dk", exact.dk, kv_heads * head_dim),
                ];
                for dtype in dtypes {
                    let [dq, dk] = if case.vanishes(dtype) { vanished.each_ref() } else { [&dq, &dk] };
                    let backward = [&dv, dq, dk];
                    let mut kernels: Vec<_> =
                        B::attention_kernels(&self.device, dtype, head_dim).into_iter().map(Some).collect();
                    if kernels.is_empty() {
                        // Whatever there is: a device that has none at all says so.
                        kernels.push(None);
                    }
                    for kernel in kernels {
                        let text = by(kernel, &case.text());
                        self.check("attention_packed", &text, dtype, &forward, |device| {
                            let Operands { q, k, v, .. } = Operands::<B>::new(&inputs, shape, device, dtype);
                            let attended = with(kernel, || B::attention_packed(q, k, v, segments, shape));
                            vec![host(attended.out.clone()), host(attended.log_sums(shape.scale))]
                        });
                        self.check("attention_packed_backward", &text, dtype, &backward, |device| {
                            let Operands { q, k, v, dout } =
                                Operands::<B>::new(&inputs, shape, device, dtype);
                            let (dq, dk, dv) = with(kernel, || {
                                let attended =
                                    B::attention_packed(q.clone(), k.clone(), v.clone(), segments, shape);
                                B::attention_packed_backward(q, k, v, segments, shape, &attended, dout)
                            });
                            // As f16 holds them, where the device gives them in f32.
                            let [dq, dk] =
                                [dq, dk].map(|x| if case.vanishes(dtype) { x.cast(dtype) } else { x });
                            [dv, dq, dk].map(host).to_vec()
                        });
                    }
                }
            }
        }
    }
}

/// A case by a kernel that is asked for.
pub(super) fn by(kernel: Option<AttentionKernel>, case: &str) -> String {
    kernel.map_or_else(|| case.to_owned(), |kernel| format!("{case}, {}", kernel.name()))
}

/// `work` by a kernel that is asked for.
pub(super) fn with<T>(kernel: Option<AttentionKernel>, work: impl FnOnce() -> T) -> T {
    match kernel {
        Some(kernel) => with_attention(kernel, work),
        None => work(),
    }
}

/// [`Inputs`] on a device.
struct Operands<B: KernelBackend> {
    q: Tensor<B, 3>,
    k: Tensor<B, 3>,
    v: Tensor<B, 3>,
    dout: Tensor<B, 2>,
}

impl<B: KernelBackend> Operands<B> {
    fn new(inputs: &Inputs, shape: AttentionShape, device: &B::Device, dtype: DType) -> Self {
        let AttentionShape { heads, kv_heads, head_dim, .. } = shape;
        let n = inputs.q.len() / (heads * head_dim);
        Self {
            q: tensor(&inputs.q, [n, heads, head_dim], device, dtype),
            k: tensor(&inputs.k, [n, kv_heads, head_dim], device, dtype),
            v: tensor(&inputs.v, [n, kv_heads, head_dim], device, dtype),
            dout: tensor(&inputs.dout, [n, heads * head_dim], device, dtype),
        }
    }
}
