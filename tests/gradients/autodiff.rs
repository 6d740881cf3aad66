//! The kernels under burn's autodiff: beside burn's own gradients of the plain formulas, and beside the trainer's of a layer and
//! of whole decoders.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::{
    BalancedCheckpointing, CheckpointStrategy, NoCheckpointing,
};
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Bool, DType, Int, Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use osler::kernels::attention::positions;
use osler::kernels::autodiff::{LogitOptions, cross_entropy, log_probs};
use osler::kernels::{AdaptedWeights, AttentionShape, KernelBackend, LowRankWeights, Matrix, Segment};
use osler::model::cache::attention_shape;
use osler::model::decoder::{Decoder, DecoderWeights};
use osler::model::layer::{Linear, Projected};
use osler::model::rotary::RotaryTables;
use osler::train::layer::{self, LayerContext};
use osler::train::{Gradients, PackedBatch};

use crate::decoder::{two_continuations, weighted};
use crate::support::{self, Formula, TINY_MODELS};
use crate::{noise, tensor, values};

/// The CPU under autodiff.
type A<C = NoCheckpointing> = Autodiff<Flex, C>;

fn leaf<C: CheckpointStrategy, const D: usize>(x: &Tensor<Flex, D>) -> Tensor<A<C>, D> {
    Tensor::<A<C>, D>::from_inner(x.clone()).require_grad()
}

fn constant<C: CheckpointStrategy, const D: usize>(x: &Tensor<Flex, D>) -> Tensor<A<C>, D> {
    Tensor::from_inner(x.clone())
}

/// Whether a gradient would go on to what it was computed from.
fn is_tracked<const D: usize>(x: &Tensor<A, D>) -> bool {
    x.clone().into_primitive().tensor().is_tracked()
}

/// To 1e-5 in the Euclidean norm; what cancels to less than `floor` counts as that.
fn near<const D: usize>(what: &str, found: Tensor<Flex, D>, expected: Tensor<Flex, D>, floor: f64) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let (found, expected) = (values(found), values(expected));
    let norm = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
    let apart: Vec<f64> = found.iter().zip(&expected).map(|(&a, b)| f64::from(a) - b).collect();
    let (apart, size) = (norm(&apart), norm(&expected));
    assert!(apart <= 1e-5 * size.max(floor), "{what}: {apart:e} of {size:e}");
}

/// An output and, of the sum of its products with fixed numbers, the gradients by the inputs.
type Passed<const I: usize, const O: usize, const N: usize> = (Tensor<Flex, O>, [Tensor<Flex, I>; N]);

fn pass<C: CheckpointStrategy, const I: usize, const O: usize, const N: usize>(
    inputs: &[Tensor<Flex, I>; N],
    operation: impl FnOnce([Tensor<A<C>, I>; N]) -> Tensor<A<C>, O>,
) -> Passed<I, O, N> {
    let leaves = inputs.each_ref().map(leaf::<C, I>);
    let out = operation(leaves.clone());
    let dims = out.dims();
    let dout = tensor(noise(99, dims.iter().product()), dims);
    let gradients = (out.clone() * constant::<C, O>(&dout)).sum().backward();
    (out.inner(), leaves.map(|leaf| leaf.grad(&gradients).unwrap()))
}

fn same<const I: usize, const O: usize, const N: usize>(
    what: &str,
    found: Passed<I, O, N>,
    expected: Passed<I, O, N>,
) {
    near(&format!("{what}, output"), found.0, expected.0, 0.1);
    for (index, (found, expected)) in found.1.into_iter().zip(expected.1).enumerate() {
        near(&format!("{what}, gradient {index}"), found, expected, 0.1);
    }
}

