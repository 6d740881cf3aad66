//! Gradients: the CPU kernels' against the plain references, the decoder's against finite differences for every
//! architecture, AdamW against torch.

mod support;

use std::collections::BTreeMap;

use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use osler::kernels::head::Derivative;
use osler::kernels::{
    AdamWStep, AttentionShape, KernelBackend, Segment, activation, adamw, attention, norm, softmax,
};
use osler::model::adapter::Projection;
use osler::model::decoder::{Decoder, DecoderWeights};
use osler::train::{Gradients, Objective, PackedBatch, Target, forward_backward, forward_backward_beside};
use serde::Deserialize;
use support::{Formula, TINY_MODELS, adapt, adapt_targets, config, expected, fixtures, max_diff, with_head};

/// Numbers without a pattern, between -1 and 1.
fn noise(seed: u32, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

fn tensor<const D: usize>(values: Vec<f32>, dims: [usize; D]) -> Tensor<Flex, D> {
    Tensor::from_data(TensorData::new(values, dims), (&FlexDevice, DType::F32))
}

fn values<const D: usize>(x: Tensor<Flex, D>) -> Vec<f32> {
    x.into_data().to_vec().unwrap()
}

fn close<const D: usize>(what: &str, found: Tensor<Flex, D>, expected: Tensor<Flex, D>) {
    let (found, expected) = (values(found), values(expected));
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1.0f32, |a, b| a.max(b.abs()));
    let diff = max_diff(&found, &expected);
    assert!(diff <= 2e-5 * largest, "{what}: {diff:e} of {largest}");
}

#[test]
fn the_norms_backward_is_the_references() {
    for (n, d) in [(1, 1), (3, 7), (65, 64), (200, 33)] {
        let (x, weight, dy) = (noise(1, n * d), noise(2, d), noise(3, n * d));
        let (x, weight, dy) = (tensor(x, [n, d]), tensor(weight, [d]), tensor(dy, [n, d]));
        let (dx, dw) = Flex::rms_norm_backward(x.clone(), &weight, 1e-5, dy.clone());
        let (expected_dx, expected_dw) = norm::backward::reference(x, &weight, 1e-5, dy);
        close("dx", dx, expected_dx);
        close("dw", dw, expected_dw);
    }
}

#[test]
fn the_activations_backward_is_the_references() {
    for (n, d) in [(1, 1), (3, 7), (129, 300)] {
        let part = |seed| tensor(noise(seed, n * d), [n, d]) * 6.0;
        let (dgate, dup) = Flex::swiglu_backward(part(1), part(2), part(3));
        let (expected_dgate, expected_dup) = activation::backward::reference(part(1), part(2), part(3));
        close("dgate", dgate, expected_dgate);
        close("dup", dup, expected_dup);
    }
}

#[test]
fn attentions_backward_is_the_references() {
    for (heads, kv_heads, head_dim) in [(1, 1, 1), (4, 2, 8), (6, 2, 32), (3, 3, 5)] {
        let after = |len, parent| Segment { len, after: Some(parent) };
        let alone = Segment::alone;
        for segments in [
            vec![alone(1)],
            vec![alone(7)],
            Segment::all(&[1, 40, 3]),
            Segment::all(&[17, 16, 15, 64]),
            vec![alone(300)],
            vec![alone(20), after(5, 0), after(1, 0)],
            vec![alone(16), alone(3), after(17, 1), after(40, 0), after(2, 1), alone(9)],
        ] {
            let n: usize = segments.iter().map(|segment| segment.len).sum();
            let shape = AttentionShape { heads, kv_heads, head_dim, scale: 0.7 };
            let part = |seed, heads: usize| tensor(noise(seed, n * heads * head_dim), [n, heads, head_dim]);
            let (q, k, v) = (part(1, heads), part(2, kv_heads), part(3, kv_heads));
            let dout = tensor(noise(4, n * heads * head_dim), [n, heads * head_dim]);
            let inputs = || (q.clone(), k.clone(), v.clone());
            let (tq, tk, tv) = inputs();
            let attended = Flex::attention_packed(tq, tk, tv, &segments, shape);
            let (tq, tk, tv) = inputs();
            let found =
                Flex::attention_packed_backward(tq, tk, tv, &segments, shape, &attended, dout.clone());
            if let [Segment { after: None, .. }] = segments[..] {
                // The same with the forward's probabilities kept.
                let (tq, tk, tv) = inputs();
                let (out, (dq, dk, dv)) = attention::reference::trained(tq, tk, tv, shape, dout.clone());
                close("out, trained", attended.out.clone(), out);
                close("dq, trained", found.0.clone(), dq);
                close("dk, trained", found.1.clone(), dk);
                close("dv, trained", found.2.clone(), dv);
            }
            let expected = attention::reference::packed_backward(q, k, v, &segments, shape, dout);
            close("dq", found.0, expected.0);
            close("dk", found.1, expected.1);
            close("dv", found.2, expected.2);
        }
    }
}

