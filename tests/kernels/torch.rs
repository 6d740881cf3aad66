//! Attention and the head's loss beside what PyTorch and Liger recorded (`fixtures/make_attention_expected.py`,
//! `fixtures/make_head_expected.py`); the f64 reference of the other tests is held against the same.

use std::path::Path;

use burn::tensor::DType;
use burn_flex::{Flex, FlexDevice};
use osler::doctor::inputs::host;
use osler::kernels::head::Derivative;
use osler::kernels::{AttentionShape, KernelBackend, Segment};
use osler::rl::{Clip, PolicyLoss, StepSize, token_ratio};
use osler::train::config::PolicyObjective;
use proptest::test_runner::TestCaseError;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::parity::attention::{Case, Inputs, Results, exact};
use crate::parity::{Held, Wanted, head};

const F32: Held = Held { dtype: DType::F32, bound: 1e-5 };
/// Of f64 results beside recorded ones of seven digits.
const RECORDED: f64 = 1e-6;

#[derive(Deserialize)]
struct Fixture<T> {
    cases: Vec<T>,
}

fn cases<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let fixture: Fixture<T> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    fixture.cases
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&x| x as f32).collect()
}

fn held(name: &str, result: Result<(), TestCaseError>) {
    if let Err(problem) = result {
        panic!("{name}: {problem}");
    }
}

#[derive(Deserialize)]
struct Attention {
    name: String,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    scale: f32,
    queries: usize,
    keys: usize,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    dout: Vec<f32>,
    out: Vec<f64>,
    dq: Vec<f64>,
    dk: Vec<f64>,
    dv: Vec<f64>,
    sums: Vec<f64>,
}

impl Attention {
    /// Queries that are the last of the keys continue a segment, whose own queries have an output that nothing depends on.
    fn case(&self) -> (Case, Inputs) {
        let Self { heads, kv_heads, head_dim, scale, queries, keys, .. } = *self;
        let before = keys - queries;
        let mut segments = vec![Segment::alone(before), Segment { len: queries, after: Some(0) }];
        if before == 0 {
            segments = vec![Segment::alone(queries)];
        }
        let shape = AttentionShape { heads, kv_heads, head_dim, scale };
        let behind = |x: &[f32], fill: f32| [&vec![fill; before * heads * head_dim], x].concat();
        let inputs = Inputs {
            q: behind(&self.q, 0.25),
            k: self.k.clone(),
            v: self.v.clone(),
            dout: behind(&self.dout, 0.0),
        };
        (Case { segments, shape, extreme: false, seed: 0 }, inputs)
    }

    /// Of what is recorded of queries: the rest is what `all` has.
    fn behind(&self, recorded: &[f64], all: &[f64]) -> Vec<f64> {
        [&all[..all.len() - recorded.len()], recorded].concat()
    }
}

#[test]
fn attention_is_torchs() {
    let cases = cases::<Attention>("attention_expected.json");
    assert_eq!(cases.len(), 8);
    let mut peaks = Vec::new();
    for recorded in cases {
        let (case, inputs) = recorded.case();
        let exact = exact::attention(&inputs, &case.segments, case.shape);
        let torch = Results {
            out: recorded.behind(&recorded.out, &exact.out),
            sums: recorded.behind(&recorded.sums, &exact.sums),
            dq: recorded.behind(&recorded.dq, &exact.dq),
            dk: recorded.dk.clone(),
            dv: recorded.dv.clone(),
            ..exact
        };
        let exactly = [exact.out, exact.sums, exact.dq, exact.dk, exact.dv];
        for (wanted, exact) in case.wanted(&torch).iter().zip(&exactly) {
            held(&recorded.name, wanted.check("f64 reference", &narrow(exact), RECORDED));
        }
        peaks.push(torch.peak);
        let torch = (&inputs, &torch);
        held(&recorded.name, case.check_kernel::<Flex>(torch, &FlexDevice, F32));
        held(&recorded.name, case.check_reference::<Flex>(torch, &FlexDevice, DType::F32));
    }
    assert_eq!(peaks.iter().filter(|&&peak| peak > 1e4).count(), 2);
}

#[derive(Deserialize)]
struct Head {
    name: String,
    temperature: f32,
    hidden: Vec<f32>,
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    /// Those below 0 are ignored.
    targets: Vec<i32>,
    log_probs: Vec<f64>,
    loss: f64,
    dhidden: Vec<f64>,
    dweight: Vec<f64>,
    dbias: Option<Vec<f64>>,
    weights: Option<Vec<f32>>,
    grpo: Option<Grpo>,
    reference: Option<Compared>,
    #[serde(default)]
    kls: Vec<f64>,
}

#[derive(Deserialize, Clone)]
struct Compared {
    hidden: Vec<f32>,
    weight: Vec<f32>,
    coefficients: Vec<f32>,
}

#[derive(Deserialize)]
struct Grpo {
    sequences: usize,
    length: usize,
    l_max: usize,
    epsilon_low: f32,
    epsilon_high: f32,
    advantages: Vec<f32>,
    old_log_probs: Vec<f32>,
    mask: Vec<u8>,
}

