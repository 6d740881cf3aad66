//! AdamW beside what torch recorded (`fixtures/make_adamw_expected.py`).

use std::collections::BTreeMap;

use burn_flex::Flex;
use osler::kernels::{AdamWStep, KernelBackend, adamw};
use osler::train::Gradients;
use serde::Deserialize;

use crate::support::{fixtures, max_diff};
use crate::{tensor, values};

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