#[test]
fn log_probs_and_their_backward_are_the_references() {
    for (n, vocab) in [(1, 1), (5, 37), (64, 1000)] {
        let logits = tensor(noise(5, n * vocab), [n, vocab]) * 9.0;
        let targets: Vec<u32> = (0..n).map(|i| (i * 7919 % vocab) as u32).collect();
        let (found, sums) = Flex::log_probs(&logits, &targets);
        let (expected, expected_sums) = softmax::log_prob::reference(&logits, &targets);
        let total = |sums: &[softmax::LogSum]| sums.iter().map(|sum| sum.total()).collect::<Vec<f32>>();
        assert!(max_diff(&found, &expected) <= 1e-5);
        assert!(max_diff(&total(&sums), &total(&expected_sums)) <= 1e-5);
        let coefficients = noise(6, n);
        close(
            "dlogits",
            Flex::log_probs_backward(logits.clone(), &targets, &sums, &coefficients),
            softmax::log_prob::reference_backward(logits, &targets, &sums, &coefficients),
        );
    }
}

/// Continuations of a shared sequence are what the whole sequences are: log-probs bit for bit, gradients but for the
/// order of sums.
#[test]
fn continuations_are_the_whole_sequences() {
    for model in TINY_MODELS {
        let config = config(model);
        let vocab = config.vocab_size as u32;
        let Ok(weights) = DecoderWeights::read(&config, &mut Formula { bf16: false }, &FlexDevice);
        let decoder = Decoder::<Flex>::new(config, weights, DType::F32, FlexDevice);
        let ids =
            |seed: u32, len: u32| (0..len).map(|i| (seed * 7919 + i * 31) % vocab).collect::<Vec<u32>>();
        for prompt_len in [1, 15, 16, 17, 40] {
            let prompt = ids(1, prompt_len);
            let (mut shared, mut whole) = (PackedBatch::default(), PackedBatch::default());
            let parent = shared.push(&prompt, []);
            for (seed, len) in [(2, 1), (3, 20), (4, 7)] {
                let reply = ids(seed, len);
                shared.push_after(parent, &reply, 0..reply.len());
                let all = [prompt.clone(), reply].concat();
                whole.push(&all, prompt.len()..all.len());
            }
            let ((one, gradients), (two, expected)) =
                (weighted(&decoder, &shared), weighted(&decoder, &whole));
            assert_eq!(one.to_bits(), two.to_bits(), "{model}, prompt of {prompt_len}");
            for (name, expected) in expected.iter() {
                close(name, gradients.get(name).unwrap().clone(), expected.clone());
            }
        }
    }
}

