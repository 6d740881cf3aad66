//! Whether a device computes what it should, and how fast: every operation of [`KernelBackend`] beside f64 arithmetic on the
//! host, and the time of each beside what the device can do at best.

pub mod compare;
mod driver;
pub mod exact;
mod examination;
mod features;
mod findings;
mod follow;
mod hardware;
pub mod inputs;
mod parity;
pub mod report;

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use burn::tensor::DType;

use crate::engine::Device;
use crate::engine::backend::{OnBackend, caught, on_device};
use crate::kernels::KernelBackend;
use crate::measure::floats::{dtype_name, floats};
use crate::measure::{Kernel, Plan, Shapes, Timer, measure};
use driver::driver;
use examination::Examination;
use features::features;
use findings::{Finding, Findings};
pub use follow::Follow;
use follow::LOOK;
use hardware::hardware;
use parity::Parity;
use report::DeviceReport;

/// Every device that could be here: those whose backend is not built in are among them, so that a report can say so.
///
/// CUDA's are counted by its driver. If that takes longer than `patience` or does not work the first is taken, whose examination
/// will then say what is wrong. So it is where `stopped` wants no more.
pub fn devices(patience: Duration, stopped: impl Fn() -> bool) -> Vec<Device> {
    let (sender, counted) = mpsc::channel();
    // A thread that cannot be had leaves the channel without a sender.
    let _ = thread::Builder::new().name("count-devices".into()).spawn(move || {
        // Whoever gave up does not want to know.
        let _ = sender.send(on_device(Device::Cuda(0), Count));
    });
    let begun = Instant::now();
    let count = loop {
        match counted.recv_timeout(patience.saturating_sub(begun.elapsed()).min(LOOK)) {
            Err(RecvTimeoutError::Timeout) if begun.elapsed() < patience && !stopped() => (),
            counted => break counted.ok(),
        }
    };
    let cuda = count.and_then(Result::ok).unwrap_or(1).max(1);
    [Device::Cpu, Device::Wgpu].into_iter().chain((0..cuda).map(Device::Cuda)).collect()
}

/// Devices of the kind that the backend runs on.
struct Count;

impl OnBackend for Count {
    type Output = usize;

    fn on<B: KernelBackend>(self, _: B::Device) -> usize {
        // Type 0 is that of CUDA devices, the only ones that are counted.
        caught(|| B::device_count(0)).unwrap_or(1)
    }
}

/// Examines `device`; `bench` says whether it is timed as well, `follow` is told what is being done. A device that takes longer than
/// `patience` for one step is given up, and so is one of which `follow` wants no more: the report has what was found so far, and the
/// step.
pub fn examine(device: Device, bench: bool, patience: Duration, follow: &mut dyn Follow) -> DeviceReport {
    let work = move |findings: &Findings| {
        if let Some(driver) = driver(device) {
            findings.tell(Finding::Driver(driver));
        }
        on_device(device, Everything { device, bench, findings })
    };
    Examination::begin(device, work).report(patience, follow)
}

/// What an examination does.
struct Everything<'a> {
    device: Device,
    bench: bool,
    findings: &'a Findings,
}

impl OnBackend for Everything<'_> {
    type Output = ();

    fn on<B: KernelBackend>(self, device: B::Device) {
        let Self { device: name, bench, findings } = self;
        findings.step("asking what it can do");
        findings.tell(Finding::Backend(B::name(&device)));
        if let Some(hardware) = hardware(name) {
            findings.tell(Finding::Hardware(hardware));
        }
        let features = features::<B>(&device);
        findings.tell(Finding::Features(features.clone()));
        Parity::<B>::new(device.clone(), &features, findings).all();
        if bench {
            // The CPU computes in f32 whatever it is given.
            let timed = |dtype| dtype == DType::F32 || dtype == DType::BF16 && name != Device::Cpu;
            let plan = Plan {
                device: name,
                kernels: Kernel::ALL.to_vec(),
                shapes: Shapes::few(name),
                dtypes: floats::<B>(&device).into_iter().filter(|&it| timed(it)).collect(),
                timer: Timer::SHORT,
                reference_bytes: None,
            };
            measure::<B>(&plan, &device, findings);
        }
    }
}
