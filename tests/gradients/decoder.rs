//! The decoder's gradients: beside finite differences for every architecture, with adapters and without, and beside those of the same
//! tokens packed in another way.

use burn_flex::Flex;
use osler::kernels::head::Derivative;
use osler::model::adapter::Projection;
use osler::model::decoder::Decoder;
use osler::train::{Gradients, Objective, PackedBatch, Target, forward_backward, forward_backward_beside};

use crate::support::{self, TINY_MODELS, adapt, adapt_targets, expected, with_head};
use crate::{close, noise, tensor, values};

/// Continuations of a shared sequence are what the whole sequences are: log-probs bit for bit, gradients but for the
/// order of sums.
#[test]
fn continuations_are_the_whole_sequences() {
    for model in TINY_MODELS {
        let decoder = support::decoder(model);
        let vocab = decoder.config.vocab_size as u32;
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
        let mut decoder = support::decoder(model);
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
pub fn weighted(decoder: &Decoder<Flex>, batch: &PackedBatch) -> (f64, Gradients<Flex>) {
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

pub fn two_continuations(model: &str) -> PackedBatch {
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
        let mut decoder = support::decoder(model);
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
        let mut decoder = support::decoder(model);
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