/// The last layer is computed for the rows that predict something. Where all do and most weigh nothing, it is computed for all.
#[test]
fn rows_that_predict_nothing_change_nothing() {
    for (model, adapters) in TINY_MODELS.into_iter().flat_map(|model| [(model, false), (model, true)]) {
        let mut decoder = formula(model);
        if adapters {
            adapt(&mut decoder);
        }
        let vocab = decoder.config.vocab_size as u32;
        let ids: Vec<u32> = (0..37).map(|i| (i * 31 + 5) % vocab).collect();
        let wanted = |position: &usize| [1, 9, 10, 36].contains(position);
        let (mut few, mut all) = (PackedBatch::default(), PackedBatch::default());
        few.push(&ids, (1..ids.len()).filter(wanted));
        all.push(&ids, 1..ids.len());
        all.targets.push(Target { row: ids.len() - 1, token: 0 });
        let (mut narrow, mut wide) = (Gradients::default(), Gradients::default());
        let one = forward_backward(&decoder, &few, 1.0, &mut |_: usize, _: f32| 0.7, &mut narrow);
        let weight = |index: usize, _: f32| if wanted(&(index + 1)) { 0.7 } else { 0.0 };
        let two = forward_backward(&decoder, &all, 1.0, &mut { weight }, &mut wide);
        let two: Vec<f32> =
            two.into_iter().enumerate().filter(|(i, _)| wanted(&(i + 1))).map(|(_, p)| p).collect();
        assert_eq!(one, two, "{model}");
        assert_eq!(narrow.iter().count(), wide.iter().count());
        for (name, expected) in wide.iter() {
            close(name, narrow.get(name).unwrap().clone(), expected.clone());
        }
    }
}

/// The sum of weighted log-probs of a batch, and its gradients.
fn weighted(decoder: &Decoder<Flex>, batch: &PackedBatch) -> (f64, Gradients<Flex>) {
    let weight = |index: usize| 0.5 + (index % 3) as f32;
    let mut gradients = Gradients::default();
    let found =
        forward_backward(decoder, batch, 0.9, &mut |index: usize, _: f32| weight(index), &mut gradients);
    (found.iter().enumerate().map(|(i, &p)| f64::from(weight(i) * p)).sum(), gradients)
}

/// The divergences of a batch's targets from a reference with their coefficients.
struct HeldTo {
    coefficients: Vec<f32>,
    kls: Vec<f32>,
}

impl HeldTo {
    fn new(targets: usize) -> Self {
        let coefficients = (0..targets).map(|i| [0.0, 1.0, 2.5][i % 3]).collect();
        Self { coefficients, kls: Vec::new() }
    }
}

impl Objective for HeldTo {
    fn derivative(&mut self) -> Derivative<'_> {
        Derivative::each(|_, _| 0.0)
    }

    fn kl_coefficients(&self) -> Option<Vec<f32>> {
        Some(self.coefficients.clone())
    }

    fn kls(&mut self, kls: &[f32]) {
        self.kls.extend_from_slice(kls);
    }
}

/// The sum of weighted divergences of a batch from `reference`, and its gradients.
fn held(
    decoder: &Decoder<Flex>,
    reference: &Decoder<Flex>,
    batch: &PackedBatch,
) -> (f64, Gradients<Flex>, HeldTo) {
    let mut held = HeldTo::new(batch.targets.len());
    let mut gradients = Gradients::default();
    forward_backward_beside(decoder, Some(reference), batch, 0.9, &mut held, &mut gradients);
    let parts = held.coefficients.iter().zip(&held.kls).map(|(&c, &kl)| f64::from(c) * f64::from(kl));
    (parts.sum(), gradients, held)
}

fn two_continuations(model: &str) -> PackedBatch {
    let mut batch = PackedBatch::default();
    for prompt in expected(model) {
        let ids = &prompt.ids[..prompt.ids.len().min(20)];
        let first = batch.push(ids, (1..ids.len()).filter(|i| i % 2 == 1));
        // Two continuations that share it.
        batch.push_after(first, &ids[..1], [0]);
        batch.push_after(first, &ids[..ids.len().min(5)], (0..ids.len().min(5)).filter(|i| i % 2 == 0));
    }
    batch
}

