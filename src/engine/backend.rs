//! From a device's name to the backend that computes on it.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;

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
/// or after a look. Here a device becomes a type, and nowhere else but in `doctor::hardware`, which asks for more than a backend
/// knows.
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
        // What was said before is of other work.
        drop(overheard());
        let result = caught(|| {
            let one = Tensor::<B, 1>::ones([1], &device);
            (one.clone() + one).into_data().to_vec::<f32>()
        });
        let message = match result {
            Ok(Ok(sum)) if sum == [2.0] => return Ok(()),
            Ok(other) => format!("1 + 1 gave {other:?}"),
            // A runtime's thread knows why it ended, this one only that it did.
            Err(message) => overheard().unwrap_or(message),
        };
        Err(DeviceError::Unavailable { device: self.device, message })
    }
}

/// Works that are inside [`caught`] now.
static CAUGHT: AtomicUsize = AtomicUsize::new(0);
/// What [`overheard`] returns.
static OVERHEARD: Mutex<Option<String>> = Mutex::new(None);
thread_local!(static INSIDE: Cell<bool> = const { Cell::new(false) });

/// Does `work`, or returns what it panicked with: GPU runtimes panic where a driver is missing or a kernel does not compile.
/// Nothing is printed of such a panic, be it on this thread or on one of a runtime.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    // Set once and never taken back: work that does not come to its end must hold no one else up.
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !is_expected(info) {
                loud(info);
            }
        }));
    });
    let within_another = INSIDE.replace(true);
    CAUGHT.fetch_add(1, Ordering::SeqCst);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    CAUGHT.fetch_sub(1, Ordering::SeqCst);
    INSIDE.set(within_another);
    result.map_err(|payload| words(&*payload))
}

/// The first panic since this was last asked on a thread of a runtime, while some work was inside [`caught`]. A runtime that lost a
/// kernel so may never answer, and then nothing else tells why.
pub fn overheard() -> Option<String> {
    OVERHEARD.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Whether a panic is that of work inside [`caught`], or of a runtime that works for it.
fn is_expected(info: &PanicHookInfo) -> bool {
    if INSIDE.get() {
        return true;
    }
    // CubeCL names a device's thread so; other threads of runtimes, and rayon's, have no name.
    let thread = thread::current();
    let of_runtime = thread.name().is_none_or(|name| name.starts_with("DS"));
    let expected = of_runtime && CAUGHT.load(Ordering::SeqCst) > 0;
    if expected {
        let mut overheard = OVERHEARD.lock().unwrap_or_else(PoisonError::into_inner);
        overheard.get_or_insert_with(|| words(info.payload()));
    }
    expected
}

fn words(payload: &(dyn Any + Send)) -> String {
    let message = payload.downcast_ref::<String>().cloned();
    message
        .or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned()))
        .unwrap_or_else(|| "the driver failed without a message".into())
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

    /// Such work may never end.
    #[test]
    fn work_that_goes_on_holds_no_other_up() {
        let (release, held_up) = std::sync::mpsc::channel::<()>();
        let (here, reached) = std::sync::mpsc::channel();
        let other = thread::spawn(move || {
            caught(|| {
                here.send(()).unwrap();
                held_up.recv().is_err()
            })
        });
        reached.recv().unwrap();
        assert_eq!(caught(|| -> u8 { panic!("here") }), Err("here".to_owned()));
        drop(release);
        assert_eq!(other.join().unwrap(), Ok(true));
    }
}
