//! Every operation of [`KernelBackend`] on a device, beside the same in f64 on the host.

mod attention;
mod cached;
mod divergence;
mod head;
mod loss;
mod masked;
mod products;
mod rows;
mod sampling;

use std::borrow::Borrow;
use std::marker::PhantomData;
use std::ops::Range;

use burn::tensor::DType;

use super::compare::{logarithm_error, relative_error};
use super::findings::{Finding, Findings};
use super::inputs::Grain;
use super::report::{Check, Features};
use super::{dtype_name, floats};
use crate::engine::backend::caught;
use crate::kernels::KernelBackend;

/// The most that a result in f32 may be wrong by: some hundred roundings.
const F32: f64 = 1e-5;
/// In f16 and bf16: four roundings to the 8 bits of bf16.
const HALF: f64 = 1e-2;
/// Of a matrix product in f32 whose inputs are rounded to the 11 bits of tf32.
const TF32: f64 = 1e-3;

/// What a result should be.
struct Expected {
    /// Which of the operation's results.
    output: &'static str,
    /// Its values.
    values: Vec<f64>,
    /// Parts that are to be right each for itself.
    parts: Vec<Range<usize>>,
    /// The size that the values count as at least.
    least: f64,
    /// Whether each value is a logarithm, to be right by itself.
    logarithms: bool,
}

impl Expected {
    /// Rows of `width` elements.
    fn rows(output: &'static str, values: Vec<f64>, width: usize) -> Self {
        let parts = (0..values.len()).step_by(width.max(1)).map(|at| at..at + width).collect();
        Self::parts(output, values, parts)
    }

    fn parts(output: &'static str, values: Vec<f64>, parts: Vec<Range<usize>>) -> Self {
        Self { output, values, parts, least: 0.0, logarithms: false }
    }

    /// A gradient of rows of `width` elements that is the sum of terms whose norm is `terms`, a tenth of which it counts as at least: one
    /// that cancels has no digits of its own.
    fn gradient(output: &'static str, values: Vec<f64>, width: usize, terms: f64) -> Self {
        Self { least: 0.1 * terms, ..Self::rows(output, values, width) }
    }

    fn whole(output: &'static str, values: Vec<f64>) -> Self {
        Self::parts(output, values, Vec::new())
    }

    /// Log-probs and the like, one a row.
    fn logarithms(output: &'static str, values: Vec<f64>) -> Self {
        Self { logarithms: true, ..Self::whole(output, values) }
    }

    fn error(&self, found: &[f32]) -> f64 {
        if self.logarithms {
            return logarithm_error(found, &self.values);
        }
        relative_error(found, &self.values, &self.parts, self.least)
    }
}

/// Checks on one device.
pub(super) struct Parity<'a, B: KernelBackend> {
    device: B::Device,
    dtypes: Vec<DType>,
    tf32: bool,
    findings: &'a Findings,
    backend: PhantomData<B>,
}

impl<'a, B: KernelBackend> Parity<'a, B> {
    pub fn new(device: B::Device, features: &Features, findings: &'a Findings) -> Self {
        let (dtypes, tf32) = (floats::<B>(&device), features.products_in_tf32);
        Self { device, dtypes, tf32, findings, backend: PhantomData }
    }

    /// All of them.
    pub fn all(mut self) {
        self.products();
        self.rows();
        self.loss();
        self.head();
        self.masked();
        self.divergence();
        self.sampling();
        self.attention();
        self.cached();
    }

    /// The types that are given numbers of a grain.
    fn of(&self, grain: Grain) -> Vec<DType> {
        self.dtypes.iter().copied().filter(|&dtype| Grain::of(dtype) == grain).collect()
    }

    /// The types that hold numbers of a grain exactly, with the numbers that they are given: f32 by itself, the others together.
    fn grains(&self) -> Vec<(Grain, Vec<DType>)> {
        let all = [Grain::Fine, Grain::Coarse].map(|grain| (grain, self.of(grain)));
        all.into_iter().filter(|(_, dtypes)| !dtypes.is_empty()).collect()
    }

    /// Does `run`, whose results are to be `expected`, in order.
    fn check(
        &mut self,
        op: &'static str,
        case: &str,
        dtype: DType,
        expected: &[impl Borrow<Expected>],
        run: impl FnOnce(&B::Device) -> Vec<Vec<f32>>,
    ) {
        self.check_within(bound(dtype), op, case, dtype, expected, run);
    }

