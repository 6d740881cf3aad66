//! Gradients: the CPU kernels' against the plain references, the decoder's against finite differences for every
//! architecture, AdamW against torch.

mod adamw;
mod autodiff;
mod bf16;
mod decoder;
mod kernels;
#[path = "../support/mod.rs"]
mod support;

use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use support::max_diff;

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