#[test]
fn the_norms_gradients_are_those_of_its_formula() {
    for (n, d) in [(3, 7), (65, 64), (130, 33)] {
        let x = tensor(noise(1, n * d), [n, d]) * 3.0;
        // A row, so that both inputs have as many dimensions.
        let weight = tensor(noise(2, d), [1, d]);
        let inputs = [x, weight];
        let found = pass::<NoCheckpointing, 2, 2, 2>(&inputs, |[x, weight]| {
            A::<NoCheckpointing>::rms_norm(x, &weight.squeeze_dim(0), 1e-5)
        });
        let expected = pass::<NoCheckpointing, 2, 2, 2>(&inputs, |[x, weight]| {
            let size = ((x.clone() * x.clone()).mean_dim(1) + 1e-5).sqrt();
            x / size * weight
        });
        same(&format!("{n} rows of {d}"), found, expected);
    }
}

#[test]
fn the_activations_gradients_are_those_of_its_formula() {
    for (n, d) in [(2, 3), (129, 300)] {
        let inputs = [1, 2].map(|seed| tensor(noise(seed, n * d), [n, d]) * 4.0);
        let found =
            pass::<NoCheckpointing, 2, 2, 2>(&inputs, |[gate, up]| A::<NoCheckpointing>::swiglu(gate, up));
        let expected = pass::<NoCheckpointing, 2, 2, 2>(&inputs, |[gate, up]| {
            gate.clone() / (gate.neg().exp() + 1.0) * up
        });
        same(&format!("{n} rows of {d}"), found, expected);
    }
}

#[test]
fn the_rotations_gradients_are_those_of_its_formula() {
    for (n, heads, d) in [(1, 1, 2), (9, 3, 8), (40, 2, 24)] {
        let inputs = [tensor(noise(1, n * heads * d), [n, heads, d])];
        // Not on the unit circle: YaRN's are not either.
        let [cos, sin] = [2, 3].map(|seed| tensor(noise(seed, n * d / 2), [n, d / 2]));
        let found = pass::<NoCheckpointing, 3, 3, 1>(&inputs, |[x]| {
            A::<NoCheckpointing>::rotary(x, &constant(&cos), &constant(&sin))
        });
        let expected = pass::<NoCheckpointing, 3, 3, 1>(&inputs, |[x]| {
            let (a, b) = (x.clone().narrow(2, 0, d / 2), x.narrow(2, d / 2, d / 2));
            let [cos, sin] = [&cos, &sin].map(|x| constant::<NoCheckpointing, 2>(x).unsqueeze_dim::<3>(1));
            let turned = a.clone() * cos.clone() - b.clone() * sin.clone();
            Tensor::cat(vec![turned, b * cos + a * sin], 2)
        });
        same(&format!("{n} rows of {heads} heads of {d}"), found, expected);
    }
}

/// Softmax over scores that are all there, one head of one segment after another.
fn plain_attention(
    [q, k, v]: [Tensor<A, 3>; 3],
    segments: &[Segment],
    shape: AttentionShape,
) -> Tensor<A, 2> {
    let column = |x: &Tensor<A, 3>, head: usize| x.clone().narrow(1, head, 1).squeeze_dim::<2>(1);
    let mut places = Vec::new();
    let mut outputs = Vec::new();
    for segment in segments {
        let start = places.last().map_or(0, |rows: &std::ops::Range<usize>| rows.end);
        let own = start..start + segment.len;
        places.push(own.clone());
        if own.is_empty() {
            continue;
        }
        let before = segment.after.map(|parent| places[parent].clone()).filter(|rows| !rows.is_empty());
        let seen = |x: &Tensor<A, 3>, head: usize| {
            let x = column(x, head);
            let own = x.clone().slice([own.clone()]);
            match &before {
                Some(before) => Tensor::cat(vec![x.slice([before.clone()]), own], 0),
                None => own,
            }
        };
        let heads = (0..shape.heads).map(|head| {
            let of_keys = head / (shape.heads / shape.kv_heads);
            let (k, v) = (seen(&k, of_keys), seen(&v, of_keys));
            let scores = column(&q, head).slice([own.clone()]).matmul(k.transpose()) * shape.scale;
            let [queries, keys] = scores.dims();
            let later = (0..queries * keys).map(|i| i % keys > keys - queries + i / keys);
            let later = TensorData::new(later.collect::<Vec<bool>>(), [queries, keys]);
            let later = Tensor::<A, 2, Bool>::from_data(later, &FlexDevice);
            softmax(scores.mask_fill(later, -1e30), 1).matmul(v)
        });
        outputs.push(Tensor::cat(heads.collect(), 1));
    }
    Tensor::cat(outputs, 0)
}

