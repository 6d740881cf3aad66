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
        self.by_name.values().map(|gradient| sum_of_squares(gradient.clone())).sum::<f64>().sqrt()
    }
}

/// Elements that are added up on the device. Sums of all rows go to the host, one for every so many elements.
const ROW: usize = 1024;

/// In rows of fixed length and then in f64. Burn 0.21's own `sum` is wrong on wgpu where a tensor is large: of 393,216
/// elements it adds up two thirds (`the_global_norm_is_that_in_f64` in `tests/wgpu/`).
fn sum_of_squares<B: Backend>(values: Tensor<B, 1>) -> f64 {
    let [n] = values.dims();
    let (rows, rest) = (n / ROW, n % ROW);
    let host = |data: burn::tensor::TensorData| data.iter::<f64>().sum::<f64>();
    let mut sum = 0.0;
    if rows > 0 {
        let whole = values.clone().slice([0..n - rest]).reshape([rows, ROW]);
        sum += host(whole.square().sum_dim(1).into_data());
    }
    if rest > 0 {
        sum += host(values.slice([n - rest..n]).square().into_data());
    }
    sum
}
