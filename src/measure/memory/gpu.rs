//! Memory of a GPU, as its runtime counts it: what is in use, asked all the time by a thread of its own, and what is reserved at the
//! end. A peak that is shorter than the time between two askings may be missed in the first, and not in the second.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::{MemoryError, Sizes, Subject, Taken};
use crate::engine::Device;
use crate::engine::backend::{OnBackend, caught};
use crate::kernels::{KernelBackend, MemoryMeter};

/// Between two askings.
const PAUSE: Duration = Duration::from_micros(100);

/// What `subject` takes.
pub(super) struct Measured {
    pub subject: Subject,
    pub device: Device,
}

impl OnBackend for Measured {
    type Output = Result<Taken, MemoryError>;

    fn on<B: KernelBackend>(self, device: B::Device) -> Self::Output {
        let Self { subject, device: name } = self;
        let failed = |message: String| MemoryError::Failed { device: name, message };
        let told = |meter: &MemoryMeter| meter().ok_or(MemoryError::NotTold(name));
        let run = || -> Result<Sizes, MemoryError> {
            let done = caught(|| (subject.run::<B>(&device), B::sync(&device)));
            let (sizes, end) = done.map_err(failed)?;
            end.map_err(|error| failed(error.to_string()))?;
            Ok(sizes)
        };
        // Kernels are compiled and chosen among in a first run, which takes memory of its own.
        run()?;
        B::memory_cleanup(&device);
        let meters = B::memory_meter(&device).zip(B::memory_meter(&device));
        let (meter, asking) = meters.ok_or(MemoryError::NotTold(name))?;
        let before = told(&meter)?;
        let done = AtomicBool::new(false);
        let (sizes, peak) = thread::scope(|scope| {
            let done = &done;
            let asked = scope.spawn(move || {
                let mut peak = 0;
                while !done.load(Ordering::Acquire) {
                    peak = asking().map_or(peak, |usage| peak.max(usage.in_use));
                    thread::sleep(PAUSE);
                }
                peak
            });
            let sizes = run();
            done.store(true, Ordering::Release);
            (sizes, asked.join())
        });
        let Sizes { inputs_bytes, gradients_bytes } = sizes?;
        let after = told(&meter)?;
        let peak = peak.map_err(|_| failed("the thread that asked for the memory in use panicked".into()))?;
        let there = inputs_bytes + gradients_bytes;
        Ok(Taken {
            inputs_bytes,
            gradients_bytes,
            above_bytes: peak.saturating_sub(before.in_use + there),
            reserved_above_bytes: Some(after.reserved.saturating_sub(before.reserved + there)),
        })
    }
}