#[test]
fn attentions_gradients_are_those_of_its_formula() {
    let after = |len, parent| Segment { len, after: Some(parent) };
    let alone = Segment::alone;
    for (heads, kv_heads, head_dim) in [(1, 1, 4), (4, 2, 8), (6, 2, 32), (3, 3, 5)] {
        for segments in [
            vec![alone(7)],
            Segment::all(&[1, 40, 3]),
            Segment::all(&[17, 0, 16, 15, 0, 70]),
            vec![alone(20), after(5, 0), after(1, 0)],
            vec![alone(16), alone(3), after(17, 1), after(40, 0), after(0, 0), after(2, 1), alone(9)],
        ] {
            let n: usize = segments.iter().map(|segment| segment.len).sum();
            let shape = AttentionShape { heads, kv_heads, head_dim, scale: 0.7 };
            let part = |seed, heads: usize| tensor(noise(seed, n * heads * head_dim), [n, heads, head_dim]);
            let inputs = [part(1, heads), part(2, kv_heads), part(3, kv_heads)];
            let found = pass::<NoCheckpointing, 3, 2, 3>(&inputs, |[q, k, v]| {
                A::<NoCheckpointing>::attention_packed(q, k, v, &segments, shape).out
            });
            let expected =
                pass::<NoCheckpointing, 3, 2, 3>(&inputs, |inputs| plain_attention(inputs, &segments, shape));
            same(&format!("{heads} heads of {head_dim}, {segments:?}"), found, expected);
        }
    }
}

#[test]
fn what_is_not_tracked_has_no_gradient_and_changes_no_other() {
    let segments = Segment::all(&[5, 9]);
    let shape = AttentionShape { heads: 4, kv_heads: 2, head_dim: 8, scale: 0.4 };
    let part = |seed, heads: usize| tensor(noise(seed, 14 * heads * 8), [14, heads, 8]);
    let inputs = [part(1, 4), part(2, 2), part(3, 2)];
    let [all, _, _] = pass::<NoCheckpointing, 3, 2, 3>(&inputs, |[q, k, v]| {
        A::<NoCheckpointing>::attention_packed(q, k, v, &segments, shape).out
    })
    .1;
    let [_, k, v] = inputs.each_ref().map(constant::<NoCheckpointing, 3>);
    let [q, _, _] = &inputs;
    let [alone] = pass::<NoCheckpointing, 3, 2, 1>(&[q.clone()], |[q]| {
        A::<NoCheckpointing>::attention_packed(q, k.clone(), v.clone(), &segments, shape).out
    })
    .1;
    assert_eq!(values(alone), values(all));
    let nothing = A::<NoCheckpointing>::attention_packed(constant(q), k, v, &segments, shape).out;
    assert!(!is_tracked(&nothing));
}

/// A head with what its logits go through.
struct Head {
    hidden: Tensor<Flex, 2>,
    weight: Tensor<Flex, 2>,
    bias: Option<Tensor<Flex, 1>>,
    adapter: Option<[Tensor<Flex, 2>; 2]>,
    targets: Vec<u32>,
    options: LogitOptions,
    /// Whether weight and bias are tracked.
    trained: bool,
}

/// What an adapter's contribution is multiplied by.
const SCALE: f32 = 1.5;

/// A head's tensors under autodiff.
struct Recorded {
    hidden: Tensor<A, 2>,
    weight: Tensor<A, 2>,
    bias: Option<Tensor<A, 1>>,
    adapter: Option<[Tensor<A, 2>; 2]>,
}

impl Recorded {
    /// Log-probs `[n]` by the kernel, or the cross entropy `[1]`.
    fn kernel(&self, head: &Head, weights: Option<&[f32]>) -> Tensor<A, 1> {
        let weight = Matrix::Float(self.weight.clone());
        let adapter = self.adapter.clone().map(|matrices| matrices.map(Matrix::Float));
        let adapter = adapter.as_ref().map(|[a, b]| LowRankWeights { a, b, scale: SCALE });
        let given = AdaptedWeights { weight: &weight, bias: self.bias.as_ref(), adapter };
        let hidden = self.hidden.clone();
        match weights {
            Some(weights) => cross_entropy(hidden, &given, &head.targets, weights, head.options),
            None => log_probs(hidden, &given, &head.targets, head.options),
        }
    }

