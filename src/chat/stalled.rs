//! For tests: models that say nothing.

use std::thread;
use std::time::{Duration, Instant};

use super::Listener;

/// Longest wait for an end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `listener`, which can only be asked, wants no more.
///
/// # Panics
///
/// Where it still wants more after half a minute.
pub(crate) fn until_stopped(listener: &mut dyn Listener) {
    let begun = Instant::now();
    while !listener.stopped() {
        assert!(begun.elapsed() < PATIENCE, "nobody stopped it");
        thread::sleep(Duration::from_millis(1));
    }
}
