//! The memory that training takes above its inputs and gradients, on the CPU.
//!
//! Each subject is measured in a process of its own, so that nothing freed by another one is used again: `above` is the largest
//! resident set (`VmHWM`) less what the process had before it began, less the bytes of inputs and gradients. Outputs, scratch,
//! what the allocator keeps, and pages of code that were read count as above. Linux alone tells; it counts in pages, for
//! each processor apart, so a figure is good to about a megabyte.

mod bound;
mod subject;
mod work;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::engine::Device;
use crate::train::run::resident;
pub use bound::{Bound, bounds};
pub use subject::{HEADS, Subject, UnknownSubject};
pub use work::{Sizes, attention, grpo_loss};

/// Why memory cannot be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MemoryError {
    /// The system keeps no count of the largest resident set.
    #[error("the peak of memory is not measurable on this system: /proc/self/status with VmHWM is Linux's")]
    NotMeasurable,
    /// The device is not the CPU.
    #[error("memory is measured on the CPU only, not on `{0}`")]
    Device(Device),
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
        return Err(MemoryError::Device(device));
    }
    resident().map(|_| ()).ok_or(MemoryError::NotMeasurable)
}

/// Does what `subject` says and returns what it took. Right only in a process that has done nothing large before.
pub fn measure(subject: Subject) -> Result<Taken, MemoryError> {
    let before = resident().ok_or(MemoryError::NotMeasurable)?.now;
    let Sizes { inputs_bytes, gradients_bytes } = subject.run();
    let peak = resident().ok_or(MemoryError::NotMeasurable)?.peak;
    let above_bytes = peak.saturating_sub(before + inputs_bytes + gradients_bytes);
    Ok(Taken { inputs_bytes, gradients_bytes, above_bytes })
}