    /// Log-probs `[n]` from logits that are all there.
    fn formula(&self, head: &Head) -> Tensor<A, 1> {
        let mut logits = self.hidden.clone().matmul(self.weight.clone().transpose());
        if let Some(bias) = &self.bias {
            logits = logits + bias.clone().unsqueeze_dim::<2>(0);
        }
        if let Some([a, b]) = &self.adapter {
            let narrow = self.hidden.clone().matmul(a.clone().transpose()) * SCALE;
            logits = logits + narrow.matmul(b.clone().transpose());
        }
        if let Some(cap) = head.options.soft_cap {
            logits = (logits / cap).tanh() * cap;
        }
        let targets: Vec<i32> = head.targets.iter().map(|&target| target as i32).collect();
        let targets = TensorData::new(targets, [head.targets.len(), 1]);
        let targets = Tensor::<A, 2, Int>::from_data(targets, &FlexDevice);
        log_softmax(logits / head.options.temperature, 1).gather(1, targets).squeeze_dim(1)
    }
}

impl Head {
    fn new(n: usize, width: usize, vocab: usize) -> Self {
        Self {
            hidden: tensor(noise(1, n * width), [n, width]),
            weight: tensor(noise(2, vocab * width), [vocab, width]),
            bias: None,
            adapter: None,
            targets: (0..n).map(|i| (i * 7919 % vocab) as u32).collect(),
            options: LogitOptions::default(),
            trained: true,
        }
    }

