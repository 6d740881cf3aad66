//! Gradients of a decoder's tensors, under the tensors' names.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, backend::Backend};

/// Gradients that add up over the micro-batches of a step; each flat, `[n]`.
#[derive(Debug, Clone)]
pub struct Gradients<B: Backend> {
    by_name: BTreeMap<String, Tensor<B, 1>>,
}

impl<B: Backend> Default for Gradients<B> {
    fn default() -> Self {
        Self { by_name: BTreeMap::new() }
    }
}

impl<B: Backend> Gradients<B> {
    /// Adds `gradient` to what `name` has.
    pub fn add<const D: usize>(&mut self, name: String, gradient: Tensor<B, D>) {
        let elements = gradient.shape().num_elements();
        let gradient = gradient.reshape([elements]);
        let sum = match self.by_name.remove(&name) {
            Some(before) => before + gradient,
            None => gradient,
        };
        self.by_name.insert(name, sum);
    }

    /// The gradient of `name` `[n]`; `None` where nothing has one.
    pub fn get(&self, name: &str) -> Option<&Tensor<B, 1>> {
        self.by_name.get(name)
    }

    /// Takes the gradient of `name` out.
    pub fn take(&mut self, name: &str) -> Option<Tensor<B, 1>> {
        self.by_name.remove(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor<B, 1>)> {
        self.by_name.iter().map(|(name, gradient)| (name.as_str(), gradient))
    }

    /// The Euclidean norm over all tensors, as `torch.nn.utils.clip_grad_norm_` takes it.
    pub fn norm(&self) -> f64 {
        let squares = self.by_name.values().map(|gradient| {
            let sum = gradient.clone().square().sum().into_data();
            sum.iter::<f64>().sum::<f64>()
        });
        squares.sum::<f64>().sqrt()
    }
}
