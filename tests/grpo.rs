//! The losses of reinforcement learning and their gradients against TRL (`fixtures/make_grpo_expected.py` and
//! `fixtures/make_objectives_expected.py`), and that neither depends on how a step is cut into micro-batches.

mod support;

use std::collections::BTreeMap;

use burn_flex::Flex;
use osler::model::decoder::Decoder;
use osler::rl::{Advantages, BatchLoss, Clip, KlPenalty, PolicyLoss, Seen, StepSize};
use osler::train::config::{AdvantageScale, KlForm, PolicyObjective};
use osler::train::{Gradients, PackedBatch, forward_backward, log_probs};
use serde::Deserialize;
use support::{decoder, fixtures, max_diff};

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
    /// The objectives' cases have one each.
    #[serde(default)]
    advantage: f32,
    old_log_probs: Vec<f32>,
    log_probs: Vec<f32>,
    /// The objectives' cases have them.
    #[serde(default)]
    reference_log_probs: Vec<f32>,
}

#[derive(Deserialize)]
struct Gradient {
    norm: f64,
    sum: f64,
    at: Vec<usize>,
    values: Vec<f32>,
}

#[derive(Deserialize)]
struct Objectives {
    model: String,
    group_size: usize,
    l_max: usize,
    traces: Vec<Recorded>,
    cases: Vec<ObjectiveCase>,
}

#[derive(Deserialize)]
struct ObjectiveCase {
    name: String,
    beta: f32,
    kl: Option<f64>,
    epsilon_low: f32,
    epsilon_high: f32,
    advantages: Vec<f32>,
    loss: f32,
    clip_low: f64,
    clip_high: f64,
    grad_norm: f64,
    grads: BTreeMap<String, Gradient>,
}

impl ObjectiveCase {
    fn loss(&self, l_max: usize) -> PolicyLoss {
        let (name, estimated) = match self.name.split_once('+') {
            Some((name, "k3")) => (name, true),
            _ => (self.name.as_str(), false),
        };
        assert_eq!(estimated, self.beta > 0.0, "{}", self.name);
        let objective = match name {
            "grpo" => PolicyObjective::Grpo,
            "dr_grpo" => PolicyObjective::DrGrpo,
            "dapo" => PolicyObjective::Dapo,
            "gspo" => PolicyObjective::Gspo,
            "cispo" => PolicyObjective::Cispo,
            other => panic!("{other} is no objective"),
        };
        let clip = Clip { low: self.epsilon_low, high: self.epsilon_high };
        let kl = estimated.then_some(KlPenalty { beta: self.beta, form: KlForm::K3 });
        PolicyLoss { objective, clip, l_max, kl }
    }
}

fn objectives() -> Objectives {
    serde_json::from_slice(&std::fs::read(fixtures().join("objectives_expected.json")).unwrap()).unwrap()
}

fn fixture() -> Fixture {
    serde_json::from_slice(&std::fs::read(fixtures().join("grpo_expected.json")).unwrap()).unwrap()
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

impl Case {
    fn loss(&self) -> PolicyLoss {
        let clip = Clip { low: self.epsilon_low, high: self.epsilon_high };
        PolicyLoss { objective: PolicyObjective::M2, clip, l_max: self.l_max, kl: None }
    }
}

/// What a step of some micro-batches gives.
struct Step {
    seen: Seen,
    log_probs: Vec<f32>,
    gradients: Gradients<Flex>,
}

/// A step on `traces` in `micro_batches`, the places of their traces.
fn step(
    decoder: &Decoder<Flex>,
    (loss, temperature): (PolicyLoss, f32),
    (traces, advantages): (&[Recorded], &[f32]),
    micro_batches: &[&[usize]],
) -> Step {
    let tokens = traces.iter().map(|trace| trace.trained().len()).sum();
    let size = StepSize { replies: traces.len(), tokens };
    let mut result = Step { seen: Seen::default(), log_probs: Vec::new(), gradients: Gradients::default() };
    for indices in micro_batches {
        let mut batch = PackedBatch::default();
        let (compared, mut reference) = (loss.kl.is_some(), Vec::new());
        let mut loss = BatchLoss::new(loss, size, &mut result.seen);
        for &index in *indices {
            let trace = &traces[index];
            let trained = trace.trained();
            batch.push(&trace.tokens(), trained.iter().map(|i| trace.prompt.len() + i));
            loss.push(trained.iter().map(|&i| trace.old_log_probs[i]), advantages[index]);
            reference.extend(trained.iter().filter_map(|&i| trace.reference_log_probs.get(i).copied()));
        }
        if compared {
            loss.compare(reference);
        }
        let found = forward_backward(decoder, &batch, temperature, &mut loss, &mut result.gradients);
        result.log_probs.extend(found);
    }
    result
}

/// [`step`] of a case.
fn case_step(decoder: &Decoder<Flex>, case: &Case, advantages: &[f32], micro_batches: &[&[usize]]) -> Step {
    step(decoder, (case.loss(), case.temperature), (&case.traces, advantages), micro_batches)
}

/// What TRL found.
struct Expected<'a> {
    name: &'a str,
    loss: f32,
    clipped: [f64; 2],
    grad_norm: f64,
    grads: &'a BTreeMap<String, Gradient>,
}