    /// A loss and its gradients by whatever is tracked.
    fn gradients(
        &self,
        loss: impl FnOnce(&Recorded) -> Tensor<A, 1>,
    ) -> (Tensor<Flex, 1>, Vec<(&'static str, Tensor<Flex, 1>)>) {
        fn held<const D: usize>(trained: bool, x: &Tensor<Flex, D>) -> Tensor<A, D> {
            if trained { leaf(x) } else { constant(x) }
        }
        let recorded = Recorded {
            hidden: leaf(&self.hidden),
            weight: held(self.trained, &self.weight),
            bias: self.bias.as_ref().map(|bias| held(self.trained, bias)),
            adapter: self.adapter.as_ref().map(|matrices| matrices.each_ref().map(leaf)),
        };
        let loss = loss(&recorded);
        let gradients = loss.backward();
        let flat = |x: &Tensor<A, 2>| -> Option<Tensor<Flex, 1>> {
            x.grad(&gradients).map(|gradient| gradient.flatten(0, 1))
        };
        let mut found = vec![("hidden", flat(&recorded.hidden)), ("weight", flat(&recorded.weight))];
        found.push(("bias", recorded.bias.as_ref().and_then(|bias| bias.grad(&gradients))));
        for (name, matrix) in ["A", "B"].into_iter().zip(recorded.adapter.iter().flatten()) {
            found.push((name, flat(matrix)));
        }
        (loss.inner(), found.into_iter().filter_map(|(name, it)| it.map(|it| (name, it))).collect())
    }
}

#[test]
fn the_heads_gradients_are_those_of_its_formula() {
    let adapter = |width: usize, vocab: usize| {
        [tensor(noise(4, 3 * width), [3, width]), tensor(noise(5, vocab * 3), [vocab, 3])]
    };
    let bias = |vocab: usize| tensor(noise(3, vocab), [vocab]);
    let capped = LogitOptions { soft_cap: Some(3.0), temperature: 0.7 };
    let plain = || Head::new(9, 24, 37);
    let cases = [
        plain(),
        // More rows than a part has.
        Head::new(530, 8, 19),
        Head { bias: Some(bias(37)), options: capped, ..plain() },
        Head { bias: Some(bias(37)), adapter: Some(adapter(24, 37)), trained: false, ..plain() },
        Head { adapter: Some(adapter(24, 37)), options: capped, ..plain() },
        Head { trained: false, ..plain() },
    ];
    for (index, head) in cases.into_iter().enumerate() {
        let n = head.targets.len();
        // The first counts for nothing.
        let mut weights: Vec<f32> = noise(6, n).iter().map(|weight| weight.abs() + 0.1).collect();
        weights[0] = 0.0;
        let by_row = tensor(weights.clone(), [n]);
        let expected =
            head.gradients(|it| (it.formula(&head) * constant::<NoCheckpointing, 1>(&by_row)).sum());
        let tracked = 1
            + 2 * usize::from(head.adapter.is_some())
            + usize::from(head.trained) * (1 + usize::from(head.bias.is_some()));
        assert_eq!(expected.1.len(), tracked, "case {index}");

        let by_log_probs =
            head.gradients(|it| (it.kernel(&head, None) * constant::<NoCheckpointing, 1>(&by_row)).sum());
        // Its gradient is not 1: the loss is turned and halved, and doubled.
        let halves: Vec<f32> = weights.iter().map(|weight| weight / 2.0).collect();
        let at_once = head.gradients(|it| it.kernel(&head, Some(&halves)) * -2.0);
        for (way, (loss, gradients)) in [("log-probs", by_log_probs), ("cross entropy", at_once)] {
            near(&format!("case {index}, {way}, loss"), loss, expected.0.clone(), 1.0);
            assert_eq!(gradients.len(), expected.1.len(), "case {index}, {way}");
            for ((name, found), (_, expected)) in gradients.into_iter().zip(&expected.1) {
                near(&format!("case {index}, {way}, {name}"), found, expected.clone(), 0.1);
            }
        }
    }
}

#[test]
fn a_head_without_anything_tracked_gives_the_same_numbers() {
    let head = Head::new(9, 24, 37);
    let weights = noise(6, 9);
    let frozen = Recorded {
        hidden: constant(&head.hidden),
        weight: constant(&head.weight),
        bias: None,
        adapter: None,
    };
    let tracked =
        Recorded { hidden: leaf(&head.hidden), weight: leaf(&head.weight), bias: None, adapter: None };
    for weights in [None, Some(&weights[..])] {
        let (found, expected) = (frozen.kernel(&head, weights), tracked.kernel(&head, weights));
        assert!(!is_tracked(&found) && is_tracked(&expected));
        near("forward", found.inner(), expected.inner(), 1.0);
    }
}

/// A tiny model under autodiff whose tensors are the leaves, by name and flat.
struct Tracked<C: CheckpointStrategy> {
    decoder: Decoder<A<C>>,
    leaves: Vec<(String, Tensor<A<C>, 1>)>,
}

impl<C: CheckpointStrategy> Tracked<C> {
    fn new(model: &str) -> Self {
        let config = support::config(model);
        let Ok(weights) = DecoderWeights::<A<C>>::read(&config, &mut Formula { bf16: false }, &FlexDevice);
        let mut decoder = Decoder::new(config, weights, DType::F32, FlexDevice);
        let mut leaves = Vec::new();
        decoder.visit_parameters(&mut |name, mut parameter| {
            parameter.update(|values| {
                let leaf = leaf::<C, 1>(&values.inner());
                leaves.push((name.to_owned(), leaf.clone()));
                leaf
            });
        });
        Self { decoder, leaves }
    }

