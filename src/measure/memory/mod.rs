//! The memory that training takes above its inputs and gradients.
//!
//! Each subject is measured in a process of its own, so that nothing freed by another one is used again. On the CPU `above` is the
//! largest resident set (`VmHWM`) less what the process had before it began, less the bytes of inputs and gradients. Outputs, scratch,
//! what the allocator keeps, and pages of code that were read count as above. Linux alone tells; it counts in pages, for
//! each processor apart, so a figure is good to about a megabyte. On GPUs the runtime is asked (`gpu.rs`).

mod bound;
mod gpu;
mod subject;
mod work;

use burn_flex::{Flex, FlexDevice};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::engine::backend::{OnBackend, on_device};
use crate::engine::{Device, DeviceError};
use crate::kernels::KernelBackend;
use crate::train::run::resident;
pub use bound::{Bound, bounds};
pub use subject::{HEADS, Subject, UnknownSubject};
pub use work::{GrpoLoss, Sizes, attention, grpo_loss};

/// Why memory cannot be measured.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum MemoryError {
    /// The system keeps no count of the largest resident set.
    #[error("the peak of memory is not measurable on this system: /proc/self/status with VmHWM is Linux's")]
    NotMeasurable,
    /// The device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The device's runtime does not tell.
    #[error("the runtime of `{0}` does not tell how much of its memory is in use")]
    NotTold(Device),
    /// What was measured did not come to its end.
    #[error("on `{device}`: {message}")]
    Failed {
        /// Where.
        device: Device,
        /// What it said.
        message: String,
    },
}

/// What one subject took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Bytes of the inputs.
    pub inputs_bytes: u64,
    /// Bytes of the gradients.
    pub gradients_bytes: u64,
    /// The peak above both, in bytes.
    pub above_bytes: u64,
    /// What the runtime of a GPU had taken from the device at the end, above both: for tensors and for later ones, in whole pages. It
    /// gives nothing back meanwhile, so no peak was higher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved_above_bytes: Option<u64>,
}

/// One subject's place in a report.
#[derive(Debug, Clone, Serialize)]
pub struct MemoryFigure {
    /// The subject's name.
    pub subject: String,
    /// What it is, in words.
    pub case: String,
    /// What it took; `None` where it was not measured.
    pub taken: Option<Taken>,
    /// Why it was not.
    pub problem: Option<String>,
}

/// Checks that memory can be measured on `device`.
pub fn check(device: Device) -> Result<(), MemoryError> {
    if device != Device::Cpu {
        return if on_device(device, Told)? { Ok(()) } else { Err(MemoryError::NotTold(device)) };
    }
    resident().map(|_| ()).ok_or(MemoryError::NotMeasurable)
}

/// Whether a backend's runtime tells.
struct Told;

impl OnBackend for Told {
    type Output = bool;

    fn on<B: KernelBackend>(self, device: B::Device) -> bool {
        B::memory_meter(&device).is_some()
    }
}

/// Does what `subject` says on `device` and returns what it took. Right only in a process that has done nothing large before.
pub fn measure(subject: Subject, device: Device) -> Result<Taken, MemoryError> {
    if device != Device::Cpu {
        return on_device(device, gpu::Measured { subject, device })?;
    }
    let before = resident().ok_or(MemoryError::NotMeasurable)?.now;
    let Sizes { inputs_bytes, gradients_bytes } = subject.run::<Flex>(&FlexDevice);
    let peak = resident().ok_or(MemoryError::NotMeasurable)?.peak;
    let above_bytes = peak.saturating_sub(before + inputs_bytes + gradients_bytes);
    Ok(Taken { inputs_bytes, gradients_bytes, above_bytes, reserved_above_bytes: None })
}