impl Expected<'_> {
    fn check(&self, found: &Step, traces: &[Recorded], decoder: &mut Decoder<Flex>) {
        let name = self.name;
        let loss = found.seen.loss;
        assert!((loss - f64::from(self.loss)).abs() <= 1e-5, "{name}: {loss} and {}", self.loss);
        let expected: Vec<f32> =
            traces.iter().flat_map(|t| t.trained().into_iter().map(|i| t.log_probs[i])).collect();
        assert!(max_diff(&found.log_probs, &expected) <= 1e-4, "{name}: log-probs");
        let count = expected.len() as f64;
        for (clipped, expected) in
            [found.seen.clipped_low, found.seen.clipped_high].into_iter().zip(self.clipped)
        {
            assert!(
                (clipped as f64 / count - expected).abs() <= 1e-6,
                "{name}: {clipped} of {count}, {expected}"
            );
        }
        // Norms of some units carry more rounding than entries do.
        let near = |found: f64, expected: f64| (found - expected).abs() <= 1e-5 * expected.abs().max(1.0);
        assert!(near(found.gradients.norm(), self.grad_norm), "{name}: norm");
        let mut parameters = 0;
        decoder.visit_parameters(&mut |parameter, _| {
            parameters += 1;
            let expected = &self.grads[parameter];
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
            assert!(near(norm, expected.norm), "{name}, {parameter}: norm {norm}, {}", expected.norm);
            assert!((sum - expected.sum).abs() <= 1e-4, "{name}, {parameter}: sum {sum}, {}", expected.sum);
        });
        assert_eq!(parameters, self.grads.len(), "{name}");
    }
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
        let found = case_step(&decoder, case, &advantages, &[&all(case)]);
        let expected = Expected {
            name: &case.name,
            loss: case.loss,
            clipped: [case.clip_low, case.clip_high],
            grad_norm: case.grad_norm,
            grads: &case.grads,
        };
        expected.check(&found, &case.traces, &mut decoder);
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
    let found = case_step(&decoder, case, &advantages, &[&all(case)]);
    assert_eq!(found.seen.loss, 0.0);
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
        let whole = case_step(&decoder, case, &advantages, &[&indices]);
        for size in [1, 2, 3, 5] {
            let parts: Vec<&[usize]> = indices.chunks(size).collect();
            let cut = case_step(&decoder, case, &advantages, &parts);
            assert_eq!(cut.log_probs, whole.log_probs, "{}", case.name);
            assert!((cut.seen.loss - whole.seen.loss).abs() <= 1e-7);
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
        let trained = case_step(&decoder, case, &advantages, &[&all(case)]);
        assert_eq!(log_probs(&decoder, &batch, case.temperature), trained.log_probs, "{}", case.name);
    }
}

#[test]
fn the_other_objectives_are_trls_however_a_step_is_cut() {
    let fixture = objectives();
    let mut decoder = decoder(&fixture.model);
    let indices: Vec<usize> = (0..fixture.traces.len()).collect();
    for case in &fixture.cases {
        let loss = case.loss(fixture.l_max);
        let rewards: Vec<Option<f64>> = fixture.traces.iter().map(|t| Some(t.reward)).collect();
        let scale = loss.objective.advantage_scale();
        let advantages: Vec<f32> = rewards
            .chunks(fixture.group_size)
            .flat_map(|group| Advantages::scaled(group, scale).unwrap().values().to_vec())
            .map(|advantage| advantage as f32)
            .collect();
        assert!(max_diff(&advantages, &case.advantages) <= 2e-6, "{}: {advantages:?}", case.name);
        let expected = Expected {
            name: &case.name,
            loss: case.loss,
            clipped: [case.clip_low, case.clip_high],
            grad_norm: case.grad_norm,
            grads: &case.grads,
        };
        for size in [fixture.traces.len(), 5, 1] {
            let parts: Vec<&[usize]> = indices.chunks(size).collect();
            let found = step(&decoder, (loss, 1.0), (&fixture.traces, &case.advantages), &parts);
            expected.check(&found, &fixture.traces, &mut decoder);
            let kls = &found.seen.kls;
            assert_eq!(kls.is_empty(), case.kl.is_none(), "{}", case.name);
            if let Some(kl) = case.kl {
                let mean = kls.iter().map(|&kl| f64::from(kl)).sum::<f64>() / kls.len() as f64;
                assert!((mean - kl).abs() <= 1e-5, "{}: {mean} and {kl}", case.name);
            }
        }
    }
    assert_eq!(fixture.cases.iter().filter(|case| case.beta > 0.0).count(), 3);
    let scales = fixture.cases.iter().map(|case| case.loss(fixture.l_max).objective.advantage_scale());
    assert_eq!(scales.filter(|scale| *scale == AdvantageScale::Mean).count(), 1, "dr_grpo alone");
}