    /// The sum of log-probs as [`weighted`] weighs them, and its gradients.
    fn weighted(&self, batch: &PackedBatch) -> (f64, Vec<(&str, Tensor<Flex, 1>)>) {
        let Self { decoder, leaves } = self;
        let hidden = decoder.forward_segments(&batch.tokens, &batch.segments);
        let n = batch.targets.len();
        let rows: Vec<i32> = batch.targets.iter().map(|target| target.row as i32).collect();
        let rows = Tensor::<A<C>, 1, Int>::from_data(TensorData::new(rows, [n]), &FlexDevice);
        let eps = decoder.config.rms_norm_eps as f32;
        let normed = <A<C> as KernelBackend>::rms_norm(hidden.select(0, rows), &decoder.norm, eps);
        let tied = || Linear::new(decoder.embed_tokens.clone(), None);
        let head = decoder.lm_head.clone().unwrap_or_else(tied);
        let targets: Vec<u32> = batch.targets.iter().map(|target| target.token).collect();
        let options = LogitOptions { temperature: 0.9, ..LogitOptions::default() };
        let log_probs = log_probs(normed, &head.weights(), &targets, options);
        let weights = tensor((0..n).map(|index| 0.5 + (index % 3) as f32).collect(), [n]);
        let loss = (log_probs * constant::<C, 1>(&weights)).sum();
        let gradients = loss.backward();
        let found = leaves.iter().map(|(name, leaf)| (name.as_str(), leaf.grad(&gradients).unwrap()));
        (f64::from(values(loss.inner())[0]), found.collect())
    }
}

#[test]
fn a_layer_has_the_gradients_of_the_trainers_layer() {
    let after = |len, parent| Segment { len, after: Some(parent) };
    let alone = Segment::alone;
    let segments = [alone(5), after(3, 0), alone(0), alone(17), after(1, 0), after(4, 3)];
    for model in TINY_MODELS {
        let decoder = support::decoder(model);
        let (config, layer) = (&decoder.config, &decoder.layers[0]);
        let positions = positions(&segments);
        let dims = [positions.len(), config.hidden_size];
        let tables = RotaryTables::<Flex>::new(&config.rope_frequencies(), &positions, &FlexDevice);
        let [x, dy] = [1, 2].map(|seed| tensor(noise(seed, dims[0] * dims[1]), dims));
        let context = LayerContext { config, tables: &tables, segments: &segments, adapted: false };
        let (y, kept) = layer::forward(layer, &context, x.clone(), None);
        let mut expected = Gradients::default();
        let dx = layer::backward(0, layer, &context, x.clone(), kept, dy.clone(), &mut expected);

        let tracked = Tracked::<NoCheckpointing>::new(model);
        let tables = RotaryTables::<A> { cos: constant(&tables.cos), sin: constant(&tables.sin) };
        let input = leaf::<NoCheckpointing, 2>(&x);
        let attend = |Projected { q, k, v }: Projected<A>| {
            A::<NoCheckpointing>::attention_packed(q, k, v, &segments, attention_shape(config)).out
        };
        let output = tracked.decoder.layers[0].forward(input.clone(), config, &tables, attend);
        let gradients = (output.clone() * constant::<NoCheckpointing, 2>(&dy)).sum().backward();

        near(&format!("{model}, output"), output.inner(), y, 1.0);
        near(&format!("{model}, input"), input.grad(&gradients).unwrap(), dx, 1.0);
        let mut compared = 0;
        for (name, leaf) in &tracked.leaves {
            let gradient = leaf.grad(&gradients);
            assert_eq!(gradient.is_some(), name.starts_with("model.layers.0."), "{model}, {name}");
            if let Some(gradient) = gradient {
                near(&format!("{model}, {name}"), gradient, expected.get(name).unwrap().clone(), 1.0);
                compared += 1;
            }
        }
        assert_eq!(compared, expected.iter().count(), "{model}");
    }
}

#[test]
fn a_whole_decoder_has_the_trainers_gradients() {
    for model in TINY_MODELS {
        let batch = two_continuations(model);
        let (sum, expected) = weighted(&support::decoder(model), &batch);
        let check = |way: &str, (found, gradients): (f64, Vec<(&str, Tensor<Flex, 1>)>)| {
            assert!((found - sum).abs() <= 1e-5 * sum.abs(), "{model}, {way}: {found} and {sum}");
            assert_eq!(gradients.len(), expected.iter().count(), "{model}, {way}");
            for (name, gradient) in gradients {
                let expected = expected.get(name).unwrap().clone();
                near(&format!("{model}, {way}, {name}"), gradient, expected, 1.0);
            }
        };
        check("all kept", Tracked::<NoCheckpointing>::new(model).weighted(&batch));
        check("made again", Tracked::<BalancedCheckpointing>::new(model).weighted(&batch));
    }
}
