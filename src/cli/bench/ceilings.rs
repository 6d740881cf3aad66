//! What a device does at best, for the speed of whole models to be held against.

use std::cell::RefCell;
use std::error::Error;

use burn::tensor::DType;

use crate::engine::Device;
use crate::engine::backend::{OnBackend, on_device};
use crate::engine::measure::Ceilings;
use crate::kernels::{KernelBackend, ceiling};
use crate::measure::figure::{Ceiling, Figure, Reference};
use crate::measure::{Plan, Shapes, Timer, Watch, measure};

/// Ceilings of `device` for activations in `compute`: on the CPU reads of memory and multiply-adds in f32, on a GPU copies of memory
/// and products of large matrices.
pub(super) fn ceilings(device: Device, compute: DType) -> Result<Ceilings, Box<dyn Error>> {
    if device == Device::Cpu {
        return Ok(Ceilings {
            gigabytes_per_second: ceiling::read_bandwidth() / 1e9,
            gigaflops: ceiling::arithmetic_rate() / 1e9,
        });
    }
    let found = on_device(device, Gpu { name: device, compute })?;
    let rate = |unit: &str| -> Result<f64, Box<dyn Error>> {
        let ceiling = found.iter().find(|it| it.unit == unit);
        let problem = |it: &Ceiling| it.problem.clone().unwrap_or_default();
        match ceiling.map(|it| it.rate.ok_or_else(|| problem(it))) {
            Some(Ok(rate)) => Ok(rate),
            Some(Err(problem)) => {
                Err(format!("{device}: its {unit} could not be measured: {problem}").into())
            }
            None => Err(format!("{device}: its {unit} was not measured").into()),
        }
    };
    Ok(Ceilings { gigabytes_per_second: rate("GB/s")?, gigaflops: rate("TFLOP/s")? * 1e3 })
}

struct Gpu {
    name: Device,
    compute: DType,
}

impl OnBackend for Gpu {
    type Output = Vec<Ceiling>;

    fn on<B: KernelBackend>(self, device: B::Device) -> Vec<Ceiling> {
        let plan = Plan {
            device: self.name,
            kernels: Vec::new(),
            shapes: Shapes::few(self.name),
            dtypes: vec![self.compute],
            timer: Timer::SHORT,
            reference_bytes: None,
        };
        let found = Found(RefCell::default());
        measure::<B>(&plan, &device, &found);
        found.0.into_inner()
    }
}

struct Found(RefCell<Vec<Ceiling>>);

impl Watch for Found {
    fn step(&self, _: String, _: usize, _: usize) {}

    fn ceiling(&self, ceiling: Ceiling) {
        self.0.borrow_mut().push(ceiling);
    }

    fn figure(&self, _: Figure, _: Option<Reference>) {}
}
