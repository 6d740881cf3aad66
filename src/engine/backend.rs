//! From a device's name to the backend that computes on it.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, PoisonError};

use burn::tensor::Tensor;

use crate::engine::device::{Device, DeviceError};
use crate::kernels::KernelBackend;

/// Work that any backend can do.
pub trait OnBackend {
    /// What comes of it.
    type Output;

    /// Does it on `device`.
    fn on<B: KernelBackend>(self, device: B::Device) -> Self::Output;
}

/// Does `work` on the backend of `device`, once a small computation has shown that the machine has such a device.
pub fn on_device<W: OnBackend>(device: Device, work: W) -> Result<W::Output, DeviceError> {
    on_backend(device, Probe { device })??;
    on_backend(device, work)
}

/// Does `work` with the backend of `device` without looking whether the machine has such a device: for what computes nothing,
/// or after a look. Here and nowhere else a device becomes a type.
pub fn on_backend<W: OnBackend>(device: Device, work: W) -> Result<W::Output, DeviceError> {
    match device {
        Device::Cpu => Ok(work.on::<burn_flex::Flex>(burn_flex::FlexDevice)),
        #[cfg(feature = "wgpu")]
        Device::Wgpu => Ok(work.on::<burn_wgpu::Wgpu>(burn_wgpu::WgpuDevice::default())),
        #[cfg(feature = "cuda")]
        Device::Cuda(index) => Ok(work.on::<burn_cuda::Cuda>(burn_cuda::CudaDevice::new(index))),
        #[cfg(not(feature = "wgpu"))]
        Device::Wgpu => Err(DeviceError::NotBuilt { device, feature: "wgpu" }),
        #[cfg(not(feature = "cuda"))]
        Device::Cuda(_) => Err(DeviceError::NotBuilt { device, feature: "cuda" }),
    }
}

/// One small computation, which shows whether the machine has the device.
struct Probe {
    device: Device,
}

impl OnBackend for Probe {
    type Output = Result<(), DeviceError>;

    fn on<B: KernelBackend>(self, device: B::Device) -> Self::Output {
        let result = caught(|| {
            let one = Tensor::<B, 1>::ones([1], &device);
            (one.clone() + one).into_data().to_vec::<f32>()
        });
        let message = match result {
            Ok(Ok(sum)) if sum == [2.0] => return Ok(()),
            Ok(other) => format!("1 + 1 gave {other:?}"),
            Err(message) => message,
        };
        Err(DeviceError::Unavailable { device: self.device, message })
    }
}

/// Does `work`, or returns what it panicked with: GPU runtimes panic where a driver is missing or a kernel does not compile.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // The hook is the process's: of two threads that changed it at a time, one would leave the other's behind.
    static HOOK: Mutex<()> = Mutex::new(());
    thread_local!(static INSIDE: Cell<bool> = const { Cell::new(false) });
    let work = AssertUnwindSafe(work);
    let result = if INSIDE.replace(true) {
        panic::catch_unwind(work)
    } else {
        let _only = HOOK.lock().unwrap_or_else(PoisonError::into_inner);
        let loud = panic::take_hook();
        panic::set_hook(Box::new(|_| {}));
        let result = panic::catch_unwind(work);
        panic::set_hook(loud);
        INSIDE.set(false);
        result
    };
    result.map_err(|payload| {
        let message = payload.downcast_ref::<String>().cloned();
        message
            .or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned()))
            .unwrap_or_else(|| "the driver failed without a message".into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_message_also_within_another() {
        assert_eq!(caught(|| 1), Ok(1));
        let outer: Result<(), String> = caught(|| {
            let inner: Result<(), String> = caught(|| panic!("of {}", "text"));
            assert_eq!(inner, Err("of text".to_owned()));
            panic!("constant");
        });
        assert_eq!(outer, Err("constant".to_owned()));
    }
}