    /// [`Self::check`] of an operation that multiplies with the device's matrix product ([`KernelBackend::product`]), not within a
    /// kernel of osler's own.
    fn check_product(
        &mut self,
        op: &'static str,
        case: &str,
        dtype: DType,
        expected: &[Expected],
        run: impl FnOnce(&B::Device) -> Vec<Vec<f32>>,
    ) {
        let rounded = self.tf32 && dtype == DType::F32;
        let bound = if rounded { TF32 } else { bound(dtype) };
        self.check_within(bound, op, case, dtype, expected, run);
    }

    fn check_within(
        &mut self,
        bound: f64,
        op: &'static str,
        case: &str,
        dtype: DType,
        expected: &[impl Borrow<Expected>],
        run: impl FnOnce(&B::Device) -> Vec<Vec<f32>>,
    ) {
        self.findings.step(format!("{op}, {case}, {}", dtype_name(dtype)));
        let device = &self.device;
        let found = caught(|| run(device));
        for check in judge(found, expected, bound, (op, case, dtype)) {
            self.findings.tell(Finding::Check(check));
        }
    }
}

/// The most that a result may be wrong by whose inputs are in `dtype`.
fn bound(dtype: DType) -> f64 {
    if dtype == DType::F32 { F32 } else { HALF }
}

/// One check for each expected result.
fn judge<E: Borrow<Expected>>(
    found: Result<Vec<Vec<f32>>, String>,
    expected: &[E],
    bound: f64,
    (op, case, dtype): (&'static str, &str, DType),
) -> Vec<Check> {
    let check = |(index, expected): (usize, &E)| {
        let expected = expected.borrow();
        let (error, problem) = match &found {
            Err(problem) => (f64::NAN, Some(problem.clone())),
            Ok(found) => {
                let found = found.get(index).map_or(&[][..], |values| values);
                let lengths = (found.len(), expected.values.len());
                let problem = (lengths.0 != lengths.1)
                    .then(|| format!("gave {} values, {} are right", lengths.0, lengths.1));
                (expected.error(found), problem)
            }
        };
        Check {
            op,
            output: expected.output,
            case: case.to_owned(),
            dtype: dtype_name(dtype),
            error: error.is_finite().then_some(error),
            bound,
            // Written so that what is no number fails.
            held: error <= bound,
            problem,
        }
    };
    expected.iter().enumerate().map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(found: Result<Vec<Vec<f32>>, String>) -> Vec<Check> {
        let expected = [Expected::rows("y", vec![1.0, 2.0, 3.0, 4.0], 2), Expected::whole("sum", vec![10.0])];
        judge(found, &expected, F32, ("op", "case", DType::F32))
    }

    fn held(found: Vec<Vec<f32>>) -> Vec<bool> {
        verdicts(Ok(found)).iter().map(|check| check.held).collect()
    }

    #[test]
    fn each_result_is_judged_by_itself() {
        let right = vec![1.0, 2.0, 3.0, 4.0];
        assert_eq!(held(vec![right.clone(), vec![10.0]]), [true, true]);
        assert_eq!(held(vec![right.clone(), vec![10.001]]), [true, false]);
        assert_eq!(held(vec![vec![1.0, 2.001, 3.0, 4.0], vec![10.0]]), [false, true]);
        assert_eq!(held(vec![right.clone(), vec![f32::NAN]]), [true, false]);
        // A row in another's place.
        assert_eq!(held(vec![vec![3.0, 4.0, 1.0, 2.0], vec![10.0]]), [false, true]);
        assert_eq!(held(vec![right]), [true, false], "a result that is missing");
        assert_eq!(held(vec![vec![1.0, 2.0, 3.0], vec![10.0]]), [false, true], "one that is short");
    }

    #[test]
    fn an_operation_that_fails_fails_all_its_checks_and_says_why() {
        let checks = verdicts(Err("no such kernel".into()));
        assert_eq!(checks.len(), 2);
        for check in checks {
            assert!(!check.held && check.error.is_none());
            assert_eq!(check.problem.as_deref(), Some("no such kernel"));
        }
    }
}
