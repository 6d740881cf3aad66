//! Whether a device computes what it should, and how fast: every operation of [`KernelBackend`] beside f64 arithmetic on the
//! host, and the time of each beside what the device can do at best.

mod compare;
mod features;
mod inputs;
mod parity;
pub mod report;
mod speed;

use burn::tensor::DType;

use crate::engine::backend::{OnBackend, caught, on_device};
use crate::engine::{Device, DeviceError};
use crate::kernels::KernelBackend;
use features::features;
use parity::Parity;
use report::DeviceReport;

/// Every device that could be here: those whose backend is not built in are among them, so that a report can say so.
pub fn devices() -> Vec<Device> {
    let cuda = on_device(Device::Cuda(0), Count).map_or(1, |count| count.max(1));
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

/// Examines `device`; `bench` says whether it is timed as well, `say` is told what is being done.
pub fn examine(device: Device, bench: bool, say: &mut dyn FnMut(&str)) -> DeviceReport {
    let named = &mut |step: &str| say(&format!("{device}: {step}"));
    match on_device(device, Examination { device, bench, say: named }) {
        Ok(report) => report,
        Err(error) => DeviceReport::absent(device, &error),
    }
}

struct Examination<'a> {
    device: Device,
    bench: bool,
    say: &'a mut dyn FnMut(&str),
}

impl OnBackend for Examination<'_> {
    type Output = DeviceReport;

    fn on<B: KernelBackend>(self, device: B::Device) -> DeviceReport {
        let Self { device: name, bench, say } = self;
        let features = features::<B>(&device);
        let checks = Parity::<B>::new(device.clone(), &features, say).all();
        let speed = if bench { Some(speed::measure::<B>(name, &device, say)) } else { None };
        DeviceReport::present(name, B::name(&device), features, checks, speed)
    }
}

/// The name of a float type, as commands write it.
fn dtype_name(dtype: DType) -> &'static str {
    match dtype {
        DType::F16 => "f16",
        DType::BF16 => "bf16",
        _ => "f32",
    }
}
