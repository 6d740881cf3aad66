//! The GRPO loss and its gradient against TRL (`fixtures/make_grpo_expected.py`), and that neither depends on how a step is
//! cut into micro-batches.

mod support;

use std::collections::BTreeMap;

use burn::tensor::DType;
use burn_flex::{Flex, FlexDevice};
use osler::model::decoder::{Decoder, DecoderWeights};
use osler::rl::{Advantages, Clip, token_loss};
use osler::train::{Gradients, PackedBatch, forward_backward, log_probs};
use serde::Deserialize;
use support::{Formula, config, fixtures, max_diff};

#[derive(Deserialize)]
struct Fixture {
    model: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    temperature: f32,
    epsilon_low: f32,
    epsilon_high: f32,
    l_max: usize,
    group_size: usize,
    loss: f32,
    clip_low: f64,
    clip_high: f64,
    grad_norm: f64,
    traces: Vec<Recorded>,
    grads: BTreeMap<String, Gradient>,
}

#[derive(Deserialize)]
struct Recorded {
    prompt: Vec<u32>,
    completion: Vec<u32>,
    mask: Vec<u8>,
    reward: f64,
    advantage: f32,
    old_log_probs: Vec<f32>,
    log_probs: Vec<f32>,
}

#[derive(Deserialize)]
struct Gradient {
    norm: f64,
    sum: f64,
    at: Vec<usize>,
    values: Vec<f32>,
}

fn fixture() -> Fixture {
    serde_json::from_slice(&std::fs::read(fixtures().join("grpo_expected.json")).unwrap()).unwrap()
}

fn decoder(model: &str) -> Decoder<Flex> {
    let config = config(model);
    let Ok(weights) = DecoderWeights::read(&config, &mut Formula { bf16: false }, &FlexDevice);
    Decoder::new(config, weights, DType::F32, FlexDevice)
}

impl Recorded {
    fn tokens(&self) -> Vec<u32> {
        [&self.prompt[..], &self.completion].concat()
    }

    /// Completion positions that are trained.
    fn trained(&self) -> Vec<usize> {
        (0..self.completion.len()).filter(|&i| self.mask[i] == 1).collect()
    }
}

/// What a step of some micro-batches gives.
struct Step {
    loss: f64,
    clipped: [usize; 2],
    log_probs: Vec<f32>,
    gradients: Gradients<Flex>,
}

fn step(decoder: &Decoder<Flex>, case: &Case, advantages: &[f32], micro_batches: &[&[usize]]) -> Step {
    let clip = Clip { low: case.epsilon_low, high: case.epsilon_high };
    let denominator = (case.traces.len() * case.l_max) as f32;
    let mut result =
        Step { loss: 0.0, clipped: [0; 2], log_probs: Vec::new(), gradients: Gradients::default() };
    for indices in micro_batches {
        let mut batch = PackedBatch::default();
        let mut tokens = Vec::new();
        for &index in *indices {
            let trace = &case.traces[index];
            let trained = trace.trained();
            batch.push(&trace.tokens(), trained.iter().map(|i| trace.prompt.len() + i));
            tokens.extend(trained.iter().map(|&i| (trace.old_log_probs[i], advantages[index])));
        }
        let found = forward_backward(
            decoder,
            &batch,
            case.temperature,
            &mut |index: usize, log_prob: f32| {
                let (old, advantage) = tokens[index];
                let token = token_loss(log_prob, old, advantage, clip);
                result.loss += f64::from(token.loss / denominator);
                result.clipped[0] += usize::from(token.clipped_low);
                result.clipped[1] += usize::from(token.clipped_high);
                token.derivative / denominator
            },
            &mut result.gradients,
        );
        result.log_probs.extend(found);
    }
    result
}

fn all(case: &Case) -> Vec<usize> {
    (0..case.traces.len()).collect()
}

#[test]
fn advantages_are_trls() {
    for case in fixture().cases {
        for group in case.traces.chunks(case.group_size) {
            let rewards: Vec<Option<f64>> = group.iter().map(|t| Some(t.reward)).collect();
            let found: Vec<f32> =
                Advantages::mean_only(&rewards).unwrap().values().iter().map(|&a| a as f32).collect();
            let expected: Vec<f32> = group.iter().map(|t| t.advantage).collect();
            assert!(max_diff(&found, &expected) <= 1e-6, "{}: {found:?} and {expected:?}", case.name);
        }
    }
}

