//! AdamW over a decoder's tensors, with clipping by global norm.

use std::collections::BTreeMap;

use burn::tensor::{DType, Tensor, backend::Backend};

use crate::kernels::parallel::on_pool;
use crate::kernels::{AdamWStep, KernelBackend};
use crate::model::decoder::Decoder;
use crate::train::gradients::Gradients;

/// What does not change between steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWOptions {
    /// Decay rates of the two moments.
    pub betas: (f64, f64),
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay of matrices; norms and biases have none.
    pub weight_decay: f64,
    /// Gradients are scaled down to this global norm; `None` leaves them.
    pub clip: Option<f64>,
}

/// The optimizer's state: two moments a tensor, and the steps taken.
#[derive(Debug, Clone)]
pub struct AdamW<B: Backend> {
    options: AdamWOptions,
    moments: BTreeMap<String, [Tensor<B, 1>; 2]>,
    steps: u64,
}

impl<B: KernelBackend> AdamW<B> {
    /// An optimizer that has taken no step.
    pub fn new(options: AdamWOptions) -> Self {
        Self { options, moments: BTreeMap::new(), steps: 0 }
    }

    /// An optimizer as it was after `steps` steps; `moments` by tensor name, each `[n]`.
    pub fn resume(options: AdamWOptions, steps: u64, moments: BTreeMap<String, [Tensor<B, 1>; 2]>) -> Self {
        Self { options, moments, steps }
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The moments by tensor name.
    pub fn moments(&self) -> &BTreeMap<String, [Tensor<B, 1>; 2]> {
        &self.moments
    }

    /// Changes the decoder's tensors, or its adapters where it has any, by one step along `gradients` and returns the global norm before clipping. A
    /// tensor without a gradient is left as it is.
    pub fn step(&mut self, decoder: &mut Decoder<B>, gradients: Gradients<B>, lr: f64) -> f64 {
        on_pool(|| self.step_on_pool(decoder, gradients, lr))
    }

    fn step_on_pool(&mut self, decoder: &mut Decoder<B>, mut gradients: Gradients<B>, lr: f64) -> f64 {
        self.steps += 1;
        let norm = gradients.norm();
        // As torch.nn.utils.clip_grad_norm_: the small constant keeps a zero norm harmless.
        let scale = self.options.clip.map_or(1.0, |clip| (clip / (norm + 1e-6)).min(1.0)) as f32;
        let AdamWOptions { betas, eps, weight_decay, .. } = self.options;
        let steps = self.steps;
        decoder.visit_trained(&mut |name, mut parameter| {
            let Some(gradient) = gradients.take(name) else { return };
            let dims = parameter.dims();
            let weight_decay = if dims.len() > 1 { weight_decay } else { 0.0 };
            let step = AdamWStep { lr, betas, eps, weight_decay, step: steps, scale };
            let moments = self.moments.remove(name).unwrap_or_else(|| {
                let zeros =
                    || Tensor::zeros([dims.iter().product::<usize>()], (&gradient.device(), DType::F32));
                [zeros(), zeros()]
            });
            parameter.update(|weights| {
                let (weights, moments) = B::adamw(weights, gradient, moments, &step);
                self.moments.insert(name.to_owned(), moments);
                weights
            });
        });
        norm
    }
}