#[test]
fn every_tensors_gradient_predicts_what_a_small_step_does() {
    use Projection::{Down, Head, Q};
    // Of adapters that no peer has recorded: other architectures, heads of their own and tied ones, some of the projections.
    let adapters = [
        ("qwen3_tiny", Projection::LAYER.to_vec()),
        ("llama_bias_tiny", Projection::LAYER.to_vec()),
        ("qwen3_tiny", with_head()),
        ("qwen2_tiny", with_head()),
        ("llama_bias_tiny", vec![Q, Down, Head]),
        ("qwen2_wide_tiny", vec![Q, Down]),
        ("qwen3_tiny", vec![Head]),
    ];
    for (model, targets) in TINY_MODELS.map(|model| (model, Vec::new())).into_iter().chain(adapters) {
        let batch = two_continuations(model);
        let mut decoder = formula(model);
        adapt_targets(&mut decoder, &targets);
        let layers = decoder.config.num_hidden_layers;
        if !targets.is_empty() {
            // Nothing else has a gradient, so nothing else was computed or can change.
            let head = usize::from(targets.contains(&Head));
            let adapters = 2 * ((targets.len() - head) * layers + head);
            assert_eq!(weighted(&decoder, &batch).1.iter().count(), adapters, "{model}, {targets:?}");
        }
        predicts(model, &mut decoder, |decoder| weighted(decoder, &batch));
    }
}

#[test]
fn the_gradient_of_a_divergence_predicts_what_a_small_step_does() {
    let adapters = [("qwen3_tiny", with_head()), ("qwen2_tiny", with_head())];
    for (model, targets) in TINY_MODELS.map(|model| (model, Vec::new())).into_iter().chain(adapters) {
        let batch = two_continuations(model);
        let mut decoder = formula(model);
        adapt_targets(&mut decoder, &targets);
        let reference = decoder.clone();
        let start = held(&decoder, &reference, &batch);
        assert_eq!(start.2.kls, vec![0.0; batch.targets.len()], "{model} is not apart from itself");
        for (name, gradient) in start.1.iter() {
            assert!(values(gradient.clone()).iter().all(|&x| x == 0.0), "{model}, {name}");
        }
        let mut seed = 100;
        decoder.visit_trained(&mut |_, mut parameter| {
            seed += 1;
            let count: usize = parameter.dims().iter().product();
            let change = tensor(noise(seed, count), [count]) * 0.05;
            parameter.update(|weights| weights + change);
        });
        let moved = held(&decoder, &reference, &batch);
        assert!(moved.2.kls.iter().all(|&kl| kl > 0.0), "{model}: {:?}", moved.2.kls);
        predicts(model, &mut decoder, |decoder| {
            let (loss, gradients, _) = held(decoder, &reference, &batch);
            (loss, gradients)
        });
    }
}

fn formula(model: &str) -> Decoder<Flex> {
    let config = config(model);
    let Ok(weights) = DecoderWeights::read(&config, &mut Formula { bf16: false }, &FlexDevice);
    Decoder::new(config, weights, DType::F32, FlexDevice)
}

/// That the gradients of `loss` say what a small step of each tensor does to it.
fn predicts(
    model: &str,
    decoder: &mut Decoder<Flex>,
    loss: impl Fn(&Decoder<Flex>) -> (f64, Gradients<Flex>),
) {
    let (_, gradients) = loss(decoder);
    let mut names = Vec::new();
    decoder.visit_trained(&mut |name, parameter| names.push((name.to_owned(), parameter.dims())));
    for (seed, (name, dims)) in names.iter().enumerate() {
        let direction = noise(seed as u32 + 10, dims.iter().product());
        let gradient = values(gradients.get(name).unwrap().clone());
        let along: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
        let scale: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from((g * d).abs())).sum();
        let mut at = |step: f32| {
            let before = decoder_values(decoder, name);
            decoder.visit_trained(&mut |other, mut parameter| {
                if other == name {
                    let change = tensor(direction.clone(), [direction.len()]) * step;
                    parameter.update(|w| w + change);
                }
            });
            let found = loss(decoder).0;
            restore(decoder, name, &before);
            found
        };
        let step = 2e-3;
        let slope = (at(step) - at(-step)) / (2.0 * f64::from(step));
        let tolerance = 2e-2 * along.abs() + 2e-3 * scale + 2e-2;
        assert!(
            (slope - along).abs() <= tolerance,
            "{model}, {name}: slope {slope}, gradient {along} ({scale})"
        );
    }
}