#[test]
fn loss_clips_and_gradients_are_trls() {
    let fixture = fixture();
    let mut decoder = decoder(&fixture.model);
    for case in &fixture.cases {
        let advantages: Vec<f32> = case.traces.iter().map(|t| t.advantage).collect();
        let found = step(&decoder, case, &advantages, &[&all(case)]);
        let name = &case.name;
        assert!(
            (found.loss - f64::from(case.loss)).abs() <= 1e-5,
            "{name}: {} and {}",
            found.loss,
            case.loss
        );
        let expected: Vec<f32> =
            case.traces.iter().flat_map(|t| t.trained().into_iter().map(|i| t.log_probs[i])).collect();
        assert!(max_diff(&found.log_probs, &expected) <= 1e-4, "{name}: log-probs");
        let count = expected.len() as f64;
        for (clipped, expected) in found.clipped.into_iter().zip([case.clip_low, case.clip_high]) {
            assert!(
                (clipped as f64 / count - expected).abs() <= 1e-6,
                "{name}: {clipped} of {count}, {expected}"
            );
        }
        assert!(
            (found.gradients.norm() - case.grad_norm).abs() <= 1e-5 * case.grad_norm.max(1.0),
            "{name}: norm"
        );
        let mut parameters = 0;
        decoder.visit_parameters(&mut |parameter, _| {
            parameters += 1;
            let expected = &case.grads[parameter];
            let gradient = found.gradients.get(parameter).unwrap_or_else(|| panic!("{name}: no {parameter}"));
            let gradient: Vec<f32> = gradient.to_data().to_vec().unwrap();
            let at: Vec<f32> = expected.at.iter().map(|&i| gradient[i]).collect();
            assert!(
                max_diff(&at, &expected.values) <= 1e-5,
                "{name}, {parameter}: {at:?}, {:?}",
                expected.values
            );
            let norm = gradient.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
            let sum: f64 = gradient.iter().map(|&v| f64::from(v)).sum();
            assert!(
                (norm - expected.norm).abs() <= 1e-5,
                "{name}, {parameter}: norm {norm}, {}",
                expected.norm
            );
            assert!((sum - expected.sum).abs() <= 1e-4, "{name}, {parameter}: sum {sum}, {}", expected.sum);
        });
        assert_eq!(parameters, case.grads.len(), "{name}");
    }
}

#[test]
fn a_group_of_equal_rewards_has_a_gradient_of_exactly_zero() {
    let fixture = fixture();
    let decoder = decoder(&fixture.model);
    let case = &fixture.cases[0];
    let rewards = vec![Some(0.7); case.traces.len()];
    let advantages: Vec<f32> =
        Advantages::mean_only(&rewards).unwrap().values().iter().map(|&a| a as f32).collect();
    let found = step(&decoder, case, &advantages, &[&all(case)]);
    assert_eq!(found.loss, 0.0);
    for (name, gradient) in found.gradients.iter() {
        let gradient: Vec<f32> = gradient.to_data().to_vec().unwrap();
        assert!(gradient.iter().all(|&v| v == 0.0), "{name}");
    }
}

#[test]
fn the_gradient_does_not_depend_on_how_a_step_is_cut() {
    let fixture = fixture();
    let decoder = decoder(&fixture.model);
    for case in &fixture.cases {
        let advantages: Vec<f32> = case.traces.iter().map(|t| t.advantage).collect();
        let indices = all(case);
        let whole = step(&decoder, case, &advantages, &[&indices]);
        for size in [1, 2, 3, 5] {
            let parts: Vec<&[usize]> = indices.chunks(size).collect();
            let cut = step(&decoder, case, &advantages, &parts);
            assert_eq!(cut.log_probs, whole.log_probs, "{}", case.name);
            assert!((cut.loss - whole.loss).abs() <= 1e-7);
            for (name, gradient) in whole.gradients.iter() {
                let values = |g: &Gradients<Flex>| g.get(name).unwrap().to_data().to_vec::<f32>().unwrap();
                let diff = max_diff(&values(&cut.gradients), &gradient.to_data().to_vec::<f32>().unwrap());
                assert!(diff <= 1e-6, "{}, {name}, by {size}: {diff:e}", case.name);
            }
        }
    }
}

#[test]
fn log_probs_without_a_gradient_are_the_same_bits() {
    let fixture = fixture();
    let decoder = decoder(&fixture.model);
    for case in &fixture.cases {
        let mut batch = PackedBatch::default();
        for trace in &case.traces {
            batch.push(&trace.tokens(), trace.trained().iter().map(|i| trace.prompt.len() + i));
        }
        let advantages = vec![0.0; case.traces.len()];
        let trained = step(&decoder, case, &advantages, &[&all(case)]);
        assert_eq!(log_probs(&decoder, &batch, case.temperature), trained.log_probs, "{}", case.name);
    }
}
