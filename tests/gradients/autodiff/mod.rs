//! The kernels under burn's autodiff: beside burn's own gradients of the plain formulas, and beside the trainer's of a layer and
//! of whole decoders.

mod decoder;
mod head;
mod operations;

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::{CheckpointStrategy, NoCheckpointing};
use burn::tensor::Tensor;
use burn_flex::Flex;

use crate::values;

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
