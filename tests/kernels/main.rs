//! The CPU kernels against the plain references and against f64, over shapes that fit no vector, and against
//! themselves: a row's bits must not depend on the rows beside it.

mod attending;
#[path = "../support/parity/mod.rs"]
mod parity;
mod pointwise;
mod precision;
mod products;
mod torch;

use std::ops::Range;

use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use half::bf16;
use osler::kernels::quantised::{Activations, BlockType, DeviceBlocks, QuantisedMatrix};
use osler::kernels::{
    AttentionShape, AttentionSpan, BLOCK_TOKENS, KernelBackend, LinearWeights, Matrix, Segment, activation,
    attention, linear, norm, rotary,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Largest error against f64, relative to the sum of the magnitudes that were added up.
const TOLERANCE: f64 = 1e-5;

/// Numbers without a pattern: the same seed gives the same ones.
struct Noise(u64);

impl Noise {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.word() % end as u64) as usize
    }

    /// `count` values between `-scale` and `scale`.
    fn values(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| ((self.word() >> 40) as f32 * (-23.0f32).exp2() - 1.0) * scale).collect()
    }

    /// `count` whole numbers between `-most` and `most`.
    fn integers(&mut self, count: usize, most: usize) -> Vec<f32> {
        (0..count).map(|_| self.below(2 * most + 1) as f32 - most as f32).collect()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

fn tensor<const D: usize>(values: &[f32], dims: [usize; D]) -> Tensor<Flex, D> {
    Tensor::from_data(TensorData::new(values.to_vec(), dims), (&FlexDevice, DType::F32))
}

fn values<const D: usize>(x: Tensor<Flex, D>) -> Vec<f32> {
    assert_eq!(x.dtype(), DType::F32);
    x.into_data().to_vec().unwrap()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// An exact result and the magnitude that its rounding is measured by.
#[derive(Clone, Copy)]
struct Exact {
    value: f64,
    magnitude: f64,
}

fn check(what: &str, found: &[f32], exact: &[Exact]) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.len(), exact.len(), "{}", what);
    for (i, (found, exact)) in found.iter().zip(exact).enumerate() {
        let error = (f64::from(*found) - exact.value).abs();
        // Written so that NaN fails.
        let close = error <= TOLERANCE * exact.magnitude;
        prop_assert!(close, "{what}[{i}] is {found:e}, exactly {:e} of {:e}", exact.value, exact.magnitude);
    }
    Ok(())
}

fn run<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, rng).run(&strategy, test).unwrap();
}

/// Rows of a batch; 5, 7 and 13 leave a rest behind every tile height.
fn rows() -> impl Strategy<Value = usize> {
    prop_oneof![1usize..=70, prop::sample::select(vec![1usize, 5, 6, 7, 13])]
}