impl Head {
    /// A token's loss and its derivative by the log-prob.
    fn token(&self, index: usize, log_prob: f32) -> (f64, f32) {
        if self.targets[index] < 0 {
            return (0.0, 0.0);
        }
        if let Some(weights) = &self.weights {
            return (f64::from(-weights[index] * log_prob), -weights[index]);
        }
        let Some(grpo) = &self.grpo else {
            let count = self.targets.iter().filter(|&&target| target >= 0).count() as f32;
            return (f64::from(-log_prob / count), -1.0 / count);
        };
        if grpo.mask[index] == 0 {
            return (0.0, 0.0);
        }
        let clip = Clip { low: grpo.epsilon_low, high: grpo.epsilon_high };
        let advantage = grpo.advantages[index / grpo.length];
        let loss = PolicyLoss { objective: PolicyObjective::DrGrpo, clip, l_max: grpo.l_max, kl: None };
        let found = loss.token(log_prob, token_ratio(log_prob, grpo.old_log_probs[index]), advantage);
        let size = StepSize { replies: grpo.sequences, tokens: grpo.length };
        let count = loss.divisor(size, grpo.length);
        (f64::from(found.loss / count), found.derivative / count)
    }

    fn reference(&self) -> Option<head::Reference> {
        let Compared { hidden, weight, coefficients } = self.reference.clone()?;
        Some(head::Reference { hidden, weight, bias: None, adapter: None, coefficients })
    }

    fn results(&self, exact: &head::Results) -> head::Results {
        let log_probs = self.log_probs.iter().zip(&exact.log_probs).zip(&self.targets);
        head::Results {
            // What is recorded of an ignored target is 0.
            log_probs: log_probs.map(|((&it, &own), &target)| if target < 0 { own } else { it }).collect(),
            hidden: self.dhidden.clone(),
            weight: self.dweight.clone(),
            bias: self.dbias.clone().unwrap_or_else(|| exact.bias.clone()),
            entropies: exact.entropies.clone(),
            kls: self.kls.clone(),
            a: Vec::new(),
            b: Vec::new(),
            ..*exact
        }
    }
}

#[test]
fn the_heads_loss_is_torchs_and_ligers() {
    let cases = cases::<Head>("head_expected.json");
    assert_eq!(cases.len(), 8);
    assert_eq!(cases.iter().filter(|case| case.grpo.is_some()).count(), 1);
    assert_eq!(cases.iter().filter(|case| case.reference.is_some()).count(), 2);
    let mut peaks = Vec::new();
    for case in &cases {
        let log_probs = narrow(&case.log_probs);
        let inputs = head::Inputs {
            hidden: case.hidden.clone(),
            weight: case.weight.clone(),
            bias: case.bias.clone(),
            adapter: None,
            targets: case.targets.iter().map(|&target| target.max(0) as u32).collect(),
            slopes: log_probs.iter().enumerate().map(|(i, &p)| case.token(i, p).1).collect(),
            soft_cap: None,
            temperature: case.temperature,
            reference: case.reference(),
        };
        let exact = head::exact::head(&inputs);
        let torch = case.results(&exact);
        peaks.push(exact.peak);
        let (wanted, bound) = (Wanted::logarithms("log p", &torch.log_probs), RECORDED);
        held(&case.name, wanted.check("f64 reference", &narrow(&exact.log_probs), bound));
        if case.reference.is_some() {
            let wanted = Wanted::logarithms("kl", &torch.kls);
            held(&case.name, wanted.check("f64 reference", &narrow(&exact.kls), RECORDED));
        }
        // Liger's own gradients are in f32.
        let bound = if case.grpo.is_some() { F32.bound } else { RECORDED };
        let gradients = [
            ("dhidden", &torch.hidden, &exact.hidden, exact.terms.hidden),
            ("dweight", &torch.weight, &exact.weight, exact.terms.weight),
            ("dbias", &torch.bias, &exact.bias, exact.terms.bias),
        ];
        for (name, torch, exact, terms) in gradients {
            let wanted = Wanted::gradient(name, torch, Vec::new(), terms);
            held(&case.name, wanted.check("f64 reference", &narrow(exact), bound));
        }
        let mut loss = 0.0;
        let found = head::found::<Flex>(&inputs, &FlexDevice, [DType::F32; 2], |input, _| {
            let mut derivative = Derivative::each(|index, log_prob| {
                let (part, slope) = case.token(index, log_prob);
                loss += part;
                slope
            });
            Flex::head_loss(input, &mut derivative)
        });
        if let Some(reference) = &case.reference {
            let parts = reference.coefficients.iter().zip(&found.kls);
            loss += parts.map(|(&k, &kl)| f64::from(k) * f64::from(kl)).sum::<f64>();
        }
        let near = (loss - case.loss).abs() <= 1e-5 * case.loss.abs().max(1.0);
        assert!(near, "{}: the loss is {loss}, recorded is {}", case.name, case.loss);
        assert_eq!(host(found.hidden.clone()).len(), case.dhidden.len());
        held(&case.name, head::check("kernel", &inputs, &torch, found, F32));
    }
    assert_eq!(peaks.iter().filter(|&&peak| peak > 1e4).count(), 3);
}
