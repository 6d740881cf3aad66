//! Generated cases of attention and of the head's loss on any device, beside f64 arithmetic on the host.
//!
//! An error is the distance from the f64 result in the Euclidean norm, relative to that result's: of a whole tensor, and of each
//! segment or row with at least its share of the whole ([`relative_error`]). Two kinds of results need not be right to the last
//! digits of their own size. Logarithms count as at least 1 an element: what is made of them is their exponential; log-probs,
//! entropies and divergences are measured one by one ([`logarithm_error`]). Gradients count
//! as at least a tenth of the terms that they are sums of (`Terms` in `osler::doctor::exact`): one that cancels to nothing, as
//! that of a query with a single key, is right to the last digits of what cancels. Where a value is no number no bound holds.
#![allow(dead_code)]

pub mod attention;
pub mod cached;
pub mod head;

use std::cell::Cell;
use std::ops::Range;

use burn::tensor::DType;
use osler::doctor::compare::{logarithm_error, relative_error};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// The most that a result may be wrong by in `dtype`.
pub fn bound(dtype: DType) -> f64 {
    if dtype == DType::F32 { 1e-5 } else { 1e-2 }
}

/// A way to hold tensors, and what may be expected of results then.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    pub dtype: DType,
    pub bound: f64,
}

impl Held {
    /// In a type that is computed in, too.
    pub fn new(dtype: DType) -> Self {
        Self { dtype, bound: bound(dtype) }
    }
}

/// What a result should be, and how it is measured.
pub struct Wanted<'a> {
    pub name: &'static str,
    pub values: &'a [f64],
    /// Parts that are to be right each for itself.
    pub parts: Vec<Range<usize>>,
    /// The size that the values count as at least.
    pub least: f64,
    /// Whether each is a logarithm that is to be right by itself.
    pub logarithms: bool,
}

impl<'a> Wanted<'a> {
    /// A result that is measured by its own size.
    pub fn new(name: &'static str, values: &'a [f64], parts: Vec<Range<usize>>) -> Self {
        Self { name, values, parts, least: 0.0, logarithms: false }
    }

    /// Logarithms, each by itself.
    pub fn logarithms(name: &'static str, values: &'a [f64]) -> Self {
        Self { logarithms: true, ..Self::new(name, values, Vec::new()) }
    }

    /// Logarithms of numbers that were rounded before, or that cancel in one of many, as scores do.
    pub fn logarithms_together(name: &'static str, values: &'a [f64]) -> Self {
        Self { least: (values.len() as f64).sqrt(), ..Self::new(name, values, Vec::new()) }
    }

    /// A gradient that is the sum of `terms`.
    pub fn gradient(name: &'static str, values: &'a [f64], parts: Vec<Range<usize>>, terms: f64) -> Self {
        Self { least: 0.1 * terms, ..Self::new(name, values, parts) }
    }

    /// That `found` is this within `bound`.
    pub fn check(&self, by: &str, found: &[f32], bound: f64) -> Result<(), TestCaseError> {
        prop_assert_eq!(found.len(), self.values.len(), "{}, {}", by, self.name);
        prop_assert!(found.iter().all(|x| x.is_finite()), "{by}, {}: not finite", self.name);
        let error = if self.logarithms {
            logarithm_error(found, self.values)
        } else {
            relative_error(found, self.values, &self.parts, self.least)
        };
        // Written so that what is no number fails.
        prop_assert!(error <= bound, "{by}, {}: wrong by {error:.2e}, allowed are {bound:.2e}", self.name);
        Ok(())
    }
}

/// Rows of `width` elements.
pub fn rows(count: usize, width: usize) -> Vec<Range<usize>> {
    (0..count).map(|row| row * width..(row + 1) * width).collect()
}

/// Runs `test` on `cases` values of `strategy`, the same ones every time.
pub fn run<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, rng).run(&strategy, test).unwrap();
}

/// How many cases had what, so that a generator that no longer makes it fails.
#[derive(Default)]
pub struct Seen(Cell<u32>);

impl Seen {
    pub fn add(&self, it: bool) {
        self.0.set(self.0.get() + u32::from(it));
    }

    pub fn at_least(&self, count: u32, what: &str) {
        assert!(self.0.get() >= count, "{} cases had {what}, there should be {count}", self.0.get());
    }
}
