//! How long work on a device takes.

use std::time::{Duration, Instant};

use crate::engine::backend::caught;
use crate::kernels::KernelBackend;

/// Time that repeats are spread over.
const BUDGET: Duration = Duration::from_millis(300);
/// Repeats at least.
const REPEATS: usize = 3;
/// A repeat is as many calls as take so long: waiting for the device is then little of it.
const REPEAT_SECONDS: f64 = 5e-3;
/// Calls of a repeat at most: each has an input of its own.
const CALLS: usize = 16;

/// The median time of `run` on an input that `make` gives, which is not timed; or what went wrong.
///
/// The device works in the background, so a repeat begins when it has nothing to do, and ends when it has nothing left to do.
pub(super) fn seconds<B: KernelBackend, I, O>(
    device: &B::Device,
    make: impl Fn() -> I,
    run: impl Fn(I) -> O,
) -> Result<f64, String> {
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
        // Kernels may be chosen again for memory that is reused.
        repeat(calls)?;
        let (begun, mut all) = (Instant::now(), Vec::new());
        while all.len() < REPEATS || begun.elapsed() < BUDGET {
            all.push(repeat(calls)?);
        }
        all.sort_by(f64::total_cmp);
        Ok(all[all.len() / 2])
    })
    .and_then(|seconds| seconds)
}