fn decoder_values(decoder: &mut Decoder<Flex>, name: &str) -> Vec<f32> {
    let mut found = Vec::new();
    decoder.visit_trained(&mut |other, parameter| {
        if other == name {
            found = values(parameter.flat());
        }
    });
    found
}

fn restore(decoder: &mut Decoder<Flex>, name: &str, before: &[f32]) {
    decoder.visit_trained(&mut |other, mut parameter| {
        if other == name {
            parameter.update(|w| tensor(before.to_vec(), w.dims()));
        }
    });
}

#[derive(Deserialize)]
struct AdamWFixture {
    cases: Vec<AdamWCase>,
}

#[derive(Deserialize)]
struct AdamWCase {
    name: String,
    beta1: f64,
    beta2: f64,
    eps: f64,
    max_norm: Option<f64>,
    tensors: Vec<AdamWTensor>,
    steps: Vec<AdamWRecorded>,
    moments: Vec<BTreeMap<String, Vec<f32>>>,
}

#[derive(Deserialize)]
struct AdamWTensor {
    weight_decay: f64,
    start: Vec<f32>,
}

#[derive(Deserialize)]
struct AdamWRecorded {
    lr: f64,
    grads: Vec<Vec<f32>>,
    params: Vec<Vec<f32>>,
}

/// The kernel and the reference, with the clipping of [`osler::train::AdamW`].
#[test]
fn adamw_is_torchs() {
    let text = std::fs::read(fixtures().join("adamw_expected.json")).unwrap();
    let fixture: AdamWFixture = serde_json::from_slice(&text).unwrap();
    for case in &fixture.cases {
        let whole = |v: &[f32]| tensor(v.to_vec(), [v.len()]);
        let zeros = |v: &[f32]| tensor(vec![0.0; v.len()], [v.len()]);
        let start = |t: &AdamWTensor| (whole(&t.start), [zeros(&t.start), zeros(&t.start)]);
        let mut kernel: Vec<_> = case.tensors.iter().map(start).collect();
        let mut reference = kernel.clone();
        for (index, step) in case.steps.iter().enumerate() {
            let mut gradients = Gradients::<Flex>::default();
            for (i, gradient) in step.grads.iter().enumerate() {
                gradients.add(i.to_string(), whole(gradient));
            }
            let scale = case.max_norm.map_or(1.0, |clip| (clip / (gradients.norm() + 1e-6)).min(1.0)) as f32;
            for (i, part) in case.tensors.iter().enumerate() {
                let options = AdamWStep {
                    lr: step.lr,
                    betas: (case.beta1, case.beta2),
                    eps: case.eps,
                    weight_decay: part.weight_decay,
                    step: index as u64 + 1,
                    scale,
                };
                let gradient = whole(&step.grads[i]);
                for (state, fast) in [(&mut kernel[i], true), (&mut reference[i], false)] {
                    let (weights, moments) = state.clone();
                    *state = if fast {
                        Flex::adamw(weights, gradient.clone(), moments, &options)
                    } else {
                        adamw::reference(weights, gradient.clone(), moments, &options)
                    };
                    let diff = max_diff(&values(state.0.clone()), &step.params[i]);
                    assert!(diff <= 1e-6, "{}, step {index}, tensor {i}, kernel {fast}: {diff:e}", case.name);
                }
            }
        }
        for (state, expected) in kernel.iter().zip(&case.moments) {
            for (found, moment) in state.1.iter().zip(["m", "v"]) {
                let largest = expected[moment].iter().fold(1.0f32, |a, b| a.max(b.abs()));
                let diff = max_diff(&values(found.clone()), &expected[moment]);
                assert!(diff <= 1e-6 * largest, "{}, {moment}: {diff:e} of {largest}", case.name);
            }
        }
    }
}
