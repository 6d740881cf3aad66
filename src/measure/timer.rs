//! How long work on a device takes.

use std::time::{Duration, Instant};

use crate::engine::backend::caught;
use crate::kernels::KernelBackend;

/// A repeat is as many calls as take so long: waiting for the device is then little of it.
const REPEAT_SECONDS: f64 = 5e-3;
/// Calls of a repeat at most: each has an input of its own.
const CALLS: usize = 16;

/// How often work is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    /// Repeats at least.
    pub repeats: usize,
    /// Repeats go on until they took so long together.
    pub budget: Duration,
}

/// Seconds of one call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Times {
    /// The median of the repeats.
    pub median: f64,
    /// The shortest.
    pub fastest: f64,
    /// The longest.
    pub slowest: f64,
}

impl Timer {
    /// For an examination: no longer than is needed.
    pub const SHORT: Self = Self { repeats: 3, budget: Duration::from_millis(300) };

    /// So many repeats, and no more.
    pub fn exactly(repeats: usize) -> Self {
        Self { repeats, budget: Duration::ZERO }
    }

    /// The times of `run` on an input that `make` gives, which is not timed; or what went wrong.
    ///
    /// The device works in the background, so a repeat begins when it has nothing to do, and ends when it has nothing left to do.
    pub(super) fn times<B: KernelBackend, I, O>(
        self,
        device: &B::Device,
        make: impl Fn() -> I,
        run: impl Fn(I) -> O,
    ) -> Result<Times, String> {
        let repeat = |calls: usize| -> Result<f64, String> {
            let inputs: Vec<I> = (0..calls).map(|_| make()).collect();
            let wait = || B::sync(device).map_err(|error| error.to_string());
            wait()?;
            let start = Instant::now();
            for input in inputs {
                run(input);
            }
            wait()?;
            Ok(start.elapsed().as_secs_f64() / calls as f64)
        };
        caught(|| {
            // The first compiles kernels and chooses among them.
            repeat(1)?;
            let once = repeat(1)?;
            let calls = (REPEAT_SECONDS / once).ceil().clamp(1.0, CALLS as f64) as usize;
            if calls > 1 {
                // Kernels may be chosen again for memory that is reused.
                repeat(calls)?;
            }
            let (begun, mut all) = (Instant::now(), Vec::new());
            while all.len() < self.repeats.max(1) || begun.elapsed() < self.budget {
                all.push(repeat(calls)?);
            }
            all.sort_by(f64::total_cmp);
            Ok(Times { median: all[all.len() / 2], fastest: all[0], slowest: all[all.len() - 1] })
        })
        .and_then(|times| times)
    }
}
