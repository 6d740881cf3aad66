//! Time and chance, so that tests need to wait for neither.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::transport::LOOK;
use crate::chat::error::ChatError;
use crate::chat::model::Listener;

/// What waiting between requests needs to know.
pub trait Clock: Send + Sync {
    /// Now, for measuring.
    fn now(&self) -> Instant;
    /// Now, as calendars have it.
    fn date(&self) -> SystemTime;
    /// Waits.
    fn sleep(&self, time: Duration);
    /// A number drawn evenly from 0 to 1, without 1.
    fn draw(&self) -> f64;
}

/// Waits for so long by `clock`, unless `listener` stops it.
pub(in crate::chat) fn wait(
    clock: &dyn Clock,
    mut left: Duration,
    listener: &mut dyn Listener,
) -> Result<(), ChatError> {
    while !left.is_zero() {
        if listener.stopped() {
            return Err(ChatError::Stopped);
        }
        let piece = left.min(LOOK);
        clock.sleep(piece);
        left -= piece;
    }
    Ok(())
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn date(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, time: Duration) {
        thread::sleep(time);
    }

    /// Spreads clients over time and decides nothing else, so the standard library's random keys are chance enough.
    fn draw(&self) -> f64 {
        let bits = RandomState::new().build_hasher().finish();
        // 53 bits fill an f64 between 0 and 1 evenly.
        (bits >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_spread_over_the_unit_interval() {
        let draws: Vec<f64> = (0..1000).map(|_| SystemClock.draw()).collect();
        assert!(draws.iter().all(|it| (0.0..1.0).contains(it)));
        let mean = draws.iter().sum::<f64>() / 1000.0;
        // The mean of 1000 even draws has a standard deviation of 0.009.
        assert!((mean - 0.5).abs() < 0.06, "{mean}");
    }
}
